import HeedSupport

/// A published model written as llama.cpp has it: names, order of rows, stacked experts, keys of the architecture.
///
/// Cost: one pass over the weights, in pieces of at most a few rows; memory of one piece.
public struct GGUFExport {
    /// The keys of the architecture, to which those of the tokenizer may be added.
    public var metadata: GGUFMetadata
    /// Published tensors that llama.cpp's files have no place for.
    public private(set) var dropped: [String] = []
    /// Keys of the configuration that only Heed reads back: llama.cpp has no words for them.
    public private(set) var added: [String] = []
    /// Tensors whose rows are no whole blocks of the wanted type.
    public private(set) var fallbacks: [String] = []
    private let source: any TensorSource
    private let configuration: PublishedConfiguration
    private var items: [Item] = []

    /// A tensor to write and where its numbers come from.
    private struct Item {
        let name: String
        let type: ElementType
        let shape: [Int]
        let form: GGUFForm
        /// The published tensors: one, or one per expert; empty for numbers of the configuration.
        var parts: [StoredTensor] = []
        var order: RowOrder?
        var values: [Float] = []

        var count: Int { HeedWeights.elementCount(shape) ?? 0 }
    }

    /// Chooses names, order and types; reads no weights.
    ///
    /// - `configuration`: the model's `config.json`.
    /// - `place`: that file, for messages.
    /// - `type`: what matrices become; nil: what they are. Vectors, positions and routers stay F32.
    /// - Throws: `HeedError` naming the key or tensor that is missing, or has no place in such files.
    public init(
        _ source: any TensorSource, configuration: JSONObject, in place: String, name: String, type: ElementType?
    ) throws {
        var object = configuration
        // A model of text and images has the configuration of its text inside.
        if let text = configuration["text_config"]?.objectValue {
            object = text
            if object["model_type"] == nil { object["model_type"] = configuration["model_type"] }
        }
        self.source = source
        self.configuration = PublishedConfiguration(object: object, file: place)
        let architecture = try GGUFArchitecture.of(self.configuration)
        metadata = GGUFMetadata(place: place)
        metadata["general.architecture"] = .string(architecture.name)
        metadata["general.type"] = .string("model")
        metadata["general.name"] = .string(name)
        var keys = GGUFKeys(architecture: architecture.name, metadata: metadata)
        try architecture.write(self.configuration, &keys)
        metadata = keys.metadata
        try addTensors(architecture, type)
        try addRest(architecture)
        if items.contains(where: \.type.isBlock) { metadata["general.quantization_version"] = .uint32(2) }
    }

    /// The number of elements in all.
    public var elementCount: Int { items.reduce(0) { $0 + $1.count } }

    /// The number of rows of the embedding table.
    public var vocabulary: Int { items.first { $0.name == "token_embd.weight" }?.shape.first ?? 0 }

    /// The number of tensors.
    public var tensorCount: Int { items.count }

    // MARK: Names

    private mutating func addTensors(_ architecture: GGUFArchitecture, _ type: ElementType?) throws {
        var names = PublishedNames(architecture)
        for tensor in source.tensors {
            guard let found = names.rule(of: tensor.name) else {
                if architecture.dropped.contains(where: { tensor.name.hasPrefix($0) })
                    || PublishedNames.isDerived(tensor.name)
                {
                    dropped.append(tensor.name)
                    continue
                }
                throw HeedError(
                    .unsupported,
                    "the tensor \(quoted(tensor.name, limit: 200)) has no place in a GGUF file of the architecture "
                        + architecture.name, in: tensor.file)
            }
            try add(tensor, found, type)
        }
        for index in items.indices where items[index].form == .experts {
            items[index].parts.sort { PublishedNames.expert(of: $0.name) < PublishedNames.expert(of: $1.name) }
            let stacked = items[index]
            guard stacked.parts.count == stacked.shape[0], Set(stacked.parts.map(\.name)).count == stacked.shape[0]
            else {
                throw HeedError(
                    .missing, "\(quoted(stacked.name)) lacks some of its experts", in: source.place,
                    expected: "\(stacked.shape[0])", got: "\(stacked.parts.count)")
            }
        }
        for (name, factors) in try RotaryFactors.tensors(configuration) {
            items.append(Item(name: name, type: .f32, shape: [factors.count], form: .same, values: factors))
        }
    }

