import HeedRun
import HeedTexts
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedWeights
import TestFixtures
import Testing

@testable import HeedModels

@Suite("Encoders")
struct EncoderTests {
    private func run(
        _ folder: String, _ golden: SafetensorsFile, _ tag: String, gradients: Bool,
        on backend: TestBackend = .processor
    ) throws -> TensorFile {
        var options = PassOptions()
        options.everything = gradients
        options.gradients = gradients
        return try ForwardPass(Model.load(folder: folder), options: options, runtime: backend.make())
            .run(Golden.inputs(golden, tag))
    }

    private static let perSequence: Set<String> = ["pooler_output", "seq_relationship_logits"]

    @Test(
        "states, heads, attention, gradients against PyTorch", .enabled(if: Shared.isThere),
        arguments: [("bert_a", "hf", "pretrain"), ("bert_a", "hf_classifier", "classify"), ("roberta_a", "hf", "mlm")],
        TestBackend.allCases)
    func golden(_ place: (name: String, model: String, tag: String), backend: TestBackend) throws {
        let (name, model, tag) = place
        let folder = Shared.fixture("bert", name)
        let golden = try SafetensorsFile(path: joinPath(folder, "golden.safetensors"))
        let output = try run(joinPath(folder, model), golden, tag, gradients: true, on: backend)
        let compared = try Golden.expect(
            output, golden, tag, masked: { !EncoderTests.perSequence.contains($0) && tag != "classify" })
        #expect(compared > 20)
        let notes = try JSON.load(path: joinPath(folder, "golden.json"))
        let loss = try Golden.floats(output, "loss")[0]
        #expect(abs(Double(loss) - (notes["\(tag).loss.f64"]?.doubleValue ?? 0)) < 5e-6)
        if tag == "pretrain" {
            #expect(
                try Golden.expect(
                    output, golden, "encoder", masked: { !EncoderTests.perSequence.contains($0) }) == 2)
        }
    }

    @Test("pooled sentences of padded rows", .enabled(if: Shared.isThere))
    func pooling() throws {
        let folder = Shared.fixture("bert", "bert_a")
        let golden = try SafetensorsFile(path: joinPath(folder, "golden.safetensors"))
        let model = try Model.load(folder: joinPath(folder, "hf"))
        let ids = try golden.integers("encoder.in.input_ids")
        let mask = try golden.integers("encoder.in.attention_mask")
        let types = try golden.integers("encoder.in.token_type_ids")
        // The golden vectors are of rows with token types; the embedder has none, so only rows of type 0 compare.
        let columns = ids.count / 3
        for (ways, normalises, reference) in [
            ([SentencePooling.Way.mean], false, "encoder.mean_pooled.f64"),
            ([.mean], true, "encoder.mean_pooled_normalised.f64"), ([.first], false, "encoder.cls.f64"),
        ] {
            let embedder = try SentenceEmbedder(
                model, pooling: SentencePooling(ways, normalises: normalises), runtime: Runtime(threads: 1))
            let wanted = try golden.doubles(reference)
            for row in 0..<3 {
                let places = (row * columns..<(row + 1) * columns).filter { mask[$0] != 0 }
                guard places.allSatisfy({ types[$0] == 0 }) else { continue }
                let vector = try embedder.embed([places.map { Int32(ids[$0]) }])
                let width = vector.count
                #expect(Golden.largest(vector, Array(wanted[row * width..<(row + 1) * width])) < 2e-5, "\(reference)")
            }
        }
    }

    @Test("a sentence's vector has the same bits in any company")
    func company() throws {
        let configuration = EncoderConfiguration.bert(
            width: 32, layers: 2, heads: 4, vocabulary: 50, context: 40, head: .none)
        let model = try Model(.encoder(configuration), family: .bert, seed: 5)
        let sentences: [[Int32]] = [[1, 2, 3], [4, 5, 6, 7, 8, 9, 10, 11], [12], [13, 14, 15, 16, 17]]
        let pooling = SentencePooling([.mean, .largest, .first, .last, .rootMean], normalises: true)
        let together = try SentenceEmbedder(model, pooling: pooling, runtime: Runtime(threads: 3)).embed(sentences)
        let alone = try SentenceEmbedder(model, pooling: pooling, batchTokens: 1, runtime: Runtime(threads: 1))
        #expect(together == (try sentences.flatMap { try alone.embed([$0]) }))
        #expect(throws: HeedError.self) { _ = try alone.embed([[]]) }
        #expect(throws: HeedError.self) { _ = try alone.embed([[50]]) }
    }

    @Test("real sentence embeddings", .enabled(if: Shared.isThere))
    func sentences() throws {
        let folder = Shared.path("models", "minilm-f16")
        let golden = try SafetensorsFile(path: Shared.fixture("minilm", "embeddings.safetensors"))
        let notes = try JSON.load(path: Shared.fixture("minilm", "embeddings.json"))
        let pooling = try SentencePooling(folder: folder)
        #expect(pooling == SentencePooling([.mean], normalises: true))
        #expect(try SentenceEmbedder.longest(folder: folder) == 256)
        let ids = notes["ids"]?.arrayValue?.compactMap { $0.arrayValue?.compactMap { $0.intValue.map { Int32($0) } } }
        let embedder = try SentenceEmbedder(
            Model.load(folder: folder), pooling: pooling, longest: 256, runtime: Runtime(threads: 2))
        let vectors = try embedder.embed(ids ?? [])
        let wanted = try golden.doubles("embeddings_f16_weights.f64")
        #expect(vectors.count == wanted.count && vectors.count > 1000)
        #expect(Golden.largest(vectors, wanted) < 1e-4)
    }

    @Test(
        "what a form of weights costs real sentence embeddings", .enabled(if: Shared.isThere),
        arguments: [
            (WeightForm.stored, 1 - 1e-6), (.float16, 1 - 1e-6), (.bfloat16, 0.9999), (.int8, 0.998), (.int4, 0.9),
        ])
    func forms(form: WeightForm, bound: Double) throws {
        let folder = Shared.path("models", "minilm-f16")
        let notes = try JSON.load(path: Shared.fixture("minilm", "embeddings.json"))
        let ids = notes["ids"]?.arrayValue?.compactMap { $0.arrayValue?.compactMap { $0.intValue.map { Int32($0) } } }
        func vectors(_ form: WeightForm) throws -> [[Float]] {
            let embedder = try SentenceEmbedder(
                Model.load(folder: folder, weights: form), pooling: SentencePooling(folder: folder), longest: 256,
                runtime: Runtime(threads: 2))
            return try (ids ?? []).map { try embedder.embed([$0]) }
        }
        let cosines = zip(try vectors(form), try vectors(.float32)).map { TextEmbedder.cosine($0, $1) }
        #expect(cosines.count == 50 && cosines.allSatisfy { $0 >= bound })
        // The file holds binary16: rounding to it changes nothing.
        #expect(cosines.allSatisfy { $0 > 1 - 1e-6 } == (form == .stored || form == .float16))
    }

    @Test("every class is written as published and read again")
    func roundTrip() throws {
        for family in [Family.bert, .roberta] {
            for head in [
                EncoderHead.none, .maskedLanguage, .sequenceClassifier(labels: 3), .tokenClassifier(labels: 4),
            ] {
                var configuration = EncoderConfiguration.bert(
                    width: 16, layers: 1, heads: 2, vocabulary: 20, context: 12, head: head)
                if family == .roberta {
                    configuration.padding = 1
                    configuration.firstPosition = 2
                    configuration.types = 1
                }
                let isSequence = head == .sequenceClassifier(labels: 3)
                configuration.classifierHasDense = family == .roberta && isSequence
                configuration.hasPooler = head == .none || (family == .bert && isSequence)
                let model = try Model(.encoder(configuration), family: family, seed: 2)
                let folder = temporaryPath("encoder")
                defer { try? removeTree(folder) }
                try model.save(folder: folder)
                let again = try Model.load(folder: folder)
                #expect(again.architecture.configuration == .encoder(configuration))
                let (ours, theirs) = (try model.weights.all(), try again.weights.all())
                for tensor in model.checkpoint { #expect(tensor.stored(in: ours) == tensor.stored(in: theirs)) }
            }
        }
    }

    @Test("a new classifier keeps the body's numbers", .enabled(if: Shared.isThere))
    func classifier() throws {
        let model = try Model.load(folder: joinPath(Shared.fixture("bert", "bert_a"), "hf"))
        let fresh = try model.classifying(labels: 5, seed: 9)
        let (old, new) = (try model.encoder, try fresh.encoder)
        #expect(new.classifier?.weight.shape == [5, 48])
        let (body, copy) = (try model.weights.rows(old.embedding.table), try fresh.weights.rows(new.embedding.table))
        let same = zip(body, copy).allSatisfy { $0 == $1 }
        #expect(same)
    }
}
