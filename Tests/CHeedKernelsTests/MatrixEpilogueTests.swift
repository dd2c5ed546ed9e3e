import CHeedKernels
import Testing

private let everyActivation: [heed_activation] = [
    HEED_IDENTITY, HEED_RELU, HEED_GELU_TANH, HEED_GELU_ERF, HEED_QUICK_GELU, HEED_SILU, HEED_TANH, HEED_SIGMOID,
    HEED_RELU_SQUARED, HEED_SOFTPLUS,
]

@Suite("What follows a product in the same pass")
struct MatrixEpilogueTests {
    /// y = residual + activation(x · Wᵀ + bias) must be the same bits as the product and then each step by itself.
    @Test("bias, activation and residual are the steps one by one", arguments: instructionSets)
    func forward(_ isa: heed_isa) {
        for (rows, inputs, outputs) in [(1, 30, 50), (5, 9, 48), (33, 900, 117), (16, 64, 8)] {
            var numbers = Numbers(rows)
            let c = MatrixCase(isa: isa, rows: rows, inputs: inputs, outputs: outputs)
            let weight = numbers.array(inputs * outputs)
            let x = numbers.array(rows * inputs)
            let bias = numbers.array(outputs)
            let residual = numbers.array(rows * outputs)
            let biased = linear(c, x: x, weight: weight, bias: bias, packed: false)
            for activation in everyActivation {
                let active = elementwise(c, biased, activation: activation)
                let expected = zip(residual, active).map { $0 + $1 }
                for packed in [false, true] {
                    var options = LinearOptions()
                    options.bias = bias
                    options.residual = residual
                    options.activation = activation
                    options.keepsPre = true
                    let got = linear(c, x: x, weight: weight, options, packed: packed)
                    #expect(sameBits(got.y, expected), "\(c) activation \(activation.rawValue) packed \(packed)")
                    #expect(sameBits(got.pre, biased), "\(c) activation \(activation.rawValue) packed \(packed)")
                }
            }
        }
    }

    @Test("the slope of the activation multiplies the input gradient", arguments: instructionSets)
    func backward(_ isa: heed_isa) {
        for (rows, inputs, outputs) in [(1, 30, 50), (33, 117, 900), (16, 8, 64)] {
            var numbers = Numbers(rows)
            let c = MatrixCase(isa: isa, rows: rows, inputs: inputs, outputs: outputs)
            let weight = numbers.array(inputs * outputs)
            let dy = numbers.array(rows * outputs)
            let activated = numbers.array(rows * inputs)
            let zero = [Float](repeating: 0, count: rows * inputs)
            let plain = inputGradient(c, dy: dy, weight: weight, dx: zero, accumulate: false)
            for activation in everyActivation {
                let slopes = elementwise(c, activated, slopeOf: activation)
                let got = inputGradient(
                    c, dy: dy, weight: weight, dx: zero, accumulate: false, activation: activation, input: activated)
                #expect(
                    sameBits(got, zip(plain, slopes).map { $0 * $1 }), "\(c) activation \(activation.rawValue)")
            }
        }
    }

    /// activation(x), or the slope of it, by the element-wise kernels of the same instruction set.
    private func elementwise(
        _ c: MatrixCase, _ x: [Float], activation: heed_activation? = nil, slopeOf slope: heed_activation? = nil
    ) -> [Float] {
        var result = [Float](repeating: 0, count: x.count)
        let ones = [Float](repeating: 1, count: x.count)
        var rows: Int32 = 1
        withUnsafePointer(to: &rows) { rows in
            let window = heed_window(rows: rows, first: 0, limit: .max)
            x.withUnsafeBufferPointer { x in
                ones.withUnsafeBufferPointer { ones in
                    result.withUnsafeMutableBufferPointer { y in
                        if let activation {
                            let call = heed_activate(
                                window: window, x: x.baseAddress, y: y.baseAddress, columns: Int32(x.count),
                                activation: Int32(activation.rawValue))
                            run(c.kernels.activate, call, parts: 1)
                        } else if let slope {
                            let call = heed_activate_gradient(
                                window: window, dy: ones.baseAddress, x: x.baseAddress, dx: y.baseAddress,
                                columns: Int32(x.count), activation: Int32(slope.rawValue), accumulate: 0)
                            run(c.kernels.activate_gradient, call, parts: 1)
                        }
                    }
                }
            }
        }
        return result
    }

    @Test("panels hold 48 outputs for each k, zero beyond the last")
    func panels() {
        let (inputs, outputs) = (5, 50)
        var numbers = Numbers(1)
        let weight = numbers.array(inputs * outputs)
        for isa in instructionSets {
            for precision in [HEED_F32, HEED_BF16] {
                let bytes = Int(heed_panel_bytes(Int64(inputs), Int64(outputs), Int32(precision.rawValue)))
                let units = precision == HEED_BF16 ? 3 : 5
                #expect(bytes == 2 * units * 48 * 4)
                var words = [UInt32](repeating: 1, count: bytes / 4)
                words.withUnsafeMutableBytes { words in
                    weight.withUnsafeBufferPointer { weight in
                        let call = heed_pack(
                            weight: weight.baseAddress, panels: words.baseAddress, in: Int32(inputs),
                            out: Int32(outputs), precision: Int32(precision.rawValue))
                        run(heed_kernels_for(isa).unsafelyUnwrapped.pointee.pack, call, parts: 3)
                    }
                }
                for panel in 0..<2 {
                    for unit in 0..<units {
                        for lane in 0..<48 {
                            let output = panel * 48 + lane
                            func value(_ k: Int) -> Float {
                                k < inputs && output < outputs ? weight[output * inputs + k] : 0
                            }
                            let expected =
                                precision == HEED_F32
                                ? value(unit).bitPattern
                                : roundedToBF16(value(2 * unit)).bitPattern
                                    | roundedToBF16(value(2 * unit + 1)).bitPattern >> 16
                            #expect(words[(panel * units + unit) * 48 + lane] == expected)
                        }
                    }
                }
            }
        }
    }
}
