import HeedSupport

/// Reads the `model` of a `tokenizer.json` without building its values.
struct ModelReader {
    let place: String
    let isByteLevel: Bool

    /// The model, by its type, or for files that name none by its members.
    func model(_ view: JSONView) throws -> any TokenModel {
        let type = view["type"]?.string ?? guess(view)
        switch type {
        case "BPE": return try bpe(view)
        case "WordPiece":
            return try WordPieceModel(
                vocabulary: try vocabulary(view), unknownToken: view["unk_token"]?.string ?? "[UNK]",
                continuingPrefix: view["continuing_subword_prefix"]?.string ?? "##",
                longestWord: view["max_input_chars_per_word"]?.integer ?? 100, in: place)
        case "WordLevel":
            return WordLevelModel(
                vocabulary: try vocabulary(view), unknownToken: view["unk_token"]?.string ?? "<unk>")
        case "Unigram": return try unigram(view)
        default:
            throw StageReader(place: place).unknown("model", type, ["BPE", "WordPiece", "WordLevel", "Unigram"])
        }
    }

    private func guess(_ view: JSONView) -> String {
        if view["vocab"]?.kind == .array { return "Unigram" }
        if view["merges"] != nil { return "BPE" }
        return view["max_input_chars_per_word"] != nil ? "WordPiece" : "WordLevel"
    }

    /// The `vocab` object: text to id.
    func vocabulary(_ view: JSONView) throws -> Vocabulary {
        guard let vocab = view["vocab"], vocab.kind == .object else {
            throw HeedError(
                .badInput, "the model has no vocabulary", in: place, expected: "an object \"vocab\" of text to id")
        }
        return try vocabulary(members: vocab)
    }

    /// A vocabulary from an object of text to id.
    func vocabulary(members: JSONView) throws -> Vocabulary {
        var builder = Vocabulary.Builder(capacity: members.count, in: place)
        try members.forEachMember { key, value in
            guard let id = value.integer else {
                throw HeedError(
                    .badInput, "the id of token \(quoted(key.string ?? "")) is no integer", in: place)
            }
            try builder.add(key.text, id: id)
        }
        guard builder.count > 0 else { throw HeedError(.badInput, "the vocabulary is empty", in: place) }
        return builder.build()
    }

    private func bpe(_ view: JSONView) throws -> BPEModel {
        let vocabulary = try vocabulary(view)
        if let dropout = view["dropout"]?.double, dropout > 0 {
            throw HeedError(
                .unsupported, "the model asks for BPE dropout of \(dropout)", in: place,
                advice: "Set \"dropout\" to null: ids would differ from call to call")
        }
        let options = BPEModel.Options(
            unknownToken: view["unk_token"]?.string,
            continuingPrefix: view["continuing_subword_prefix"]?.string ?? "",
            endOfWordSuffix: view["end_of_word_suffix"]?.string ?? "",
            fusesUnknown: view["fuse_unk"]?.bool ?? false, fallsBackToBytes: view["byte_fallback"]?.bool ?? false,
            ignoresMerges: view["ignore_merges"]?.bool ?? false)
        var merges = MergeCollector(
            vocabulary: vocabulary, prefix: Array(options.continuingPrefix.utf8), place: place)
        if let list = view["merges"] {
            guard list.kind == .array else {
                throw HeedError(.badInput, "\"merges\" is no array", in: place)
            }
            merges.reserve(list.count)
            try list.forEachElement { entry in
                if entry.kind == .string {
                    try merges.add(line: entry.text)
                    return
                }
                guard let (left, right) = entry.pair, left.kind == .string, right.kind == .string else {
                    throw merges.broken("an entry that is no pair of strings")
                }
                try merges.add(left.text, right.text)
            }
        }
        return try BPEModel(
            vocabulary: vocabulary, merges: merges.merges, options: options, isByteLevel: isByteLevel, in: place)
    }
}

/// Turns merges that are written as text into merges of ids.
struct MergeCollector {
    private(set) var merges: [(left: TokenID, right: TokenID, result: TokenID)] = []
    private let vocabulary: Vocabulary
    private let prefix: [UInt8]
    private let place: String
    private var joined: [UInt8] = []

    init(vocabulary: Vocabulary, prefix: [UInt8] = [], place: String) {
        self.vocabulary = vocabulary
        self.prefix = prefix
        self.place = place
    }

    mutating func reserve(_ count: Int) { merges.reserveCapacity(count) }

    /// An error for the merge that is read next.
    func broken(_ what: String) -> HeedError {
        HeedError(
            .badInput, "merge \(grouped(merges.count + 1)) is broken: \(what)", in: place,
            expected: "two tokens whose joined text is a token")
    }

    /// Adds a merge written as `left right`.
    mutating func add(line: UnsafeBufferPointer<UInt8>) throws {
        guard let base = line.baseAddress, let space = findByte(0x20, base, 0, line.count), space > 0,
            space + 1 < line.count, findByte(0x20, base, space + 1, line.count) == nil
        else { throw broken("\(quoted(String(decoding: line, as: UTF8.self))) is not two words") }
        try add(
            UnsafeBufferPointer(rebasing: line[..<space]), UnsafeBufferPointer(rebasing: line[(space + 1)...]))
    }

    /// Adds a merge of two texts.
    mutating func add(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) throws {
        func id(_ text: UnsafeBufferPointer<UInt8>) throws -> TokenID {
            guard let id = vocabulary.id(of: text) else {
                throw broken("\(quoted(String(decoding: text, as: UTF8.self))) is not in the vocabulary")
            }
            return id
        }
        let drop = !prefix.isEmpty && right.starts(with: prefix) ? prefix.count : 0
        let tail = UnsafeBufferPointer(rebasing: right[drop...])
        // Files list merges in the order of the tokens they make, so the next id is the likely one.
        let guess = merges.last.map { $0.result + 1 } ?? 0
        let result: TokenID
        if let text = vocabulary.bytes(of: guess), text.count == left.count + tail.count,
            isEqual(text, 0, left), isEqual(text, left.count, tail)
        {
            result = guess
        } else {
            joined.removeAll(keepingCapacity: true)
            joined.append(contentsOf: left)
            joined.append(contentsOf: tail)
            result = try joined.withUnsafeBufferPointer { try id($0) }
        }
        merges.append((try id(left), try id(right), result))
    }

    /// Whether `part` lies in `text` from `start` on.
    @inline(__always)
    private func isEqual(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ part: UnsafeBufferPointer<UInt8>) -> Bool {
        var index = 0
        while index < part.count {
            if text[start + index] != part[index] { return false }
            index += 1
        }
        return true
    }
}
