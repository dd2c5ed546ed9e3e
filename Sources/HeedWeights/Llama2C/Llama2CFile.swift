import HeedSupport

/// A checkpoint of llama2.c, mapped into memory: version 0 (no magic), 1 (fp32) and 2 (eight-bit groups).
///
/// The tensors have LLaMA's published names, and the rows of queries and keys the published order: the files have them
/// in Meta's, in which neighbours are turned together.
/// Source: `export.py` of llama2.c.
public final class Llama2CFile: TensorSource {
    /// The numbers at the start of a file.
    public struct Configuration: Sendable, Equatable {
        /// Channels of the stream.
        public var width = 0
        /// Channels inside the feed-forward.
        public var inner = 0
        /// How many blocks.
        public var layers = 0
        /// Heads of queries.
        public var heads = 0
        /// Heads of keys and values.
        public var keyHeads = 0
        /// How many ids.
        public var vocabulary = 0
        /// The longest sequence, in tokens.
        public var context = 0
        /// Whether the output matrix is that of the token embeddings.
        public var isTied = false
    }

    /// The path of the file.
    public let place: String
    /// The tensors in the order of their bytes; those of eight-bit groups are given as F32.
    public let tensors: [StoredTensor]
    /// The numbers at the start of the file.
    public let configuration: Configuration
    /// The same as a `config.json` of LLaMA has them.
    public var document: JSONObject {
        [
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
            "hidden_size": .integer(configuration.width), "intermediate_size": .integer(configuration.inner),
            "num_hidden_layers": .integer(configuration.layers), "num_attention_heads": .integer(configuration.heads),
            "num_key_value_heads": .integer(configuration.keyHeads), "vocab_size": .integer(configuration.vocabulary),
            "max_position_embeddings": .integer(configuration.context), "rms_norm_eps": 1e-5,
            "rope_parameters": ["rope_theta": 10_000.0, "rope_type": "default"],
            "tie_word_embeddings": .bool(configuration.isTied), "attention_bias": false, "mlp_bias": false,
            "bos_token_id": 1, "eos_token_id": 2,
        ]
    }
    private let file: MappedFile
    private let positions: [String: Int]
    /// Elements that share a scale, or 0 where all is fp32.
    private let groupLength: Int

    /// Opens a file and holds its size against the numbers at its start.
    ///
    /// - Throws: `HeedError` naming the file.
    public convenience init(path: String) throws {
        try self.init(MappedFile(path: path))
    }

    /// The same for a file that is mapped already.
    public init(_ file: MappedFile) throws {
        let header = try Llama2CHeader(file)
        let layout = Llama2CLayout(header)
        guard let end = layout.byteCount else {
            throw HeedError(.badInput, "the numbers at the start of the file are impossible", in: file.path)
        }
        guard end == file.count else {
            throw HeedError(
                .badInput, "is no llama2.c checkpoint, or is cut short", in: file.path,
                expected: "\(grouped(end)) bytes for \(header.configuration)", got: grouped(file.count),
                advice: "Download or save the file again")
        }
        self.file = file
        place = file.path
        configuration = header.configuration
        groupLength = header.groupLength
        tensors = layout.tensors(file.path)
        positions = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
    }

    /// Whether the bytes are those of such a file: by its magic, or (version 0) by a size that fits its numbers.
    static func fits(_ file: MappedFile) -> Bool {
        guard let header = try? Llama2CHeader(file) else { return false }
        return header.version > 0 || Llama2CLayout(header).byteCount == file.count
    }

    /// What the file says of a tensor, or nil where there is none of that name. Constant time.
    public func tensor(named name: String) -> StoredTensor? { positions[name].map { tensors[$0] } }

    /// Calls `body` with the bytes of a tensor as 32-bit floats; eight-bit groups are multiplied out first, and rows of
    /// queries and keys put in order.
    public func withBytes<Result>(
        of tensor: StoredTensor, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        guard self.tensor(named: tensor.name) == tensor else {
            throw HeedError(.usage, "the tensor \(quoted(tensor.name)) is not of this file", in: place)
        }
        return try file.withBytes(tensor.byteRange) { try withNumbers(of: tensor, $0, body) }
    }

    private func withNumbers<Result>(
        of tensor: StoredTensor, _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        let isTurned = tensor.name.hasSuffix("q_proj.weight") || tensor.name.hasSuffix("k_proj.weight")
        let count = tensor.count
        if bytes.count == 4 * count, !isTurned { return try body(bytes) }
        let order = RowOrder.pairs(headWidth: configuration.width / configuration.heads)
        let values = [Float](unsafeUninitializedCapacity: count) { values, filled in
            let length = tensor.rowLength
            for row in 0..<tensor.rowCount {
                let start = (isTurned ? order.stored(of: row) : row) * length
                for column in 0..<length { values[row * length + column] = number(bytes, start + column, of: count) }
            }
            filled = count
        }
        return try values.withUnsafeBytes(body)
    }

    /// Number `index` of a tensor: of eight-bit groups all quants come first, then one scale for each group.
    @inline(__always)
    private func number(_ bytes: UnsafeRawBufferPointer, _ index: Int, of count: Int) -> Float {
        if bytes.count == 4 * count { return bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self) }
        let scale = bytes.loadUnaligned(fromByteOffset: count + index / groupLength * 4, as: Float.self)
        return Float(Int8(bitPattern: bytes[index])) * scale
    }
}

/// The numbers at the start of a llama2.c file.
struct Llama2CHeader {
    private(set) var version = 0
    private(set) var configuration = Llama2CFile.Configuration()
    private(set) var groupLength = 0
    /// Where the tensors begin.
    private(set) var end = 28

