import CHeedKernels
import Testing

/// Forward, input gradient and weight gradient of one case, for comparing settings that must not matter.
private func everything(_ c: MatrixCase, _ seed: Int) -> [[Float]] {
    var numbers = Numbers(seed)
    let weight = numbers.array(c.inputs * c.outputs)
    let x = numbers.array(c.rows * c.inputs)
    let dy = numbers.array(c.rows * c.outputs)
    let dweight = numbers.array(c.inputs * c.outputs)
    let dbias = numbers.array(c.outputs)
    let gradient = weightGradient(c, dy: dy, x: x, from: (dweight, dbias))
    let zero = [Float](repeating: 0, count: c.rows * c.inputs)
    return [
        linear(c, x: x, weight: weight, packed: false),
        linear(c, x: x, weight: weight, packed: true),
        inputGradient(c, dy: dy, weight: weight, dx: zero, accumulate: false),
        gradient.weight, gradient.bias,
    ]
}

@Suite("What a product may not depend on")
struct MatrixInvarianceTests {
    @Test(
        "blocks of k, groups of panels and blocks of rows continue one chain",
        arguments: instructionSets.flatMap { isa in
            [
                MatrixCase(isa: isa, rows: 30, inputs: 1700, outputs: 230),
                MatrixCase(isa: isa, rows: 9, inputs: 3100, outputs: 100, bf16: true),
                MatrixCase(isa: isa, rows: 10, inputs: 3100, outputs: 100),
                MatrixCase(isa: isa, rows: 1700, inputs: 37, outputs: 110),
                MatrixCase(isa: isa, rows: 800, inputs: 1540, outputs: 50, bf16: true),
                MatrixCase(isa: isa, rows: 50, inputs: 200, outputs: 1700, bf16: true),
            ]
        })
    func blocks(_ c: MatrixCase) {
        var numbers = Numbers(3)
        let weight = numbers.array(c.inputs * c.outputs)
        let x = numbers.array(c.rows * c.inputs)
        let dy = numbers.array(c.rows * c.outputs)
        let start = numbers.array(c.inputs * c.outputs)
        let forward = product(
            rows: c.rows, columns: c.outputs, count: c.inputs, x, c.inputs, 1, weight, c.inputs, 1, fused: c.fused,
            bf16: c.bf16)
        #expect(sameBits(linear(c, x: x, weight: weight, packed: false), forward))
        #expect(sameBits(linear(c, x: x, weight: weight, packed: true), forward))
        let backward = product(
            rows: c.rows, columns: c.inputs, count: c.outputs, dy, c.outputs, 1, weight, 1, c.inputs, fused: c.fused,
            bf16: c.bf16)
        let zero = [Float](repeating: 0, count: c.rows * c.inputs)
        #expect(sameBits(inputGradient(c, dy: dy, weight: weight, dx: zero, accumulate: false), backward))
        let gradient = product(
            rows: c.outputs, columns: c.inputs, count: c.rows, dy, 1, c.outputs, x, 1, c.inputs, start: start,
            fused: c.fused, bf16: c.bf16)
        let dbias = [Float](repeating: 0, count: c.outputs)
        #expect(sameBits(weightGradient(c, dy: dy, x: x, from: (start, dbias)).weight, gradient))
    }

