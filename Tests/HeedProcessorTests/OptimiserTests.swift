import HeedSupport
import HeedTensor
import Testing

@testable import HeedProcessor

/// Steps of an optimiser on a few tensors, with numbers that a formula gives.
private struct Trial {
    let tensors: [OptimisedTensor]
    let parameters: ParameterBuffer
    let gradients: ParameterBuffer
    let layout: ParameterLayout

    /// Matrices of these shapes, which decay, and a vector, which does not.
    init(_ shapes: [(rows: Int, columns: Int)], vector: Int = 0) throws {
        layout =
            ParameterLayout.declare { scope in
                for (index, shape) in shapes.enumerated() {
                    _ = scope.parameter("m\(index)", [shape.rows, shape.columns], .zeros)
                }
                if vector > 0 { _ = scope.parameter("v", [vector], .zeros) }
            }.layout
        parameters = try ParameterBuffer(layout)
        gradients = try ParameterBuffer(layout)
        tensors = layout.parameters.map { [layout] parameter in
            let start = layout.offset(of: parameter)
            let isMatrix = parameter.shape.count == 2
            // The first matrix lies in two places, as rows of one parameter may.
            let columns = isMatrix ? parameter.shape[1] : parameter.count
            let middle = start + parameter.count / columns / 2 * columns
            let places = [start..<middle, middle..<start + parameter.count].filter { !$0.isEmpty }
            return OptimisedTensor(places: places, columns: isMatrix ? columns : nil, isHidden: isMatrix)
        }
        for parameter in layout.parameters {
            for (index, _) in parameters[parameter].enumerated() {
                parameters[parameter][index] = Float((index * 5) % 7 - 3) / 10
            }
        }
    }

    /// Fills in the gradients of step `step`.
    func fill(step: Int, _ value: (Int, Int) -> Float = { index, step in Float((index * 7 + step * 3) % 11 - 5) / 10 })
    {
        for parameter in layout.parameters {
            for (index, _) in gradients[parameter].enumerated() { gradients[parameter][index] = value(index, step) }
        }
    }

    func values(_ index: Int) -> [Float] { Array(parameters[layout.parameters[index]]) }
}

@Suite("Optimisers that see whole tensors")
struct OptimiserTests {
    private func steps(_ trial: Trial, _ optimiser: Optimiser, decay: Float = 0.1) throws {
        let update = try OptimiserUpdate(
            trial.parameters, gradients: trial.gradients, tensors: trial.tensors, optimiser: optimiser, decay: decay,
            runtime: Runtime(threads: 1))
        for step in 1...3 {
            trial.fill(step: step)
            update.apply(step: step, rate: 0.02, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, clip: 1)
            #expect((0..<trial.gradients.count).allSatisfy { trial.gradients.base[$0] == 0 })
        }
    }

