import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights
import TestFixtures
import Testing

@testable import HeedModels

/// A small model of every family.
private struct Sample {
    let family: Family
    let configuration: Configuration

    static let all: [Sample] = [
        Sample(family: .gpt2, configuration: .decoder(gpt)),
        Sample(family: .llama, configuration: .decoder(llama)),
        Sample(family: .bert, configuration: .encoder(encoder(.maskedLanguage, pooler: false))),
        Sample(family: .roberta, configuration: .encoder(roberta)),
        Sample(family: .marian, configuration: .encoderDecoder(marian)),
        Sample(family: .bart, configuration: .encoderDecoder(bart)),
        Sample(family: .t5, configuration: .encoderDecoder(t5)),
    ]

    static let gpt = DecoderConfiguration.gpt2(width: 16, layers: 2, heads: 2, vocabulary: 20, context: 12)
    static let llama: DecoderConfiguration = {
        var c = DecoderConfiguration.llama(
            width: 16, layers: 2, heads: 4, keyHeads: 2, inner: 24, vocabulary: 20, context: 12)
        c.positions = .all(.rotary(RotaryShape(theta: 5e5, scaling: .llama3(factor: 8, low: 1, high: 4, original: 8))))
        return c
    }()
    static func encoder(_ head: EncoderHead, pooler: Bool) -> EncoderConfiguration {
        var c = EncoderConfiguration.bert(width: 16, layers: 1, heads: 2, vocabulary: 20, context: 12, head: head)
        c.hasPooler = pooler
        return c
    }
    static let roberta: EncoderConfiguration = {
        var c = encoder(.maskedLanguage, pooler: false)
        c.padding = 1
        c.firstPosition = 2
        c.types = 1
        return c
    }()
    static let marian = EncoderDecoderConfiguration.original(
        width: 16, layers: 1, heads: 2, inner: 24, vocabulary: 20, context: 12)
    static let bart: EncoderDecoderConfiguration = {
        var c = marian
        c.embeddedPositions = .learned(first: 2)
        c.embeddingNorm = true
        c.start = 2
        c.padding = 1
        return c
    }()
    static let t5: EncoderDecoderConfiguration = {
        var c = marian
        c.embeddedPositions = .none
        c.scalesEmbedding = false
        c.logitsBias = .none
        c.trainsPadding = true
        c.headScale = 0.25
        c.both {
            $0.placement = .before
            $0.finalNorm = true
            $0.norm = .rootMeanSquare
            $0.epsilon = 1e-6
            $0.dropsFinalNorm = true
            $0.positions = .all(.relative(RelativeBuckets(buckets: 8, maximumDistance: 16)))
            $0.scale = .value(1)
            $0.hasBias = false
            $0.innerDropout = $0.residualDropout
            $0.weightDropout = $0.residualDropout
        }
        return c
    }()
}

@Suite("Families")
struct FamilyTests {
    /// Saves a small model, lets `change` edit the keys and the tensors, and gives the folder to `body`.
    private func folder(
        _ sample: Sample, keys: (inout JSONObject) -> Void = { _ in },
        tensors: (inout [(name: String, shape: [Int], values: [Float])]) -> Void = { _ in },
        _ body: (String) throws -> Void
    ) throws {
        let folder = temporaryPath("family")
        defer { try? removeTree(folder) }
        let model = try Model(sample.configuration, family: sample.family, seed: 3)
        try model.save(folder: folder)
        var document = model.document
        keys(&document)
        try writeAtomically(path: joinPath(folder, "config.json"), text: JSON.object(document).serialised())
        let numbers = try model.weights.all()
        var list = model.checkpoint.map {
            (name: $0.name, shape: $0.storedShape, values: $0.stored(in: numbers))
        }
        tensors(&list)
        try writeSafetensors(
            path: joinPath(folder, "model.safetensors"),
            list.map { name, shape, values in
                TensorToWrite(name, .f32, shape: shape) { writer in
                    try values.withUnsafeBufferPointer { try writer.append($0) }
                }
            })
        try body(folder)
    }

    private func message(_ folder: String) -> String {
        do {
            _ = try Model.load(folder: folder)
            return "loaded"
        } catch {
            return "\(error)"
        }
    }

    @Test("every family has a name of its own, and reads what it writes", arguments: 0..<7)
    func roundTrip(index: Int) throws {
        #expect(Set(Family.all.map(\.name)).count == Family.all.count)
        #expect(Sample.all.allSatisfy { sample in Family.all.contains(sample.family) })
        let sample = Sample.all[index]
        try folder(sample) { folder in
            let again = try Model.load(folder: folder)
            #expect(again.family == sample.family)
            #expect(again.warnings == [])
            #expect(again.architecture.configuration.differences(from: sample.configuration) == [])
            #expect(try ModelDescription(folder: folder).warnings == [])
        }
    }

