#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport
import HeedTokenizers
import TestFixtures
import Testing

/// Random texts of the kinds that break tokenizers: any bytes, broken UTF-8, rare scalars, runs, marks, white space.
struct TextSource {
    var random: SplitMix
    private static let words: [String] = [
        "the", " the", "'s", "'LL", "'", " ", "  ", "\n", "\r\n", "\t", "123", "4567", "!", "...", "##ing", "▁", "é",
        "e\u{301}", "ﬁ", "İ", "ẞ", "漢字", "ひらがな", "한글", "👨‍👩‍👧", "🏳️‍🌈", "<|endoftext|>", "[CLS]", "<s>", "</s>",
        "<0x41>", "\u{200D}", "\u{FEFF}", "\u{AD}", "\u{0}", "\u{7F}", "\u{85}", "\u{2028}", "\u{3000}", "Å",
        "\u{212B}",
    ]

    mutating func bytes() -> [UInt8] {
        var result: [UInt8] = []
        let parts = Int.random(in: 0...6, using: &random)
        for _ in 0..<parts {
            switch Int.random(in: 0..<6, using: &random) {
            case 0:
                for _ in 0..<Int.random(in: 1...12, using: &random) {
                    result.append(UInt8.random(in: 0...255, using: &random))
                }
            case 1: result += Array((TextSource.words.randomElement(using: &random) ?? "").utf8).dropLast()
            case 2:
                result += Array(
                    repeating: UInt8.random(in: 0...255, using: &random), count: Int.random(in: 1...70, using: &random))
            default: result += Array(text().utf8)
            }
        }
        return result
    }

    mutating func text() -> String {
        var result = ""
        for _ in 0..<Int.random(in: 0...5, using: &random) {
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1: result += TextSource.words.randomElement(using: &random) ?? ""
            case 2:
                let top: UInt32 = [0x7F, 0x7FF, 0xFFFF, 0x10FFFF].randomElement(using: &random) ?? 0x7F
                for _ in 0..<Int.random(in: 1...8, using: &random) {
                    if let scalar = Unicode.Scalar(UInt32.random(in: 0...top, using: &random)) {
                        result.unicodeScalars.append(scalar)
                    }
                }
            case 3:
                for _ in 0..<Int.random(in: 1...8, using: &random) {
                    result.unicodeScalars.append(Unicode.Scalar(UInt8.random(in: 0x20...0x7E, using: &random)))
                }
            default: result += String(repeating: TextSource.words.randomElement(using: &random) ?? "", count: 3)
            }
        }
        return result
    }
}

/// Properties that hold for any bytes. `HEED_FUZZ` sets how many texts each kind gets (400 where it is not set), and
/// `HEED_FUZZ_KINDS` names some of the kinds, with commas between them, to run only these.
@Suite("any text at all")
struct FuzzTests {
    static let count = fuzzCount(400)

    enum Kind: String, CaseIterable, Sendable {
        case byteLevel, ranks, spelled, cl100k, wordPiece, fallback, suffix, unigram, characters
        case pieceUnigram, pieceMerges, pieceWords, pieceCharacters, llamaFile
    }

    /// The names that `HEED_FUZZ_KINDS` asks for; nil for all.
    static let named: Set<String>? = getenv("HEED_FUZZ_KINDS").map {
        Set(String(cString: $0).split(separator: ",").map(String.init))
    }
    static let kinds = Kind.allCases.filter { named?.contains($0.rawValue) ?? true }

