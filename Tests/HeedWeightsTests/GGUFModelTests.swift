import HeedSupport
import HeedWeights
import TestFixtures
import Testing

@Suite("published models in GGUF", .enabled(if: Shared.isThere))
struct GGUFModelTests {
    /// The models that llama.cpp's converter made, with the folders that it read.
    static let models: [(file: String, folder: String)] = {
        let base = Shared.fixture("gguf-models")
        let names = ((try? listDirectory(base)) ?? []).filter { $0.hasSuffix(".f32.gguf") }
        let families = ["families-decoder", "families-encoder", "families-seq2seq", "gpt2", "llama", "seq2seq"]
        return names.compactMap { name in
            let folders = families.map { Shared.fixture($0, String(name.dropLast(".f32.gguf".count)), "hf") }
            return folders.first(where: isDirectory).map { (joinPath(base, name), $0) }
        }
    }()

    @Test("names, order and numbers are those of the folder", arguments: models.map(\.file))
    func reading(path: String) throws {
        let folder = try #require(Self.models.first { $0.file == path }).folder
        let model = try StoredModel(path: path)
        let published = try openWeights(folder: folder)
        for tensor in model.weights.tensors {
            let expected = try published.required(tensor.name, shape: tensor.shape)
            let (got, wanted) = (try model.weights.floats(tensor.name), try published.floats(expected.name))
            // Gains that were written with 1 added have lost what is below their last bit.
            #expect(zip(got, wanted).allSatisfy { abs($0 - $1) <= 1.3e-7 }, "\(tensor.name)")
        }
        // Only heads of encoders have no place in such files.
        let missing = published.tensors.map(\.name).filter { model.weights.tensor(named: $0) == nil }
        #expect(missing.allSatisfy { $0.hasPrefix("vocab_") }, "\(missing)")
        let document = try JSON.load(path: joinPath(folder, "config.json"))
        for key in ["vocab_size", "hidden_size", "num_hidden_layers", "tie_word_embeddings", "rms_norm_eps"]
        where document[key] != nil {
            #expect(model.document[key]?.serialised() == document[key]?.serialised(), "\(key)")
        }
    }

    @Test("what is written is what llama.cpp's converter writes", arguments: models.map(\.file))
    func writing(path: String) throws {
        let folder = try #require(Self.models.first { $0.file == path }).folder
        let stored = try StoredModel(path: folder)
        let export = try GGUFExport(
            stored.weights, configuration: stored.document, in: stored.file, name: "test", type: .f32)
        let theirs = try GGUFFile(path: path)
        try withTemporaryFolder { temporary in
            let target = joinPath(temporary, "m.gguf")
            try writeGGUF(path: target, metadata: export.metadata, export.tensors { _ in })
            let ours = try GGUFFile(path: target)
            #expect(Set(ours.tensors.map(\.name)) == Set(theirs.tensors.map(\.name)))
            for tensor in theirs.tensors {
                #expect(try TensorDifference(tensor.name, ours, theirs).isEqual, "\(tensor.name)")
            }
            let architecture = try #require(try theirs.metadata.string("general.architecture"))
            for key in theirs.metadata.keys
            where key.hasPrefix(architecture + ".") && !key.hasSuffix(".vocab_size") {
                #expect(ours.metadata[key] == theirs.metadata[key], "\(key)")
            }
            // Read again it is the model that was written, also where llama.cpp has no words for a key.
            let again = try StoredModel(path: target)
            for key in ["sliding_window", "query_pre_attn_scalar", "activation_function", "model_type"]
            where stored.document[key]?.isNull == false {
                #expect(again.document[key]?.serialised() == stored.document[key]?.serialised(), "\(key)")
            }
        }
    }

    @Test("half and block types go through the same names")
    func types() throws {
        let model = try #require(Self.models.first { $0.folder.contains("/llama_a/") })
        let stored = try StoredModel(path: model.folder)
        try withTemporaryFolder { folder in
            for type in [ElementType.f16, .bf16, .q8_0] {
                let export = try GGUFExport(
                    stored.weights, configuration: stored.document, in: stored.file, name: "test", type: type)
                let target = joinPath(folder, "\(type.rawValue).gguf")
                try writeGGUF(path: target, metadata: export.metadata, export.tensors { _ in })
                let again = try StoredModel(path: target)
                for tensor in stored.weights.tensors {
                    let difference = try TensorDifference(tensor.name, stored.weights, again.weights)
                    #expect((difference.largest ?? .infinity) < 0.02, "\(tensor.name) \(type)")
                }
            }
        }
    }

    @Test("an architecture that is not known, and keys that contradict the tensors, are named")
    func unknown() throws {
        func open(_ change: (inout GGUFMetadata) -> Void, _ tensors: [TensorToWrite]) throws -> String {
            var metadata = GGUFMetadata()
            metadata["general.architecture"] = .string("llama")
            for key in ["block_count", "context_length", "embedding_length", "feed_forward_length"] {
                metadata["llama." + key] = .uint32(8)
            }
            metadata["llama.block_count"] = .uint32(1)
            metadata["llama.attention.head_count"] = .uint32(3)
            change(&metadata)
            var text = ""
            try withTemporaryFolder { folder in
                let path = joinPath(folder, "m.gguf")
                try writeGGUF(path: path, metadata: metadata, tensors)
                text = message { _ = try StoredModel(path: path) }
            }
            return text
        }
        let table = TensorToWrite("token_embd.weight", shape: [2, 8], [Float](repeating: 0, count: 16))
        let queries = TensorToWrite("blk.0.attn_q.weight", shape: [8, 8], [Float](repeating: 0, count: 64))
        #expect(try open({ $0["general.architecture"] = .string("lama") }, [table]).contains("llama"))
        #expect(try open({ $0["llama.block_count"] = nil }, [table]).contains("llama.block_count"))
        #expect(try open({ $0["llama.block_count"] = .uint32(1 << 20) }, [table]).contains("block_count"))
        #expect(try open({ _ in }, [table, queries]).contains("heads"))
        #expect(try open({ _ in }, [table, TensorToWrite("x.weight", shape: [1], [1])]).contains("x.weight"))
        #expect(try open({ _ in }, []).contains("token_embd.weight"))
    }
}
