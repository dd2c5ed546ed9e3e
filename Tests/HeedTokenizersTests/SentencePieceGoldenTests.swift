import HeedSupport
import HeedTokenizers
import Testing

/// SentencePiece models against what the reference library gave for a thousand awkward strings.
@Suite(.enabled(if: TrainingFixtures.available)) struct SentencePieceGoldenTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var golden: String
        var model: String
        var testDescription: String { "\(golden) from \(model)" }
    }

    static let cases = [
        Case(golden: "llama", model: "data/vocab/llama/tokenizer.model"),
        Case(golden: "llama", model: "data/vocab/llama/tokenizer.bin"),
        Case(golden: "sp_unigram_1000", model: "data/vocab/sentencepiece/test_model.model"),
        Case(golden: "xlnet", model: "data/vocab/xlnet/spiece.model"),
        Case(golden: "tok512", model: "models/stories260K/tok512.rebuilt.model"),
        Case(golden: "tok512", model: "models/stories260K/tok512.bin"),
    ]

    static func load(_ model: String) throws -> SentencePieceTokenizer {
        let path = try TrainingFixtures.path(model)
        return model.hasSuffix(".bin")
            ? try SentencePieceTokenizer(llamaTokenizer: path) : try SentencePieceTokenizer(path: path)
    }

    static func strings() throws -> [String] {
        let document = try JSON.load(path: TrainingFixtures.path("fixtures/given/tokenizers/strings.json"))
        return try #require(document["strings"]?.arrayValue).compactMap(\.stringValue)
    }

    static func golden(_ name: String) throws -> JSON {
        try JSON.load(path: TrainingFixtures.path("fixtures/given/tokenizers/\(name).json"))
    }

    static func ids(_ value: JSON) -> [TokenID] {
        (value.arrayValue ?? []).compactMap { $0.intValue.map(TokenID.init) }
    }

    @Test("ids of every string", arguments: cases)
    func encoding(of item: Case) throws {
        let tokenizer = try Self.load(item.model)
        let strings = try Self.strings()
        let wanted = try #require(Self.golden(item.golden)["ids"]?.arrayValue)
        #expect(wanted.count == strings.count)
        for (text, ids) in zip(strings, wanted) {
            let encoded = tokenizer.encode(text.utf8)
            #expect(encoded.ids == Self.ids(ids), "\(text)")
            #expect(tokenizer.ids(text.utf8) == encoded.ids)
            #expect(encoded.spans.count == encoded.ids.count)
            for span in encoded.spans { #expect(span.start <= span.end && Int(span.end) <= text.utf8.count) }
        }
    }

    @Test("text of every list of ids", arguments: cases)
    func decoding(of item: Case) throws {
        let tokenizer = try Self.load(item.model)
        let golden = try Self.golden(item.golden)
        let rows = try #require(golden["ids"]?.arrayValue)
        let wanted = try #require(golden["decode"]?.arrayValue)
        for (row, text) in zip(rows, wanted) {
            #expect(String(decoding: tokenizer.decode(Self.ids(row)), as: UTF8.self) == text.stringValue)
        }
    }

    @Test("normalised text", arguments: cases)
    func normalization(of item: Case) throws {
        let tokenizer = try Self.load(item.model)
        let strings = try Self.strings()
        let wanted = try #require(Self.golden(item.golden)["normalized_sample"]?.objectValue)
        for (index, text) in wanted {
            let source = strings[try #require(Int(index))]
            #expect(tokenizer.normalize(source.utf8) == Array((text.stringValue ?? "").utf8), "\(source)")
        }
    }

    @Test("best segmentations, best first", arguments: cases.filter { $0.golden != "llama" && $0.golden != "tok512" })
    func bestSegmentations(of item: Case) throws {
        let tokenizer = try Self.load(item.model)
        let strings = try Self.strings()
        let wanted = try #require(Self.golden(item.golden)["nbest_sample"]?.objectValue)
        for (index, lists) in wanted {
            let lists = try #require(lists.arrayValue).map(Self.ids)
            let text = strings[try #require(Int(index))]
            #expect(try tokenizer.best(lists.count, of: text.utf8).map(\.ids) == lists, "\(text)")
        }
    }
}
