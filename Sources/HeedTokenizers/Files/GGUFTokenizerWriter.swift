import HeedSupport

/// The tokenizer of a model folder as llama.cpp's files have it: the values of `tokenizer.ggml.*`.
///
/// A SentencePiece model is taken as it is; else `tokenizer.json`, or what the classic files amount to in that form.
public struct GGUFTokenizerWriter {
    private var model = "none"
    private var pattern: String?
    private var tokens: [[UInt8]] = []
    private var scores: [Float] = []
    private var types: [Int32] = []
    private var merges: [String] = []
    private var flags: [(String, GGUFValue)] = []
    /// What is not carried over as it was: sentences without a full stop.
    public private(set) var remarks: [String] = []

    /// What a token is, as SentencePiece counts.
    private enum Kind: Int32 {
        case normal = 1
        case unknown, control, userDefined, unused, byte
    }

    /// Reads the tokenizer of a folder; one without a tokenizer gives the values of none.
    ///
    /// - Throws: `HeedError` naming the file at fault, or a kind that llama.cpp does not know.
    public init(folder: String) throws {
        for name in ["tokenizer.model", "spiece.model"] where fileExists(joinPath(folder, name)) {
            let file = try SentencePieceFile(path: joinPath(folder, name))
            guard file.algorithm == .bpe || file.algorithm == .unigram else { continue }
            read(file)
            try addAddedTokens(folder)
            return
        }
        guard let tokenizer = try? Tokenizer.load(path: folder) else {
            let names = ["tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model"]
            if names.contains(where: { fileExists(joinPath(folder, $0)) }) { _ = try Tokenizer.load(path: folder) }
            return
        }
        let path = joinPath(folder, "tokenizer.json")
        let json = fileExists(path) ? try JSON.load(path: path, maximumDepth: 64) : try tokenizer.json()
        try read(json, place: folder)
    }

    /// Adds the values to a file's metadata.
    ///
    /// - `count`: the rows of the embedding table; tokens up to there are filled with unused ones.
    /// - `configuration`: `config.json`, which names special ids.
    /// - Throws: `HeedError` where there are more tokens than rows.
    public func write(
        to metadata: inout GGUFMetadata, count: Int, configuration: JSONObject, template: String?
    ) throws {
        guard model != "none" else {
            metadata["tokenizer.ggml.model"] = .string(model)
            return
        }
        guard tokens.count <= count else {
            throw HeedError(
                .unsupported, "the tokenizer has more tokens than the model has embeddings", in: metadata.place,
                expected: "at most \(count)", got: "\(tokens.count)")
        }
        var (tokens, types, scores) = (tokens, types, scores)
        for id in tokens.count..<count {
            tokens.append(Array("[PAD\(id)]".utf8))
            types.append(Kind.unused.rawValue)
            if !scores.isEmpty { scores.append(-10_000) }
        }
        metadata["tokenizer.ggml.model"] = .string(model)
        if let pattern { metadata["tokenizer.ggml.pre"] = .string(pattern) }
        metadata["tokenizer.ggml.tokens"] = .array(GGUFArray(texts: tokens))
        if !scores.isEmpty { metadata["tokenizer.ggml.scores"] = .array(GGUFArray(scores)) }
        metadata["tokenizer.ggml.token_type"] = .array(GGUFArray(types))
        if !merges.isEmpty { metadata["tokenizer.ggml.merges"] = .array(GGUFArray(merges)) }
        for (name, value) in flags { metadata["tokenizer.ggml." + name] = value }
        for (key, name) in [
            ("bos_token_id", "bos_token_id"), ("eos_token_id", "eos_token_id"), ("pad_token_id", "padding_token_id"),
            ("sep_token_id", "seperator_token_id"), ("cls_token_id", "cls_token_id"),
        ] {
            let value = configuration[key]
            guard let id = value?.intValue ?? value?.arrayValue?.first?.intValue, (0..<count).contains(id),
                metadata["tokenizer.ggml." + name] == nil
            else { continue }
            metadata["tokenizer.ggml." + name] = .uint32(UInt32(id))
        }
        if let template { metadata["tokenizer.chat_template"] = .string(template) }
    }

    // MARK: SentencePiece

