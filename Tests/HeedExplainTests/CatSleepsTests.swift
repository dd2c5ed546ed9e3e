import HeedExplain
import HeedSupport
import HeedWeights
import TestFixtures
import Testing

@Suite("the cat sleeps")
struct CatSleepsTests {
    private let example = CatSleeps.document

    @Test("values that are easily checked by hand")
    func byHand() {
        let values = example.forward()
        #expect((values.Q - Matrix([[0.13, 0.14, 0.28], [0.17, 0.35, 0.32], [0.29, 0.22, 0.36]])).largest < 1e-15)
        #expect((values.K - Matrix([[0.24, 0.13, 0.12], [0.27, 0.20, 0.25], [0.31, 0.17, 0.29]])).largest < 1e-15)
        #expect((values.V - Matrix([[0.13, 0.21, 0.22], [0.23, 0.26, 0.32], [0.31, 0.23, 0.28]])).largest < 1e-15)
        for row in values.weights.lists { #expect(abs(row.reduce(0, +) - 1) < 1e-15) }
        #expect(abs(values.meanLoss - 0.715261) < 1e-6 && abs(values.sumLoss - 2.145783) < 1e-6)
    }

    @Test("gradients are those of central differences", arguments: [CatSleeps.Reduction.mean, .sum])
    func gradients(reduction: CatSleeps.Reduction) {
        let gradient = example.backward(example.forward(), reduction).parameters
        let differences = example.parameters.centralDifferences { example.loss($0, reduction) }
        for (name, path) in CatSleeps.Parameters.fields {
            #expect((gradient[keyPath: path] - differences[keyPath: path]).largest < 1e-9, "\(name)")
            #expect(gradient[keyPath: path].largest > 1e-5, "\(name)")
        }
    }

    @Test("the loss stays finite where a prediction is certain and wrong")
    func certain() {
        var hopeless = example
        hopeless.parameters.feedForward2 = 1e5 * example.parameters.feedForward2
        #expect(hopeless.forward().meanLoss.isFinite)
        #expect(hopeless.forward().meanLoss > 1000)
    }

    @Test("the document's wrong figures, and only they, are named")
    func printed() {
        let figures = CatSleeps.printedFigures
        let right = figures.filter { !$0.isWrong }.map(\.name)
        #expect(right == ["attn", "loss"])
        #expect(
            figures.filter(\.isWrong).map(\.name) == [
                "Q", "K", "V", "scores", "weights", "hidden", "logits", "preds", "grad.W_FFN2", "grad.W_FFN1",
            ])
        let report = CatSleepsReport(example)
        #expect(report.json["printed_disagrees"]?.arrayValue?.count == 10)
        #expect(report.json["tensors"]?["logits"]?.arrayValue?.count == 3)
        #expect(report.text.contains("10 of 12 figures are wrong"))
    }

    @Test("a file with other numbers is read, and one that does not fit is refused")
    func otherNumbers() throws {
        let path = temporaryPath("numbers.safetensors")
        defer { try? removeFile(path) }
        func write(_ change: (inout [(String, [Int])]) -> Void) throws {
            var shapes: [(String, [Int])] = [
                ("X", [2, 4]), ("W_Q", [4, 3]), ("W_K", [4, 3]), ("W_V", [4, 2]), ("W_FFN1", [2, 5]),
                ("W_FFN2", [5, 1]), ("y", [2]),
            ]
            change(&shapes)
            var file = TensorFile()
            for (index, (name, shape)) in shapes.enumerated() {
                let count = shape.reduce(1, *)
                file.append(name, shape: shape, (0..<count).map { Float(($0 * 7 + index) % 5) * 0.25 - 0.4 })
            }
            try file.write(path: path)
        }
        try write {
            $0[3].1 = [4, 3]; $0[4].1 = [3, 5]
        }
        let other = try CatSleeps(path: path)
        #expect(other.parameters.feedForward1.rows == 3)
        #expect(CatSleepsReport(other).printed.isEmpty)
        let gradient = other.backward(other.forward()).parameters
        let differences = other.parameters.centralDifferences { other.loss($0) }
        #expect((gradient.X - differences.X).largest < 1e-9)
        let broken: [(inout [(String, [Int])]) -> Void] = [
            { _ in }, { $0[0].1 = [4] }, { $0[1].1 = [3, 3] }, { $0.remove(at: 6) }, { $0[6].1 = [3] },
            { $0[0].1 = [0, 4] },
        ]
        for change in broken {
            try write(change)
            #expect(throws: HeedError.self) { _ = try CatSleeps(path: path) }
        }
    }
}