    private mutating func add(_ tensor: StoredTensor, _ found: PublishedNames.Match, _ type: ElementType?) throws {
        let rule = found.rule
        let name = GGUFRule.name(rule.stored, layer: found.layer) + found.suffix
        var shape = tensor.shape
        var order: RowOrder?
        var form = rule.form
        switch rule.form {
        case .same, .plusOne: break
        case .queries, .keys, .byHead: order = try GGUFModel.order(rule.form, configuration, tensor)
        case .transposed:
            if shape.count == 2 { shape.reverse() } else { form = .same }
        case .experts:
            guard shape.count == 2 else {
                throw HeedError(
                    .badInput, "the tensor \(quoted(tensor.name, limit: 200)) is no matrix", in: tensor.file,
                    got: "\(shape)")
            }
            if let index = items.firstIndex(where: { $0.name == name }) {
                guard items[index].shape[1...].elementsEqual(shape) else {
                    throw HeedError(
                        .badInput, "experts differ in shape", in: tensor.file, expected: "\(items[index].shape[1...])",
                        got: "\(shape)")
                }
                items[index].parts.append(tensor)
                return
            }
            let count = Int(try configuration.required("num_local_experts", "num_experts"))
            shape.insert(count, at: 0)
        }
        guard !items.contains(where: { $0.name == name }) else {
            throw HeedError(
                .badInput, "two tensors become \(quoted(name)), the second \(quoted(tensor.name, limit: 200))",
                in: tensor.file)
        }
        let chosen = GGUFExport.type(name, shape, tensor.type, type)
        if chosen.isFallback { fallbacks.append(name) }
        items.append(Item(name: name, type: chosen.type, shape: shape, form: form, parts: [tensor], order: order))
    }

    /// Tensors that llama.cpp reads as F32 only.
    private static let exact = ["ffn_gate_inp.weight", "position_embd.weight", "token_types.weight"]

    private static func type(
        _ name: String, _ shape: [Int], _ stored: ElementType, _ wanted: ElementType?
    ) -> (type: ElementType, isFallback: Bool) {
        guard shape.count > 1, !exact.contains(where: { name.hasSuffix($0) }) else { return (.f32, false) }
        let plain: ElementType = stored == .f8e4m3 || stored == .f8e5m2 ? .f16 : stored == .f64 ? .f32 : stored
        guard let wanted else { return (plain.canBeWritten || plain.isBlock ? plain : .f32, false) }
        guard let row = shape.last, row % wanted.blockLength != 0 else { return (wanted, false) }
        return (row % ElementType.q8_0.blockLength == 0 ? .q8_0 : .f16, true)
    }

    // MARK: Numbers

    /// The tensors for a writer.
    ///
    /// - Parameter elementsDone: called after each piece with the number of elements that are done in all; what it
    ///   throws ends the work.
    public func tensors(elementsDone: @escaping (Int) throws -> Void) -> [TensorToWrite] {
        var before = 0
        return items.map { item in
            let start = before
            before += item.count
            return TensorToWrite(item.name, item.type, shape: item.shape) { writer in
                if item.parts.isEmpty { try item.values.withUnsafeBufferPointer { try writer.append($0) } }
                var done = start
                for part in item.parts {
                    try write(part, item, &writer) { count in
                        done += count
                        try elementsDone(done)
                    }
                }
            }
        }
    }