    private mutating func read(_ file: SentencePieceFile) {
        model = file.algorithm == .bpe ? "llama" : "t5"
        pattern = "default"
        for piece in file.pieces {
            tokens.append(piece.text)
            scores.append(piece.score)
            types.append(Int32(piece.role.rawValue))
        }
        flag("add_space_prefix", file.normalization.addsDummyPrefix)
        if file.algorithm == .unigram {
            flag("remove_extra_whitespaces", file.normalization.removesExtraWhitespaces)
            if !file.normalization.charactersMap.isEmpty {
                flags.append(("precompiled_charsmap", .array(GGUFArray(bytes: file.normalization.charactersMap))))
            }
        }
        if let unknown = file.pieces.firstIndex(where: { $0.role == .unknown }) { id("unknown_token_id", unknown) }
        flag("add_bos_token", file.algorithm == .bpe)
        flag("add_eos_token", file.algorithm == .unigram)
        if file.pieces.indices.contains(file.beginID), file.algorithm == .bpe { id("bos_token_id", file.beginID) }
        if file.pieces.indices.contains(file.endID) { id("eos_token_id", file.endID) }
    }

    /// Tokens beside a SentencePiece model, which count from its end.
    private mutating func addAddedTokens(_ folder: String) throws {
        let path = joinPath(folder, "added_tokens.json")
        guard fileExists(path), let added = try JSON.load(path: path).objectValue else { return }
        for (text, value) in added {
            guard let id = value.intValue, id >= 0, id < 1 << 24 else {
                throw HeedError(.badInput, "the id of \(quoted(text)) is no id", in: path)
            }
            set(id, Array(text.utf8), .control)
        }
    }

    private mutating func set(_ id: Int, _ text: [UInt8], _ kind: Kind) {
        while tokens.count <= id {
            tokens.append(Array("[PAD\(tokens.count)]".utf8))
            types.append(Kind.unused.rawValue)
            if !scores.isEmpty { scores.append(-10_000) }
        }
        tokens[id] = text
        types[id] = kind.rawValue
    }

    private mutating func flag(_ name: String, _ value: Bool) { flags.append((name, .bool(value))) }

    private mutating func id(_ name: String, _ value: Int) { flags.append((name, .uint32(UInt32(value)))) }

    // MARK: tokenizer.json

    private mutating func read(_ json: JSON, place: String) throws {
        guard let inner = json["model"] else {
            throw HeedError(.badInput, "tokenizer.json has no model", in: place)
        }
        // Older files do not name the kind.
        let told = inner["merges"] != nil ? "BPE" : inner["vocab"]?.arrayValue != nil ? "Unigram" : "WordPiece"
        switch inner["type"]?.stringValue ?? told {
        case "BPE": try readBPE(json, inner, place)
        case "WordPiece": readWordPiece(json, inner)
        case "Unigram": try readUnigram(json, inner, place)
        case let other:
            throw HeedError(
                .unsupported, "llama.cpp has no tokenizer of the kind \(quoted(other))", in: place,
                expected: "BPE, WordPiece or Unigram")
        }
        readAdded(json)
        readTemplate(json)
    }

    private mutating func readVocabulary(_ inner: JSON) {
        for (text, value) in inner["vocab"]?.objectValue ?? JSONObject() {
            guard let id = value.intValue, id >= 0, id < 1 << 24 else { continue }
            set(id, Array(text.utf8), .normal)
        }
    }