    @Test("the number of parts", arguments: instructionSets, [false, true])
    func parts(_ isa: heed_isa, bf16: Bool) {
        for (rows, inputs, outputs) in [(3, 50, 500), (100, 128, 128), (70, 300, 200), (500, 20, 24), (17, 8, 10)] {
            var c = MatrixCase(isa: isa, rows: rows, inputs: inputs, outputs: outputs, bf16: bf16)
            let alone = everything(c, rows)
            for parts in [2, 3, 4, 7] {
                c.parts = parts
                for (got, expected) in zip(everything(c, rows), alone) { #expect(sameBits(got, expected), "\(c)") }
            }
        }
    }

    @Test("the instruction set, where it fuses", arguments: [false, true])
    func instructionSet(bf16: Bool) {
        for (rows, inputs, outputs) in [(1, 800, 97), (40, 129, 200), (130, 66, 31)] {
            let results = fusedInstructionSets.map {
                everything(MatrixCase(isa: $0, rows: rows, inputs: inputs, outputs: outputs, bf16: bf16), 5)
            }
            for other in results.dropFirst() {
                for (got, expected) in zip(other, results[0]) { #expect(sameBits(got, expected)) }
            }
        }
    }

    @Test("the company of a row", arguments: instructionSets, [false, true])
    func company(_ isa: heed_isa, bf16: Bool) {
        var numbers = Numbers(11)
        var c = MatrixCase(isa: isa, rows: 40, inputs: 837, outputs: 119, bf16: bf16)
        let weight = numbers.array(c.inputs * c.outputs)
        let x = numbers.array(c.rows * c.inputs)
        let all = linear(c, x: x, weight: weight, packed: false)
        for packed in [false, true] {
            for rows in 1...40 {
                c.rows = rows
                let some = linear(c, x: x, weight: weight, packed: packed)
                #expect(sameBits(some, Array(all[0..<rows * c.outputs])), "\(rows) rows, packed \(packed)")
            }
            c.rows = 40
            c.limit = 1
            for row in 0..<40 {
                c.first = row
                let one = linear(c, x: x, weight: weight, packed: packed)
                let range = row * c.outputs..<(row + 1) * c.outputs
                #expect(sameBits(Array(one[range]), Array(all[range])), "row \(row) alone, packed \(packed)")
            }
            c.first = 0
            c.limit = .max
        }
    }

    @Test("how the rows of a weight gradient are divided", arguments: instructionSets, [false, true])
    func halves(_ isa: heed_isa, bf16: Bool) {
        var numbers = Numbers(13)
        var c = MatrixCase(isa: isa, rows: 61, inputs: 150, outputs: 70, bf16: bf16)
        let x = numbers.array(c.rows * c.inputs)
        let dy = numbers.array(c.rows * c.outputs)
        let start = (weight: numbers.array(c.inputs * c.outputs), bias: numbers.array(c.outputs))
        let once = weightGradient(c, dy: dy, x: x, from: start)
        for split in [1, 7, 30, 60] {
            c.first = 0
            c.limit = Int32(split)
            let half = weightGradient(c, dy: dy, x: x, from: start)
            c.first = split
            c.limit = .max
            let twice = weightGradient(c, dy: dy, x: x, from: half)
            #expect(sameBits(twice.weight, once.weight), "split at \(split)")
            #expect(sameBits(twice.bias, once.bias), "split at \(split)")
        }
    }

    @Test("values that are not finite, elsewhere", arguments: instructionSets, [false, true])
    func notFinite(_ isa: heed_isa, bf16: Bool) {
        var numbers = Numbers(17)
        let c = MatrixCase(isa: isa, rows: 19, inputs: 53, outputs: 61, bf16: bf16)
        var weight = numbers.array(c.inputs * c.outputs)
        var x = numbers.array(c.rows * c.inputs)
        // The last value of a row, the first of the next and one in the middle; a weight row, and an infinity that
        // meets a zero.
        x[3 * c.inputs + c.inputs - 1] = .nan
        x[8 * c.inputs] = .infinity
        x[18 * c.inputs + 20] = -.infinity
        x[9 * c.inputs + 52] = Float(bitPattern: 0x7FFF_FFFF)
        weight[60 * c.inputs + 52] = .infinity
        weight[17 * c.inputs + 4] = .nan
        weight[5 * c.inputs + 20] = 0
        let expected = product(
            rows: c.rows, columns: c.outputs, count: c.inputs, x, c.inputs, 1, weight, c.inputs, 1, fused: c.fused,
            bf16: c.bf16)
        for packed in [false, true] { #expect(sameBits(linear(c, x: x, weight: weight, packed: packed), expected)) }
        #expect(expected[3 * c.outputs].isNaN && !expected[2 * c.outputs].isNaN && expected[8 * c.outputs].isInfinite)
        #expect(expected[18 * c.outputs + 5].isNaN && expected[17].isNaN && expected[60].isInfinite)
    }
}
