import HeedSupport

/// The values of a `config.json`, whichever spelling its time had: `rope_parameters` or `rope_theta` and `rope_scaling`,
/// `hidden_size` or `n_embd`.
struct PublishedConfiguration {
    let object: JSONObject
    /// The file to name in messages.
    let file: String

    /// The family.
    var family: String { object["model_type"]?.stringValue ?? "" }

    /// The first of some keys that is there and not null.
    func value(_ keys: [String]) -> JSON? {
        for key in keys {
            if let value = object[key], !value.isNull { return value }
        }
        return nil
    }

    /// A number from 0 to 2^32 − 1, or nil where none of the keys is there.
    func integer(_ keys: String...) throws -> UInt32? {
        guard let value = value(keys) else { return nil }
        guard let number = value.intValue, let result = UInt32(exactly: number) else { throw wrong(keys, value) }
        return result
    }

    /// A number that must be there.
    func required(_ keys: String...) throws -> UInt32 {
        guard let value = value(keys) else {
            throw HeedError(.missing, "the key \(keys[0]) is missing", in: file, expected: "a number")
        }
        guard let number = value.intValue, let result = UInt32(exactly: number) else { throw wrong(keys, value) }
        return result
    }

    /// A number, or nil where none of the keys is there.
    func number(_ keys: String...) throws -> Double? {
        guard let value = value(keys) else { return nil }
        guard let number = value.doubleValue, number.isFinite else { throw wrong(keys, value) }
        return number
    }

    private func wrong(_ keys: [String], _ value: JSON) -> HeedError {
        HeedError(
            .badInput, "the value of \(keys[0]) cannot be used", in: file, expected: "a number", got: value.kindName)
    }

    /// The values about rotary positions: those of full attention where layers differ.
    var rotary: PublishedConfiguration {
        var values = JSONObject()
        if let theta = value(["rope_theta", "rotary_emb_base"]) { values["rope_theta"] = theta }
        for key in ["rope_parameters", "rope_scaling"] {
            guard var inner = object[key]?.objectValue else { continue }
            if let full = inner["full_attention"]?.objectValue { inner = full }
            for (name, value) in inner where !value.isNull { values[name == "type" ? "rope_type" : name] = value }
        }
        return PublishedConfiguration(object: values, file: file)
    }

    /// The kind of scaling of rotary positions.
    var rotaryKind: String { rotary.object["rope_type"]?.stringValue ?? "default" }

    /// The width of a head.
    func headWidth() throws -> Int {
        if let width = try integer("head_dim") { return Int(width) }
        let heads = try required("num_attention_heads", "n_head", "n_heads", "num_heads")
        guard heads > 0 else { throw HeedError(.badInput, "there are no heads", in: file) }
        return Int(try required("hidden_size", "n_embd", "dim", "d_model") / heads)
    }
}