    private mutating func readBPE(_ json: JSON, _ inner: JSON, _ place: String) throws {
        readVocabulary(inner)
        let pairs: [(String, String)] = (inner["merges"]?.arrayValue ?? []).compactMap { merge in
            if let parts = merge.arrayValue, parts.count == 2, let a = parts[0].stringValue,
                let b = parts[1].stringValue
            {
                return (a, b)
            }
            let parts = merge.stringValue?.split(separator: " ", maxSplits: 1).map(String.init) ?? []
            return parts.count == 2 ? (parts[0], parts[1]) : nil
        }
        let stages = GGUFTokenizerWriter.stages(json["pre_tokenizer"])
        for key in ["end_of_word_suffix", "continuing_subword_prefix"] where !(inner[key]?.stringValue ?? "").isEmpty {
            throw HeedError(
                .unsupported,
                "llama.cpp has no tokenizer of this kind: \(key) \(quoted(inner[key]?.stringValue ?? ""))",
                in: place)
        }
        if stages.contains(where: { $0["type"] == "ByteLevel" }) {
            model = "gpt2"
            merges = pairs.map { $0.0 + " " + $0.1 }
            let composes = GGUFTokenizerWriter.stages(json["normalizer"]).contains { $0["type"] == "NFC" }
            let expressions = GGUFTokenizerWriter.expressions(stages)
            let name = GGUFPattern.name(
                of: expressions, ignoresMerges: inner["ignore_merges"]?.boolValue ?? false, composes: composes)
            if name == nil {
                remarks.append("llama.cpp has no name for the way that the tokenizer cuts text; it may cut otherwise")
            }
            pattern = name ?? "default"
            return
        }
        guard inner["byte_fallback"]?.boolValue == true else {
            throw HeedError(
                .unsupported, "llama.cpp has no tokenizer of this kind: BPE over characters without bytes", in: place)
        }
        // SentencePiece's BPE: a piece that is merged earlier has a higher score.
        model = "llama"
        pattern = "default"
        var ranks: [String: Int] = [:]
        for (rank, pair) in pairs.enumerated() where ranks[pair.0 + pair.1] == nil { ranks[pair.0 + pair.1] = rank }
        scores = tokens.map { token in
            ranks[String(decoding: token, as: UTF8.self)].map { -Float($0) } ?? -Float(pairs.count)
        }
        for id in tokens.indices where SentencePieceFile.byte(of: tokens[id]) != nil { types[id] = Kind.byte.rawValue }
        if let unknown = inner["unk_token"]?.stringValue,
            let place = tokens.firstIndex(where: { $0.elementsEqual(unknown.utf8) })
        {
            types[place] = Kind.unknown.rawValue
            id("unknown_token_id", place)
        }
        let prepends =
            GGUFTokenizerWriter.stages(json["normalizer"]).contains { $0["type"] == "Prepend" }
            || stages.contains { $0["type"] == "Metaspace" && $0["prepend_scheme"] != "never" }
        flag("add_space_prefix", prepends)
    }

    private mutating func readWordPiece(_ json: JSON, _ inner: JSON) {
        readVocabulary(inner)
        model = "bert"
        pattern = "default"
        // Words begin with U+2581, and other parts lose their mark; tokens in brackets stay.
        for id in tokens.indices where types[id] == Kind.normal.rawValue {
            let text = tokens[id]
            if text.starts(with: "##".utf8) {
                tokens[id] = Array(text.dropFirst(2))
            } else if !(text.first == UInt8(ascii: "[") && text.last == UInt8(ascii: "]")) {
                tokens[id] = SentencePieceFile.spaceSymbol + text
            }
        }
        let normalizer = GGUFTokenizerWriter.stages(json["normalizer"]).first { $0["type"] == "BertNormalizer" }
        flag("normalizer.lowercase", normalizer?["lowercase"]?.boolValue ?? true)
        if let unknown = inner["unk_token"]?.stringValue,
            let place = tokens.firstIndex(where: { $0.elementsEqual(unknown.utf8) })
        {
            id("unknown_token_id", place)
        }
        for (text, name) in [("[CLS]", "cls_token_id"), ("[SEP]", "seperator_token_id"), ("[MASK]", "mask_token_id")] {
            if let place = tokens.firstIndex(where: { $0.elementsEqual(text.utf8) }) { id(name, place) }
        }
    }

    private mutating func readUnigram(_ json: JSON, _ inner: JSON, _ place: String) throws {
        model = "t5"
        pattern = "default"
        for entry in inner["vocab"]?.arrayValue ?? [] {
            guard let text = entry[0]?.stringValue, let score = entry[1]?.doubleValue else {
                throw HeedError(.badInput, "the vocabulary of tokenizer.json is broken", in: place)
            }
            tokens.append(Array(text.utf8))
            scores.append(Float(score))
            types.append(Kind.normal.rawValue)
        }
        for id in tokens.indices where SentencePieceFile.byte(of: tokens[id]) != nil { types[id] = Kind.byte.rawValue }
        if let unknown = inner["unk_id"]?.intValue, tokens.indices.contains(unknown) {
            types[unknown] = Kind.unknown.rawValue
            id("unknown_token_id", unknown)
        }
        let stages = GGUFTokenizerWriter.stages(json["normalizer"])
        if var map = stages.first(where: { $0["type"] == "Precompiled" })?["precompiled_charsmap"]?.stringValue {
            var bytes: [UInt8] = []
            guard map.withUTF8({ decodeBase64($0, into: &bytes) }) else {
                throw HeedError(.badInput, "\"precompiled_charsmap\" is not base64", in: place)
            }
            flags.append(("precompiled_charsmap", .array(GGUFArray(bytes: bytes))))
        }
        let metaspace = GGUFTokenizerWriter.stages(json["pre_tokenizer"]).first { $0["type"] == "Metaspace" }
        flag(
            "add_space_prefix",
            metaspace?["prepend_scheme"] != "never" && metaspace?["add_prefix_space"] != .bool(false))
        flag("remove_extra_whitespaces", stages.contains { $0["type"] == "Precompiled" || $0["type"] == "Replace" })
    }

