/// Ends a run when the validation loss has stopped falling.
public struct EarlyStop: Sendable, Equatable {
    /// Evaluations without improvement that are borne; 0 means any number.
    public let patience: Int
    /// The lowest loss so far.
    public private(set) var best: Double?
    /// Evaluations since then.
    public private(set) var evaluationsWithoutGain: Int

    /// A rule that goes on from what an earlier run saw.
    public init(patience: Int, best: Double? = nil, evaluationsWithoutGain: Int = 0) {
        self.patience = patience
        self.best = best
        self.evaluationsWithoutGain = evaluationsWithoutGain
    }

    /// Whether the run should end.
    public var shouldStop: Bool { patience > 0 && evaluationsWithoutGain >= patience }

    /// Takes the loss of an evaluation and returns whether it is the best so far.
    public mutating func add(_ loss: Double) -> Bool {
        if let best, !(loss < best) {
            evaluationsWithoutGain += 1
            return false
        }
        best = loss
        evaluationsWithoutGain = 0
        return true
    }
}
