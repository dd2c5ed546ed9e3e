import HeedModels
import HeedSupport

extension RunFolder {
    private var keptFolder: String { joinPath(path, "checkpoints") }
    /// Says of which step the published model is the mean with earlier ones.
    private var averageMark: String { joinPath(stateFolder, "average.json") }

    /// The steps of the models that are kept, ascending.
    private func keptSteps() throws -> [Int] {
        guard isDirectory(keptFolder) else { return [] }
        return try listDirectory(keptFolder).compactMap { name in
            name.hasPrefix("step-") ? Int(name.dropFirst(5)) : nil
        }.sorted()
    }

    private func keptPath(_ step: Int) -> String { joinPath(keptFolder, "step-\(step)") }

    /// Removes the models that are kept.
    func removeKept() throws {
        try removeTree(keptFolder)
        try removeFile(averageMark)
    }

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

    /// The step of the run whose mean the folder's model is, or nil where it is no mean.
    func averagedStep() throws -> Int? {
        guard fileExists(averageMark) else { return nil }
        return try JSON.load(path: averageMark)["step"]?.intValue
    }

    /// Makes the folder's model the mean of the weights that are kept (Vaswani et al. 2017, section 6.1), unless it is
    /// already. The state keeps the weights of the last step, from which a longer run goes on.
    func publishAverage(ofRunAt step: Int) throws {
        let kept = try keptSteps()
        guard kept.count > 1, try averagedStep() != step else { return }
        let mean = try averageWeights(of: kept.map(keptPath))
        try beforeOperation?("average")
        try mean.writeWeights(path: modelPath)
        try writeAtomically(
            path: averageMark,
            text: JSON.object(["step": .integer(step), "of": .array(kept.map { .integer($0) })]).serialised())
    }
}
