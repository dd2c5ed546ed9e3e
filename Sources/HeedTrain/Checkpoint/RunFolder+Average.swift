import HeedModels
import HeedSupport

extension RunFolder {
    private var keptFolder: String { joinPath(path, "checkpoints") }
    /// Where the mean of the kept weights goes.
    var averageFolder: String { joinPath(path, "average") }

    /// The steps of the models that are kept, ascending.
    private func keptSteps() throws -> [Int] {
        guard isDirectory(keptFolder) else { return [] }
        return try listDirectory(keptFolder).compactMap { name in
            name.hasPrefix("step-") ? Int(name.dropFirst(5)) : nil
        }.sorted()
    }

    private func keptPath(_ step: Int) -> String { joinPath(keptFolder, "step-\(step)") }

    /// Keeps the weights of `step` as a model of its own, and of earlier ones all but the last `count` − 1.
    func keep(_ model: Model, step: Int, atMost count: Int) throws {
        guard count > 0 else { return }
        try model.save(folder: keptPath(step))
        let steps = try keptSteps()
        // What lies beyond this step is left from a run that was thrown away.
        for other in steps.filter({ $0 <= step }).dropLast(count) + steps.filter({ $0 > step }) {
            try removeTree(keptPath(other))
        }
    }

    /// Writes the mean of the kept weights as a model of its own (Vaswani et al. 2017, section 6.1).
    func average() throws {
        let folders = try keptSteps().map(keptPath)
        guard folders.count > 1 else { return }
        try averageWeights(of: folders).save(folder: averageFolder)
        try tokenizerFiles?(averageFolder)
    }
}
