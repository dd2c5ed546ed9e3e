import HeedSupport

/// A GGUF file read as a published model: its configuration as a `config.json` of today has it, and its tensors under
/// the published names, in the published order of their numbers.
///
/// Rows that llama.cpp stores in another order are put back when a tensor is read; nothing else is copied.
public final class GGUFModel: TensorSource {
    /// The file.
    public let file: GGUFFile
    /// The configuration.
    public let document: JSONObject
    /// The published tensors.
    public let tensors: [StoredTensor]
    private let entries: [String: Entry]

    /// Where a published tensor comes from.
    private struct Entry {
        let published: StoredTensor
        let stored: StoredTensor
        let form: GGUFForm
        /// The part of the stored bytes that it is.
        var part: Range<Int>?
        var order: RowOrder?
    }

    /// The path of the file.
    public var place: String { file.place }

    /// Opens a model.
    ///
    /// - Throws: `HeedError` naming the file and the key or tensor at fault, or an architecture that is not known.
    public convenience init(path: String) throws { try self.init(GGUFFile(path: path)) }

    /// The same for a file that is open already.
    public init(_ file: GGUFFile) throws {
        let outline = try GGUFOutline(file)
        let architecture = try GGUFArchitecture.of(file.metadata)
        let keys = GGUFKeys(architecture: architecture.name, metadata: file.metadata)
        var document = try outline.document(architecture)
        try GGUFModel.addRest(file, &document)
        self.file = file
        self.document = document
        var builder = Builder(file, document)
        try builder.add(architecture, layers: keys.integer("block_count", in: 1...1 << 20))
        tensors = builder.entries.map(\.published)
        entries = try Dictionary(builder.entries.map { ($0.published.name, $0) }) { first, second in
            throw HeedError(
                .badInput,
                "the tensors \(quoted(first.stored.name, limit: 200)) and \(quoted(second.stored.name, limit: 200)) are "
                    + "one of the model's", in: file.place)
        }
    }

    /// Adds what Heed wrote because llama.cpp has no words for it.
    private static func addRest(_ file: GGUFFile, _ document: inout JSONObject) throws {
        guard let text = try file.metadata.string(GGUFModel.addedKey) else { return }
        guard let added = try JSON.parse(text, in: "\(file.place), \(addedKey)", maximumDepth: 16).objectValue else {
            throw HeedError(.badInput, "the value of \(addedKey) is no JSON object", in: file.place)
        }
        for (key, value) in added { document[key] = value.isNull ? nil : value }
    }

    /// Under which key Heed writes what of a configuration the other keys do not give back.
    static let addedKey = "heed.config"

    /// The entries of all rules.
    private struct Builder {
        private let file: GGUFFile
        private let configuration: PublishedConfiguration
        private(set) var entries: [Entry] = []
        private var used: Set<String> = []

        init(_ file: GGUFFile, _ document: JSONObject) {
            self.file = file
            configuration = PublishedConfiguration(object: document, file: file.place)
        }

        mutating func add(_ architecture: GGUFArchitecture, layers: Int) throws {
            guard layers <= file.tensors.count else {
                throw HeedError(
                    .badInput, "block_count is more than the file has tensors", in: file.place,
                    expected: "at most \(file.tensors.count)", got: "\(layers)")
            }
            // Where several families share an architecture, their names tell which rules are meant.
            let family = configuration.family
            for rule in architecture.rules where isMeant(rule, family) {
                for layer in 0..<(rule.isPerLayer ? layers : 1) {
                    for suffix in [".weight", ".bias"] {
                        try add(rule, layer, suffix)
                    }
                }
            }
            let known: Set = ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"]
            for tensor in file.tensors where !used.contains(tensor.name) && !known.contains(tensor.name) {
                throw HeedError(
                    .badInput,
                    "the tensor \(quoted(tensor.name, limit: 200)) belongs to no layer of a \(architecture.name) model",
                    in: tensor.file)
            }
        }

        private func isMeant(_ rule: GGUFRule, _ family: String) -> Bool {
            switch family {
            case "bert": !rule.published.hasPrefix("distilbert.")
            case "distilbert": rule.published.hasPrefix("distilbert.")
            case "t5":
                configuration.object["feed_forward_proj"]?.stringValue == "relu"
                    ? !rule.published.hasSuffix("wi_0") && !rule.published.hasSuffix("wi_1")
                    : !rule.published.hasSuffix("DenseReluDense.wi")
            default: true
            }
        }

