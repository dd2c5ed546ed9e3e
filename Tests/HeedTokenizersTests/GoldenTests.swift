import HeedSupport
import HeedTokenizers
import Testing

/// Ids, offsets, decoding and pairs against the libraries that own the formats.
@Suite("goldens", .enabled(if: Shared.isThere))
struct GoldenTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var golden: String
        var path: String
        var options = Tokenizer.LoadOptions()
        var testDescription: String { "\(golden) from \(path)" }
    }

    static let cases = [
        Case(golden: "gpt2", path: "data/vocab/gpt2"),
        Case(
            golden: "gpt2", path: "data/vocab/tiktoken/gpt2.tiktoken",
            options: Tokenizer.LoadOptions(pattern: "gpt2")),
        Case(
            golden: "cl100k", path: "data/vocab/tiktoken/cl100k_base.tiktoken",
            options: Tokenizer.LoadOptions(pattern: "cl100k")),
        Case(golden: "bert_uncased", path: "data/vocab/bert-uncased/vocab.txt"),
        Case(
            golden: "bert_cased", path: "data/vocab/bert-cased/vocab.txt",
            options: Tokenizer.LoadOptions(isCased: true)),
        Case(golden: "json_roberta-base", path: "data/vocab/roberta-base/tokenizer.json"),
        Case(golden: "json_clip", path: "data/vocab/clip/tokenizer.json"),
        Case(golden: "json_phi-3-mini", path: "data/vocab/phi-3-mini/tokenizer.json"),
        Case(golden: "json_t5-small", path: "data/vocab/t5-small/tokenizer.json"),
        Case(golden: "llama", path: "data/vocab/llama/tokenizer.model"),
        Case(golden: "llama", path: "data/vocab/llama/tokenizer.bin"),
        Case(golden: "sp_unigram_1000", path: "data/vocab/sentencepiece/test_model.model"),
        Case(golden: "xlnet", path: "data/vocab/xlnet/spiece.model"),
        Case(golden: "tok512", path: "models/stories260K/tok512.rebuilt.model"),
        Case(golden: "tok512", path: "models/stories260K/tok512.bin"),
    ]

    func tokenizer(_ test: Case) throws -> Tokenizer {
        try Tokenizer.load(path: Shared.path(test.path), options: test.options)
    }

    @Test("ids of the test strings", arguments: cases)
    func ids(test: Case) throws {
        var tokenizer = try tokenizer(test)
        let golden = try Shared.golden(test.golden)
        let strings = try Shared.strings()
        let wanted = try #require(golden["ids"]?.arrayValue).map(\.ids)
        if let withSpecials = golden["ids_with_specials"]?.objectValue {
            tokenizer.recognisesSpecialTokens = false
            for (index, text) in strings.enumerated() {
                #expect(tokenizer.ids(of: text) == wanted[index], "string \(index)")
            }
            tokenizer.recognisesSpecialTokens = true
            for (index, ids) in withSpecials {
                let position = try #require(Int(index))
                #expect(tokenizer.ids(of: strings[position]) == ids.ids, "string \(index)")
            }
            return
        }
        for (index, text) in strings.enumerated() {
            #expect(tokenizer.ids(of: text) == wanted[index], "string \(index)")
            // The way with offsets gives the same ids.
            #expect(try tokenizer.encode(text, addingSpecialTokens: false).ids == wanted[index], "string \(index)")
        }
        for (index, ids) in (golden["with_added_specials_every_10th"]?.arrayValue ?? []).enumerated() {
            #expect(try tokenizer.encode(strings[index * 10]).ids == ids.ids, "string \(index * 10)")
        }
    }

    @Test("offsets in characters", arguments: cases)
    func offsets(test: Case) throws {
        let golden = try Shared.golden(test.golden)
        guard let offsets = golden["offsets"]?.objectValue else { return }
        let tokenizer = try tokenizer(test)
        let strings = try Shared.strings()
        let withSpecials = test.golden == "json_roberta-base" || test.golden == "json_clip"
        for (key, wanted) in offsets {
            let text = strings[try #require(Int(key))]
            // Bytes to code points.
            var points = [Int32](repeating: 0, count: text.utf8.count + 1)
            var at = 0
            for (index, scalar) in text.unicodeScalars.enumerated() {
                for _ in 0..<UTF8.width(scalar) {
                    points[at] = Int32(index)
                    at += 1
                }
            }
            points[at] = Int32(text.unicodeScalars.count)
            let encoding = try tokenizer.encode(text, addingSpecialTokens: false)
            let got = encoding.offsets.map { span -> [Int32] in
                // An end inside a character would be an error of its own.
                [points[Int(span.start)], points[Int(span.end)]]
            }
            let want = (wanted.arrayValue ?? []).map { ($0.arrayValue ?? []).map { Int32($0.intValue ?? -1) } }
            #expect(got == want, "string \(key) \(text.debugDescription) \(withSpecials)")
        }
    }

    @Test("decoding", arguments: cases)
    func decoding(test: Case) throws {
        let golden = try Shared.golden(test.golden)
        let tokenizer = try tokenizer(test)
        let texts = golden["decode"]?.arrayValue ?? []
        let ids = try #require(golden["ids"]?.arrayValue)
        for (index, text) in texts.enumerated() {
            if let pair = text.objectValue {
                let got = try tokenizer.decodeBytes((pair["ids"] ?? []).ids, skippingSpecialTokens: false)
                #expect(got == bytes(hex: pair["hex"]?.stringValue ?? ""))
                #expect(String(decoding: got, as: UTF8.self) == pair["text"]?.stringValue)
                continue
            }
            let position = texts.count == ids.count ? index : index * (ids.count / texts.count)
            let got = try tokenizer.decode(ids[position].ids, skippingSpecialTokens: false)
            #expect(got == text.stringValue, "string \(position)")
        }
    }

    @Test("bytes that are no UTF-8", arguments: cases.prefix(3))
    func rawBytes(test: Case) throws {
        let tokenizer = try tokenizer(test)
        for pair in try #require(Shared.golden(test.golden)["raw_bytes"]?.arrayValue) {
            let raw = bytes(hex: pair["hex"]?.stringValue ?? "")
            let ids = tokenizer.ids(of: raw)
            #expect(try tokenizer.decodeBytes(ids, skippingSpecialTokens: false) == raw)
            #expect(ids == (pair["ids"] ?? []).ids, "\(pair["hex"] ?? "")")
        }
    }

    @Test("pairs with truncation and padding", arguments: cases)
    func pairs(test: Case) throws {
        guard let pairs = try Shared.golden(test.golden)["pairs"]?.arrayValue else { return }
        var tokenizer = try tokenizer(test)
        for (index, pair) in pairs.enumerated() {
            let length = try #require(pair["max_length"]?.intValue)
            tokenizer.truncation = Truncation(maximumLength: length)
            tokenizer.padding = Padding(
                target: .fixed(length), id: tokenizer.id(of: "[PAD]") ?? 0, token: "[PAD]")
            let got = try tokenizer.encode(
                try #require(pair["a"]?.stringValue), pair: try #require(pair["b"]?.stringValue))
            #expect(got.ids == (pair["ids"] ?? []).ids, "pair \(index)")
            #expect(got.attentionMask.map { TokenID($0) } == (pair["mask"] ?? []).ids, "pair \(index)")
            if let types = pair["type_ids"] { #expect(got.typeIDs == types.ids, "pair \(index)") }
        }
    }
}
