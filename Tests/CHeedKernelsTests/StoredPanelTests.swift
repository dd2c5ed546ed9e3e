import CHeedKernels
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A matrix in stored panels.
private final class StoredMatrix {
    let inputs: Int
    let outputs: Int
    private var buffers: [UnsafeMutableRawPointer] = []
    private let forms: UnsafeMutablePointer<UInt8>
    private let panels: UnsafeMutablePointer<UnsafeRawPointer?>
    let stored: UnsafeMutablePointer<heed_stored>

    /// Random rows in one form; blocks of 256 from random bytes, since nothing packs numbers into them here.
    init(_ form: heed_form, inputs: Int, outputs: Int, seed: Int) {
        self.inputs = inputs
        self.outputs = outputs
        let count = (outputs + 47) / 48
        forms = .allocate(capacity: count)
        panels = .allocate(capacity: count)
        stored = .allocate(capacity: 1)
        let code = Int32(form.rawValue)
        var numbers = Numbers(seed)
        for panel in 0..<count {
            let memory = UnsafeMutableRawPointer.allocate(
                byteCount: Int(heed_form_panel_bytes(code, Int64(inputs))), alignment: 64)
            buffers.append(memory)
            let rows = min(48, outputs - 48 * panel)
            if heed_form_block(code) == 256 {
                let size = StoredMatrix.fileBytes(form) * inputs / 256
                var bytes = (0..<rows * size).map { _ in UInt8(truncatingIfNeeded: Int(numbers.next() * 1e6)) }
                for block in stride(from: 0, to: bytes.count, by: StoredMatrix.fileBytes(form)) {
                    // Scales that are finite and small.
                    for place in form == HEED_FORM_Q6K ? [208] : [0, 2] {
                        bytes[block + place + 1] = bytes[block + place + 1] & 0x81 | 0x10
                    }
                }
                let packed = bytes.withUnsafeBufferPointer { bytes in
                    let addresses = (0..<rows).map { row in bytes.baseAddress.map { $0 + row * size } }
                    return addresses.withUnsafeBufferPointer {
                        heed_pack_blocks($0.baseAddress, Int64(rows), Int64(inputs), code, memory)
                    }
                }
                #expect(packed == 1)
            } else {
                let values = numbers.array(rows * inputs)
                #expect(heed_pack_numbers(values, Int64(inputs), Int64(rows), Int64(inputs), code, memory) == 1)
            }
            (forms + panel).initialize(to: UInt8(form.rawValue))
            (panels + panel).initialize(to: UnsafeRawPointer(memory))
        }
        stored.initialize(
            to: heed_stored(forms: forms, panels: panels, in: Int64(inputs), out: Int64(outputs)))
    }

    static func fileBytes(_ form: heed_form) -> Int {
        switch form {
        case HEED_FORM_Q4K: 144
        case HEED_FORM_Q5K: 176
        default: 210
        }
    }

    deinit {
        for buffer in buffers { buffer.deallocate() }
        forms.deallocate()
        panels.deallocate()
        stored.deallocate()
    }

    /// The fp32 numbers that the panels stand for.
    var rows: [Float] {
        (0..<outputs).flatMap { row in
            [Float](unsafeUninitializedCapacity: inputs) { buffer, count in
                if let base = buffer.baseAddress { heed_stored_row(stored, Int64(row), base) }
                count = inputs
            }
        }
    }
}

/// residual + silu(x · Wᵀ + bias) from stored panels, in fp32 or in integers.
private func product(
    _ c: MatrixCase, x: [Float], _ matrix: StoredMatrix, bias: [Float], residual: [Float], activation: heed_activation,
    in kind: heed_precision
) -> [Float] {
    let precision = Int32(kind.rawValue)
    let y = withMemory { memory -> [Float] in
        let result = memory.nan(c.rows * c.outputs)
        var call = heed_linear()
        call.window = memory.window(c.rows)
        (call.x, call.x_stride) = (UnsafePointer(memory.floats(x)), Int64(c.inputs))
        call.stored = UnsafePointer(matrix.stored)
        call.bias = UnsafePointer(memory.floats(bias))
        (call.residual, call.residual_stride) = (UnsafePointer(memory.floats(residual)), Int64(c.outputs))
        (call.y, call.y_stride) = (result, Int64(c.outputs))
        (call.in, call.out) = (Int32(c.inputs), Int32(c.outputs))
        call.activation = Int32(activation.rawValue)
        call.precision = precision
        call.scratch = memory.scratch(
            bytes: heed_linear_scratch(Int64(c.inputs), Int64(c.outputs), Int64(c.rows), precision), parts: c.parts)
        run(c.kernels.linear, call, parts: c.parts)
        return result.array(c.rows * c.outputs)
    }
    return y ?? []
}

private let numberForms = [HEED_FORM_F32, HEED_FORM_F16, HEED_FORM_BF16, HEED_FORM_Q8, HEED_FORM_Q4]
private let blockForms = [HEED_FORM_Q4K, HEED_FORM_Q5K, HEED_FORM_Q6K]
private let shapes = [
    (1, 768, 100), (3, 256, 48), (16, 512, 97), (17, 1024, 50), (70, 2304, 130), (20, 40, 50), (5, 1056, 33),
]

