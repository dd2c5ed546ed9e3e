import HeedModels
import HeedProcessor
import HeedRun
import HeedSupport
import HeedTensor
import Testing

@Suite("inspection")
struct InspectionTests {
    @Test(
        "published sizes are counted exactly",
        arguments: [
            ("gpt2", 124_439_808), ("gpt2-medium", 354_823_168), ("gpt2-large", 774_030_080),
            ("gpt2-xl", 1_557_611_200), ("transformer-base", 63_082_496), ("transformer-big", 214_245_376),
            // BertForPreTraining as published: body, pooler and both heads.
            ("bert-base", 110_106_428),
        ])
    func published(name: String, count: Int) throws {
        let estimate = try WorkEstimate(Preset.named(name).configuration, rows: 1, columns: 64)
        #expect(estimate.parameters == count)
        #expect(estimate.parts.reduce(0) { $0 + $1.count } == count)
        #expect(ModelDescription(try Preset.named(name)).parameterCount == count)
        #expect(!estimate.parts.contains { $0.name == "others" })
    }

    @Test("operations are those of the formula: 24nd² + 4n²d per layer where heads span the width")
    func operations() throws {
        var shape = DecoderConfiguration.gpt2(width: 256, layers: 3, heads: 4, vocabulary: 1000, context: 64)
        let n = 64.0, d = 256.0
        let one = try WorkEstimate(.decoder(shape), rows: 2, columns: 64).forwardOperations
        shape.layers = 4
        let two = try WorkEstimate(.decoder(shape), rows: 2, columns: 64).forwardOperations
        // A causal row sees half of the keys; norms and activations add a few per cent.
        let layer = 2 * (24 * n * d * d + 2 * n * n * d)
        #expect((two - one) / layer > 1 && (two - one) / layer < 1.02)
    }

    @Test("memory grows with the batch, and training keeps more than inference")
    func memory() throws {
        let shape = try Preset.named("tiny").configuration
        let small = try WorkEstimate(shape, rows: 1, columns: 128)
        let large = try WorkEstimate(shape, rows: 8, columns: 128)
        #expect(large.trainingActivationBytes > 4 * small.trainingActivationBytes)
        #expect(small.trainingActivationBytes > small.inferenceActivationBytes)
        #expect(large.cacheBytes == 8 * small.cacheBytes)
        #expect(small.cacheBytes == 2 * 4 * 128 * 128 * 4)
        #expect(throws: HeedError.self) { _ = try WorkEstimate(shape, rows: 1, columns: 129) }
        #expect(throws: HeedError.self) { _ = try WorkEstimate(shape, rows: .max, columns: 128) }
    }

    @Test(
        "weights in a form take what was said, within 2 %",
        arguments: [WeightForm.float32, .bfloat16, .float16, .int8, .int4], [0, 1, 2])
    func weights(form: WeightForm, shape: Int) throws {
        var configuration =
            shape == 0
            ? DecoderConfiguration.gpt2(width: 288, layers: 2, heads: 4, vocabulary: 1003, context: 64)
            : .llama(
                width: 256, layers: 2, heads: 4, keyHeads: 2, inner: 700, vocabulary: 1003, context: 64)
        if shape == 2 { configuration.tied.toggle() }
        let expected = try #require(
            try WorkEstimate(.decoder(configuration), rows: 1, columns: 64).weightBytesByForm[form])
        let model = try Model(
            .decoder(configuration), family: shape == 0 ? .gpt2 : .llama, weights: form, seed: 3)
        let decoder = try model.decoder
        let batch = TokenBatch(rowCapacity: 4, sequenceCapacity: 1)
        let pass = try Runtime(threads: 1).pass(model.weights, for: .inference, maximumLength: 64) { trace in
            decoder.logits(decoder(batch, in: trace)).kept()
        }
        // What no product reads stays as it is: tables of look-ups that are no output matrix, positions, vectors.
        let matrices = pass.trace.nodes.compactMap { ($0.operation as? LinearOperation)?.weight }
        let others =
            model.weights.layout.trainedCount
            - Dictionary(matrices.map { ($0.index, $0.count) }, uniquingKeysWith: { one, _ in one }).values.reduce(0, +)
        // Look-ups do not read bf16.
        let tables = pass.trace.nodes.compactMap { ($0.operation as? EmbedOperation)?.table }
            .filter { table in form == .bfloat16 && matrices.contains { $0.index == table.index } }
        let taken = pass.matrixBytes + 4 * (others + tables.reduce(0) { $0 + $1.count })
        #expect(abs(Double(taken) / Double(expected) - 1) < 0.02, "\(taken) for \(expected)")
    }

    @Test("an encoder-decoder's step counts both sides, and an encoder needs no cache")
    func otherKinds() throws {
        let configuration = EncoderDecoderConfiguration.original(
            width: 128, layers: 2, heads: 4, inner: 256, vocabulary: 1000, context: 64)
        let estimate = try WorkEstimate(.encoderDecoder(configuration), rows: 3, columns: 64)
        // A target row of the decoder's own attention sees half of the keys on average.
        let (source, target) = configuration.operations(keys: 64)
        let formula = 3 * 64 * (source + target)
        #expect(estimate.forwardOperations / formula > 0.95 && estimate.forwardOperations / formula < 1.03)
        // Keys and values of both attentions of 2 layers.
        #expect(estimate.cacheBytes == 3 * 64 * 2 * 2 * 2 * 128 * 4)
        for head in [EncoderHead.none, .pretraining, .sequenceClassifier(labels: 3), .tokenClassifier(labels: 3)] {
            var encoder = EncoderConfiguration.bert(
                width: 128, layers: 2, heads: 4, vocabulary: 500, context: 64, head: head)
            encoder.hasPooler = head != .tokenClassifier(labels: 3)
            let estimate = try WorkEstimate(.encoder(encoder), rows: 2, columns: 64)
            #expect(estimate.cacheBytes == 0)
            let perToken = estimate.forwardOperations / 128
            #expect(perToken / encoder.operationsPerToken(keys: 64) > 0.98)
            #expect(perToken / encoder.operationsPerToken(keys: 64) < 1.06)
            #expect(estimate.trainingActivationBytes > estimate.inferenceActivationBytes)
        }
    }

    @Test("a saved folder is described as what was saved")
    func description() throws {
        let folder = temporaryPath("model")
        defer { try? removeTree(folder) }
        let shape = DecoderConfiguration.llama(
            width: 16, layers: 2, heads: 4, keyHeads: 2, inner: 24, vocabulary: 30, context: 20)
        try Model(shape, family: .llama, seed: 1).save(folder: folder)
        let description = try ModelDescription(folder: folder)
        #expect(description.family == .llama)
        #expect(description.configuration == .decoder(shape))
        #expect(description.parameterCount == description.tensors.reduce(0) { $0 + $1.count })
        #expect(description.tokenizer == nil)
        #expect(description.json["tensors"]?.arrayValue?.count == description.tensors.count)
        #expect(throws: HeedError.self) { _ = try ModelDescription(folder: folder + "/nowhere") }
    }
}
