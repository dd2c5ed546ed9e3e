import HeedSupport

/// An architecture of llama.cpp and the published families that are written as it: names of tensors and keys of the
/// configuration, in both directions.
///
/// Source: `tensor_mapping.py` and `convert_hf_to_gguf.py` of llama.cpp, and files that they made.
struct GGUFArchitecture: Sendable {
    /// What `general.architecture` says.
    let name: String
    /// What `model_type` says of the families that are written so.
    let families: [String]
    /// What published names begin with; checkpoints of the bare model lack it.
    var prefix = ""
    /// The tensors.
    let rules: [GGUFRule]
    /// Published tensors without a place in llama.cpp's files: names that begin with one of these.
    var dropped: [String] = []
    /// Writes the keys.
    let write: @Sendable (PublishedConfiguration, inout GGUFKeys) throws -> Void
    /// Reads the keys into a `config.json` of today's form.
    let read: @Sendable (GGUFOutline, GGUFKeys, inout JSONObject) throws -> Void

    /// Every architecture that is known: the one list.
    static let all: [GGUFArchitecture] = [
        llama, qwen2, qwen3, qwen3MoE, gemma, gemma2, gemma3, olmo2, granite, smolLM3, phi3, starCoder2, gptNeoX, gpt2,
        bloom, t5, bert,
    ]

    /// The architecture that a file names.
    ///
    /// - Throws: `HeedError` naming those that are known.
    static func of(_ metadata: GGUFMetadata) throws -> GGUFArchitecture {
        let name = try metadata.required("general.architecture") { try metadata.string($0) }
        guard let found = all.first(where: { $0.name == name }) else {
            throw HeedError(
                .unsupported, "the architecture \(quoted(name)) is not known", in: metadata.place,
                expected: "one of \(all.map(\.name).joined(separator: ", "))",
                advice: nearest(name, among: all.map(\.name)).map { "The nearest is \($0)" })
        }
        return found
    }

    /// The architecture that a family is written as.
    ///
    /// - Throws: `HeedError` naming the families that can be written.
    static func of(_ configuration: PublishedConfiguration) throws -> GGUFArchitecture {
        guard let found = all.first(where: { $0.families.contains(configuration.family) }) else {
            throw HeedError(
                .unsupported, "the family \(quoted(configuration.family)) has no form in GGUF files",
                in: configuration.file,
                expected: "one of \(all.flatMap(\.families).joined(separator: ", "))",
                advice: "Use `tensorsOnly` to copy the tensors under the names that they have")
        }
        return found
    }
}

/// What of a file tells its configuration: keys, the shapes of tensors, and factors of rotary frequencies.
struct GGUFOutline {
    /// The file to name in messages.
    let place: String
    let metadata: GGUFMetadata
    let tensors: [String: StoredTensor]
    let factors: (short: [Float], long: [Float])?

    /// What a file says.
    init(_ file: GGUFFile) throws {
        place = file.place
        metadata = file.metadata
        tensors = Dictionary(file.tensors.map { ($0.name, $0) }) { first, _ in first }
        factors = try RotaryFactors.read(file)
    }

    /// What a file will say that is not written yet.
    init(
        place: String, metadata: GGUFMetadata, tensors: [StoredTensor], factors: (short: [Float], long: [Float])?
    ) {
        self.place = place
        self.metadata = metadata
        self.tensors = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
        self.factors = factors
    }

    func tensor(named name: String) -> StoredTensor? { tensors[name] }

    /// The configuration of the model as a `config.json` of today has it.
    ///
    /// - Throws: `HeedError` naming the file and the key or tensor at fault.
    func document(_ architecture: GGUFArchitecture) throws -> JSONObject {
        var document = JSONObject()
        try architecture.read(self, GGUFKeys(architecture: architecture.name, metadata: metadata), &document)
        guard let table = tensor(named: "token_embd.weight"), table.shape.count == 2 else {
            throw HeedError(
                .badInput, "there is no matrix \"token_embd.weight\"", in: place,
                got: tensor(named: "token_embd.weight").map { "\($0.shape)" })
        }
        let vocabulary = table.shape[0]
        document["vocab_size"] = .integer(vocabulary)
        document["tie_word_embeddings"] = .bool(tensor(named: "output.weight") == nil)
        func id(_ name: String) throws -> Int? {
            let id = try metadata.integer("tokenizer.ggml.\(name)_token_id", in: -1...Int(UInt32.max))
            return id.flatMap { (0..<vocabulary).contains($0) ? $0 : nil }
        }
        if let begin = try id("bos") { document["bos_token_id"] = .integer(begin) }
        if let padding = try id("padding") { document["pad_token_id"] = .integer(padding) }
        var ends: [Int] = []
        for end in [try id("eos"), try id("eot"), try id("eom")].compactMap({ $0 }) where !ends.contains(end) {
            ends.append(end)
        }
        if !ends.isEmpty {
            document["eos_token_id"] = ends.count == 1 ? .integer(ends[0]) : .array(ends.map { .integer($0) })
        }
        return document
    }
}

/// The keys of one architecture: `NAME.embedding_length` and the like.
struct GGUFKeys {
    let architecture: String
    var metadata: GGUFMetadata

    func key(_ name: String) -> String { architecture + "." + name }

    // MARK: Writing

    mutating func set(_ name: String, _ value: UInt32?) {
        if let value { metadata[key(name)] = .uint32(value) }
    }

    mutating func set(_ name: String, _ value: Double?) {
        if let value { metadata[key(name)] = .float32(Float(value)) }
    }

    mutating func set(_ name: String, _ value: Bool) { metadata[key(name)] = .bool(value) }

    mutating func set(_ name: String, _ value: String) { metadata[key(name)] = .string(value) }

    // MARK: Reading

    func integer(_ name: String, in range: ClosedRange<Int> = 1...ConfigurationReader.largestExtent) throws -> Int {
        try metadata.required(key(name)) { try metadata.integer($0, in: range) }
    }

    func optional(_ name: String, in range: ClosedRange<Int> = 0...ConfigurationReader.largestExtent) throws -> Int? {
        try metadata.integer(key(name), in: range)
    }

    func number(_ name: String) throws -> Double? { try metadata.number(key(name)).map(GGUFKeys.decimal) }

    func bool(_ name: String) throws -> Bool? { try metadata.bool(key(name)) }

    func string(_ name: String) throws -> String? { try metadata.string(key(name)) }

    /// The shortest decimal that gives the same 32-bit float: 1e-05, not 9.999999747378752e-06.
    private static func decimal(_ value: Double) -> Double {
        Double(Float(value)) == value ? Double("\(Float(value))") ?? value : value
    }
}
