import HeedSupport

/// Reads the stages of a `tokenizer.json`; every error names the file and what is wrong in it.
struct StageReader {
    let place: String

    /// A member of the type asked for, or the default where it is absent or null.
    func value<Value>(
        _ json: JSON, _ key: String, _ get: (JSON) -> Value?, _ wanted: String, default fallback: Value? = nil
    ) throws -> Value {
        let member = json[key] ?? .null
        if member.isNull, let fallback { return fallback }
        guard let result = get(member) else {
            throw HeedError(
                .badInput, "\"\(key)\" of \(quoted(json["type"]?.stringValue ?? "a stage")) is \(member.kindName)",
                in: place, expected: wanted)
        }
        return result
    }

    func bool(_ json: JSON, _ key: String, default fallback: Bool? = nil) throws -> Bool {
        try value(json, key, { $0.boolValue }, "true or false", default: fallback)
    }

    func string(_ json: JSON, _ key: String, default fallback: String? = nil) throws -> String {
        try value(json, key, { $0.stringValue }, "a string", default: fallback)
    }

    func integer(_ json: JSON, _ key: String, default fallback: Int? = nil) throws -> Int {
        let number = try value(json, key, { $0.intValue }, "an integer", default: fallback)
        guard number >= 0, number <= 1 << 30 else {
            throw HeedError(.badInput, "\"\(key)\" is \(number)", in: place, expected: "0 to \(grouped(1 << 30))")
        }
        return number
    }

    func list(_ json: JSON, _ key: String) throws -> [JSON] {
        try value(json, key, { $0.arrayValue }, "an array")
    }

    /// A string of one character.
    func character(_ json: JSON, _ key: String, default fallback: String? = nil) throws -> Unicode.Scalar {
        let text = try string(json, key, default: fallback)
        guard let scalar = text.unicodeScalars.first, text.unicodeScalars.count == 1 else {
            throw HeedError(
                .badInput, "\"\(key)\" is \(quoted(text))", in: place, expected: "a string of one character")
        }
        return scalar
    }

    /// A token id.
    func id(_ json: JSON?, _ what: String) throws -> TokenID {
        guard let number = json?.intValue, number >= 0, number < Vocabulary.largestID else {
            throw HeedError(
                .badInput, "\(what) has the id \(json.map { $0.serialised() } ?? "null")", in: place,
                expected: "an id from 0 to \(grouped(Vocabulary.largestID - 1))")
        }
        return TokenID(number)
    }

    func unknown(_ what: String, _ type: String, _ known: [String]) -> HeedError {
        let near = nearest(type, among: known)
        return HeedError(
            .unsupported, "the \(what) \(quoted(type)) is not known", in: place,
            expected: "one of \(known.joined(separator: ", "))",
            advice: near.map { "Did you mean \($0)" } ?? "Check the file's \"type\" members")
    }

    func pattern(_ json: JSON) throws -> Pattern {
        let member = json["pattern"] ?? .null
        if let text = member.stringValue ?? member["String"]?.stringValue { return Pattern(text: text) }
        if let expression = member["Regex"]?.stringValue { return try Pattern(expression: expression, in: place) }
        throw HeedError(
            .badInput, "\"pattern\" is \(member.kindName)", in: place,
            expected: "{\"String\": …} or {\"Regex\": …}")
    }

    func behavior(_ json: JSON, default fallback: String? = nil) throws -> PieceList.Behavior {
        let text = try string(json, "behavior", default: fallback)
        // Older files write the names in lower case.
        for behavior in PieceList.Behavior.allCases {
            let plain = behavior.rawValue.lowercased()
            if plain == text.lowercased().replacing("_", "") { return behavior }
        }
        throw unknown("behavior", text, PieceList.Behavior.allCases.map(\.rawValue))
    }

    /// The scheme of a metaspace stage, in the new form or the old.
    func prependScheme(_ json: JSON) throws -> MetaspacePreTokenizer.PrependScheme {
        if let text = json["prepend_scheme"]?.stringValue {
            guard let scheme = MetaspacePreTokenizer.PrependScheme(rawValue: text) else {
                throw unknown("prepend_scheme", text, ["always", "never", "first"])
            }
            return scheme
        }
        return try bool(json, "add_prefix_space", default: true) ? .always : .never
    }

