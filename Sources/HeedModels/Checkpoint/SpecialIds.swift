import HeedSupport
import HeedWeights

/// Ids with a meaning for generation, from `config.json` and `generation_config.json`.
public struct SpecialIds: Sendable, Equatable {
    /// The id that starts a text, where there is one.
    public var begin: Int?
    /// The ids that end a text.
    public var ends: [Int] = []
    /// The id that stands for nothing, where there is one.
    public var padding: Int?

    /// The ids that a model treats specially.
    public init(begin: Int? = nil, ends: [Int] = [], padding: Int? = nil) {
        self.begin = begin
        self.ends = ends
        self.padding = padding
    }

    /// `generation_config.json` goes before `config.json`, as in transformers.
    ///
    /// Ids that the model does not have are left out, with a sentence in `warnings`: published folders name such ids.
    init(_ reader: ConfigurationReader, folder: String, vocabulary: Int, _ warnings: inout [String]) throws {
        var readers = [reader]
        let path = joinPath(folder, "generation_config.json")
        if fileExists(path) { readers.insert(try ConfigurationReader(path: path), at: 0) }
        self.init()
        var outside: [String] = []
        func known(_ id: Int?, _ key: String) -> Int? {
            guard let id, id >= vocabulary else { return id }
            let what = "\(key) is \(id)"
            if !outside.contains(what) { outside.append(what) }
            return nil
        }
        let range = 0...Int(Int32.max)
        for reader in readers {
            if begin == nil {
                begin = known(try reader.optionalInteger("bos_token_id", in: range), "bos_token_id")
            }
            if padding == nil {
                padding = known(
                    try reader.optionalInteger("pad_token_id", in: -1...Int(Int32.max)), "pad_token_id")
            }
            if ends.isEmpty {
                ends = (try reader.optionalIntegers("eos_token_id", in: range) ?? [])
                    .compactMap { known($0, "eos_token_id") }
            }
        }
        if padding == -1 { padding = nil }
        if !outside.isEmpty {
            warnings.append(
                "\(folder): \(outside.joined(separator: " and ")), but the model has the ids 0 to \(vocabulary - 1); "
                    + "generation never meets \(outside.count == 1 ? "it" : "them")")
        }
    }

    var endsDocument: JSON {
        ends.isEmpty ? .null : ends.count == 1 ? .integer(ends[0]) : .array(ends.map { .integer($0) })
    }

    func document() -> JSONObject {
        var document = JSONObject()
        document["_from_model_config"] = true
        if let begin { document["bos_token_id"] = .integer(begin) }
        if !ends.isEmpty { document["eos_token_id"] = endsDocument }
        if let padding { document["pad_token_id"] = .integer(padding) }
        return document
    }
}
