import HeedSupport

/// The parts that special tokens play, under the names of `tokenizer_config.json`.
enum TokenRole: String, CaseIterable {
    case begin = "bos_token"
    case end = "eos_token"
    case unknown = "unk_token"
    case separator = "sep_token"
    case padding = "pad_token"
    case classifier = "cls_token"
    case mask = "mask_token"
}

/// What the files beside a vocabulary say about it: `tokenizer_config.json`, `special_tokens_map.json`,
/// `added_tokens.json` and the class that `config.json` names or implies.
///
/// Where they contradict each other the order is that of `transformers`: `added_tokens_decoder` counts alone; without
/// it `special_tokens_map.json` counts before `tokenizer_config.json`.
struct TokenizerSettings {
    /// The file that errors about settings name.
    let place: String
    /// The name of the tokenizer's class without `Fast`, where a file gives one.
    let className: String?
    /// The `model_type` of `config.json`.
    let modelType: String?
    /// Whether a file says anything about the tokenizer itself.
    let isThere: Bool
    private let configuration: JSONObject
    private let reader: StageReader
    /// Special tokens by their part; nil where a file says that there is none.
    private var roles: [TokenRole: AddedToken?] = [:]
    /// Tokens with the ids that files give them, in the order of ids.
    private var listed: [AddedToken] = []
    /// Further special tokens without ids.
    private var extra: [AddedToken] = []

    /// An id that is not known yet.
    static let noID: TokenID = -1

