import HeedSupport
import HeedTokenizers
import TestFixtures
import Testing

@Suite("decoding id by id")
struct StreamDecoderTests {
    /// The text of all parts of a stream.
    static func streamed(_ tokenizer: Tokenizer, _ ids: [TokenID], after prompt: [TokenID] = [], skips: Bool) throws
        -> String
    {
        var stream = StreamDecoder(tokenizer, after: prompt, skippingSpecialTokens: skips)
        var text = ""
        for id in ids { text += try stream.append(id) }
        return try text + stream.finish()
    }

    /// Byte-level symbols, pieces and fall-back bytes; spaces as U+2581.
    static func byteFallback() throws -> Tokenizer {
        let pieces = ["<unk>", "<s>", "</s>", "▁", "▁a", "b", "▁가", "é"]
        let bytes = (0..<256).map { byte -> String in
            let digits = String(byte, radix: 16, uppercase: true)
            return byte < 16 ? "<0x0\(digits)>" : "<0x\(digits)>"
        }
        let vocabulary = (pieces + bytes).enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
        let json = """
            {"added_tokens": [{"id": 1, "content": "<s>", "special": true, "normalized": false}],
             "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false},
             "decoder": {"type": "Sequence", "decoders": [
              {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
              {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
             "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true,
              "vocab": {\(vocabulary)}, "merges": []}}
            """
        return try Tokenizer(json: Array(json.utf8), in: "tokenizer.json")
    }

    @Test("long runs of bytes lose no character")
    func runs() throws {
        let tokenizer = try Self.byteFallback()
        for text in ["ﾊﾝｶｸﾊﾝｶｸ 지웃낸믧", "힝뷁싍똠 ﾆﾎﾝｺﾞ", "తెలుగు పదం 𓀀𓀁 끝", "🏳️‍🌈👨‍👩‍👧"] {
            let ids = tokenizer.ids(of: text)
            #expect(try tokenizer.decode(ids) == text)
            #expect(try Self.streamed(tokenizer, ids, skips: true) == text)
        }
        // A run with a byte that is no UTF-8 is U+FFFD throughout, also its whole characters.
        let broken = tokenizer.ids(of: "한한") + [8 + 0xFF, 4]
        #expect(try Self.streamed(tokenizer, broken, skips: true) == String(repeating: "\u{FFFD}", count: 7) + " a")
    }

    @Test("text comes as soon as it is certain")
    func prompt() throws {
        let tokenizer = try Self.byteFallback()
        var stream = StreamDecoder(tokenizer)
        #expect(try stream.append(4) == "a")
        #expect(try stream.append(5) == "b")
        for byte in "é".utf8 { #expect(try stream.append(8 + TokenID(byte)) == "") }
        #expect(try stream.append(4) == "é a")
        #expect(try stream.finish() == "")
        #expect(throws: HeedError.self) { try stream.append(264) }
        // What follows a known text keeps its space.
        #expect(try Self.streamed(tokenizer, [4, 5], after: [4], skips: true) == " ab")
    }

    @Test("WordPiece takes spaces away only while they are not out")
    func wordPiece() throws {
        let vocabulary = try Vocabulary(["[UNK]", "do", "n", "'", "t", "##t", "##ve", "I", "v", ".", "said"])
        let tokenizer = try Tokenizer(wordPieces: vocabulary, isCased: true)
        var random = SplitMix(state: 5)
        for _ in 0..<2000 {
            let ids = (0..<Int.random(in: 1...60, using: &random)).map { _ in TokenID.random(in: 1...10, using: &random)
            }
            let whole = try tokenizer.decode(ids)
            let parts = try Self.streamed(tokenizer, ids, skips: true)
            #expect(parts == whole)
            if parts != whole { return }
        }
    }

    @Test(
        "joined pieces are the whole decoding, for random ids and runs of bytes", .enabled(if: Shared.isThere),
        arguments: [
            "gpt2", "tiktoken/cl100k_base.tiktoken", "llama/tokenizer.model", "llama/tokenizer.bin",
            "phi-3-mini/tokenizer.json", "bert-uncased/vocab.txt", "t5-small/tokenizer.json", "clip/tokenizer.json",
            "roberta-base/tokenizer.json", "xlnet/spiece.model", "bpe_example2/m.model",
        ])
    func kinds(name: String) throws {
        let tokenizer = try Tokenizer.load(path: Shared.path("data/vocab/\(name)"))
        let known = (0..<tokenizer.vocabularySize).map { TokenID($0) }.filter { tokenizer.contains($0) }
        let bytes = known.filter { (tokenizer.token(of: $0) ?? "").hasPrefix("<0x") }
        let short = known.filter { (tokenizer.token(of: $0) ?? "").utf8.count < 3 }
        let special = known.filter { tokenizer.isSpecial($0) }
        var random = SplitMix(state: 11)
        for round in 0..<300 {
            var ids: [TokenID] = []
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let source =
                    [known, bytes, short, special].filter { !$0.isEmpty }.randomElement(using: &random) ?? known
                for _ in 0..<Int.random(in: 1...30, using: &random) {
                    if let id = source.randomElement(using: &random) { ids.append(id) }
                }
                let text = ["ﾊﾝｶｸ 지웃낸믧", "తెలుగు", "𓀀𓀁", "I don't", " "].randomElement(using: &random) ?? ""
                ids += tokenizer.ids(of: text)
            }
            let skips = round % 2 == 0
            let whole = try tokenizer.decode(ids, skippingSpecialTokens: skips)
            let parts = try Self.streamed(tokenizer, ids, skips: skips)
            #expect(Array(parts.utf8) == Array(whole.utf8), "round \(round): \(ids)")
            if Array(parts.utf8) != Array(whole.utf8) { return }
        }
    }
}