    /// A small tokenizer of each kind, made here.
    static func tokenizer(_ kind: Kind) throws -> Tokenizer {
        switch kind {
        case .byteLevel: return try Tokenizer(json: Array(byteLevelJSON().utf8), in: "byte-level")
        case .spelled:
            // A step after the spelling makes the pipeline go the long way.
            let text = byteLevelJSON(
                preTokenizer: #"{"type":"Sequence","pretokenizers":[{"type":"Punctuation","behavior":"Contiguous"},"#
                    + #"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"#
                    + #"{"type":"Digits","individual_digits":false},"#
                    + #"{"type":"Split","pattern":{"Regex":"[0-9][0-9][0-9]"},"behavior":"Isolated","invert":false}]}"#)
            return try Tokenizer(json: Array(text.utf8), in: "spelled")
        case .cl100k:
            let pattern =
                #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"#
            let text = byteLevelJSON(
                preTokenizer: #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":""# + pattern
                    + #""},"behavior":"Isolated","invert":false},"#
                    + #"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}"#)
            return try Tokenizer(json: Array(text.utf8), in: "cl100k")
        case .ranks: return try ranksTokenizer()
        case .wordPiece:
            let tokens = [
                "[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "##ing", "a", "##a", "##b", "e", "!", "'", "漢", "字",
            ]
            return try Tokenizer(wordPieces: try Vocabulary(tokens), isCased: false)
        case .fallback:
            var tokens = ["<unk>"] + (0..<256).map { hexToken($0) }
            tokens += ["▁", "t", "h", "e", "th", "the", "▁the", "é"]
            return Tokenizer(
                model: try model(
                    tokens, [("t", "h"), ("th", "e"), ("▁", "the")],
                    .init(unknownToken: "<unk>", fusesUnknown: true, fallsBackToBytes: true)),
                normalizer: SequenceNormalizer([
                    PrependNormalizer("▁"), ReplaceNormalizer(Pattern(text: " "), with: "▁"),
                ]),
                decoding: .stage(
                    SequenceDecoder([
                        ReplaceDecoder(Pattern(text: "▁"), with: " "), ByteFallbackDecoder(), FuseDecoder(),
                        StripDecoder(content: " ", start: 1, stop: 0),
                    ])),
                addedTokens: [
                    AddedToken("<s>", id: 300, stripsLeft: true), AddedToken("</s>", id: 301, stripsRight: true),
                ])
        case .suffix:
            let tokens = ["<unk>", "t", "h", "e", "e</w>", "th", "the</w>", "!</w>"]
            return Tokenizer(
                model: try model(
                    tokens, [("t", "h"), ("th", "e</w>")], .init(unknownToken: "<unk>", endOfWordSuffix: "</w>")),
                normalizer: SequenceNormalizer([UnicodeNormalizer(.nfkc), LowercaseNormalizer()]),
                preTokenizer: ClassPreTokenizer(.words), decoding: .stage(BPEDecoder()))
        case .unigram:
            return Tokenizer(
                model: try UnigramModel(
                    tokens: [
                        ("<unk>", 0), ("▁", -2), ("the", -3), ("▁the", -3.5), ("e", -4), ("t", -4), ("é", -5),
                        ("漢", -6),
                    ],
                    unknownID: 0, byteFallback: false, in: "test"),
                normalizer: UnicodeNormalizer(.nfd),
                preTokenizer: SequencePreTokenizer([ClassPreTokenizer(.whiteSpaceSplit), MetaspacePreTokenizer()]),
                decoding: .stage(MetaspaceDecoder()))
        case .characters: return try Tokenizer.characters(from: "the quick é漢\n", unknownToken: "<unk>")
        case .pieceUnigram: return try Tokenizer(sentencePiece: pieces(.unigram), in: "unigram")
        case .pieceMerges: return try Tokenizer(sentencePiece: pieces(.bpe), in: "bpe")
        case .pieceWords: return try Tokenizer(sentencePiece: pieces(.word), in: "word")
        case .pieceCharacters: return try Tokenizer(sentencePiece: pieces(.character), in: "char")
        case .llamaFile:
            let bytes = llamaBytes()
            let file = try bytes.withUnsafeBytes { try SentencePieceFile(llamaTokenizer: $0, in: "tokenizer.bin") }
            return try Tokenizer(sentencePiece: file, in: "tokenizer.bin")
        }
    }

    /// A SentencePiece model of a few pieces, with byte fallback for the kind that has it in practice.
    static func pieces(_ algorithm: SentencePieceFile.Algorithm) -> SentencePieceFile {
        var list: [(String, Float, SentencePieceFile.Piece.Role)] = [
            ("<s>", 0, .control), ("</s>", 0, .control), ("▁", -3, .normal), ("t", -4, .normal), ("h", -4, .normal),
            ("e", -4, .normal), ("th", -1, .normal), ("the", -2, .normal), ("▁the", -2.5, .normal),
            ("漢字", -3, .userDefined), ("é", -6, .normal), ("!", -5, .unused), ("▁▁", -3, .normal),
        ]
        if algorithm == .bpe {
            list += (0..<256).map { (FuzzTests.hexToken($0), 0, SentencePieceFile.Piece.Role.byte) }
        }
        var file = SentencePieceModelTests.file(list, algorithm)
        file.normalization.addsDummyPrefix = true
        file.normalization.removesExtraWhitespaces = algorithm != .bpe
        file.hasByteFallback = algorithm == .bpe
        return file
    }

    /// llama2.c's file: the longest piece, then score, length and text of each.
    static func llamaBytes() -> [UInt8] {
        var texts: [(String, Float)] = [("<unk>", 0), ("\n<s>\n", 0), ("\n</s>\n", 0)]
        texts += (0..<256).map { (FuzzTests.hexToken($0), 0) }
        texts += [(" ", -5), ("t", -6), ("h", -7), ("e", -8), ("th", -1), ("the", -2), (" the", -3), ("é", -9)]
        func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        var bytes = number(7)
        for (text, score) in texts {
            bytes += number(score.bitPattern) + number(UInt32(text.utf8.count)) + Array(text.utf8)
        }
        return bytes
    }

    static func hexToken(_ byte: Int) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x" + (byte < 16 ? "0" : "") + digits + ">"
    }

    static func model(
        _ tokens: [String], _ merges: [(String, String)], _ options: BPEModel.Options
    ) throws -> BPEModel {
        let vocabulary = try Vocabulary(tokens)
        return try BPEModel(
            vocabulary: vocabulary,
            merges: merges.map { left, right in
                (vocabulary.id(of: left) ?? 0, vocabulary.id(of: right) ?? 0, vocabulary.id(of: left + right) ?? 0)
            }, options: options, isByteLevel: false)
    }

    /// GPT-2's alphabet with a few merges.
    static func byteLevelJSON(
        preTokenizer: String = #"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#
    ) -> String {
        var alphabet: [String] = []
        var next: UInt32 = 0x100
        for byte in UInt32(0)...255 {
            let printable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
            alphabet.append(String(Unicode.Scalar(printable ? byte : next) ?? "?"))
            if !printable { next += 1 }
        }
        var tokens = alphabet
        var merges: [JSON] = []
        for (left, right) in [
            ("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ã", "©"), ("Ġ", "Ġ"), ("1", "2"), ("'", "s"), ("Ċ", "Ċ"),
        ] {
            merges.append(.string(left + " " + right))
            tokens.append(left + right)
        }
        var vocab = JSONObject()
        for (id, token) in tokens.enumerated() { vocab[token] = .integer(id) }
        let model: JSON = ["type": "BPE", "vocab": .object(vocab), "merges": .array(merges)]
        return #"{"added_tokens":[{"id":1000,"content":"<|endoftext|>","special":true,"normalized":false}],"#
            + #""pre_tokenizer":\#(preTokenizer),"decoder":{"type":"ByteLevel"},"model":\#(model.serialised())}"#
    }

    static func ranksTokenizer() throws -> Tokenizer {
        let path = temporaryPath("ranks.tiktoken")
        defer { try? removeFile(path) }
        var lines = ""
        for byte in 0..<256 { lines += base64([UInt8(byte)]) + " \(byte)\n" }
        for (index, word) in ["th", "the", " the", "12", "\n\n", "  ", "é", "'s"].enumerated() {
            lines += base64(Array(word.utf8)) + " \(256 + index)\n"
        }
        try writeAtomically(path: path, text: lines)
        return try Tokenizer(tiktoken: path, pattern: "cl100k")
    }

    static func base64(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var result: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                result.append(digits[Int(bits >> UInt32(count) & 63)])
            }
        }
        if count > 0 { result.append(digits[Int(bits << UInt32(6 - count) & 63)]) }
        while result.count % 4 != 0 { result.append(UInt8(ascii: "=")) }
        return String(decoding: result, as: UTF8.self)
    }

    /// What holds for every tokenizer and text; returns the first thing that does not.
    static func problem(
        _ tokenizer: Tokenizer, _ bytes: [UInt8], isByteLevel: Bool, isStreamed: Bool
    ) throws -> String? {
        let ids = tokenizer.ids(of: bytes)
        for id in ids where !tokenizer.contains(id) { return "id \(id) is not in the vocabulary" }
        let encoding = try tokenizer.encode(bytes, addingSpecialTokens: false)
        if encoding.ids != ids { return "the way with offsets gives other ids" }
        for span in encoding.offsets where span.start < 0 || span.start > span.end || Int(span.end) > bytes.count {
            return "offsets \(span) of \(bytes.count) bytes"
        }
        let decoded = try tokenizer.decodeBytes(ids, skippingSpecialTokens: false)
        if isByteLevel, decoded != bytes { return "decoded to \(decoded)" }
        // Streaming decodes again and again, so only some texts go that way.
        if !isStreamed { return nil }
        var stream = StreamDecoder(tokenizer, skippingSpecialTokens: false)
        var parts = ""
        for id in ids { parts += try stream.append(id) }
        parts += try stream.finish()
        if isByteLevel, Array(parts.utf8) != Array(String(decoding: bytes, as: UTF8.self).utf8) {
            return "streamed to \(parts.debugDescription)"
        }
        return nil
    }

    @Test("round trip, ids in range, offsets inside", arguments: kinds)
    func properties(kind: Kind) throws {
        let tokenizer = try FuzzTests.tokenizer(kind)
        let isByteLevel = [.byteLevel, .ranks, .spelled, .cl100k].contains(kind)
        var source = TextSource(random: SplitMix(state: 7))
        var found: [String] = []
        for round in 0..<FuzzTests.count where found.count < 3 {
            let bytes = source.bytes()
            // The spelled kind reads text by scalars, which broken bytes are not.
            let returns = isByteLevel && (kind != .spelled || String(validating: bytes, as: UTF8.self) != nil)
            if let problem = try FuzzTests.problem(
                tokenizer, bytes, isByteLevel: returns, isStreamed: round % 16 == 0)
            {
                found.append("\(bytes): \(problem)")
            }
        }
        #expect(found.isEmpty, "\(found)")
    }

    @Test(
        "the same for published vocabularies", .enabled(if: Shared.isThere),
        arguments: [
            ("data/vocab/gpt2", true), ("data/vocab/llama/tokenizer.bin", false),
            ("data/vocab/bert-multi-cased/vocab.txt", false), ("data/vocab/sentencepiece/test_ja_model.model", false),
            ("data/vocab/opus-mt-en-mg/source.spm", false), ("data/vocab/tiktoken/gpt2.tiktoken", true),
            ("data/vocab/tiktoken/cl100k_base.tiktoken", true), ("data/vocab/roberta-base/tokenizer.json", true),
            ("data/vocab/falcon/tokenizer.json", false), ("data/vocab/clip/tokenizer.json", false),
            ("data/vocab/phi-3-mini/tokenizer.json", false), ("data/vocab/t5-small/tokenizer.json", false),
            ("data/vocab/bert-uncased/vocab.txt", false), ("data/vocab/llama/tokenizer.model", false),
            ("data/vocab/xlnet/spiece.model", false), ("data/vocab/bpe_example2/m.model", false),
        ])
    func published(path: String, isByteLevel: Bool) throws {
        if let named = FuzzTests.named, !named.contains(path) { return }
        var tokenizer = try Tokenizer.load(path: Shared.path(path))
        tokenizer.recognisesSpecialTokens = false
        var source = TextSource(random: SplitMix(state: 11))
        var found: [String] = []
        for round in 0..<FuzzTests.count where found.count < 3 {
            let bytes = source.bytes()
            // RoBERTa's <mask> takes white space along, and its stages read text by scalars.
            let returns =
                isByteLevel && (!path.contains("roberta") || String(validating: bytes, as: UTF8.self) != nil)
            if let problem = try FuzzTests.problem(
                tokenizer, bytes, isByteLevel: returns, isStreamed: round % 16 == 0)
            {
                found.append("\(bytes): \(problem)")
            }
        }
        #expect(found.isEmpty, "\(found)")
    }

    @Test("a spoilt tokenizer.json is refused or works")
    func spoilt() throws {
        let good = Array(FuzzTests.byteLevelJSON().utf8)
        var random = SplitMix(state: 3)
        var refused = 0
        for _ in 0..<FuzzTests.count {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes[place] = Array("{}[]\",:0123456789-".utf8).randomElement(using: &random) ?? 0
                }
            }
            do {
                let tokenizer = try Tokenizer(json: bytes, in: "spoilt.json")
                for text in ["the 12 é <|endoftext|>", "a\n\nb"] {
                    let ids = tokenizer.ids(of: text)
                    _ = try tokenizer.decode(ids)
                    #expect(ids.allSatisfy { tokenizer.contains($0) })
                }
            } catch let error as HeedError {
                refused += 1
                #expect(error.description.contains("spoilt.json"))
            }
        }
        #expect(refused > FuzzTests.count / 4)
    }

    @Test("threads share a text out without changing it")
    func threads() throws {
        let tokenizer = try FuzzTests.tokenizer(.byteLevel)
        var source = TextSource(random: SplitMix(state: 5))
        let texts = (0..<97).map { _ in source.bytes() }
        let bytes = texts.flatMap { $0 }
        var ranges: [Range<Int>] = []
        var at = 0
        for text in texts {
            ranges.append(at..<at + text.count)
            at += text.count
        }
        let wanted = texts.map { tokenizer.ids(of: $0) }
        for threads in [1, 2, 3, 8, 200] {
            #expect(bytes.withUnsafeBufferPointer { tokenizer.ids(of: $0, in: ranges, threads: threads) } == wanted)
        }
        #expect(bytes.withUnsafeBufferPointer { tokenizer.ids(of: $0, in: [], threads: 4) }.isEmpty)
    }
}