    private func write(
        _ tensor: StoredTensor, _ item: Item, _ writer: inout TensorWriter, _ advance: (Int) throws -> Void
    ) throws {
        let isRaw = item.type == tensor.type
        switch item.form {
        case .same, .experts:
            guard !isRaw else {
                return try source.withView(of: tensor) { view in
                    let piece = 1 << 20
                    for at in stride(from: 0, to: view.bytes.count, by: piece) {
                        let end = min(at + piece, view.bytes.count)
                        try writer.append(raw: UnsafeRawBufferPointer(rebasing: view.bytes[at..<end]))
                        try advance((end - at) / item.type.blockByteCount * item.type.blockLength)
                    }
                }
            }
            try source.forEachPiece(of: tensor) { values, _ in
                try writer.append(values)
                try advance(values.count)
            }
        case .plusOne:
            try source.forEachPiece(of: tensor) { values, _ in
                let sums = values.map { $0 + 1 }
                try sums.withUnsafeBufferPointer { try writer.append($0) }
                try advance(values.count)
            }
        case .queries, .keys, .byHead: try writeReordered(tensor, item, &writer, advance)
        case .transposed: try writeTransposed(tensor, item, &writer, advance)
        }
    }

    /// Writes the rows in llama.cpp's order.
    private func writeReordered(
        _ tensor: StoredTensor, _ item: Item, _ writer: inout TensorWriter, _ advance: (Int) throws -> Void
    ) throws {
        let rows = tensor.shape.first ?? 1
        let length = rows > 0 ? tensor.count / rows : 0
        var line = [Float](repeating: 0, count: length)
        try source.withView(of: tensor) { view in
            for row in 0..<rows {
                let from = item.order?.published(of: row) ?? row
                if item.type == tensor.type {
                    let size = view.bytes.count / rows
                    let bytes = view.bytes[from * size..<(from + 1) * size]
                    try writer.append(raw: UnsafeRawBufferPointer(rebasing: bytes))
                } else {
                    try line.withUnsafeMutableBufferPointer { buffer in
                        try view.read(elements: from * length..<(from + 1) * length, into: buffer)
                        try writer.append(UnsafeBufferPointer(buffer))
                    }
                }
                try advance(length)
            }
        }
    }

    private func writeTransposed(
        _ tensor: StoredTensor, _ item: Item, _ writer: inout TensorWriter, _ advance: (Int) throws -> Void
    ) throws {
        let (rows, length) = (item.shape[0], item.shape[1])
        let band = max(1, min(rows, (1 << 20) / max(length, 1)))
        var lines = [Float](repeating: 0, count: band * length)
        for start in stride(from: 0, to: rows, by: band) {
            let end = min(start + band, rows)
            try lines.withUnsafeMutableBufferPointer { buffer in
                let part = UnsafeMutableBufferPointer(rebasing: buffer[..<((end - start) * length)])
                try source.read(tensor.name, transposed: true, rows: start..<end, into: part)
                try writer.append(UnsafeBufferPointer(part))
            }
            try advance((end - start) * length)
        }
    }

    // MARK: What llama.cpp has no words for

    /// Adds what of the configuration would not come back from the other keys, under a key of Heed's own.
    private mutating func addRest(_ architecture: GGUFArchitecture) throws {
        let tensors = items.map { item in
            StoredTensor(
                name: item.name, type: item.type, shape: item.shape, file: configuration.file, byteRange: 0..<0)
        }
        let factors = try RotaryFactors.tensors(configuration)
        let outline = GGUFOutline(
            place: configuration.file, metadata: metadata, tensors: tensors,
            factors: factors.first.map { ($0.factors, factors.last?.factors ?? $0.factors) })
        let document = try outline.document(architecture)
        var rest = JSONObject()
        for (key, value) in configuration.object where !isSaid(key, value, document) { rest[key] = value }
        added = rest.keys
        if !rest.isEmpty { metadata[GGUFModel.addedKey] = .string(JSON.object(rest).serialised()) }
    }