@Suite("Panels that are stored in fewer bits")
struct StoredPanelTests {
    @Test("products have the bits of the fp32 numbers that the panels stand for", arguments: instructionSets)
    func sameBitsAsNumbers(_ isa: heed_isa) {
        for (index, form) in (numberForms + blockForms).enumerated() {
            for (rows, inputs, outputs) in shapes
            where inputs % Int(heed_form_block(Int32(form.rawValue))) == 0
                || !blockForms.contains(form)
            {
                let matrix = StoredMatrix(form, inputs: inputs, outputs: outputs, seed: index + rows)
                var numbers = Numbers(rows)
                let x = numbers.array(rows * inputs)
                let bias = numbers.array(outputs)
                let residual = numbers.array(rows * outputs)
                let weight = matrix.rows
                #expect(Set(weight).count > 10, "\(form)")
                var c = MatrixCase(isa: isa, rows: rows, inputs: inputs, outputs: outputs)
                for activation in [HEED_IDENTITY, HEED_SILU] {
                    let options = LinearOptions(bias: bias, residual: residual, activation: activation)
                    c.parts = 1
                    let expected = linear(c, x: x, weight: weight, options, packed: false).y
                    for parts in [1, 3] {
                        c.parts = parts
                        let got = product(
                            c, x: x, matrix, bias: bias, residual: residual, activation: activation, in: HEED_F32)
                        #expect(sameBits(got, expected), "form \(form.rawValue), \(c)")
                    }
                }
            }
        }
    }

    @Test(
        "integer products are what the slow sum gives, whatever parts and companions", arguments: instructionSets,
        [HEED_INTEGER, HEED_INTEGER_AMX_MODEL])
    func integers(_ isa: heed_isa, _ kind: heed_precision) {
        for form in [HEED_FORM_Q8, HEED_FORM_Q4] {
            for (rows, inputs, outputs) in shapes where rows < 30 {
                let matrix = StoredMatrix(form, inputs: inputs, outputs: outputs, seed: rows)
                var numbers = Numbers(rows)
                let x = numbers.array(rows * inputs)
                let bias = numbers.array(outputs)
                let residual = numbers.array(rows * outputs)
                var c = MatrixCase(isa: isa, rows: rows, inputs: inputs, outputs: outputs)
                let expected = slow(x, matrix, rows: rows, bias: bias, residual: residual, fused: c.fused)
                for parts in [1, 3] {
                    c.parts = parts
                    let got = product(
                        c, x: x, matrix, bias: bias, residual: residual, activation: HEED_IDENTITY, in: kind)
                    #expect(sameBits(got, expected), "form \(form.rawValue), \(c)")
                }
                c.parts = 1
                c.rows = 1
                let alone = product(
                    c, x: Array(x.prefix(inputs)), matrix, bias: bias, residual: Array(residual.prefix(outputs)),
                    activation: HEED_IDENTITY, in: kind)
                #expect(sameBits(alone, Array(expected.prefix(outputs))))
            }
        }
    }

    /// The definition: rows rounded to blocks of bytes, exact sums, one chain over blocks.
    private func slow(
        _ x: [Float], _ matrix: StoredMatrix, rows: Int, bias: [Float], residual: [Float], fused: Bool
    ) -> [Float] {
        let (inputs, outputs) = (matrix.inputs, matrix.outputs)
        let weight = matrix.rows
        var result: [Float] = []
        for row in 0..<rows {
            for output in 0..<outputs {
                var sum: Float = 0
                for start in stride(from: 0, to: inputs, by: 32) {
                    let range = start..<min(start + 32, inputs)
                    let largest = range.map { abs(x[row * inputs + $0]) }.max() ?? 0
                    let scale = largest / 127
                    let quants = range.map { Int((x[row * inputs + $0] * (127 / largest)).rounded(.toNearestOrEven)) }
                    // The smallest step of the block's numbers is its scale.
                    let stored = range.map { weight[output * inputs + $0] }
                    let step = StoredPanelTests.scale(of: matrix, output: output, block: start / 32)
                    let dot = zip(quants, stored).reduce(0) { $0 + $1.0 * Int(step == 0 ? 0 : ($1.1 / step).rounded()) }
                    let factor = step * scale
                    sum = fused ? fmaf(Float(dot), factor, sum) : Float(dot) * factor + sum
                }
                result.append(residual[row * outputs + output] + (sum + bias[output]))
            }
        }
        return result
    }

    /// The binary16 scale of a block, as it lies in the panel.
    private static func scale(of matrix: StoredMatrix, output: Int, block: Int) -> Float {
        guard let panel = matrix.stored.pointee.panels[output / 48] else { return .nan }
        let form = Int32(matrix.stored.pointee.forms[output / 48])
        let size = Int(heed_form_panel_bytes(form, 32))
        let bits = panel.loadUnaligned(fromByteOffset: block * size + 2 * (output % 48), as: UInt16.self)
        let magnitude = Float(bitPattern: UInt32(bits & 0x7FFF) << 13) * 0x1p112
        return bits & 0x8000 == 0 ? magnitude : -magnitude
    }

    @Test("numbers beyond a form are refused")
    func beyond() {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 64 * 48 * 256, alignment: 64)
        defer { memory.deallocate() }
        let largest = [Float](repeating: 3e38, count: 32)
        for form in [HEED_FORM_F16, HEED_FORM_Q8, HEED_FORM_Q4] {
            #expect(heed_pack_numbers(largest, 32, 1, 32, Int32(form.rawValue), memory) == 0)
        }
        #expect(
            heed_pack_numbers([Float](repeating: 1, count: 32), 32, 1, 32, Int32(HEED_FORM_Q8.rawValue), memory) == 1)
        let blocks = [UInt8](repeating: 0xFF, count: 210)  // scales that are NaN
        for form in [HEED_FORM_Q4K, HEED_FORM_Q5K, HEED_FORM_Q6K] {
            blocks.withUnsafeBufferPointer { blocks in
                let rows = [blocks.baseAddress]
                #expect(heed_pack_blocks(rows, 1, 256, Int32(form.rawValue), memory) == 0)
            }
        }
    }
}
