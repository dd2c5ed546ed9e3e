/// Losses by row, readable after a pass.
public final class LossReadout: @unchecked Sendable {
    // Sendable: an address; written by a pass, read between passes.
    package let losses: UnsafeMutablePointer<Float>
    private let rows: RowCount

    init(rows: RowCount) {
        self.rows = rows
        losses = .allocate(capacity: max(rows.capacity, 1))
        losses.initialize(repeating: 0, count: max(rows.capacity, 1))
    }

    deinit { losses.deallocate() }

    /// Adds the losses of the last pass to `sum`, row by row, so that micro-batches continue one chain.
    public func add(to sum: inout Double) {
        for row in 0..<rows.current { sum += Double(losses[row]) }
    }

    /// The loss of one row of the last pass, in nats; 0 for a row that does not count.
    public subscript(row: Int) -> Float { losses[row] }
}

/// Which targets of a batch a loss is held against.
public enum Targets: Sendable {
    /// One per row.
    case rows(TokenBatch)
    /// One per sequence.
    case sequences(TokenBatch)

    /// The rows that have a target.
    public var rows: RowCount {
        switch self {
        case .rows(let batch): batch.rows
        case .sequences(let batch): batch.sequences
        }
    }

    /// The target ids, one per row; `TokenBatch.ignored` counts nowhere.
    package var ids: UnsafeMutablePointer<Int32> {
        switch self {
        case .rows(let batch): batch.targets
        case .sequences(let batch): batch.sequenceTargets
        }
    }

    /// How many targets of the batch as it now stands count.
    public var counted: Int { (0..<rows.current).reduce(0) { $0 + (ids[$1] == TokenBatch.ignored ? 0 : 1) } }
}

/// The output matrix and the cross-entropy as one operation, in blocks of rows: logits never exist in full.
///
/// `z = h · Wᵀ + b`, `L[r] = (1 − ε)(−log p[target]) + ε · mean over classes of −log p` (Szegedy et al. 2016).
public struct CrossEntropyOperation: TensorOperation {
    /// `W [V, C]`.
    public let weight: Parameter
    /// `b [V]`.
    public let bias: Parameter?
    /// What the rows are held against.
    public let targets: Targets
    /// c of logits that are bent to c · tanh(z / c); nil: they are not.
    public let cap: Float?
    /// ε.
    public let smoothing: Float
    /// c of `c · log²Z`, of which the gradient alone counts.
    public let penalty: Float
    /// The factor on the gradient.
    public let scale: RuntimeScalar
    /// Where the losses go.
    public let readout: LossReadout
    /// What is learned beside the targets.
    public let teacher: SoftTargets?

    /// V.
    public var classes: Int { weight.shape.first ?? 0 }
    /// C.
    public var width: Int { weight.shape.last ?? 0 }

    public var name: String { "output matrix and cross-entropy" }
    public var formula: String {
        "z = h · Wᵀ\(bias == nil ? "" : " + b")\(cap == nil ? "" : "; z ← c · tanh(z / c)"); "
            + "L = −log softmax(z)[target]" + (smoothing > 0 ? ", smoothed by ε" : "") + SoftTargets.term(teacher)
    }
    public var gradientFormula: String {
        "∂z = (p · (1 + 2c · log Z) − y)/n\(cap == nil ? "" : " · (1 − (z/c)²)"); ∂h = ∂z · W; ∂W += ∂zᵀ · h"
    }
    public var parameters: [Parameter] { bias.map { [weight, $0] } ?? [weight] }
    public var gradientInputs: [Int] { [0] }
    public var isLoss: Bool { true }

    public func shape(of inputs: [Shape]) throws(ShapeMismatch) -> Shape {
        let (classes, width) = try weight.matrix("the output matrix")
        try inputs.require(count: 1)
        try inputs.require(0, columns: width, rows: targets.rows)
        try bias?.requireCount(classes, "the bias")
        try teacher?.require(classes: classes)
        return Shape(inputs[0].rows, 1)
    }

    /// The cost of one row, the matrix not counted.
    public var rowCost: Cost {
        Cost(operations: 2 * Double(classes) * Double(width), bytes: 8 * Double(classes))
    }

    public func cost(rows: Int) -> Cost {
        Double(rows) * rowCost + Cost(bytes: 4 * Double(classes) * Double(width))
    }
}

extension Tensor {
    /// Records the cross-entropy of `h · Wᵀ + b` against `targets`.
    ///
    /// `self [rows, C]`, `weight [V, C]`. The gradient is scaled by `scale`, by default the trace's `lossScale`. Peak
    /// memory: 256 rows of logits, or all of them where an adapter updates the matrix.
    /// Cost: 2 · rows · V · C operations, three times that with gradients.
    public func crossEntropy(
        _ weight: Parameter, _ bias: Parameter? = nil, targets: Targets, cap: Float? = nil, smoothing: Float = 0,
        scale: RuntimeScalar? = nil
    ) -> LossReadout {
        let readout = LossReadout(rows: rows)
        if trace.updates[weight.index] != nil {
            let logits = linear(weight, bias)
            _ = trace.record(
                LogitsCrossEntropyOperation(
                    targets: targets, smoothing: smoothing, penalty: trace.logitPenalty,
                    scale: scale ?? trace.lossScale, readout: readout, teacher: trace.teacher,
                    classes: weight.shape.first ?? 0),
                [cap.map { logits.capped(at: $0) } ?? logits])
            return readout
        }
        _ = trace.record(
            CrossEntropyOperation(
                weight: weight, bias: bias, targets: targets, cap: cap, smoothing: smoothing,
                penalty: trace.logitPenalty, scale: scale ?? trace.lossScale, readout: readout, teacher: trace.teacher),
            [self])
        return readout
    }
}
