import CHeedKernels
import Testing

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
