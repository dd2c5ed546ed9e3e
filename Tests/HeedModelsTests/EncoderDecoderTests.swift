import HeedRun
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedWeights
import TestFixtures
import Testing

@testable import HeedModels

@Suite("Encoder-decoders")
struct EncoderDecoderTests {
    static let cases = ["marian_a", "bart_a", "t5_a"]

    @Test(
        "logits, states of both stacks, attention, gradients against PyTorch", .enabled(if: Shared.isThere),
        arguments: cases, TestBackend.allCases)
    func golden(name: String, backend: TestBackend) throws {
        let folder = Shared.fixture("seq2seq", name)
        let model = try Model.load(folder: joinPath(folder, "hf"))
        let golden = try SafetensorsFile(path: joinPath(folder, "golden.safetensors"))
        var options = PassOptions()
        options.everything = true
        options.gradients = true
        let output = try ForwardPass(model, options: options, runtime: backend.make())
            .run(Golden.inputs(golden, "s2s"))
        // PyTorch's own fp32 gradients of T5 are up to 1.1e-5 off.
        let compared = try Golden.expect(
            output, golden, "s2s", masked: { $0.hasPrefix("encoder_") }, skipping: ["encoder_last_hidden_state"],
            limit: name == "t5_a" ? 5e-5 : 2e-5)
        #expect(compared > 50)
    }

    @Test("saving and loading gives the same logits", .enabled(if: Shared.isThere), arguments: cases)
    func roundTrip(name: String) throws {
        let folder = Shared.fixture("seq2seq", name)
        let model = try Model.load(folder: joinPath(folder, "hf"))
        let copy = temporaryPath(name)
        defer { try? removeTree(copy) }
        try model.save(folder: copy)
        let again = try Model.load(folder: copy)
        let golden = try SafetensorsFile(path: joinPath(folder, "golden.safetensors"))
        let input = try Golden.inputs(golden, "s2s")
        let runtime = try Runtime(threads: 1)
        let first = try ForwardPass(model, options: PassOptions(), runtime: runtime).run(input)
        let second = try ForwardPass(again, options: PassOptions(), runtime: runtime).run(input)
        #expect(first["logits"] == second["logits"])
        #expect(first["logits"] != nil)
        // A configuration written by us says the same as the file that was read.
        let configuration = model.architecture.configuration
        let fresh = try Model(configuration, family: model.family, specials: model.specials, seed: 1)
        try fresh.save(folder: copy)
        #expect(try Model.load(folder: copy).architecture.configuration == configuration)
    }

    @Test("the original's shapes have the published numbers of parameters")
    func presets() throws {
        for (name, count) in [("transformer-base", 63_082_496), ("transformer-big", 214_245_376)] {
            guard case .encoderDecoder(let configuration) = try Preset.named(name).configuration else {
                Issue.record("\(name) is no encoder-decoder")
                continue
            }
            let layout = ParameterLayout.declare { EncoderDecoder($0, configuration) }.layout
            #expect(layout.trainedCount == count)
        }
    }

    @Test("a changed target id leaves earlier logits' bits; padding leaves a row's bits", arguments: [1, 3])
    func causalityAndPadding(threads: Int) throws {
        let configuration = EncoderDecoderConfiguration.original(
            width: 32, layers: 2, heads: 4, inner: 64, vocabulary: 40)
        let model = try Model(.encoderDecoder(configuration), family: .marian, seed: 3)
        let runtime = try Runtime(threads: threads)
        func run(_ source: [[Int64]], _ target: [[Int64]], mask: [[Int64]]? = nil) throws -> [Float] {
            var file = TensorFile()
            let shape = [source.count, source[0].count]
            file.append("input_ids", shape: shape, integers: source.flatMap { $0 })
            if let mask { file.append("attention_mask", shape: shape, integers: mask.flatMap { $0 }) }
            file.append(
                "decoder_input_ids", shape: [target.count, target[0].count], integers: target.flatMap { $0 })
            return try Golden.floats(
                ForwardPass(model, options: PassOptions(), runtime: runtime).run(file), "logits")
        }
        let plain = try run([[3, 4, 5, 6]], [[39, 7, 8, 9, 10]])
        let changed = try run([[3, 4, 5, 6]], [[39, 7, 8, 30, 10]])
        #expect(plain.prefix(3 * 40) == changed.prefix(3 * 40))
        #expect(plain.suffix(2 * 40) != changed.suffix(2 * 40))
        let padded = try run(
            [[3, 4, 5, 6, 0, 0], [9, 8, 7, 6, 5, 4]], [[39, 7, 8, 9, 10], [39, 1, 2, 3, 4]],
            mask: [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
        #expect(Array(padded.prefix(plain.count)) == plain)
    }
}
