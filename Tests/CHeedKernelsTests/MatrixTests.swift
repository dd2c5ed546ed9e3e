import CHeedKernels
import Testing

/// x · Wᵀ from row-major weights or from panels.
func linear(_ c: MatrixCase, x: [Float], weight: [Float], bias: [Float]? = nil, packed: Bool) -> [Float] {
    let xStride = c.inputs + c.padding
    let yStride = c.outputs + c.padding
    var y = [Float](repeating: 7, count: c.rows * yStride)
    let bytes = Int(heed_panel_bytes(Int64(c.inputs), Int64(c.outputs), c.precision))
    let panels = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    defer { panels.deallocate() }
    c.withWindow { window, scratch in
        x.withUnsafeBufferPointer { x in
            weight.withUnsafeBufferPointer { weight in
                (bias ?? []).withUnsafeBufferPointer { offsets in
                    y.withUnsafeMutableBufferPointer { y in
                        let pack = heed_pack(
                            weight: weight.baseAddress, panels: panels, in: Int32(c.inputs), out: Int32(c.outputs),
                            precision: c.precision)
                        run(c.kernels.pack, pack, parts: c.parts)
                        var call = heed_linear()
                        call.window = window
                        call.x = x.baseAddress
                        call.x_stride = Int64(xStride)
                        if packed { call.panels = UnsafeRawPointer(panels) } else { call.weight = weight.baseAddress }
                        call.bias = bias == nil ? nil : offsets.baseAddress
                        call.y = y.baseAddress
                        call.y_stride = Int64(yStride)
                        call.in = Int32(c.inputs)
                        call.out = Int32(c.outputs)
                        call.precision = c.precision
                        call.scratch = scratch
                        run(c.kernels.linear, call, parts: c.parts)
                    }
                }
            }
        }
    }
    return y
}

func inputGradient(_ c: MatrixCase, dy: [Float], weight: [Float], dx start: [Float], accumulate: Bool) -> [Float] {
    var dx = start
    c.withWindow { window, scratch in
        dy.withUnsafeBufferPointer { dy in
            weight.withUnsafeBufferPointer { weight in
                dx.withUnsafeMutableBufferPointer { dx in
                    var call = heed_linear_input_gradient()
                    call.window = window
                    call.dy = dy.baseAddress
                    call.dy_stride = Int64(c.outputs + c.padding)
                    call.weight = weight.baseAddress
                    call.dx = dx.baseAddress
                    call.dx_stride = Int64(c.inputs + c.padding)
                    call.in = Int32(c.inputs)
                    call.out = Int32(c.outputs)
                    call.accumulate = accumulate ? 1 : 0
                    call.precision = c.precision
                    call.scratch = scratch
                    run(c.kernels.linear_input_gradient, call, parts: c.parts)
                }
            }
        }
    }
    return dx
}

func weightGradient(
    _ c: MatrixCase, dy: [Float], x: [Float], from start: (weight: [Float], bias: [Float])
) -> (weight: [Float], bias: [Float]) {
    var (dweight, dbias) = start
    c.withWindow { window, scratch in
        dy.withUnsafeBufferPointer { dy in
            x.withUnsafeBufferPointer { x in
                dweight.withUnsafeMutableBufferPointer { dweight in
                    dbias.withUnsafeMutableBufferPointer { dbias in
                        var call = heed_linear_weight_gradient()
                        call.window = window
                        call.dy = dy.baseAddress
                        call.dy_stride = Int64(c.outputs + c.padding)
                        call.x = x.baseAddress
                        call.x_stride = Int64(c.inputs + c.padding)
                        call.dweight = dweight.baseAddress
                        call.dbias = dbias.baseAddress
                        call.in = Int32(c.inputs)
                        call.out = Int32(c.outputs)
                        call.precision = c.precision
                        call.scratch = scratch
                        run(c.kernels.linear_weight_gradient, call, parts: c.parts)
                    }
                }
            }
        }
    }
    return (dweight, dbias)
}