    private func expect(_ found: [Float], _ expected: [Float], within error: Float) {
        #expect(found.count == expected.count)
        for (left, right) in zip(found, expected) { #expect(abs(left - right) <= error, "\(left) for \(right)") }
    }

    /// From torch.optim.Muon (adjust_lr_fn "match_rms_adamw"), its products in fp32, and transformers' Adafactor without
    /// relative_step, scale_parameter and warmup_init: rate 0.02, decay 0.1, momentum 0.9, three steps.
    @Test("three steps give PyTorch's numbers")
    func golden() throws {
        let muon = try Trial([(2, 5), (4, 3)])
        try steps(muon, .muon)
        expect(
            muon.values(0),
            [
                -0.300242215, 0.1950223, -0.00701521477, -0.194413885, 0.300727636, 0.101493798, -0.0937066525,
                -0.294537961, 0.193821147, 0.0121937953,
            ], within: 2e-6)
        expect(
            muon.values(1),
            [
                -0.309112549, 0.191637799, -0.0102434708, -0.198510334, 0.301773816, 0.0987961888, -0.0944014341,
                -0.28858301, 0.196737364, 0.0110193547, -0.204554051, 0.299593061,
            ], within: 2e-6)
        let adafactor = try Trial([(2, 5), (4, 3)], vector: 6)
        try steps(adafactor, .adafactor)
        expect(
            adafactor.values(0),
            [
                -0.306151539, 0.194686562, -0.00640958548, -0.193290859, 0.308738738, 0.0978025049, -0.0896058828,
                -0.287465483, 0.153369591, 0.0264817923,
            ], within: 4e-7)
        expect(
            adafactor.values(1),
            [
                -0.324838221, 0.18721275, -0.0290018469, -0.20360297, 0.301721931, 0.0997702181, -0.0834698975,
                -0.279276878, 0.169584334, 0.0325062871, -0.214556232, 0.296786189,
            ], within: 4e-7)
        expect(
            adafactor.values(2),
            [-0.319895536, 0.195089668, -0.0243175756, -0.203080222, 0.30601722, 0.0992976949], within: 4e-7)
    }

    @Test(
        "wide, tall, square and thin matrices become orthogonal",
        arguments: [(70, 300), (300, 70), (64, 64), (1, 9), (9, 1)])
    func orthogonal(rows: Int, columns: Int) throws {
        let orthogonaliser = try Orthogonaliser([(rows, columns), (8, 8)], Runtime(threads: 2))
        var state: UInt32 = 7
        for index in 0..<rows * columns {
            state = state &* 1_664_525 &+ 1_013_904_223
            orthogonaliser.input[index] = Float(state >> 8) / 8_388_608 - 1
        }
        let start = (0..<rows * columns).map { Double(orthogonaliser.input[$0]) }
        let result = orthogonaliser.run(rows: rows, columns: columns)
        let expected = OptimiserTests.newtonSchulz(start, rows: rows, columns: columns)
        for index in expected.indices { #expect(abs(Double(result[index]) - expected[index]) < 5e-4) }
        // Squares of singular values, added up: between 0.7² and 1.2² each.
        let mean = expected.reduce(0) { $0 + $1 * $1 } / Double(min(rows, columns))
        #expect(mean > 0.4 && mean < 1.5)
        orthogonaliser.input.update(repeating: 0, count: rows * columns)
        let nothing = orthogonaliser.run(rows: rows, columns: columns)
        #expect((0..<rows * columns).allSatisfy { nothing[$0] == 0 })
    }

    /// The same by the formula, in double precision.
    private static func newtonSchulz(_ start: [Double], rows: Int, columns: Int) -> [Double] {
        func product(_ a: [Double], _ b: [Double], _ rows: Int, _ inner: Int, _ columns: Int) -> [Double] {
            var c = [Double](repeating: 0, count: rows * columns)
            for i in 0..<rows {
                for k in 0..<inner {
                    for j in 0..<columns { c[i * columns + j] += a[i * inner + k] * b[k * columns + j] }
                }
            }
            return c
        }
        func transposed(_ a: [Double], _ rows: Int, _ columns: Int) -> [Double] {
            (0..<columns * rows).map { a[$0 % rows * columns + $0 / rows] }
        }
        if rows > columns {
            return transposed(
                newtonSchulz(transposed(start, rows, columns), rows: columns, columns: rows), columns, rows)
        }
        let norm = start.reduce(0) { $0 + $1 * $1 }.squareRoot()
        var x = start.map { $0 / norm }
        for _ in 0..<5 {
            let a = product(x, transposed(x, rows, columns), rows, columns, rows)
            let b = zip(a, product(a, a, rows, rows, rows)).map { -4.7750 * $0 + 2.0315 * $1 }
            x = zip(x, product(b, x, rows, rows, columns)).map { 3.4445 * $0 + $1 }
        }
        return x
    }

    @Test("the same bits for any threads and slices", arguments: [Optimiser.muon, .adafactor])
    func sameBits(optimiser: Optimiser) throws {
        func run(threads: Int, slices: [Range<Int>]?) throws -> [UInt32] {
            let trials = try (slices ?? [0..<0]).map { _ in try Trial([(90, 120), (200, 40), (3, 7)], vector: 33) }
            let trained = trials[0].layout.trained
            let updates = try zip(trials, slices ?? [0..<trained]).map { trial, slice in
                try OptimiserUpdate(
                    trial.parameters, gradients: trial.gradients, tensors: trial.tensors, optimiser: optimiser,
                    decay: 0.1, slice: min(slice.lowerBound, trained)..<min(slice.upperBound, trained),
                    runtime: Runtime(threads: threads))
            }
            for step in 1...3 {
                for trial in trials { trial.fill(step: step) { Float(($0 * 37 + $1 * 11) % 101 - 50) / 50 } }
                // Rank by rank as a rank would see it: what others have prepared of their slices is gathered.
                var prepared = [Float](repeating: 0, count: trained)
                let ranges = updates.map(\.slice)
                for pass in 0..<2 where pass == 1 || updates.count > 1 {
                    for (trial, update) in zip(trials, updates) {
                        let before = (
                            moments: update.moments.map { Array($0.values) },
                            shared: update.shared.map { Array($0.values) },
                            numbers: Array(UnsafeBufferPointer(start: trial.parameters.base, count: trained))
                        )
                        if pass == 1 { trial.fill(step: step) { Float(($0 * 37 + $1 * 11) % 101 - 50) / 50 } }
                        update.apply(step: step, rate: 0.02, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, clip: 0.5) {
                            values in
                            for index in update.slice where pass == 0 { prepared[index] = values[index] }
                            guard pass == 1, updates.count > 1 else { return }
                            for index in 0..<trained { values[index] = prepared[index] }
                        }
                        guard pass == 0 else { continue }
                        // The first time round only shows the others what is prepared.
                        for (moment, old) in zip(update.moments, before.moments) {
                            _ = moment.values.update(fromContentsOf: old)
                        }
                        if let old = before.shared { _ = update.shared?.values.update(fromContentsOf: old) }
                        for index in 0..<trained { trial.parameters.base[index] = before.numbers[index] }
                    }
                }
                for (trial, range) in zip(trials, ranges) {
                    for other in trials {
                        for index in range { other.parameters.base[index] = trial.parameters.base[index] }
                    }
                }
            }
            return (0..<trained).map { trials[0].parameters.base[$0].bitPattern }
        }
        let expected = try run(threads: 1, slices: nil)
        #expect(try run(threads: 3, slices: nil) == expected)
        #expect(try run(threads: 2, slices: [0..<4096, 4096..<8192, 8192..<12288, 12288..<40960]) == expected)
    }
}