    @Test("GGUF files say what config.json leaves to the family's defaults", arguments: [0, 1, 2, 6])
    func defaultsInGGUF(index: Int) throws {
        let sample = Sample.all[index]
        try folder(sample) { folder in
            func values(_ stored: StoredModel) throws -> [String: GGUFValue] {
                let export = try GGUFExport(
                    stored.weights, configuration: try stored.wholeDocument(), in: "config.json", name: "m", type: nil)
                return Dictionary(
                    uniqueKeysWithValues: export.metadata.keys.map { ($0, export.metadata[$0] ?? .bool(false)) })
            }
            let whole = try StoredModel(path: folder)
            let expected = try values(whole)
            var document = whole.document
            // Every key goes without which the family reads the same shape.
            for key in whole.document.keys where key != "model_type" {
                var less = document
                less[key] = nil
                let reader = try ConfigurationReader(.object(less), file: "config.json")
                if let read = try? Family.read(reader).1, read.differences(from: sample.configuration).isEmpty {
                    document = less
                }
            }
            #expect(document.keys.count < whole.document.keys.count)
            try writeAtomically(path: joinPath(folder, "config.json"), text: JSON.object(document).serialised())
            #expect(try values(StoredModel(path: folder)) == expected)
        }
    }

    @Test("a shape that a family has no words for is refused with what it cannot say")
    func unsayable() throws {
        var c = Sample.llama
        c.placement = .around
        c.activation = .tanh
        do {
            _ = try Model(c, family: .llama, seed: 1)
            Issue.record("written all the same")
        } catch {
            #expect("\(error)".contains("placement") && !"\(error)".contains("activation"))
        }
        #expect(throws: HeedError.self) { _ = try Model(.decoder(Sample.gpt), family: .bert, seed: 1) }
    }

