import HeedSupport

extension Tokenizer {
    /// Reads byte-level BPE from `vocab.json` and `merges.txt`, or GPT-2's `encoder.json` and `vocab.bpe`.
    ///
    /// `<|endoftext|>` and tokens that `special_tokens_map.json` or `added_tokens.json` beside them name are special.
    public init(vocabulary path: String, merges mergesPath: String) throws {
        let vocabulary = try Tokenizer.vocabulary(path: path)
        var merges = MergeCollector(vocabulary: vocabulary, place: mergesPath)
        let text = try readFile(mergesPath)
        try text.withUnsafeBufferPointer { text in
            try forEachLine(text) { line, number in
                // The first line names the version.
                if line.isEmpty || (number == 1 && line.starts(with: Array("#version".utf8))) { return }
                try merges.add(line: line)
            }
        }
        let model = try BPEModel(
            vocabulary: vocabulary, merges: merges.merges, options: BPEModel.Options(), isByteLevel: true, in: path)
        self.init(
            model: model, preTokenizer: ByteLevelPreTokenizer(),
            postProcessor: ByteLevelPostProcessor(
                trimsOffsets: false, addsPrefixSpace: false, usesPattern: true, trim: { _ in (0, 0) }),
            decoding: .stage(ByteLevelDecoder()),
            addedTokens: try Tokenizer.classicAddedTokens(beside: path, vocabulary: vocabulary))
    }

    /// The vocabulary of a `vocab.json`: an object of text to id.
    static func vocabulary(path: String) throws -> Vocabulary {
        let document = try JSONDocument(path: path)
        return try document.read { root in
            guard root.kind == .object else {
                throw HeedError(.badInput, "the file holds no JSON object", in: path, expected: "text to id")
            }
            return try ModelReader(place: path, isByteLevel: true).vocabulary(members: root)
        }
    }

    /// The special tokens of the files around a vocabulary, and `<|endoftext|>`.
    private static func classicAddedTokens(beside path: String, vocabulary: Vocabulary) throws -> [AddedToken] {
        var tokens: [AddedToken] = []
        var seen: Set<String> = []
        func add(_ content: String, _ id: TokenID) {
            if seen.insert(content).inserted { tokens.append(AddedToken(content, id: id)) }
        }
        let addedPath = joinPath(parentPath(path), "added_tokens.json")
        if fileExists(addedPath) {
            for (content, value) in try JSON.load(path: addedPath).objectValue ?? JSONObject() {
                add(content, try StageReader(place: addedPath).id(value, quoted(content)))
            }
        }
        let mapPath = joinPath(parentPath(path), "special_tokens_map.json")
        if fileExists(mapPath) {
            for (_, value) in try JSON.load(path: mapPath).objectValue ?? JSONObject() {
                guard let content = value.stringValue ?? value["content"]?.stringValue else { continue }
                if let id = vocabulary.id(of: content) { add(content, id) }
            }
        }
        if let id = vocabulary.id(of: "<|endoftext|>") { add("<|endoftext|>", id) }
        return tokens
    }

    /// Reads WordPiece from a `vocab.txt`: one token per line, its number is its id.
    ///
    /// - Parameter isCased: whether case and accents are kept; nil asks `tokenizer_config.json` beside the file, and
    ///   then the vocabulary: one that has `A` keeps case.
    public init(wordPieces path: String, isCased: Bool? = nil) throws {
        let text = try readFile(path)
        var builder = Vocabulary.Builder(capacity: text.count / 7, in: path)
        try text.withUnsafeBufferPointer { text in
            var id = 0
            try forEachLine(text) { line, number in
                guard isUTF8(line) else {
                    throw HeedError(.badInput, "line \(number) is not UTF-8", in: path)
                }
                // Published vocabularies repeat no token; a blank last line is none.
                if line.isEmpty { throw HeedError(.badInput, "line \(number) is empty", in: path, expected: "a token") }
                try builder.add(line, id: id)
                id += 1
            }
        }
        guard builder.count > 0 else { throw HeedError(.badInput, "the vocabulary is empty", in: path) }
        let vocabulary = builder.build()
        let cased = try isCased ?? Tokenizer.configuredCase(beside: path) ?? (vocabulary.id(of: "A") != nil)
        try self.init(wordPieces: vocabulary, isCased: cased, in: path)
    }

