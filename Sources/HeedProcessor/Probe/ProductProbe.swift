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

    /// What a product reads and writes, and how large it is.
    private struct Operands {
        let x: UnsafeMutablePointer<Float>
        let w: UnsafeMutablePointer<Float>
        let y: UnsafeMutablePointer<Float>
        let panels: UnsafeMutableRawPointer
        let scratch: heed_scratch
        let window: heed_window
        let width: Int
        let out: Int
        let precision: Int32
    }

    /// - Throws: `HeedError` when memory is refused or a kernel is missing.
    public init(_ form: Form, rows count: Int, in width: Int, out: Int, precision: Precision, runtime: Runtime) throws {
        self.runtime = runtime
        let code = runtime.kernels.code(precision)
        let panels = Int(heed_panel_bytes(Int64(width), Int64(out), code))
        let scratch = (Int(heed_linear_scratch(Int64(width), Int64(out), Int64(count), code)) + 4095) / 4096 * 4096
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
        record(
            form,
            Operands(
                x: places[0].assumingMemoryBound(to: Float.self), w: places[1].assumingMemoryBound(to: Float.self),
                y: places[2].assumingMemoryBound(to: Float.self), panels: places[3],
                scratch: heed_scratch(base: places[4], stride: Int64(scratch)),
                window: heed_window(rows: rows.pointer, first: 0, limit: Int32.max), width: width, out: out,
                precision: code))
    }

    deinit { for pointer in release { pointer.deallocate() } }

    /// Makes the step that computes the product, its matrix packed where the form asks for that.
    private func record(_ form: Form, _ data: Operands) {
        let table = runtime.kernels.table.pointee
        let (width, out) = (Int32(data.width), Int32(data.out))
        let (rowOfX, rowOfY) = (Int64(data.width), Int64(data.out))
        switch form {
        case .forward, .forwardPacked:
            let isPacked = form == .forwardPacked
            if isPacked {
                var pack = heed_pack(
                    weight: data.w, panels: data.panels, in: width, out: out, precision: data.precision)
                table.pack(&pack, 0, 1)
            }
            add(
                table.linear,
                heed_linear(
                    window: data.window, x: data.x, x_stride: rowOfX, weight: isPacked ? nil : data.w,
                    panels: isPacked ? data.panels : nil, stored: nil, bias: nil, residual: nil, residual_stride: 0,
                    pre: nil, y: data.y, y_stride: rowOfY, in: width, out: out, activation: 0,
                    precision: data.precision, scratch: data.scratch))
        case .inputGradient:
            add(
                table.linear_input_gradient,
                heed_linear_input_gradient(
                    window: data.window, dy: data.y, dy_stride: rowOfY, weight: data.w, activation_input: nil,
                    dx: data.x, dx_stride: rowOfX, in: width, out: out, accumulate: 0, activation: 0,
                    precision: data.precision, scratch: data.scratch))
        case .weightGradient:
            add(
                table.linear_weight_gradient,
                heed_linear_weight_gradient(
                    window: data.window, dy: data.y, dy_stride: rowOfY, x: data.x, x_stride: rowOfX, dweight: data.w,
                    dbias: nil, in: width, out: out, precision: data.precision, scratch: data.scratch))
        }
    }

    private func add<Arguments>(_ kernel: heed_kernel, _ arguments: Arguments) {
        let memory = UnsafeMutablePointer<Arguments>.allocate(capacity: 1)
        memory.initialize(to: arguments)
        release.append(UnsafeMutableRawPointer(memory))
        steps.append(Step(kernel: kernel, arguments: memory, rows: nil, shareFrom: 0))
    }

    /// Computes the product once.
    public func run() { steps.withUnsafeBufferPointer { runtime.team.run($0) } }
}
