import CHeedKernels

/// Losses by row, readable after a pass.
public final class LossReadout: @unchecked Sendable {
    // Sendable: an address; written by the plan's pass, read between passes.
    let losses: UnsafeMutablePointer<Float>
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

/// The output matrix and the cross-entropy as one operation, in blocks of rows: logits never exist in full.
///
/// `z = h · Wᵀ + b`, `L[r] = (1 − ε)(−log p[target]) + ε · mean over classes of −log p` (Szegedy et al. 2016).
struct CrossEntropyOperation: LossOperation {
    let weight: Parameter
    let bias: Parameter?
    let trainsBias: Bool
    let targets: UnsafeMutablePointer<Int32>
    let smoothing: Float
    let scale: RuntimeScalar
    let readout: LossReadout

    private static let blockRows = 256
    private var classes: Int { weight.shape.first ?? 0 }
    private var width: Int { weight.shape.last ?? 0 }

    var name: String { "output matrix and cross-entropy" }
    var formula: String { "z = h · Wᵀ; L = −log softmax(z)[target]" + (smoothing > 0 ? ", smoothed by ε" : "") }
    var gradientFormula: String { "∂z = (p − y)/n; ∂h = ∂z · W; ∂W += ∂zᵀ · h" }
    var parameters: [Parameter] { bias.map { [weight, $0] } ?? [weight] }
    var gradientInputs: [Int] { [0] }

    private var rowCost: Cost { Cost(operations: 2 * Double(classes) * Double(width), bytes: 8 * Double(classes)) }
    func cost(rows: Int) -> Cost {
        Double(rows) * rowCost + Cost(bytes: 4 * Double(classes * width))
    }

    func forward(_ binder: Binder) {
        // With gradients everything happens in the backward pass, where logits turn into their own gradient in place.
        if !(binder.isTraining && binder.gradient(weight) != nil) { emit(binder, gradient: false) }
    }

    func backward(_ binder: Binder) { emit(binder, gradient: true) }

    private func emit(_ binder: Binder, gradient: Bool) {
        let capacity = binder.rows.capacity
        let block = min(capacity, CrossEntropyOperation.blockRows)
        let stride = (classes + 15) / 16 * 16
        let logits = binder.persistentFloats(count: block * stride)
        let precision = binder.trace.precision.code
        let scratch = binder.scratch(heed_linear_scratch(Int64(width), Int64(classes), Int64(block), precision))
        let panels = gradient ? nil : binder.panels(weight)
        let dh = gradient ? binder.inputGradient(0) : nil
        for first in Swift.stride(from: 0, to: capacity, by: max(block, 1)) {
            let window = binder.window(binder.rows, first: first, limit: block)
            let origin = logits - first * stride  // so that row `first` is the first row of the block
            binder.emit(
                binder.kernels.linear,
                heed_linear(
                    window: window, x: binder.input(0), x_stride: Int64(width),
                    weight: panels == nil ? binder.value(weight) : nil, panels: panels, bias: binder.value(bias),
                    residual: nil, residual_stride: 0, pre: nil, y: origin, y_stride: Int64(stride),
                    in: Int32(width), out: Int32(classes), activation: Activation.identity.code,
                    precision: precision, scratch: scratch), rows: binder.rows, cost: rowCost)
            binder.emit(
                binder.kernels.cross_entropy,
                heed_cross_entropy(
                    window: window, logits: logits, stride: Int64(stride), targets: targets, columns: Int32(classes),
                    ignore: TokenBatch.ignored, smoothing: smoothing, scale: scale.pointer,
                    gradient: gradient ? 1 : 0, loss: readout.losses),
                rows: binder.rows, cost: Cost(operations: 30 * Double(classes)))
            guard gradient else { continue }
            if let dweight = binder.gradient(weight) {
                binder.emit(
                    binder.kernels.linear_weight_gradient,
                    heed_linear_weight_gradient(
                        window: window, dy: origin, dy_stride: Int64(stride), x: binder.input(0),
                        x_stride: Int64(width), dweight: dweight, dbias: binder.gradient(trainsBias ? bias : nil),
                        in: Int32(width),
                        out: Int32(classes), precision: precision, scratch: scratch),
                    rows: binder.rows, cost: rowCost)
            }
            if let dh {
                binder.emit(
                    binder.kernels.linear_input_gradient,
                    heed_linear_input_gradient(
                        window: window, dy: origin, dy_stride: Int64(stride), weight: binder.value(weight),
                        activation_input: nil, dx: dh.pointer, dx_stride: Int64(width), in: Int32(width),
                        out: Int32(classes), accumulate: dh.accumulate ? 1 : 0, activation: Activation.identity.code,
                        precision: precision, scratch: scratch), rows: binder.rows, cost: rowCost)
            }
        }
    }
}

extension Tensor {
    /// Records the cross-entropy of `h · Wᵀ + b` against `targets` (one id per row; `TokenBatch.ignored` counts nowhere).
    ///
    /// `self [rows, C]`, `weight [V, C]`. The gradient is scaled by `scale`, by default the trace's `lossScale`. Peak
    /// memory: 256 rows of logits. A bias that is not trained keeps a gradient of 0.
    /// Cost: 2 · rows · V · C operations, three times that with gradients.
    public func crossEntropy(
        _ weight: Parameter, _ bias: Parameter? = nil, trainsBias: Bool = true,
        targets: UnsafeMutablePointer<Int32>, smoothing: Float = 0, scale: RuntimeScalar? = nil
    ) -> LossReadout {
        let readout = LossReadout(rows: rows)
        _ = trace.record(
            CrossEntropyOperation(
                weight: weight, bias: bias, trainsBias: trainsBias, targets: targets, smoothing: smoothing,
                scale: scale ?? trace.lossScale, readout: readout), [self],
            rows: rows, columns: 1)
        return readout
    }
}