    /// BERT's tokenizer over a vocabulary.
    public init(wordPieces vocabulary: Vocabulary, isCased: Bool, in place: String? = nil) throws {
        let model = try WordPieceModel(vocabulary: vocabulary, in: place)
        var added: [AddedToken] = []
        for content in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] {
            if let id = vocabulary.id(of: content) { added.append(AddedToken(content, id: id)) }
        }
        var postProcessor: TemplatePostProcessor?
        if let start = vocabulary.id(of: "[CLS]"), let separator = vocabulary.id(of: "[SEP]") {
            postProcessor = TemplatePostProcessor(
                single: [.special("[CLS]", typeID: 0), .text(0, typeID: 0), .special("[SEP]", typeID: 0)],
                pair: [
                    .special("[CLS]", typeID: 0), .text(0, typeID: 0), .special("[SEP]", typeID: 0),
                    .text(1, typeID: 1), .special("[SEP]", typeID: 1),
                ], specials: ["[CLS]": [(start, "[CLS]")], "[SEP]": [(separator, "[SEP]")]])
        }
        self.init(
            model: model, normalizer: BertNormalizer(makesLowercase: !isCased),
            preTokenizer: ClassPreTokenizer(.bert), postProcessor: postProcessor,
            decoding: .stage(WordPieceDecoder()), addedTokens: added, kind: "WordPiece")
    }

    private static func configuredCase(beside path: String) throws -> Bool? {
        let config = joinPath(parentPath(path), "tokenizer_config.json")
        guard fileExists(config) else { return nil }
        return try JSON.load(path: config)["do_lower_case"]?.boolValue.map { !$0 }
    }

    /// Reads a `.tiktoken` file: lines of a token in base64 and its rank.
    ///
    /// - Parameter pattern: the name of the pattern that cuts the text: `gpt2` or `cl100k`; nil asks the file's name.
    public init(tiktoken path: String, pattern: String? = nil) throws {
        let known = TiktokenPattern.allCases.map(\.rawValue)
        let named: TiktokenPattern
        if let pattern {
            guard let found = TiktokenPattern(rawValue: pattern) else {
                throw HeedError(
                    .usage, "the pattern \(quoted(pattern)) is not known", in: "--pattern",
                    expected: "one of \(known.joined(separator: ", "))",
                    advice: nearest(pattern, among: known).map { "Did you mean \($0)" })
            }
            named = found
        } else {
            let name = lastPathComponent(path)
            guard let found = TiktokenPattern.allCases.first(where: { name.utf8.starts(with: $0.rawValue.utf8) })
            else {
                throw HeedError(
                    .usage, "a .tiktoken file does not say how text is cut", in: path,
                    advice: "Add --pattern \(known.joined(separator: " or --pattern "))")
            }
            named = found
        }
        let vocabulary = try Tokenizer.ranks(path)
        let model = try BPEModel(ranks: vocabulary, in: path)
        self.init(
            model: model,
            preTokenizer: SequencePreTokenizer([
                SplitPreTokenizer(try Pattern(expression: named.expression), .isolated),
                ByteLevelPreTokenizer(usesPattern: false),
            ]), decoding: .stage(ByteLevelDecoder()),
            addedTokens: named.specialTokens.filter { !vocabulary.contains($0.id) },
            recognisesSpecialTokens: false, kind: "byte-level BPE (tiktoken)")
    }

    private static func ranks(_ path: String) throws -> Vocabulary {
        let text = try readFile(path)
        var builder = Vocabulary.Builder(capacity: text.count / 15, in: path)
        var token: [UInt8] = []
        try text.withUnsafeBufferPointer { text in
            try forEachLine(text) { line, number in
                if line.isEmpty { return }
                func broken(_ what: String) -> HeedError {
                    HeedError(
                        .badInput, "line \(number) \(what)", in: path, expected: "a token in base64, a space, a rank")
                }
                guard let base = line.baseAddress, let space = findByte(0x20, base, 0, line.count) else {
                    throw broken("has no rank")
                }
                token.removeAll(keepingCapacity: true)
                guard decodeBase64(UnsafeBufferPointer(rebasing: line[..<space]), into: &token), !token.isEmpty else {
                    throw broken("is not base64")
                }
                guard let rank = Int(String(decoding: line[(space + 1)...], as: UTF8.self)), rank >= 0,
                    rank < Vocabulary.largestID
                else { throw broken("has no sensible rank") }
                try token.withUnsafeBufferPointer { try builder.add($0, id: rank) }
            }
        }
        guard builder.count > 0 else { throw HeedError(.badInput, "the vocabulary is empty", in: path) }
        return builder.build()
    }
}

/// The patterns and special tokens that belong to published `.tiktoken` files.
enum TiktokenPattern: String, CaseIterable {
    case gpt2
    case cl100k

    var expression: String {
        switch self {
        case .gpt2: #"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"#
        case .cl100k:
            #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"#
        }
    }

    var specialTokens: [AddedToken] {
        switch self {
        case .gpt2: [AddedToken("<|endoftext|>", id: 50256)]
        case .cl100k:
            [
                AddedToken("<|endoftext|>", id: 100257), AddedToken("<|fim_prefix|>", id: 100258),
                AddedToken("<|fim_middle|>", id: 100259), AddedToken("<|fim_suffix|>", id: 100260),
                AddedToken("<|endofprompt|>", id: 100276),
            ]
        }
    }
}

/// Calls `body` with every line, without its end (`\n` or `\r\n`), and its number from 1.
func forEachLine(
    _ text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>, Int) throws -> Void
) rethrows {
    guard let base = text.baseAddress else { return }
    var at = 0
    var number = 1
    while at < text.count {
        let end = findByte(0x0A, base, at, text.count) ?? text.count
        var last = end
        if last > at, base[last - 1] == 0x0D { last -= 1 }
        try body(UnsafeBufferPointer(start: base + at, count: last - at), number)
        at = end + 1
        number += 1
    }
}

/// Whether all bytes are well-formed UTF-8.
func isUTF8(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    var at = 0
    while at < text.count {
        let length = utf8SequenceLength(text, at)
        if length == 0 { return false }
        at += length
    }
    return true
}

/// Decodes base64 with or without padding; false for any other text.
func decodeBase64(_ text: UnsafeBufferPointer<UInt8>, into bytes: inout [UInt8]) -> Bool {
    var bits: UInt32 = 0
    var count = 0
    var padding = 0
    for byte in text {
        if byte == UInt8(ascii: "=") {
            padding += 1
            continue
        }
        guard padding == 0, let digit = base64Value(byte) else { return false }
        bits = bits << 6 | UInt32(digit)
        count += 6
        if count >= 8 {
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
    }
    return padding <= 2 && count != 6
}