    init(_ file: MappedFile) throws {
        try refusePointer(file.bytes, file.path)
        var reader = ByteReader(file.bytes, file: file.path)
        let first: UInt32 = try reader.integer("the header")
        if first == 0x616B_3432 {
            let number: Int32 = try reader.integer("the header")
            guard number == 1 || number == 2 else {
                throw HeedError(
                    .unsupported, "the version of the llama2.c checkpoint is not known", in: file.path,
                    expected: "1 or 2", got: "\(number)")
            }
            version = Int(number)
            end = 256
        } else {
            reader = ByteReader(file.bytes, file: file.path)
        }
        func number(_ name: String, _ range: ClosedRange<Int>) throws -> Int {
            let value = Int(try reader.integer("the header") as Int32)
            guard range.contains(value) else {
                throw HeedError(
                    .badInput, "is no llama2.c checkpoint: \(name) is impossible", in: file.path,
                    expected: "a number from \(range.lowerBound) to \(range.upperBound)", got: "\(value)")
            }
            return value
        }
        configuration.width = try number("the width", 1...1 << 20)
        configuration.inner = try number("the inner width", 1...1 << 24)
        configuration.layers = try number("the number of layers", 1...4096)
        configuration.heads = try number("the number of heads", 1...1 << 14)
        configuration.keyHeads = try number("the number of key heads", 1...1 << 14)
        let vocabulary = try number("the vocabulary", -(1 << 26)...1 << 26)
        configuration.context = try number("the context", 1...1 << 24)
        // Version 0 has the sign of the vocabulary for a flag.
        configuration.vocabulary = abs(vocabulary)
        configuration.isTied = vocabulary > 0
        if version > 0 { configuration.isTied = try reader.integer("the header") != UInt8(0) }
        if version == 2 {
            groupLength = Int(try reader.integer("the header") as Int32)
        }
        guard configuration.vocabulary > 0, configuration.width % configuration.heads == 0,
            configuration.width / configuration.heads % 2 == 0, configuration.heads % configuration.keyHeads == 0,
            version < 2 || groupLength > 0
        else {
            throw HeedError(
                .badInput, "the numbers at the start of the file contradict each other", in: file.path,
                got: "\(configuration)")
        }
    }
}

/// The order of the tensors in a llama2.c file.
struct Llama2CLayout {
    private let header: Llama2CHeader
    /// Name, shape (nil: numbers that are no weights), whether it is quantised; one of each for every layer or once.
    private typealias Part = (name: String, shape: [Int], isPerLayer: Bool, isMatrix: Bool)
    private let parts: [Part]

    init(_ header: Llama2CHeader) {
        self.header = header
        let sizes = header.configuration
        let headWidth = sizes.width / sizes.heads
        let (wide, keys) = ([sizes.width, sizes.width], [sizes.keyHeads * headWidth, sizes.width])
        let (up, down) = ([sizes.inner, sizes.width], [sizes.width, sizes.inner])
        let embeddings: Part = ("model.embed_tokens.weight", [sizes.vocabulary, sizes.width], false, true)
        let attentionNorm: Part = ("input_layernorm.weight", [sizes.width], true, false)
        let feedForwardNorm: Part = ("post_attention_layernorm.weight", [sizes.width], true, false)
        let norm: Part = ("model.norm.weight", [sizes.width], false, false)
        let attention: [Part] = [
            ("self_attn.q_proj.weight", wide, true, true), ("self_attn.k_proj.weight", keys, true, true),
            ("self_attn.v_proj.weight", keys, true, true), ("self_attn.o_proj.weight", wide, true, true),
        ]
        let feedForward: [Part] = [
            ("mlp.gate_proj.weight", up, true, true), ("mlp.down_proj.weight", down, true, true),
            ("mlp.up_proj.weight", up, true, true),
        ]
        var parts: [Part]
        if header.version == 0 {
            parts = [embeddings, attentionNorm] + attention + [feedForwardNorm] + feedForward + [norm]
            // Cosines and sines of the rotary positions, which follow from their formula.
            parts += [
                ("", [sizes.context, headWidth / 2], false, false), ("", [sizes.context, headWidth / 2], false, false),
            ]
        } else {
            parts = [attentionNorm, feedForwardNorm, norm, embeddings] + attention + feedForward
        }
        if !sizes.isTied { parts.append(("lm_head.weight", [sizes.vocabulary, sizes.width], false, true)) }
        self.parts = parts
    }

    /// The size of the whole file, or nil where it is beyond `Int` or groups do not fit.
    var byteCount: Int? {
        var total = header.end
        for part in parts {
            guard let size = byteCount(part) else { return nil }
            let (all, overflow) = size.multipliedReportingOverflow(
                by: part.isPerLayer ? header.configuration.layers : 1)
            let (sum, beyond) = total.addingReportingOverflow(all)
            if overflow || beyond { return nil }
            total = sum
        }
        return total
    }

    private func byteCount(_ part: Part) -> Int? {
        guard let count = elementCount(part.shape) else { return nil }
        guard header.version == 2, part.isMatrix else { return 4 * count }
        guard count % header.groupLength == 0 else { return nil }
        return count + count / header.groupLength * 4
    }

    /// The tensors, for a file whose size has been checked.
    func tensors(_ file: String) -> [StoredTensor] {
        var tensors: [StoredTensor] = []
        var at = header.end
        for part in parts {
            guard let size = byteCount(part) else { continue }
            for layer in 0..<(part.isPerLayer ? header.configuration.layers : 1) {
                if !part.name.isEmpty {
                    tensors.append(
                        StoredTensor(
                            name: part.isPerLayer ? "model.layers.\(layer).\(part.name)" : part.name, type: .f32,
                            shape: part.shape, file: file, byteRange: at..<at + size))
                }
                at += size
            }
        }
        return tensors
    }
}
