import CHeedKernels
import HeedSupport
import HeedTensor

/// One matrix product on its own, for measuring.
public final class ProductProbe {
    /// Which of the three products of a linear layer.
    public enum Form: String, CaseIterable, Sendable {
        /// y = x · Wᵀ, the matrix packed before.
        case forwardPacked = "x·Wᵀ packed"
        /// y = x · Wᵀ
        case forward = "x·Wᵀ"
        /// dx = dy · W
        case inputGradient = "dy·W"
        /// dW += dyᵀ · x
        case weightGradient = "dyᵀ·x"
    }

    private let runtime: Runtime
    private let memory: AlignedMemory
    private let rows: RowCount
    private var steps: [Step] = []
    private var release: [UnsafeMutableRawPointer] = []

    /// - Throws: `HeedError` when memory is refused or a kernel is missing.
    public init(_ form: Form, rows count: Int, in width: Int, out: Int, precision: Precision, runtime: Runtime) throws {
        self.runtime = runtime
        let panels = Int(heed_panel_bytes(Int64(width), Int64(out), runtime.kernels.code(precision)))
        let scratch =
            (Int(heed_linear_scratch(Int64(width), Int64(out), Int64(count), runtime.kernels.code(precision))) + 4095)
            / 4096 * 4096
        let sizes = [count * width * 4, out * width * 4, count * out * 4, panels, scratch * runtime.team.count]
        let padded = sizes.map { ($0 + 4095) / 4096 * 4096 + 64 }
        memory = try AlignedMemory(byteCount: padded.reduce(0, +))
        var places: [UnsafeMutableRawPointer] = []
        var next = memory.base
        for size in padded {
            places.append(next)
            next += size
        }
        rows = RowCount(capacity: count)
        rows.current = count
        for (place, elements) in [(places[0], count * width), (places[1], out * width), (places[2], count * out)] {
            RandomSource(seed: 1, purpose: .initialisation, step: 0).fillUniform(
                UnsafeMutableBufferPointer(start: place.assumingMemoryBound(to: Float.self), count: elements), bound: 1)
        }
        let (x, w, y) = (
            places[0].assumingMemoryBound(to: Float.self), places[1].assumingMemoryBound(to: Float.self),
            places[2].assumingMemoryBound(to: Float.self)
        )
        let window = heed_window(rows: rows.pointer, first: 0, limit: Int32.max)
        let shared = heed_scratch(base: places[4], stride: Int64(scratch))
        let table = runtime.kernels.table.pointee
        if form == .forwardPacked {
            var pack = heed_pack(
                weight: w, panels: places[3], in: Int32(width), out: Int32(out),
                precision: runtime.kernels.code(precision))
            table.pack(&pack, 0, 1)
        }
        switch form {
        case .forward, .forwardPacked:
            let packed = form == .forwardPacked
            try add(
                table.linear,
                heed_linear(
                    window: window, x: x, x_stride: Int64(width), weight: packed ? nil : w,
                    panels: packed ? places[3] : nil, stored: nil, bias: nil, residual: nil, residual_stride: 0,
                    pre: nil, y: y,
                    y_stride: Int64(out), in: Int32(width), out: Int32(out), activation: 0,
                    precision: runtime.kernels.code(precision),
                    scratch: shared))
        case .inputGradient:
            try add(
                table.linear_input_gradient,
                heed_linear_input_gradient(
                    window: window, dy: y, dy_stride: Int64(out), weight: w, activation_input: nil, dx: x,
                    dx_stride: Int64(width), in: Int32(width), out: Int32(out), accumulate: 0, activation: 0,
                    precision: runtime.kernels.code(precision), scratch: shared))
        case .weightGradient:
            try add(
                table.linear_weight_gradient,
                heed_linear_weight_gradient(
                    window: window, dy: y, dy_stride: Int64(out), x: x, x_stride: Int64(width), dweight: w, dbias: nil,
                    in: Int32(width), out: Int32(out), precision: runtime.kernels.code(precision), scratch: shared))
        }
    }

    deinit { for pointer in release { pointer.deallocate() } }

    private func add<Arguments>(_ kernel: heed_kernel, _ arguments: Arguments) throws {
        let memory = UnsafeMutablePointer<Arguments>.allocate(capacity: 1)
        memory.initialize(to: arguments)
        release.append(UnsafeMutableRawPointer(memory))
        steps.append(Step(kernel: kernel, arguments: memory, rows: nil, shareFrom: 0))
    }

    /// Computes the product once.
    public func run() { steps.withUnsafeBufferPointer { runtime.team.run($0) } }
}