    /// Whether a key says nothing about the numbers, or comes back from the other keys.
    private func isSaid(_ key: String, _ value: JSON, _ document: JSONObject) -> Bool {
        guard GGUFExport.numeric.contains(key), !value.isNull else { return true }
        if value == .bool(false), document[key] != .bool(true) { return true }
        switch key {
        case "scale_attn_weights", "norm_topk_prob": if value == .bool(true) { return true }
        case "layer_types": if value.arrayValue?.allSatisfy({ $0 == "full_attention" }) == true { return true }
        case "sliding_window", "max_window_layers":
            let isOff = configuration.object["use_sliding_window"] == .bool(false)
            if isOff || configuration.value(["sliding_window"]) == nil { return true }
        case "hidden_act": if configuration.value(["hidden_activation"]) != nil { return true }
        default: break
        }
        guard let other = document[key] else { return false }
        if let a = value.doubleValue, let b = other.doubleValue { return Float(a) == Float(b) }
        return value == other
    }

    /// Keys that change the numbers of a pass and that some architecture of llama.cpp has no words for.
    private static let numeric: Set = [
        "activation_function", "hidden_act", "hidden_activation", "activation", "feed_forward_proj", "sliding_window",
        "use_sliding_window", "max_window_layers", "layer_types", "query_pre_attn_scalar",
        "relative_attention_max_distance", "no_rope_layers", "scale_attn_by_inverse_layer_idx", "scale_attn_weights",
        "norm_topk_prob", "apply_residual_connection_post_layernorm", "sinusoidal_pos_embds", "model_type",
        "scale_decoder_outputs",
    ]
}

/// Finds the rule of a published name.
struct PublishedNames {
    struct Match {
        let rule: GGUFRule
        let layer: Int
        let suffix: String
    }

    private var rules: [String: GGUFRule] = [:]
    private let prefix: String

    init(_ architecture: GGUFArchitecture) {
        prefix = architecture.prefix
        for rule in architecture.rules { rules[rule.published] = rule }
    }

    /// The rule of a name, with or without what names of the whole model begin with.
    mutating func rule(of name: String) -> Match? {
        var name = name
        for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] where name.hasSuffix(old) {
            name = name.dropLast(old.count) + new
        }
        return match(name) ?? match(prefix + name) ?? match(name.replacing("language_model.", with: ""))
    }

    private func match(_ name: String) -> Match? {
        guard let dot = name.lastIndex(of: ".") else { return nil }
        let suffix = String(name[dot...])
        guard suffix == ".weight" || suffix == ".bias" else { return nil }
        // Numbers become marks: the first is the layer, a second that of an expert; those of T5's parts stay.
        let parts = name[..<dot].split(separator: ".", omittingEmptySubsequences: false)
        let numbers = parts.indices.filter { Int(parts[$0]) != nil }
        guard let first = numbers.first else {
            return rules[String(name[..<dot])].map { Match(rule: $0, layer: 0, suffix: suffix) }
        }
        guard let layer = Int(parts[first]), layer >= 0 else { return nil }
        var template = parts.map(String.init)
        template[first] = "{}"
        if let rule = rules[template.joined(separator: ".")] { return Match(rule: rule, layer: layer, suffix: suffix) }
        guard numbers.count == 2 else { return nil }
        template[numbers[1]] = "[]"
        return rules[template.joined(separator: ".")].map { Match(rule: $0, layer: layer, suffix: suffix) }
    }

    /// The number of the expert in a name: its last number.
    static func expert(of name: String) -> Int { name.split(separator: ".").compactMap { Int($0) }.last ?? 0 }

    /// Tensors that follow from the configuration.
    static func isDerived(_ name: String) -> Bool {
        [
            "position_ids", "rotary_emb.inv_freq", "attn.bias", "attn.masked_bias", "attention.bias",
            "attention.masked_bias",
        ].contains { name == $0 || name.hasSuffix("." + $0) }
    }
}