    @Test("an unknown key is named in a warning, a harmless one is not, one that changes numbers is refused")
    func keys() throws {
        try folder(Sample.all[1], keys: { $0["frobnication"] = 3 }) { folder in
            let warnings = try Model.load(folder: folder).warnings
            #expect(warnings.count == 1 && warnings.first?.contains("frobnication") == true)
        }
        try folder(
            Sample.all[1],
            keys: {
                $0["pretraining_tp"] = 1
                $0["quantization_config"] = .null
                $0["is_decoder"] = false
            }
        ) { folder in
            let warnings = try Model.load(folder: folder).warnings
            #expect(warnings == [])
        }
        let refused: [(Int, String, JSON)] = [
            (2, "is_decoder", true), (3, "is_decoder", true), (2, "position_embedding_type", "relative_key"),
            (1, "quantization_config", ["bits": 4]), (1, "sliding_window", 8), (0, "add_cross_attention", true),
            (4, "is_encoder_decoder", false), (1, "rope_scaling", ["rope_type": "linear", "factor": 2, "strange": 1]),
            (1, "rope_scaling", ["type": "frobnicated"]),
        ]
        for (sample, key, value) in refused {
            try folder(Sample.all[sample], keys: { $0[key] = value }) { folder in
                let text = message(folder)
                #expect(
                    text.contains(key) || text.contains("strange") || text.contains("frobnicated"), "\(key): \(text)")
            }
        }
    }

    @Test("rope_scaling counts where rope_parameters are beside it")
    func rotarySpellings() throws {
        let scaled = RotaryShape(theta: 10_000, scaling: .linear(factor: 4))
        let spellings: [(inout JSONObject) -> Void] = [
            {
                $0["rope_parameters"] = ["rope_type": "default", "rope_theta": 20_000]
                $0["rope_scaling"] = ["type": "linear", "factor": 4]
                $0["rope_theta"] = nil
            },
            {
                $0["rope_parameters"] = .null
                $0["rope_theta"] = 10_000
                $0["rope_scaling"] = ["rope_type": "linear", "factor": 4]
            },
            { $0["rope_parameters"] = ["rope_type": "linear", "rope_theta": 10_000, "factor": 4] },
        ]
        for keys in spellings {
            try folder(Sample.all[1], keys: keys) { folder in
                let c = try Model.load(folder: folder).decoder.configuration
                #expect(c.positions == .all(.rotary(scaled)))
            }
        }
    }

    @Test("an output matrix of the file counts where the configuration says tied", arguments: [0, 2, 3, 4, 5, 6])
    func ownHead(index: Int) throws {
        let head = [
            0: "lm_head.weight", 2: "cls.predictions.decoder.weight", 3: "lm_head.decoder.weight", 4: "lm_head.weight",
            5: "lm_head.weight", 6: "lm_head.weight",
        ]
        let name = try #require(head[index])
        for differs in [false, true] {
            try folder(
                Sample.all[index],
                tensors: { list in
                    guard let table = list.first(where: { $0.shape == [20, 16] }) else { return }
                    list.append((name, table.shape, differs ? table.values.map { $0 + 1 } : table.values))
                }
            ) { folder in
                let model = try Model.load(folder: folder)
                #expect(model.architecture.configuration.isTied == !differs)
                #expect(model.warnings.isEmpty == !differs)
                if differs {
                    let own = try #require(model.checkpoint.first { $0.name == name })
                    let table = try #require(model.checkpoint.first { $0.storedShape == [20, 16] && $0.name != name })
                    let numbers = try model.weights.all()
                    #expect(
                        own.stored(in: numbers) == table.stored(in: numbers).map { $0 + 1 })
                    // What is saved says so itself.
                    try model.save(folder: folder)
                    #expect(try Model.load(folder: folder).warnings == [])
                }
            }
        }
    }

    @Test("tables of both sides that differ are two tables")
    func ownTables() throws {
        try folder(
            Sample.all[5],
            keys: { $0["tie_word_embeddings"] = false },
            tensors: { list in
                guard let place = list.firstIndex(where: { $0.name == "model.shared.weight" }) else { return }
                let table = list.remove(at: place)
                for (number, name) in [
                    "model.shared.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight",
                    "lm_head.weight",
                ].enumerated() {
                    list.append((name, table.shape, table.values.map { $0 + Float(number) }))
                }
            }
        ) { folder in
            let model = try Model.load(folder: folder)
            let layers = try model.encoderDecoder
            #expect(!layers.configuration.sharedTable && !layers.configuration.tied)
            let numbers = try model.weights.all()
            func first(_ parameter: Parameter) -> Float { numbers[parameter][0] }
            let (source, target) = (first(layers.sourceEmbedding.table), first(layers.targetEmbedding.table))
            #expect(abs(target - source - 1) < 1e-5)
            #expect(abs(first(layers.output.weight) - target - 1) < 1e-5)
        }
    }

    @Test("one parameter under two names must be one value; the offset of BERT's output matrix is the matrix's")
    func twoNames() throws {
        let name = "bert.embeddings.LayerNorm.weight"
        func twice(_ difference: Float) -> (inout [(name: String, shape: [Int], values: [Float])]) -> Void {
            { list in
                guard let norm = list.first(where: { $0.name == name }) else { return }
                list.append(("bert.embeddings.LayerNorm.gamma", norm.shape, norm.values.map { $0 + difference }))
            }
        }
        try folder(Sample.all[2], tensors: twice(0)) { folder in #expect(message(folder) == "loaded") }
        try folder(Sample.all[2], tensors: twice(1)) { folder in
            let text = message(folder)
            #expect(text.contains(name) && text.contains("gamma"))
        }
        try folder(
            Sample.all[2],
            tensors: { $0.append(("cls.predictions.decoder.bias", [20], [Float](repeating: 7, count: 20))) }
        ) { folder in
            let model = try Model.load(folder: folder)
            let bias = try #require(try model.encoder.prediction?.bias)
            #expect(try model.weights.rows(bias).allSatisfy { $0 == 7 })
        }
    }

    @Test("a strange tensor is an error that names it; what follows from the shape and heads of other classes are not")
    func strangers() throws {
        try folder(Sample.all[1], tensors: { $0.append(("model.layers.0.mystery", [2], [1, 2])) }) { folder in
            #expect(message(folder).contains("model.layers.0.mystery"))
        }
        try folder(
            Sample.all[1], tensors: { $0.append(("model.layers.0.self_attn.rotary_emb.inv_freq", [2], [1, 2])) }
        ) { folder in
            let warnings = try Model.load(folder: folder).warnings
            #expect(warnings == [])
        }
        try folder(Sample.all[2], tensors: { $0.append(("bert.pooler.dense.bias", [2], [1, 2])) }) { folder in
            let warnings = try Model.load(folder: folder).warnings
            #expect(warnings.count == 1 && warnings.first?.contains("pooler") == true)
        }
    }

    @Test("ids beyond the vocabulary are left out with a warning")
    func specials() throws {
        try folder(
            Sample.all[0],
            keys: {
                $0["bos_token_id"] = 20
                $0["eos_token_id"] = [3, 50_256]
            }
        ) { folder in
            let model = try Model.load(folder: folder)
            #expect(model.specials == SpecialIds(ends: [3]))
            #expect(model.warnings.count == 1 && model.warnings.first?.contains("50256") == true)
        }
    }

    @Test("bodies without the prefix of their class, and without a pooler, are read")
    func bareBodies() throws {
        for (sample, prefix) in [(1, "model."), (5, "model."), (0, "transformer.")] {
            try folder(
                Sample.all[sample],
                tensors: { list in
                    list = list.map {
                        (
                            $0.name.hasPrefix(prefix) ? String($0.name.dropFirst(prefix.count)) : $0.name, $0.shape,
                            $0.values
                        )
                    }
                }
            ) { folder in #expect(message(folder) == "loaded") }
        }
        let whole = Sample(family: .bert, configuration: .encoder(Sample.encoder(.none, pooler: true)))
        try folder(whole, tensors: { $0.removeAll { $0.name.hasPrefix("pooler") } }) { folder in
            let hasPooler = try Model.load(folder: folder).encoder.configuration.hasPooler
            #expect(!hasPooler)
        }
    }
}