    // MARK: stages

    func normalizer(_ json: JSON) throws -> any NormalizerStage {
        let type = try string(json, "type")
        switch type {
        case "Sequence": return SequenceNormalizer(try list(json, "normalizers").map { try normalizer($0) })
        case "NFC", "NFD", "NFKC", "NFKD":
            guard let form = UnicodeNormalizer.Form(rawValue: type) else { break }
            return UnicodeNormalizer(form)
        case "Lowercase": return LowercaseNormalizer()
        case "StripAccents": return FilterNormalizer(.accents)
        case "Strip":
            return StripNormalizer(
                left: try bool(json, "strip_left", default: true), right: try bool(json, "strip_right", default: true))
        case "Prepend": return PrependNormalizer(try string(json, "prepend"))
        case "Replace": return ReplaceNormalizer(try pattern(json), with: try string(json, "content"))
        case "BertNormalizer":
            return BertNormalizer(
                cleansText: try bool(json, "clean_text", default: true),
                setsHanApart: try bool(json, "handle_chinese_chars", default: true),
                stripsAccents: json["strip_accents"]?.boolValue,
                makesLowercase: try bool(json, "lowercase", default: true))
        case "Nmt": return NMTNormalizer()
        case "ByteLevel": return ByteLevelNormalizer()
        case "Precompiled": return try precompiled(try string(json, "precompiled_charsmap", default: ""))
        default: break
        }
        throw unknown(
            "normalizer", type,
            [
                "Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Prepend", "Replace",
                "BertNormalizer", "Nmt", "ByteLevel", "Precompiled",
            ])
    }

    func preTokenizer(_ json: JSON) throws -> any PreTokenizerStage {
        let type = try string(json, "type")
        switch type {
        case "Sequence": return SequencePreTokenizer(try list(json, "pretokenizers").map { try preTokenizer($0) })
        case "ByteLevel":
            return ByteLevelPreTokenizer(
                addsPrefixSpace: try bool(json, "add_prefix_space", default: true),
                trimsOffsets: try bool(json, "trim_offsets", default: true),
                usesPattern: try bool(json, "use_regex", default: true))
        case "Split":
            return SplitPreTokenizer(
                try pattern(json), try behavior(json), isInverted: try bool(json, "invert", default: false))
        case "Whitespace": return ClassPreTokenizer(.words)
        case "WhitespaceSplit": return ClassPreTokenizer(.whiteSpaceSplit)
        case "BertPreTokenizer": return ClassPreTokenizer(.bert)
        case "Punctuation": return ClassPreTokenizer(.punctuation(try behavior(json, default: "Isolated")))
        case "Digits":
            return ClassPreTokenizer(.digits(individual: try bool(json, "individual_digits", default: false)))
        case "CharDelimiterSplit": return ClassPreTokenizer(.delimiter(try character(json, "delimiter")))
        case "Metaspace":
            return MetaspacePreTokenizer(
                replacement: try character(json, "replacement", default: "\u{2581}"),
                prependScheme: try prependScheme(json), splits: try bool(json, "split", default: true))
        default:
            throw unknown(
                "pre-tokenizer", type,
                [
                    "Sequence", "ByteLevel", "Split", "Whitespace", "WhitespaceSplit", "BertPreTokenizer",
                    "Punctuation", "Digits", "CharDelimiterSplit", "Metaspace",
                ])
        }
    }

    func decoder(_ json: JSON) throws -> any DecoderStage {
        let type = try string(json, "type")
        switch type {
        case "Sequence": return SequenceDecoder(try list(json, "decoders").map { try decoder($0) })
        case "ByteLevel": return ByteLevelDecoder()
        case "WordPiece":
            return WordPieceDecoder(
                prefix: try string(json, "prefix", default: "##"), cleansUp: try bool(json, "cleanup", default: true))
        case "Metaspace":
            return MetaspaceDecoder(
                replacement: try character(json, "replacement", default: "\u{2581}"),
                prependScheme: try prependScheme(json), splits: try bool(json, "split", default: true))
        case "BPEDecoder": return BPEDecoder(suffix: try string(json, "suffix", default: "</w>"))
        case "Replace": return ReplaceDecoder(try pattern(json), with: try string(json, "content"))
        case "ByteFallback": return ByteFallbackDecoder()
        case "Fuse": return FuseDecoder()
        case "Strip":
            return StripDecoder(
                content: try character(json, "content", default: " "), start: try integer(json, "start", default: 0),
                stop: try integer(json, "stop", default: 0))
        case "CTC":
            return CTCDecoder(
                padToken: try string(json, "pad_token", default: "<pad>"),
                wordDelimiter: try string(json, "word_delimiter_token", default: "|"),
                cleansUp: try bool(json, "cleanup", default: true))
        default:
            throw unknown(
                "decoder", type,
                [
                    "Sequence", "ByteLevel", "WordPiece", "Metaspace", "BPEDecoder", "Replace", "ByteFallback", "Fuse",
                    "Strip", "CTC",
                ])
        }
    }

