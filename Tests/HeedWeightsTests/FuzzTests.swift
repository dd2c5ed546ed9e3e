import HeedSupport
import HeedWeights
import TestFixtures
import Testing

/// Damaged files of every kind: each ends in a message of one paragraph, or in tensors that can be read.
/// `HEED_FUZZ` sets how many each kind gets.
@Suite("damaged files of weights")
struct FuzzTests {
    static let count = fuzzCount(3000)

    enum Kind: String, CaseIterable, Sendable {
        case safetensors, archive, pickle, oldForm, gguf, gguf2, firstPart, secondPart, model, llama0, llama1, llama2
    }

    /// A sound file of each kind.
    static func sound(_ kind: Kind) -> [UInt8] {
        switch kind {
        case .safetensors:
            encode(
                header:
                    #"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[24,32]}}"#,
                data: [UInt8](0..<32))
        case .archive: PyTorchFileTests.archive(PyTorchFileTests.state)
        case .pickle: PyTorchFileTests.state
        case .oldForm: PyTorchFileTests.oldFile
        case .gguf: ggufFile
        case .gguf2: Array(ggufFile[..<4]) + [2] + ggufFile[5...]
        case .firstPart: ggufParts[0]
        case .secondPart: ggufParts[1]
        case .model: modelFile
        case .llama0: Llama2CTests.bytes(version: 0)
        case .llama1: Llama2CTests.bytes(version: 1)
        case .llama2: Llama2CTests.bytes(version: 2)
        }
    }

    private static let ggufFile: [UInt8] = {
        let path = temporaryPath("fuzz.gguf")
        defer { try? removeFile(path) }
        let values = (0..<512).map { Float($0) - 256 }
        let tensors = [ElementType.f32, .q8_0, .q4K, .q6K, .f16].map { type in
            TensorToWrite("t.\(type.rawValue)", type, shape: [2, 256], values)
        }
        try? writeGGUF(path: path, metadata: GGUFTests.metadata, tensors)
        return (try? readFile(path)) ?? []
    }()

    /// A model in two parts.
    private static let ggufParts: [[UInt8]] = (0..<2).map { part in
        let path = temporaryPath("fuzz-part.gguf")
        defer { try? removeFile(path) }
        var metadata = GGUFMetadata()
        for (key, value) in [("split.no", part), ("split.count", 2), ("split.tensors.count", 3)] {
            metadata[key] = .uint16(UInt16(value))
        }
        let tensors = (0...part).map { TensorToWrite("t.\(part).\($0)", .q8_0, shape: [2, 32], zeros) }
        try? writeGGUF(path: path, metadata: metadata, tensors)
        return (try? readFile(path)) ?? []
    }
    private static let zeros = [Float](repeating: 0, count: 64)

    /// A model of one layer with experts, whose queries and keys are reordered.
    private static let modelFile: [UInt8] = {
        let path = temporaryPath("fuzz-model.gguf")
        defer { try? removeFile(path) }
        var metadata = GGUFMetadata()
        metadata["general.architecture"] = .string("llama")
        for (key, value) in [
            ("block_count", 1), ("context_length", 16), ("embedding_length", 8), ("feed_forward_length", 4),
            ("attention.head_count", 2), ("attention.head_count_kv", 1), ("expert_count", 2),
            ("expert_used_count", 1),
        ] as [(String, UInt32)] {
            metadata["llama." + key] = .uint32(value)
        }
        metadata["llama.rope.freq_base"] = .float32(10_000)
        metadata["heed.config"] = .string(#"{"sliding_window":6}"#)
        func tensor(_ name: String, _ shape: Int...) -> TensorToWrite {
            TensorToWrite(name + ".weight", shape: shape, (1...shape.reduce(1, *)).map { Float($0) })
        }
        let tensors = [
            tensor("token_embd", 3, 8), tensor("rope_freqs", 2), tensor("blk.0.attn_q", 8, 8),
            tensor("blk.0.attn_k", 4, 8), tensor("blk.0.ffn_gate_exps", 2, 4, 8), tensor("output_norm", 8),
        ]
        try? writeGGUF(path: path, metadata: metadata, tensors)
        return (try? readFile(path)) ?? []
    }()

    static func open(_ kind: Kind, _ bytes: [UInt8]) throws -> any TensorSource {
        let file = try MappedFile(copying: bytes, path: "damaged")
        switch kind {
        case .safetensors: return try SafetensorsFile(file)
        case .archive, .oldForm: return try PyTorchFile(file)
        case .pickle:
            return try PyTorchFile(MappedFile(copying: PyTorchFileTests.archive(bytes), path: "damaged"))
        case .gguf, .gguf2, .firstPart, .secondPart:
            let other = try MappedFile(copying: ggufParts[kind == .firstPart ? 1 : 0], path: "other part")
            let opened = try GGUFFile(
                kind == .firstPart ? [file, other] : kind == .secondPart ? [other, file] : [file])
            for key in opened.metadata.keys {
                guard let array = opened.metadata[key]?.array else { continue }
                _ = try array.strings(in: key)
                _ = array.numbers
            }
            return opened
        case .model: return try GGUFModel(GGUFFile([file]))
        case .llama0, .llama1, .llama2: return try Llama2CFile(file)
        }
    }

    /// The index of a checkpoint in two files; written anew for each damage, because an index is read from its folder.
    @Test("a damaged index ends in a message or in tensors that can be read")
    func index() throws {
        try withTemporaryFolder { folder in
            let shard = Self.sound(.safetensors)
            for name in ["a.safetensors", "b.safetensors"] {
                try writeAtomically(path: joinPath(folder, name), bytes: shard)
            }
            let path = joinPath(folder, "model.safetensors.index.json")
            let sound = Array(
                #"{"metadata":{"total_size":64},"weight_map":{"a":"a.safetensors","b":"b.safetensors"}}"#.utf8)
            var random = SplitMix(state: 20_250_102)
            var refused = 0
            for round in 0..<Self.count {
                let bytes = round == 0 ? sound : TestFixtures.damaged(sound, using: &random)
                try overwrite(path, bytes)
                do {
                    let source = try ShardedTensors(indexPath: path) { try SafetensorsFile(path: $0) }
                    for tensor in source.tensors { _ = try source.floats(tensor.name) }
                } catch let error as HeedError {
                    refused += 1
                    if round == 0 || error.description.contains("\n") { Issue.record("\(error)") }
                }
            }
            #expect(refused > Self.count / 4 && refused < Self.count)
        }
    }

    @Test("damage ends in a message or in tensors that can be read", arguments: Kind.allCases)
    func damage(kind: Kind) throws {
        var random = SplitMix(state: 20_250_101)
        let sound = Self.sound(kind)
        _ = try Self.open(kind, sound)
        var refused = 0
        for _ in 0..<Self.count {
            let damaged = TestFixtures.damaged(sound, using: &random)
            do {
                let source = try Self.open(kind, damaged)
                for tensor in source.tensors.prefix(8) where tensor.count < 1 << 16 {
                    let values = try source.floats(tensor.name)
                    if values.count != tensor.count { Issue.record("\(tensor)") }
                }
            } catch let error as HeedError {
                refused += 1
                if error.description.contains("\n") { Issue.record("\(error)") }
            }
        }
        #expect(refused > Self.count / 4)
    }
}