@Suite(
    "the cat sleeps, against goldens", .enabled(if: Shared.given("seeds/seed001_the_cat_sleeps.safetensors") != nil))
struct CatSleepsGoldenTests {
    private let golden: SafetensorsFile
    private let notes: JSON
    private let example: CatSleeps

    init() throws {
        golden = try SafetensorsFile(path: #require(Shared.given("seeds/seed001_the_cat_sleeps.safetensors")))
        notes = try JSON.load(path: #require(Shared.given("seeds/seed001_the_cat_sleeps.json")))
        example = .document
    }

    private func expect(_ got: Matrix, _ name: String, _ limit: Double = 1e-14) throws {
        let wanted = try golden.doubles(name)
        #expect(wanted.count == got.values.count)
        let off = zip(got.values, wanted).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(off < limit, "\(name) is off by \(off)")
    }

    @Test("the numbers that it starts from")
    func inputs() throws {
        for (name, path) in CatSleeps.Parameters.fields { try expect(example.parameters[keyPath: path], "in." + name) }
        #expect(try golden.doubles("in.y") == example.labels)
    }

    @Test("every value")
    func values() throws {
        let v = example.forward()
        for (name, matrix) in [
            ("Q", v.Q), ("K", v.K), ("V", v.V), ("scores", v.scores), ("weights", v.weights), ("attn", v.attention),
            ("pre", v.preActivation), ("hidden", v.hidden), ("logits", v.logits), ("preds", v.predictions),
            ("bce", v.losses),
        ] { try expect(matrix, "mid." + name) }
        #expect(abs(v.meanLoss - (notes["loss_mean.f64"]?.doubleValue ?? 0)) < 1e-14)
        #expect(abs(v.sumLoss - (notes["loss_sum.f64"]?.doubleValue ?? 0)) < 1e-14)
    }

    @Test("every gradient", arguments: [CatSleeps.Reduction.mean, .sum])
    func gradients(reduction: CatSleeps.Reduction) throws {
        let kind = reduction == .mean ? "mean" : "sum"
        let g = example.backward(example.forward(), reduction)
        for (name, matrix) in [
            ("Q", g.Q), ("K", g.K), ("V", g.V), ("scores", g.scores), ("weights", g.weights), ("attn", g.attention),
            ("pre", g.preActivation), ("hidden", g.hidden), ("logits", g.logits),
        ] { try expect(matrix, "dmid_\(kind)." + name) }
        for (name, path) in CatSleeps.Parameters.fields {
            try expect(g.parameters[keyPath: path], "grad_\(kind).f64." + name)
        }
    }

    @Test("five steps of AdamW", arguments: [CatSleeps.Reduction.mean, .sum])
    func training(reduction: CatSleeps.Reduction) throws {
        let kind = reduction == .mean ? "mean" : "sum"
        let wanted = try #require(notes["adamw_losses_\(kind).f64"]?.arrayValue).compactMap(\.doubleValue)
        let trained = example.train(steps: 5, reduction)
        for (got, wanted) in zip(trained.losses, wanted) { #expect(abs(got - wanted) < 1e-12) }
        #expect(trained.losses.count == wanted.count)
        for (steps, name) in [(1, "adamw1"), (5, "adamw5")] {
            let parameters = example.train(steps: steps, reduction).parameters
            for (field, path) in CatSleeps.Parameters.fields where field != "X" {
                try expect(parameters[keyPath: path], "\(name)_\(kind).f64.\(field)", 1e-11)
            }
        }
    }
}
