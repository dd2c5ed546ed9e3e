import HeedExplain
import HeedSupport
import HeedWeights
import TestFixtures
import Testing

@Suite("a batch through one layer")
struct BatchLayerTests {
    @Test("gradients are those of central differences", arguments: [true, false])
    func gradients(isScaled: Bool) throws {
        let report = try BatchReport(.document(isScaled: isScaled))
        #expect(report.checks.count == 9)
        for check in report.checks { #expect(check.agrees && check.size > 1e-4, "\(check.path)") }
        #expect(report.gradients.map(\.name) == report.example.tables.map(\.name))
        #expect((report.trainedLosses.last ?? 9) < report.trainedLosses[0])
    }

    @Test("a sentence does not depend on its company")
    func independence() throws {
        let example = BatchExample.document()
        var alone = example
        alone.ids = [example.ids[1]]
        alone.targets = [example.targets[1]]
        let rows = try BatchReport(example).value("logits").lists
        #expect(try BatchReport(alone).value("logits").lists == Array(rows[5...]))
    }

    @Test("the shapes are those of the document; an id outside the table is refused")
    func shapes() throws {
        let shapes = try BatchReport(.document()).json["shapes"]
        #expect(shapes?["ids"] == [2, 5])
        #expect(shapes?["x"] == [2, 5, 8])
        #expect(shapes?["head1.weights"] == [2, 5, 5])
        #expect(shapes?["concat"] == [2, 5, 8])
        #expect(shapes?["ffn.act"] == [2, 5, 16])
        var example = BatchExample.document()
        example.ids[0][0] = 11
        #expect(throws: HeedError.self) { try BatchReport(example) }
    }

    @Test(
        "goldens", .enabled(if: Shared.given("seeds/seed000_scaled_relu.safetensors") != nil),
        arguments: ["seed000_scaled_relu", "seed000_literal_unscaled_relu"])
    func goldens(name: String) throws {
        let golden = try SafetensorsFile(path: #require(Shared.given("seeds/\(name).safetensors")))
        let notes = try JSON.load(path: #require(Shared.given("seeds/\(name).json")))
        func rows(_ name: String) throws -> [[Int]] {
            let values = try golden.integers(name)
            return [Array(values[..<5]), Array(values[5...])]
        }
        let isScaled = notes["scores_scaled_by_sqrt_head_dim"]?.boolValue
        #expect(isScaled != nil)
        var example = BatchExample.document(isScaled: isScaled ?? true)
        for index in example.tables.indices {
            example.tables[index].numbers.values = try golden.doubles("param." + example.tables[index].name)
        }
        example.ids = try rows("ids")
        example.targets = try rows("targets")
        let report = try BatchReport(example)

        // Goldens are in double precision, the model in single.
        func expect(_ got: NumberTable, _ name: String, _ limit: Double) throws {
            let wanted = try golden.doubles(name)
            let largest = wanted.reduce(0) { max($0, abs($1)) }
            #expect(wanted.count == got.values.count && !wanted.isEmpty)
            let off = zip(got.values, wanted).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(off < limit * largest, "\(name) is off by \(off / largest)")
        }
        for value in ["x", "concat", "ffn.pre", "ffn.act", "ffn.out", "logits"]
            + ["head0", "head1"].flatMap({ head in ["Q", "K", "V", "weights", "out"].map { "\(head).\($0)" } })
        { try expect(report.value(value), "mid." + value, 2e-6) }
        for (field, gradient) in report.gradients { try expect(gradient, "grad.f64." + field, 2e-5) }
        let wanted = try #require(notes["losses.f64"]?.arrayValue).compactMap(\.doubleValue)
        #expect(wanted.count == 4)
        for (got, wanted) in zip(report.trainedLosses, wanted) { #expect(abs(got - wanted) < 1e-5) }
    }
}