        private mutating func add(_ rule: GGUFRule, _ layer: Int, _ suffix: String) throws {
            let name = GGUFRule.name(rule.stored, layer: layer) + suffix
            guard let stored = file.tensor(named: name) else { return }
            used.insert(name)
            let published = GGUFRule.name(rule.published, layer: layer) + suffix
            switch rule.form {
            case .same: add(published, stored, stored.type, stored.shape, .same)
            case .plusOne: add(published, stored, .f32, stored.shape, .plusOne)
            case .queries, .keys, .byHead:
                let order = try GGUFModel.order(rule.form, configuration, stored)
                add(published, stored, stored.type, stored.shape, rule.form, order: order)
            case .transposed:
                guard stored.shape.count == 2 else { return add(published, stored, stored.type, stored.shape, .same) }
                add(published, stored, .f32, stored.shape.reversed(), .transposed)
            case .experts:
                guard stored.shape.count == 3, let count = stored.shape.first, count > 0, count <= 1 << 12 else {
                    throw HeedError(
                        .badInput, "the tensor \(quoted(name)) is no stack of experts", in: stored.file,
                        expected: "[experts, rows, columns]", got: "\(stored.shape)")
                }
                let size = stored.byteRange.count / count
                for expert in 0..<count {
                    add(
                        GGUFRule.name(rule.published, layer: layer, expert: expert) + suffix, stored, stored.type,
                        Array(stored.shape.dropFirst()), .experts, part: expert * size..<(expert + 1) * size)
                }
            }
        }

        private mutating func add(
            _ name: String, _ stored: StoredTensor, _ type: ElementType, _ shape: [Int], _ form: GGUFForm,
            part: Range<Int>? = nil, order: RowOrder? = nil
        ) {
            let start = stored.byteRange.lowerBound
            let range = part.map { start + $0.lowerBound..<start + $0.upperBound } ?? stored.byteRange
            let published = StoredTensor(name: name, type: type, shape: shape, file: stored.file, byteRange: range)
            entries.append(Entry(published: published, stored: stored, form: form, part: part, order: order))
        }
    }

    /// How rows of a tensor are reordered, held against its shape.
    static func order(
        _ form: GGUFForm, _ configuration: PublishedConfiguration, _ tensor: StoredTensor
    ) throws -> RowOrder? {
        let heads: UInt32
        switch form {
        case .queries: heads = try configuration.required("num_attention_heads")
        case .keys: heads = try configuration.required("num_key_value_heads", "num_attention_heads")
        case .byHead: heads = try configuration.required("num_attention_heads", "n_head")
        default: return nil
        }
        let parts = form == .byHead ? 3 : 1
        let rows = tensor.shape.first ?? 0
        guard heads > 0, rows > 0, rows % (Int(heads) * parts) == 0, form == .byHead || rows / Int(heads) % 2 == 0
        else {
            throw HeedError(
                .badInput, "the rows of the tensor \(quoted(tensor.name, limit: 200)) do not divide into heads",
                in: tensor.file, expected: "a multiple of \(Int(heads) * parts)", got: "\(rows)")
        }
        let width = rows / (Int(heads) * parts)
        return form == .byHead ? .parts(heads: Int(heads), headWidth: width) : .pairs(headWidth: width)
    }

    /// What the file says of a tensor under its published name, or nil. Constant time.
    public func tensor(named name: String) -> StoredTensor? { entries[name]?.published }

    /// Calls `body` with the bytes of a tensor in the published order of its numbers.
    public func withBytes<Result>(
        of tensor: StoredTensor, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        guard let entry = entries[tensor.name], entry.published == tensor else {
            throw HeedError(.usage, "the tensor \(quoted(tensor.name)) is not of this file", in: place)
        }
        return try file.withView(of: entry.stored) { view in
            switch entry.form {
            case .same: return try body(view.bytes)
            case .experts:
                return try body(UnsafeRawBufferPointer(rebasing: view.bytes[entry.part ?? 0..<view.bytes.count]))
            case .queries, .keys, .byHead:
                guard let order = entry.order else { return try body(view.bytes) }
                return try GGUFModel.reordered(view, order).withUnsafeBytes(body)
            case .plusOne:
                var values = [Float](repeating: 0, count: tensor.count)
                try values.withUnsafeMutableBufferPointer { try view.read(elements: 0..<tensor.count, into: $0) }
                for index in values.indices { values[index] -= 1 }
                return try values.withUnsafeBytes(body)
            case .transposed:
                var values = [Float](repeating: 0, count: tensor.count)
                try values.withUnsafeMutableBufferPointer {
                    try file.readTransposed(entry.stored, into: $0)
                }
                return try values.withUnsafeBytes(body)
            }
        }
    }

    public func withRowsOfTranspose<Result>(
        of tensor: StoredTensor, _ body: (ElementType, UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        guard let entry = entries[tensor.name], entry.published == tensor, entry.form == .transposed else { return nil }
        return try file.withView(of: entry.stored) { try body(entry.stored.type, $0.bytes) }
    }

    private static func reordered(_ view: TensorView, _ order: RowOrder) -> [UInt8] {
        let rows = view.tensor.shape.first ?? 1
        let size = rows > 0 ? view.bytes.count / rows : 0
        return [UInt8](unsafeUninitializedCapacity: view.bytes.count) { target, count in
            for row in 0..<rows {
                let source = order.stored(of: row) * size
                UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(target)[row * size..<(row + 1) * size]
                )
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: view.bytes[source..<source + size]))
            }
            count = rows * size
        }
    }
}
