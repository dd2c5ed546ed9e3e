import HeedModels
import HeedSupport

/// Which saves of a run stay as models of their own, in `checkpoints/step-N`.
public struct KeptModels: Sendable, Equatable {
    /// The last so many.
    public var last: Int
    /// The so many with the lowest validation loss, of those that were measured.
    public var best: Int

    /// The last and the best so many.
    public init(last: Int = 0, best: Int = 0) {
        self.last = last
        self.best = best
    }

    /// Those of `steps` that stay; of equal losses the earlier.
    func choice(of steps: [Int], _ losses: [Int: Double]) -> Set<Int> {
        let measured = steps.compactMap { step in losses[step].map { (step: step, loss: $0) } }
            .sorted { ($0.loss, $0.step) < ($1.loss, $1.step) }
        return Set(steps.sorted().suffix(last) + measured.prefix(best).map(\.step))
    }
}

extension RunFolder {
    private var keptFolder: String { joinPath(path, "checkpoints") }
    private var lossesPath: String { joinPath(stateFolder, "losses.json") }
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
        try removeFile(lossesPath)
        try removeFile(averageMark)
    }

    /// Keeps the weights of `step` as a model of its own, and of earlier ones those that `policy` names.
    ///
    /// - Parameter loss: the validation loss of these weights, where it was measured.
    func keep(_ model: Model, step: Int, loss: Double?, _ policy: KeptModels) throws {
        guard policy.last > 0 || policy.best > 0 else { return }
        mean?.exchange()
        defer { mean?.exchange() }
        try model.saveTrained(folder: keptPath(step))
        var losses = try keptLosses()
        losses[step] = loss
        let steps = try keptSteps()
        // What lies beyond this step is left from a run that was thrown away.
        let kept = policy.choice(of: steps.filter { $0 <= step }, losses)
        for other in steps where !kept.contains(other) { try removeTree(keptPath(other)) }
        guard policy.best > 0 else { return }
        var members = JSONObject()
        for kept in kept.sorted() where losses[kept] != nil { members["\(kept)"] = losses[kept].map { .number($0) } }
        try writeAtomically(path: lossesPath, text: JSON.object(members).serialised(pretty: true) + "\n")
    }

    /// Validation losses of the models that are kept, by step.
    private func keptLosses() throws -> [Int: Double] {
        guard fileExists(lossesPath), let members = try JSON.load(path: lossesPath).objectValue else { return [:] }
        return members.reduce(into: [:]) { losses, member in
            if let step = Int(member.key), let loss = member.value.doubleValue { losses[step] = loss }
        }
    }

    /// The step of the run whose mean the folder's model is, or nil where it is no mean.
    func averagedStep() throws -> Int? {
        guard fileExists(averageMark) else { return nil }
        return try JSON.load(path: averageMark)["step"]?.intValue
    }

    /// Makes the folder's model the mean of the weights that are kept (Vaswani et al. 2017, section 6.1), unless it is
    /// already. The state keeps the weights of the last step, from which a longer run goes on.
    func publishAverage(ofRunAt step: Int, last: Int) throws {
        let kept = try keptSteps().suffix(last)
        guard kept.count > 1, try averagedStep() != step else { return }
        let mean = try averageWeights(of: kept.map(keptPath))
        try beforeOperation?("average")
        try mean.writeWeights(path: modelPath)
        try writeAtomically(
            path: averageMark,
            text: JSON.object(["step": .integer(step), "of": .array(kept.map { .integer($0) })]).serialised())
    }
}
