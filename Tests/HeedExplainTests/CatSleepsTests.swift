import HeedExplain
import HeedSupport
import HeedWeights
import TestFixtures
import Testing

@Suite("the cat sleeps")
struct CatSleepsTests {
    private let run: CatSleepsRun

    init() throws { run = try CatSleepsRun(.document) }

    @Test("values that are easily checked by hand")
    func byHand() {
        func expect(_ name: String, _ rows: [[Double]]) {
            #expect(run.value(name).difference(from: NumberTable(rows)) < 1e-7, "\(name)")
        }
        expect("Q", [[0.13, 0.14, 0.28], [0.17, 0.35, 0.32], [0.29, 0.22, 0.36]])
        expect("K", [[0.24, 0.13, 0.12], [0.27, 0.20, 0.25], [0.31, 0.17, 0.29]])
        expect("V", [[0.13, 0.21, 0.22], [0.23, 0.26, 0.32], [0.31, 0.23, 0.28]])
        for row in run.value("weights").lists { #expect(abs(row.reduce(0, +) - 1) < 1e-6) }
        #expect(abs(run.meanLoss - 0.715261) < 1e-6 && abs(run.sumLoss - 2.145783) < 1e-6)
    }

    @Test("gradients are those of central differences")
    func gradients() throws {
        let checks = try run.checks()
        #expect(checks.map(\.path) == ["X", "W_QKV", "W_FFN1", "W_FFN2"])
        for check in checks { #expect(check.agrees && check.size > 1e-4, "\(check.path)") }
        for (name, gradient) in run.gradients { #expect(gradient.largest > 1e-5, "\(name)") }
    }

    @Test("the loss stays finite where a prediction is certain and wrong")
    func certain() throws {
        var hopeless = CatSleeps.document
        for index in hopeless.feedForward2.values.indices { hopeless.feedForward2.values[index] *= 1e5 }
        let loss = try CatSleepsRun(hopeless).meanLoss
        #expect(loss.isFinite && loss > 1000)
    }

    @Test("the document's wrong figures, and only they, are named")
    func printed() throws {
        let figures = run.printedFigures
        let right = figures.filter { !$0.isWrong }.map(\.name)
        #expect(right == ["attn", "loss"])
        #expect(
            figures.filter(\.isWrong).map(\.name) == [
                "Q", "K", "V", "scores", "weights", "hidden", "logits", "preds", "grad.W_FFN2", "grad.W_FFN1",
            ])
        let report = try CatSleepsReport(.document)
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
        #expect(other.feedForward1.rows == 3)
        let report = try CatSleepsReport(other)
        #expect(report.printed.isEmpty && report.checks.allSatisfy(\.agrees))
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
    private let run: CatSleepsRun

    init() throws {
        golden = try SafetensorsFile(path: #require(Shared.given("seeds/seed001_the_cat_sleeps.safetensors")))
        notes = try JSON.load(path: #require(Shared.given("seeds/seed001_the_cat_sleeps.json")))
        run = try CatSleepsRun(.document)
    }

    /// Goldens are in double precision, the model in single.
    private func expect(_ got: [Double], _ name: String, _ limit: Double) throws {
        let wanted = try golden.doubles(name)
        let largest = wanted.reduce(0) { max($0, abs($1)) }
        #expect(wanted.count == got.count && !got.isEmpty)
        let off = zip(got, wanted).reduce(0) { max($0, abs($1.0 - $1.1)) } / largest
        #expect(off < limit, "\(name) is off by \(off)")
    }

    @Test("the numbers that it starts from")
    func inputs() throws {
        let start = CatSleeps.document
        for (name, table) in [
            ("X", start.X), ("W_Q", start.query), ("W_K", start.key), ("W_V", start.value),
            ("W_FFN1", start.feedForward1), ("W_FFN2", start.feedForward2),
        ] { try expect(table.values, "in." + name, 1e-15) }
        #expect(try golden.doubles("in.y") == start.labels)
    }

    @Test("every value and its gradient")
    func values() throws {
        #expect(run.steps.count == 10)
        for step in run.steps {
            try expect(step.value.values, "mid." + step.name, 1e-6)
            if let gradient = step.gradient {
                // The document divides Q · Kᵀ: its scores are the scaled ones.
                try expect(gradient.values, "dmid_mean." + step.name, 1e-5)
            }
        }
        #expect(abs(run.meanLoss - (notes["loss_mean.f64"]?.doubleValue ?? 0)) < 1e-7)
        #expect(abs(run.sumLoss - (notes["loss_sum.f64"]?.doubleValue ?? 0)) < 3e-7)
    }

    @Test("every gradient of what it starts from")
    func gradients() throws {
        #expect(run.gradients.count == 6)
        for (name, gradient) in run.gradients { try expect(gradient.values, "grad_mean.f64." + name, 1e-5) }
    }

    @Test("five steps of AdamW")
    func training() throws {
        let wanted = try #require(notes["adamw_losses_mean.f64"]?.arrayValue).compactMap(\.doubleValue)
        let trained = try run.train(steps: 5)
        #expect(trained.losses.count == wanted.count)
        for (got, wanted) in zip(trained.losses, wanted) { #expect(abs(got - wanted) < 1e-5) }
        for (steps, name) in [(1, "adamw1"), (5, "adamw5")] {
            let matrices = try run.train(steps: steps).matrices
            let projections = try ["W_Q", "W_K", "W_V"].flatMap { field in
                let numbers = try golden.doubles("\(name)_mean.f64.\(field)")
                return NumberTable(rows: 5, columns: 3) { numbers[$0 * 3 + $1] }.transposed.values
            }
            let off = zip(matrices[0].values, projections).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(off < 1e-4, "\(name) \(off)")
            try expect(matrices[1].transposed.values, "\(name)_mean.f64.W_FFN1", 1e-5)
            try expect(matrices[2].transposed.values, "\(name)_mean.f64.W_FFN2", 1e-5)
        }
    }
}
