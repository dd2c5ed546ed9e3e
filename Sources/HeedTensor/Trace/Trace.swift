import HeedSupport

/// What a trace is recorded for; the model's code is the same.
public enum Purpose: Sendable, Equatable {
    /// Forward and backward; dropout on; keeps what gradients read.
    case training
    /// Forward only; buffers are reused; weights are arranged once for the back end.
    case inference
    /// Forward and backward without dropout: observed values have gradients, parameters have none.
    case explaining
}

/// The number format of the operands of matrix products; sums are always fp32.
public enum Precision: Sendable, Equatable {
    /// 32-bit floats throughout.
    case float32
    /// Operands of products rounded to bfloat16 (nearest, ties to even), everything else fp32.
    case bfloat16
}

/// The list of operations that a model records when it is called: record, plan, run.
///
/// Training, scoring, generating and explaining differ only in the trace that they hand to the same model. Shapes are
/// checked while recording; the first mistake is kept and thrown when the trace is planned.
public final class Trace {
    /// A recorded operation.
    public struct Node {
        /// What is computed.
        public let operation: any TensorOperation
        /// The path of the layer that recorded it: `blocks.3.attention.output`.
        public let path: String
        /// Values by number.
        public let inputs: [Int]
        /// The value that it makes.
        public let output: Int
        /// The values that it makes for its gradient.
        public let auxiliaries: [Int]
    }

    /// What the trace is for.
    public let purpose: Purpose
    /// Operand format of matrix products.
    public let precision: Precision
    /// Where attention keeps keys and values; nil: every pass sees whole sequences.
    public let store: (any KeyValueStore)?
    /// Whether attention also writes out its weights, as observations.
    public let keepsAttentionWeights: Bool
    /// The longest sequence that attention may see, and one more than the largest position.
    public let maximumLength: Int
    /// What adapters add to matrices, by the place of the matrix.
    public let updates: [Int: [LowRankUpdate]]
    /// What adapters add to look-ups, by the place of the table.
    public let lookups: [Int: [LowRankUpdate]]
    /// Run-time seed, step and row of the dropout masks.
    public let randomState = RandomState()
    /// 1 / (number of counted targets of the step), read at run time by the loss.
    public let lossScale = RuntimeScalar()

    /// c of `c · log²Z`, which losses that are recorded from now on add to what is minimised and not to what they report;
    /// Z is the sum of a row's exponentials.
    public var logitPenalty: Float = 0
    /// What losses that are recorded from now on learn beside their targets.
    public var teacher: SoftTargets?

    /// The operations in order.
    public private(set) var nodes: [Node] = []
    /// The shapes of all values.
    public private(set) var values: [Shape] = []
    /// Named values.
    public private(set) var observations: [(name: String, value: Int)] = []
    /// The first shape that did not fit.
    public private(set) var failure: HeedError?
    /// The path of the layer that is recording.
    public private(set) var path = ""
    /// Called with every operation of the model as it is recorded, its number among them, and its output: whoever reads
    /// that output reads what this returns instead. For those who look into a model, or change what flows through it.
    public var following: ((_ place: Int, Node, Tensor) -> Tensor)?
    private var places = 0
    /// By value: the output that it stands in for.
    private var replaced: [Int: Int] = [:]
    private var dropoutSites: UInt32 = 0
    private var tables: [String: ConstantTable] = [:]
    private var stretched: [String: StretchedTurns] = [:]

    /// An empty trace for sequences of up to `maximumLength` tokens.
    public init(
        for purpose: Purpose, maximumLength: Int, precision: Precision = .float32, store: (any KeyValueStore)? = nil,
        keepsAttentionWeights: Bool = false, updates: [Int: [LowRankUpdate]] = [:],
        lookups: [Int: [LowRankUpdate]] = [:]
    ) {
        self.purpose = purpose
        self.maximumLength = maximumLength
        self.precision = precision
        self.store = store
        self.updates = updates
        self.lookups = lookups
        self.keepsAttentionWeights = keepsAttentionWeights
    }

    /// Records what `body` records under the path of a layer.
    public func at<Result>(_ path: String, _ body: () throws -> Result) rethrows -> Result {
        let before = self.path
        self.path = path
        defer { self.path = before }
        return try body()
    }

    /// Appends an operation and returns its output.
    ///
    /// When inputs do not fit, the mistake is kept for the planner and the output has the shape of the first input, so
    /// that recording goes on without further complaints.
    public func record(_ operation: any TensorOperation, _ inputs: [Tensor]) -> Tensor {
        let shape: Shape
        do {
            shape = try operation.shape(of: inputs.map(\.shape))
        } catch {
            fail(operation, error)
            shape = inputs.first?.shape ?? Shape(RowCount(capacity: 1), 1)
        }
        let output = add(shape)
        let auxiliaries = operation.auxiliaries.map { add(Shape(shape.rows, $0)) }
        nodes.append(
            Node(
                operation: operation, path: path, inputs: inputs.map(\.id), output: output, auxiliaries: auxiliaries))
        return follow(Tensor(trace: self, id: output, shape: shape))
    }

    /// What `following` puts in the place of the last operation's output.
    private func follow(_ output: Tensor) -> Tensor {
        guard let following, let node = nodes.last else { return output }
        self.following = nil  // What it records itself is no operation of the model.
        defer { self.following = following }
        let result = following(places, node, output)
        places += 1
        if result.id != output.id { replaced[result.id] = output.id }
        return result
    }

    private func fail(_ operation: any TensorOperation, _ mismatch: ShapeMismatch) {
        guard failure == nil else { return }
        failure = HeedError(
            .badInput, "the operation \(quoted(operation.name)) cannot take \(mismatch.what)",
            in: path.isEmpty ? "the model" : path, expected: mismatch.expected, got: mismatch.got,
            advice: "The layer was built for other widths than those it is given.")
    }

    /// A number of its own for every place that drops, so that masks differ.
    func nextDropoutSite() -> UInt32 {
        dropoutSites += 1
        return RandomPurpose.dropout.number(site: dropoutSites)
    }

    /// The table called `name`, made once by `make`.
    func table(_ name: String, _ make: () -> [Float]) -> ConstantTable {
        if let there = tables[name] { return there }
        let table = ConstantTable(make())
        tables[name] = table
        return table
    }

    /// The turns called `name` for the rows of `batch`.
    func turns(_ name: String, _ make: () -> StretchedTurns) -> StretchedTurns {
        if let there = stretched[name] { return there }
        let turns = make()
        stretched[name] = turns
        return turns
    }

    /// Fills the tables that depend on the batch as it now stands.
    func prepare() { for turns in stretched.values { turns.fill() } }

    /// The value recorded under `name`, for operations on what was observed.
    public func observedTensor(_ name: String) -> Tensor? {
        guard let id = observations.first(where: { $0.name == name })?.value else { return nil }
        return Tensor(trace: self, id: id, shape: values[id])
    }

    func observe(_ value: Int, as name: String) { observations.append((name, value)) }

    /// The value of an auxiliary of the operation that made `tensor`, as an observation.
    func observeAuxiliary(_ index: Int, of tensor: Tensor, as name: String) {
        let made = replaced[tensor.id] ?? tensor.id
        guard let node = nodes.last(where: { $0.output == made }) else { return }
        observations.append((name, node.auxiliaries[index]))
    }

    private func add(_ shape: Shape) -> Int {
        values.append(shape)
        return values.count - 1
    }
}
