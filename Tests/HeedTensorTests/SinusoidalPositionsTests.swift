import HeedProcessor
import HeedSupport
import HeedTensor
import Testing

@Suite("Sinusoidal positions")
struct SinusoidalPositionsTests {
    @Test("the paper's layout: sine and cosine of a pair side by side")
    func interleaved() {
        let row = SinusoidalPositions(layout: .interleaved).row(1, width: 8)
        let wanted: [Float] = [0.84147, 0.54030, 0.09983, 0.99500, 0.01000, 0.99995, 0.00100, 1.00000]
        for (a, b) in zip(row, wanted) { #expect(abs(a - b) < 1e-5) }
    }

    @Test("all sines, then all cosines: the same numbers in another order")
    func halves() {
        for width in [6, 7, 16] {
            let pairs = SinusoidalPositions(layout: .interleaved).row(13, width: width)
            let halves = SinusoidalPositions(layout: .halves).row(13, width: width)
            let sines = stride(from: 0, to: width, by: 2).map { pairs[$0] }
            let cosines = stride(from: 1, to: width, by: 2).map { pairs[$0] }
            #expect(halves == sines + cosines)
        }
    }

    @Test("positions that start at 1, and a last frequency of 1/10000")
    func openNMT() {
        let positions = SinusoidalPositions(layout: .halves, steps: .halfLessOne, first: 1)
        let row = positions.row(0, width: 8)
        #expect(abs(row[0] - 0.84147) < 1e-5)
        #expect(abs(row[3] - 1e-4) < 1e-8)
        #expect(row == SinusoidalPositions(layout: .halves, steps: .halfLessOne).row(1, width: 8))
    }

    @Test("learned rows begin where they are told; a padding id gets no gradient")
    func embedding() throws {
        struct Tables {
            let ids: Parameter
            let positions: Parameter
        }
        let (tables, layout) = ParameterLayout.declare { scope in
            Tables(
                ids: scope.parameter("ids", [4, 5], .normal(1)),
                positions: scope.parameter("positions", [6, 5], .normal(1)))
        }
        let weights = try Weights(layout)
        let parameters = try weights.all()
        parameters.initialise(seed: 4)
        let batch = TokenBatch(rowCapacity: 3, sequenceCapacity: 1)
        try batch.append([1, 0, 3])
        let head = ParameterLayout.declare { $0.parameter("unused", [1], .zeros) }.model
        #expect(head.count == 1)
        for row in 0..<3 { batch.targets[row] = Int32(row) }
        let pass = try Runtime(threads: 1).pass(weights, for: .training, maximumLength: 3) { trace in
            let rows = trace.embed(
                batch, table: tables.ids, positions: .learned(tables.positions, first: 2), scale: 3, padding: 0)
            // The positions' own table as the output matrix gives the rows a gradient.
            _ = rows.crossEntropy(tables.positions, targets: .rows(batch))
            return rows.kept()
        }
        pass.forward()
        pass.backward()
        pass.finishGradients()
        let observed = pass[pass.outputs]
        let gradient = try #require(observed.gradient)
        let gradients = try #require(pass.gradients)
        for (row, id) in [1, 0, 3].enumerated() {
            for column in 0..<5 {
                let wanted =
                    3 * parameters[tables.ids][id * 5 + column] + parameters[tables.positions][(row + 2) * 5 + column]
                #expect(observed[row, column] == wanted)
                let flowed = gradients[tables.ids][id * 5 + column]
                #expect(flowed == (id == 0 ? 0 : 3 * gradient[row, column]))
            }
        }
    }
}