/// Shapes that hit every edge of tiles, panels and blocks.
let matrixCases: [MatrixCase] = instructionSets.flatMap { isa in
    [false, true].flatMap { bf16 in
        [
            (1, 1, 1), (1, 7, 5), (2, 3, 48), (3, 48, 47), (5, 33, 97), (8, 64, 64), (9, 130, 49), (16, 100, 96),
            (17, 769, 50), (40, 257, 131), (23, 5, 3), (8, 0, 10),
        ].flatMap { rows, inputs, outputs in
            [
                MatrixCase(isa: isa, rows: rows, inputs: inputs, outputs: outputs, bf16: bf16),
                MatrixCase(
                    isa: isa, rows: rows, inputs: inputs, outputs: outputs, bf16: bf16, parts: 3, padding: 5,
                    first: rows / 3, limit: Int32(rows / 2 + 1)),
            ]
        }
    }
}

@Suite("Matrix products are one chain per output")
struct MatrixTests {
    @Test("x · Wᵀ + b", arguments: matrixCases)
    func forward(_ c: MatrixCase) {
        var numbers = Numbers(c.rows)
        let x = numbers.array(c.rows * (c.inputs + c.padding))
        let weight = numbers.array(c.inputs * c.outputs)
        let bias = numbers.array(c.outputs)
        var expected = [Float](repeating: 7, count: c.rows * (c.outputs + c.padding))
        for row in c.window {
            for output in 0..<c.outputs {
                expected[row * (c.outputs + c.padding) + output] =
                    chain(
                        x, row * (c.inputs + c.padding), 1, weight, output * c.inputs, 1, count: c.inputs,
                        fused: c.fused, bf16: c.bf16) + bias[output]
            }
        }
        #expect(sameBits(linear(c, x: x, weight: weight, bias: bias, packed: false), expected))
        #expect(sameBits(linear(c, x: x, weight: weight, bias: bias, packed: true), expected))
    }

    @Test("dx = dy · W", arguments: matrixCases, [false, true])
    func backwardToInput(_ c: MatrixCase, accumulate: Bool) {
        var numbers = Numbers(c.rows + 1)
        let dy = numbers.array(c.rows * (c.outputs + c.padding))
        let weight = numbers.array(c.inputs * c.outputs)
        let start = numbers.array(c.rows * (c.inputs + c.padding))
        var expected = start
        for row in c.window {
            for input in 0..<c.inputs {
                let place = row * (c.inputs + c.padding) + input
                expected[place] = chain(
                    dy, row * (c.outputs + c.padding), 1, weight, input, c.inputs, count: c.outputs,
                    from: accumulate ? start[place] : 0, fused: c.fused, bf16: c.bf16)
            }
        }
        #expect(sameBits(inputGradient(c, dy: dy, weight: weight, dx: start, accumulate: accumulate), expected))
    }

    @Test("dW += dyᵀ · x, db += Σ dy", arguments: matrixCases)
    func backwardToWeight(_ c: MatrixCase) {
        var numbers = Numbers(c.rows + 2)
        let dy = numbers.array(c.rows * (c.outputs + c.padding))
        let x = numbers.array(c.rows * (c.inputs + c.padding))
        let start = (weight: numbers.array(c.inputs * c.outputs), bias: numbers.array(c.outputs))
        var expected = start
        for output in 0..<c.outputs {
            for input in 0..<c.inputs {
                expected.weight[output * c.inputs + input] = chain(
                    dy, c.window.lowerBound * (c.outputs + c.padding) + output, c.outputs + c.padding, x,
                    c.window.lowerBound * (c.inputs + c.padding) + input, c.inputs + c.padding, count: c.window.count,
                    from: start.weight[output * c.inputs + input], fused: c.fused, bf16: c.bf16)
            }
            for row in c.window { expected.bias[output] += dy[row * (c.outputs + c.padding) + output] }
        }
        let got = weightGradient(c, dy: dy, x: x, from: start)
        #expect(sameBits(got.weight, expected.weight))
        #expect(sameBits(got.bias, expected.bias))
    }
}