    /// Reads the files of a folder that are there.
    ///
    /// - Throws: `HeedError` naming the file that is broken.
    init(folder: String) throws {
        place = joinPath(folder, "tokenizer_config.json")
        reader = StageReader(place: place)
        configuration = try Self.object(place) ?? JSONObject()
        isThere = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"].contains {
            fileExists(joinPath(folder, $0))
        }
        let model = try Self.object(joinPath(folder, "config.json"))
        modelType = model?["model_type"]?.stringValue
        let name = configuration["tokenizer_class"]?.stringValue ?? model?["tokenizer_class"]?.stringValue
        className = name.map { $0.hasSuffix("TokenizerFast") ? String($0.dropLast(4)) : $0 }
        var members = configuration
        if let list = configuration["added_tokens_decoder"]?.objectValue {
            for (key, value) in list {
                var token = try Self.token(value, reader)
                token.id = try reader.id(Int(key).map { .integer($0) } ?? .string(key), quoted(token.content))
                listed.append(token)
            }
        } else {
            for (key, value) in try Self.object(joinPath(folder, "special_tokens_map.json")) ?? JSONObject() {
                var value = value
                // A token of this file is special and not normalised unless it says so.
                if var object = value.objectValue, key != "extra_special_tokens" {
                    object["special"] = true
                    if object["normalized"] == nil { object["normalized"] = false }
                    value = .object(object)
                }
                members[key] = value
            }
        }
        try readRoles(members)
        if configuration["added_tokens_decoder"]?.objectValue == nil {
            try readAddedTokens(joinPath(folder, "added_tokens.json"))
        }
        listed.sort { $0.id < $1.id }
        // A role takes the properties of the listed token of its text.
        for (role, token) in roles {
            if let token, let known = listed.first(where: { $0.isSpelled(token.content) }) {
                roles[role] = known
            }
        }
    }

    private static func object(_ path: String) throws -> JSONObject? {
        guard fileExists(path) else { return nil }
        let json = try JSON.load(path: path)
        guard let object = json.objectValue else {
            throw HeedError(.badInput, "the file holds \(json.kindName)", in: path, expected: "a JSON object")
        }
        return object
    }

    /// A token that is written as a string or as an object of its properties.
    private static func token(_ json: JSON, _ reader: StageReader) throws -> AddedToken {
        if let content = json.stringValue { return AddedToken(content, id: noID) }
        let isSpecial = try reader.bool(json, "special", default: false)
        return AddedToken(
            try reader.string(json, "content"), id: noID, isSpecial: isSpecial,
            isSingleWord: try reader.bool(json, "single_word", default: false),
            stripsLeft: try reader.bool(json, "lstrip", default: false),
            stripsRight: try reader.bool(json, "rstrip", default: false),
            isNormalized: try reader.bool(json, "normalized", default: !isSpecial))
    }

    private mutating func readRoles(_ members: JSONObject) throws {
        for (key, value) in members where key.hasSuffix("_token") {
            if let role = TokenRole(rawValue: key) {
                if value.isNull || value.boolValue != nil {
                    roles[role] = .some(nil)
                    continue
                }
                var token = try Self.token(value, reader)
                token.isSpecial = true
                roles[role] = token
            } else if value.stringValue != nil || value["content"] != nil {
                var token = try Self.token(value, reader)
                token.isSpecial = true
                extra.append(token)
            }
        }
        for key in ["extra_special_tokens", "additional_special_tokens"] {
            guard let value = members[key], !value.isNull else { continue }
            for entry in value.arrayValue ?? value.objectValue?.values ?? [] {
                var token = try Self.token(entry, reader)
                token.isSpecial = true
                if !extra.contains(where: { $0.isSpelled(token.content) }) { extra.append(token) }
            }
            break
        }
    }

    private mutating func readAddedTokens(_ path: String) throws {
        let reader = StageReader(place: path)
        for (content, value) in try Self.object(path) ?? JSONObject() {
            let isSpecial =
                roles.values.contains { $0?.isSpelled(content) ?? false }
                || extra.contains { $0.isSpelled(content) }
            listed.append(
                AddedToken(
                    content, id: try reader.id(value, quoted(content)), isSpecial: isSpecial,
                    isNormalized: !isSpecial))
        }
    }

    // MARK: what families ask

    /// A member that is true or false, or nil where it is absent or null.
    func flag(_ key: String) throws -> Bool? {
        guard let value = configuration[key], !value.isNull else { return nil }
        guard let flag = value.boolValue else {
            throw HeedError(
                .badInput, "\"\(key)\" is \(value.kindName)", in: place, expected: "true or false",
                got: value.serialised())
        }
        return flag
    }

    /// A member that is a string, or nil where it is absent or null.
    func string(_ key: String) throws -> String? {
        guard let value = configuration[key], !value.isNull else { return nil }
        return try reader.string(.object(configuration), key)
    }

    /// A member that is a number, or nil where it is absent or null.
    func integer(_ key: String) throws -> Int? {
        guard let value = configuration[key], !value.isNull else { return nil }
        return try reader.integer(.object(configuration), key)
    }

    /// Whether a file gives a role, be it a token or none.
    func names(_ role: TokenRole) -> Bool { roles[role] != nil }

    /// The token of a role: as the files say, or the family's own; nil where they say that there is none.
    func token(_ role: TokenRole, default fallback: AddedToken?) -> AddedToken? { roles[role] ?? fallback }

    /// The text of a role's token.
    func text(_ role: TokenRole, default fallback: String) -> String {
        token(role, default: AddedToken(fallback, id: Self.noID))?.content ?? fallback
    }

    /// Whether special tokens spelled out in a text become those tokens.
    var recognisesSpecialTokens: Bool { configuration["split_special_tokens"]?.boolValue != true }

    /// Refuses settings that decide ids and that are not known here.
    ///
    /// - Throws: `HeedError` of kind `unsupported` naming the first of them.
    func checkThatAllCount() throws {
        func isPlain(_ value: JSON, _ plain: JSON) -> Bool {
            value.isNull || value == plain || value.arrayValue?.isEmpty ?? false || value.objectValue?.isEmpty ?? false
        }
        let plainValues: [(key: String, plain: JSON)] = [
            ("do_basic_tokenize", true), ("never_split", []), ("sp_model_kwargs", [:]), ("wordpieces_prefix", "##"),
            ("word_tokenizer_type", "basic"), ("subword_tokenizer_type", "wordpiece"), ("split_by_punct", false),
            ("normalization", false), ("language_codes", "m2m100"), ("dropout", .null),
        ]
        for (key, plain) in plainValues {
            guard let value = configuration[key], !isPlain(value, plain) else { continue }
            throw HeedError(
                .unsupported, "the setting \(quoted(key)): \(value.serialised()) decides ids and is not known",
                in: place, expected: plain.serialised(), advice: "Save the tokenizer as tokenizer.json and use that")
        }
    }

    /// All added tokens with their ids: those of the vocabulary, those that a file gives, and for further ones the
    /// next free ids.
    ///
    /// - Parameter family: the special tokens that the tokenizer's class brings; those that neither the vocabulary nor
    ///   a file has are left out.
    /// - Throws: `HeedError` where a file gives a token the id of another.
    func addedTokens(_ vocabulary: Vocabulary, family: [(TokenRole, AddedToken)]) throws -> [AddedToken] {
        var tokens: [AddedToken] = []
        var texts: Set<ExactText> = []
        var next = TokenID(vocabulary.idLimit)
        func append(_ token: AddedToken) throws {
            guard texts.insert(ExactText(token.content)).inserted else { return }
            var token = token
            if let id = vocabulary.id(of: token.content) {
                token.id = id
            } else if token.id == Self.noID {
                token.id = next
            } else if let other = vocabulary.text(of: token.id)
                ?? tokens.first(where: { $0.id == token.id })?.content
            {
                throw HeedError(
                    .badInput, "the added token \(quoted(token.content)) has the id \(token.id) of another token",
                    in: place, expected: "an id that is free", got: "that of \(quoted(other))")
            }
            next = max(next, token.id + 1)
            tokens.append(token)
        }
        for token in listed { try append(token) }
        for role in TokenRole.allCases {
            let fallback = family.first { $0.0 == role }?.1
            guard let token = token(role, default: fallback) else { continue }
            if !names(role), vocabulary.id(of: token.content) == nil { continue }
            try append(token)
        }
        for token in extra { try append(token) }
        return tokens
    }
}
