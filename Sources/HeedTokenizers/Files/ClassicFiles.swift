import HeedSupport

extension Tokenizer {
    /// Reads a `.tiktoken` file: lines of a token in base64 and its rank.
    ///
    /// - `pattern`: the name of the pattern that cuts the text: `gpt2` or `cl100k`; nil asks the file's name.
    public init(tiktoken path: String, pattern: String? = nil) throws {
        let known = TiktokenPattern.allCases.map(\.rawValue)
        let named: TiktokenPattern
        if let pattern {
            guard let found = TiktokenPattern(rawValue: pattern) else {
                throw HeedError(
                    .usage, "the pattern \(quoted(pattern)) is not known", in: "`pattern`",
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
                    advice: "Add `pattern` \(known.joined(separator: " or `pattern` "))")
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
