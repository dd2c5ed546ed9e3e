import HeedProcessor
import HeedTensor

/// What the numbers of a value are like.
public struct ValueSummary: Sendable, Equatable {
    /// The least and the greatest.
    public let least, greatest: Float
    /// Their mean.
    public let mean: Double
    /// √(mean of squares).
    public let size: Double
    /// How many are NaN or infinite.
    public let strange: Int

    /// - Parameter values: some rows.
    init(_ values: PassValues) {
        self = values.withRows(0..<values.rows) { ValueSummary($0) }
    }

    init(_ numbers: UnsafeBufferPointer<Float>) {
        let plain = ValueSummary(finite: numbers)
        // A sum of squares of floats that are finite is finite in double precision.
        guard !plain.size.isFinite else {
            self = plain
            return
        }
        let finite = numbers.filter(\.isFinite)
        self = finite.withUnsafeBufferPointer {
            ValueSummary(finite: $0, leavingOut: numbers.count - finite.count)
        }
    }

    /// Eight lanes at a time.
    private init(finite numbers: UnsafeBufferPointer<Float>, leavingOut strange: Int = 0) {
        var (least, greatest) = (SIMD8<Float>(repeating: .infinity), SIMD8<Float>(repeating: -.infinity))
        var (sums, squares) = (SIMD8<Double>.zero, SIMD8<Double>.zero)
        let raw = UnsafeRawBufferPointer(numbers)
        let whole = numbers.count / 8
        for index in 0..<whole {
            let lanes = raw.loadUnaligned(fromByteOffset: index * 32, as: SIMD8<Float>.self)
            least = pointwiseMin(least, lanes)
            greatest = pointwiseMax(greatest, lanes)
            let wide = SIMD8<Double>(lanes)
            sums += wide
            squares += wide * wide
        }
        for (lane, value) in numbers[(whole * 8)...].enumerated() {
            least[lane] = min(least[lane], value)
            greatest[lane] = max(greatest[lane], value)
            sums[lane] += Double(value)
            squares[lane] += Double(value) * Double(value)
        }
        let count = Double(max(numbers.count, 1))
        self.least = numbers.isEmpty ? 0 : least.min()
        self.greatest = numbers.isEmpty ? 0 : greatest.max()
        mean = sums.sum() / count
        size = (squares.sum() / count).squareRoot()
        self.strange = strange
    }
}

/// One operation of a model as it was recorded and run.
public struct StoryStep: Sendable {
    /// Its place among the operations.
    public let place: Int
    /// The path of the layer that recorded it.
    public let path: String
    /// The name of the operation.
    public let name: String
    /// What it computes.
    public let formula: String
    /// How the gradient flows back.
    public let gradientFormula: String
    /// What it reads: the paths and extents of its inputs.
    public let inputs: [(path: String, rows: Int, columns: Int)]
    /// Rows and columns of what it makes.
    public let rows, columns: Int
    /// The learned tensors it reads.
    public let parameters: [(name: String, shape: [Int])]
    /// What it costs for these rows.
    public let cost: Cost
    /// What it makes.
    public let values: ValueSummary
    /// The gradient of the target's logit by it, where there is one.
    public let gradient: ValueSummary?
    /// Its row of the explained position, where it has one.
    public let row: [Float]
    /// The steps within, where it is attention.
    public let parts: [AttentionPart]
}

/// Operations that belong together: an embedding, a block, a norm, a head.
public struct StoryStage: Sendable {
    /// The path that the paths of its steps share.
    public let path: String
    /// The operations in order.
    public let steps: [StoryStep]

    /// The cost of all its steps.
    public var cost: Cost { steps.reduce(Cost()) { $0 + $1.cost } }
    /// The number of the block, where it is one.
    public var block: Int? { StoryStage.block(path) }

    /// `encoder.blocks.3` → 3.
    static func block(_ path: String) -> Int? {
        let parts = path.split(separator: ".")
        guard let place = parts.firstIndex(of: "blocks"), parts.indices.contains(place + 1) else { return nil }
        return Int(parts[place + 1])
    }

    /// The path of the stage that the layer at `path` belongs to.
    static func path(of path: String) -> String {
        let parts = path.split(separator: ".")
        if let place = parts.firstIndex(of: "blocks"), parts.indices.contains(place + 1) {
            return parts[...(place + 1)].joined(separator: ".")
        }
        return parts.first.map { String($0) } ?? "model"
    }
}

extension Explanation {
    /// The story of the pass: every operation in order, grouped by what it belongs to, read from the trace.
    ///
    /// Cost: one look at every number of the pass.
    /// - Throws: `HeedError` when a table of offsets cannot be read.
    public func story() throws -> [StoryStage] {
        var stages: [(path: String, steps: [StoryStep])] = []
        let steps = try whole.subject.runtime.team.map(whole.places.nodes.count, throwing: { try step($0) })
        for step in steps.compactMap({ $0 }) {
            let path = StoryStage.path(of: step.path)
            if stages.last?.path != path { stages.append((path, [])) }
            stages[stages.count - 1].steps.append(step)
        }
        return stages.map { StoryStage(path: $0.path, steps: $0.steps) }
    }

    /// The operation at `place`, or nil where there is none.
    ///
    /// - Throws: `HeedError` when a table of offsets cannot be read.
    public func step(_ place: Int) throws -> StoryStep? {
        let places = whole.places
        guard places.nodes.indices.contains(place), let values = whole.values(place) else { return nil }
        let node = places.nodes[place]
        let operation = node.operation
        let row = rowOfInterest(place, values)
        return StoryStep(
            place: place, path: node.path, name: operation.name, formula: operation.formula,
            gradientFormula: operation.gradientFormula,
            inputs: node.inputs.compactMap { places.maker[$0] }.map { maker in
                let values = whole.values(maker)
                return (places.nodes[maker].path, values?.rows ?? 0, values?.columns ?? 0)
            },
            rows: values.rows, columns: values.columns, parameters: operation.parameters.map { ($0.name, $0.shape) },
            cost: operation.cost(rows: values.rows), values: ValueSummary(values),
            gradient: target == nil ? nil : values.gradient.map { ValueSummary($0) },
            row: row.map { values.withRow($0) { Array($0) } } ?? [], parts: try attentionParts(place))
    }

    private func attentionParts(_ place: Int) throws -> [AttentionPart] {
        guard let attention = whole.places.attentions.first(where: { $0.place == place }) else { return [] }
        return try AttentionReader(whole, attention)?.parts() ?? []
    }

    /// Every number of the operation at `place`, row by row, and of its gradient.
    public func numbers(_ place: Int) -> (values: [Float], gradient: [Float]?)? {
        whole.values(place).map { ($0.array, target == nil ? nil : $0.gradient?.array) }
    }

    /// The row of a value that belongs to the explained answer.
    private func rowOfInterest(_ place: Int, _ values: PassValues) -> Int? {
        let stream = streams[streams.count - 1]
        if values.rows == stream.ids.count, isOfAnsweringStream(place) { return position }
        if values.rows == whole.rows.count, !whole.rows.isEmpty, place > (whole.places.states.last?.last ?? 0) {
            return whole.answerRow
        }
        return values.rows > 0 ? min(position, values.rows - 1) : nil
    }

    private func isOfAnsweringStream(_ place: Int) -> Bool {
        guard streams.count > 1 else { return true }
        return place > (whole.places.states.first?.last ?? 0)
    }
}