    private mutating func readAdded(_ json: JSON) {
        for token in json["added_tokens"]?.arrayValue ?? [] {
            guard let id = token["id"]?.intValue, id >= 0, id < 1 << 24, let text = token["content"]?.stringValue else {
                continue
            }
            let isKnown = types.indices.contains(id) && types[id] == Kind.unknown.rawValue
            if !isKnown { set(id, Array(text.utf8), token["special"] == .bool(true) ? .control : .userDefined) }
        }
    }

    /// Begin and end marks, as the post-processor sets them.
    private mutating func readTemplate(_ json: JSON) {
        func special(_ piece: JSON?) -> Int? {
            guard let text = piece?["SpecialToken"]?["id"]?.stringValue else { return nil }
            return tokens.firstIndex { $0.elementsEqual(text.utf8) }
        }
        var (begin, end): (Int?, Int?) = (nil, nil)
        for stage in GGUFTokenizerWriter.stages(json["post_processor"]) {
            if let single = stage["single"]?.arrayValue {
                begin = special(single.first) ?? begin
                end = special(single.last) ?? end
            }
            if let mark = stage["cls"]?[1]?.intValue { begin = mark }
            if let mark = stage["sep"]?[1]?.intValue { end = mark }
        }
        if model != "bert" {
            if let begin { id("bos_token_id", begin) }
            if let end { id("eos_token_id", end) }
        }
        flag("add_bos_token", begin != nil)
        flag("add_eos_token", end != nil)
    }

    /// A stage, or the stages of a sequence.
    private static func stages(_ json: JSON?) -> [JSON] {
        guard let json, !json.isNull else { return [] }
        let inner = json["pretokenizers"] ?? json["normalizers"] ?? json["processors"] ?? json["decoders"]
        return inner?.arrayValue?.flatMap { stages($0) } ?? [json]
    }

    /// The patterns that cut, one after the other.
    private static func expressions(_ stages: [JSON]) -> [String] {
        stages.flatMap { stage -> [String] in
            switch stage["type"]?.stringValue {
            case "Punctuation": [#"[\p{P}\$\+<=>\^~\|`]+"#]
            // Falcon's numbers are cut into threes afterwards, which is all that llama.cpp does.
            case "Digits" where stages.last?["pattern"]?["Regex"] == "[0-9][0-9][0-9]": []
            case "Split": [stage["pattern"]?["Regex"]?.stringValue ?? ""]
            case "Digits": [stage["individual_digits"] == .bool(true) ? #"\p{N}"# : #"\p{N}+"#]
            case "ByteLevel": stage["use_regex"] == .bool(false) ? [] : [KnownPatterns.gpt2]
            default: []
            }
        }
    }
}

extension GGUFTokenizerWriter {
    /// The chat template of a model folder: `chat_template.jinja`, or the (default) one of `tokenizer_config.json`.
    public static func chatTemplate(folder: String) throws -> String? {
        let file = joinPath(folder, "chat_template.jinja")
        if fileExists(file) { return String(decoding: try readFile(file), as: UTF8.self) }
        let path = joinPath(folder, "tokenizer_config.json")
        guard fileExists(path), let value = try JSON.load(path: path, maximumDepth: 64)["chat_template"] else {
            return nil
        }
        if let text = value.stringValue { return text }
        let named = value.arrayValue?.first { $0["name"] == "default" } ?? value[0]
        return named?["template"]?.stringValue
    }
}
