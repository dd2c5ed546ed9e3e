import HeedExplain
import HeedSupport
import HeedWeights
import TestFixtures
import Testing

@Suite("a batch through one layer")
struct BatchLayerTests {
    @Test("gradients are those of central differences", arguments: [true, false])
    func gradients(isScaled: Bool) {
        let layer = BatchLayer.document(isScaled: isScaled)
        let gradient = layer.backward(layer.forward())
        let differences = layer.parameters.centralDifferences { layer.loss($0) }
        for (name, path) in BatchLayer.Parameters.fields {
            #expect((gradient[keyPath: path] - differences[keyPath: path]).largest < 1e-9, "\(name)")
            #expect(gradient[keyPath: path].largest > 1e-6, "\(name)")
        }
    }

    @Test("a sentence does not depend on its company, and the loss falls")
    func independence() {
        let layer = BatchLayer.document()
        var alone = layer
        alone.ids = [layer.ids[1]]
        alone.targets = [layer.targets[1]]
        #expect(alone.forward()[0].logits == layer.forward()[1].logits)
        let losses = layer.train(steps: 200).losses
        #expect((losses.last ?? 9) < 0.05 * losses[0])
    }

    @Test("the shapes are those of the document")
    func shapes() {
        let shapes = BatchReport(.document()).json["shapes"]
        #expect(shapes?["ids"] == [2, 5])
        #expect(shapes?["x"] == [2, 5, 8])
        #expect(shapes?["head1.weights"] == [2, 5, 5])
        #expect(shapes?["concat"] == [2, 5, 8])
        #expect(shapes?["ffn.act"] == [2, 5, 16])
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
        var layer = BatchLayer.document(isScaled: isScaled ?? true)
        for (field, path) in BatchLayer.Parameters.fields {
            layer.parameters[keyPath: path].values = try golden.doubles("param." + field)
        }
        layer.ids = try rows("ids")
        layer.targets = try rows("targets")

        func off(_ got: [Double], _ name: String) throws -> Double {
            let wanted = try golden.doubles(name)
            #expect(wanted.count == got.count)
            return zip(got, wanted).reduce(0) { max($0, abs($1.0 - $1.1)) }
        }
        let values = layer.forward()
        var named: [(String, [Double])] = [
            ("emb", values.flatMap(\.embedded.values)), ("x", values.flatMap(\.x.values)),
            ("concat", values.flatMap(\.joined.values)), ("ffn.pre", values.flatMap(\.preActivation.values)),
            ("ffn.act", values.flatMap(\.activation.values)), ("ffn.out", values.flatMap(\.output.values)),
            ("logits", values.flatMap(\.logits.values)), ("probs", values.flatMap(\.probabilities.values)),
        ]
        for head in 0..<2 {
            named += [
                ("head\(head).Q", values.flatMap(\.heads[head].Q.values)),
                ("head\(head).K", values.flatMap(\.heads[head].K.values)),
                ("head\(head).V", values.flatMap(\.heads[head].V.values)),
                ("head\(head).scores", values.flatMap(\.heads[head].scores.values)),
                ("head\(head).weights", values.flatMap(\.heads[head].weights.values)),
                ("head\(head).out", values.flatMap(\.heads[head].output.values)),
            ]
        }
        for (name, got) in named { #expect(try off(got, "mid." + name) < 1e-13, "\(name)") }
        let gradient = layer.backward(values)
        for (field, path) in BatchLayer.Parameters.fields {
            #expect(try off(gradient[keyPath: path].values, "grad.f64." + field) < 1e-13, "\(field)")
        }
        // The fixture's adam1 tensors are those of adam3 (they were taken by reference), so only the last is compared;
        // the losses below hold every step.
        let parameters = layer.train(steps: 3).parameters
        for (field, path) in BatchLayer.Parameters.fields {
            #expect(try off(parameters[keyPath: path].values, "adam3.f64." + field) < 1e-9, "\(field)")
        }
        let wanted = try #require(notes["losses.f64"]?.arrayValue).compactMap(\.doubleValue)
        for (got, wanted) in zip(layer.train(steps: 3).losses, wanted) { #expect(abs(got - wanted) < 1e-9) }
    }
}
