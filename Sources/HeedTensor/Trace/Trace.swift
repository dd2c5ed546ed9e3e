/// What a trace is recorded for; the model's code is the same.
public enum Purpose: Sendable, Equatable {
    /// Forward and backward; dropout on; keeps what gradients read.
    case training
    /// Forward only; buffers are reused; weights are packed once for this processor.
    case inference
}

/// The list of operations that a model records when it is called: record, plan, run.
///
/// Training, scoring, generating and explaining differ only in the trace that they hand to the same model.
public final class Trace {
    struct Node {
        let operation: any Operation
        let inputs: [Int]
        let output: Int
        let auxiliaries: [Int]
    }
    struct Value {
        let rows: RowCount
        let columns: Int
    }

    /// What the trace is for.
    public let purpose: Purpose
    /// Operand format of matrix products.
    public let precision: Precision
    /// Where attention keeps keys and values; nil: every pass sees whole sequences.
    public let cache: KeyValueCache?
    /// Whether attention also writes out its weights, as observations.
    public let keepsAttentionWeights: Bool
    /// The longest sequence that attention may see, and one more than the largest position.
    public let maximumLength: Int
    /// Run-time seed, step and row of the dropout masks.
    public let randomState: RandomState
    /// 1 / (number of counted targets of the step), read at run time by the loss.
    public let lossScale = RuntimeScalar()

    private(set) var nodes: [Node] = []
    private(set) var values: [Value] = []
    private(set) var observations: [(name: String, value: Int)] = []
    private var dropoutSites: UInt32 = 0
    private var rotaryTables: [RotaryTable] = []
    private var positionTables: [FixedPositionTable] = []

    /// An empty trace for sequences of up to `maximumLength` tokens.
    public init(
        for purpose: Purpose, maximumLength: Int, precision: Precision = .float32, cache: KeyValueCache? = nil,
        keepsAttentionWeights: Bool = false
    ) {
        self.purpose = purpose
        self.maximumLength = maximumLength
        self.precision = precision
        self.cache = cache
        self.keepsAttentionWeights = keepsAttentionWeights
        randomState = RandomState()
    }

    /// Appends an operation whose output has `columns` columns and the rows of `rows`.
    public func record(_ operation: any Operation, _ inputs: [Tensor], rows: RowCount, columns: Int) -> Tensor {
        let output = add(rows, columns)
        let auxiliaries = operation.auxiliaries.map { add(rows, $0) }
        nodes.append(
            Node(operation: operation, inputs: inputs.map(\.id), output: output, auxiliaries: auxiliaries))
        return Tensor(trace: self, id: output, rows: rows, columns: columns)
    }

    /// A number of its own for every place that drops, so that masks differ.
    public func nextDropoutPurpose() -> UInt32 {
        dropoutSites += 1
        return RandomPurpose.dropout.rawValue + dropoutSites
    }

    /// The table of `rotary` for the positions of this trace, made once.
    func rotaryTable(_ rotary: RotaryPositions) -> RotaryTable {
        if let there = rotaryTables.first(where: { $0.rotary == rotary }) { return there }
        let table = RotaryTable(positions: maximumLength, rotary)
        rotaryTables.append(table)
        return table
    }

    /// The value recorded under `name`, for operations on what was observed.
    public func observedTensor(_ name: String) -> Tensor? {
        guard let id = observations.first(where: { $0.name == name })?.value else { return nil }
        return Tensor(trace: self, id: id, rows: values[id].rows, columns: values[id].columns)
    }

    /// The rows of `sinusoids` for the positions of this trace, made once.
    func positionTable(_ sinusoids: SinusoidalPositions, width: Int) -> FixedPositionTable {
        if let there = positionTables.first(where: { $0.positions == sinusoids && $0.width == width }) { return there }
        let table = FixedPositionTable(sinusoids, count: maximumLength, width: width)
        positionTables.append(table)
        return table
    }

    func observe(_ tensor: Tensor, as name: String) { observations.append((name, tensor.id)) }

    /// The value of an auxiliary of the operation that made `tensor`, as an observation.
    func observeAuxiliary(_ index: Int, of tensor: Tensor, as name: String) {
        guard let node = nodes.last(where: { $0.output == tensor.id }) else { return }
        observations.append((name, node.auxiliaries[index]))
    }

    private func add(_ rows: RowCount, _ columns: Int) -> Int {
        values.append(Value(rows: rows, columns: columns))
        return values.count - 1
    }
}