    /// - Parameter trim: the white space at the ends of a token, in characters.
    func postProcessor(
        _ json: JSON, trim: @escaping @Sendable (TokenID) -> (leading: Int, trailing: Int)
    ) throws -> any PostProcessorStage {
        let type = try string(json, "type")
        switch type {
        case "Sequence":
            return SequencePostProcessor(
                stages: try list(json, "processors").map { try postProcessor($0, trim: trim) })
        case "ByteLevel":
            return ByteLevelPostProcessor(
                trimsOffsets: try bool(json, "trim_offsets", default: true),
                addsPrefixSpace: try bool(json, "add_prefix_space", default: true),
                usesPattern: try bool(json, "use_regex", default: true), trim: trim)
        case "BertProcessing", "RobertaProcessing":
            return BracketPostProcessor(
                style: type == "BertProcessing" ? .bert : .roberta, separator: try textAndID(json, "sep"),
                start: try textAndID(json, "cls"), trimsTokens: try bool(json, "trim_offsets", default: true),
                addsPrefixSpace: try bool(json, "add_prefix_space", default: true), trim: trim)
        case "TemplateProcessing": return try template(json)
        default:
            throw unknown(
                "post-processor", type,
                ["Sequence", "ByteLevel", "BertProcessing", "RobertaProcessing", "TemplateProcessing"])
        }
    }

    private func textAndID(_ json: JSON, _ key: String) throws -> (text: String, id: TokenID) {
        let pair = try list(json, key)
        guard pair.count == 2, let text = pair[0].stringValue else {
            throw HeedError(.badInput, "\"\(key)\" of a post-processor is broken", in: place, expected: "[text, id]")
        }
        return (text, try id(pair[1], quoted(text)))
    }

    private func template(_ json: JSON) throws -> TemplatePostProcessor {
        var specials: [String: [(id: TokenID, text: String)]] = [:]
        for (name, special) in json["special_tokens"]?.objectValue ?? JSONObject() {
            let ids = try list(special, "ids")
            let texts = try list(special, "tokens")
            guard ids.count == texts.count else {
                throw HeedError(
                    .badInput, "the template token \(quoted(name)) has \(ids.count) ids and \(texts.count) texts",
                    in: place, expected: "as many of one as of the other")
            }
            specials[name] = try zip(ids, texts).map { (try id($0, quoted(name)), $1.stringValue ?? "") }
        }
        func pieces(_ key: String) throws -> [TemplatePostProcessor.Piece] {
            try list(json, key).map { piece in
                if let text = piece["Sequence"] {
                    let name = try string(text, "id")
                    guard name == "A" || name == "B" else { throw unknown("template text", name, ["A", "B"]) }
                    return .text(name == "A" ? 0 : 1, typeID: Int32(try integer(text, "type_id", default: 0)))
                }
                guard let special = piece["SpecialToken"] else {
                    throw HeedError(
                        .badInput, "a template piece is \(piece.kindName)", in: place,
                        expected: "{\"Sequence\": …} or {\"SpecialToken\": …}")
                }
                let name = try string(special, "id")
                guard specials[name] != nil else {
                    throw HeedError(
                        .badInput, "the template uses \(quoted(name)), which special_tokens does not list", in: place)
                }
                return .special(name, typeID: Int32(try integer(special, "type_id", default: 0)))
            }
        }
        return TemplatePostProcessor(single: try pieces("single"), pair: try pieces("pair"), specials: specials)
    }
}
