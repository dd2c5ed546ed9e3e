/// Ends a run whose validation loss no longer falls (Prechelt 1998: "Early stopping – but when?").
public struct EarlyStopping: Sendable, Equatable {
    /// Measurements without improvement that are waited for; nil: for ever.
    public let patience: Int?
    /// By how much a loss must fall to count as better.
    public let improvement: Double
    /// The best loss so far.
    public private(set) var best: Double?
    /// Measurements since the best.
    public private(set) var waited: Int

    /// Waits `patience` measurements for a fall by more than `improvement`; nil: for ever. `best` and `waited` go on
    /// from an earlier run.
    public init(patience: Int?, improvement: Double = 0, best: Double? = nil, waited: Int = 0) {
        self.patience = patience
        self.improvement = improvement
        self.best = best
        self.waited = waited
    }

    /// Takes note of a measurement; true when it is the best so far.
    @discardableResult
    public mutating func observe(_ loss: Double) -> Bool {
        if let best, loss >= best - improvement {
            waited += 1
            return false
        }
        best = loss
        waited = 0
        return true
    }

    /// Whether the run should end.
    public var isOver: Bool { patience.map { waited >= $0 } ?? false }
}
