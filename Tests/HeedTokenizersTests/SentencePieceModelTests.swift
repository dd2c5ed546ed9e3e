import HeedSupport
import HeedTokenizers
import Testing

/// Small models made by hand: roles of pieces, kinds of segmentation, ties. The expected pieces are those of the
/// reference library for the same model.
@Suite struct SentencePieceModelTests {
    static func file(
        _ pieces: [(String, Float, SentencePieceFile.Piece.Role)], _ algorithm: SentencePieceFile.Algorithm
    ) -> SentencePieceFile {
        var file = SentencePieceFile()
        file.algorithm = algorithm
        file.normalization.addsDummyPrefix = false
        file.normalization.removesExtraWhitespaces = false
        file.pieces = [.init(text: Array("<unk>".utf8), score: 0, role: .unknown)]
        for (text, score, role) in pieces {
            file.pieces.append(.init(text: Array(text.utf8), score: score, role: role))
        }
        return file
    }

    static func pieces(_ file: SentencePieceFile, _ text: String) throws -> [String] {
        let tokenizer = try SentencePieceTokenizer(file, in: "test")
        return tokenizer.encode(text.utf8).ids.map { String(decoding: file.pieces[Int($0)].text, as: UTF8.self) }
    }

    @Test("a user-defined piece wins over a likely ordinary one, but not over every one")
    func userDefinedUnigram() throws {
        func model(_ score: Float) -> SentencePieceFile {
            Self.file(
                [
                    ("a", -1, .normal), ("b", -1, .normal), ("c", -1, .normal), ("ab", 0, .userDefined),
                    ("abc", score, .normal),
                ], .unigram)
        }
        #expect(try Self.pieces(model(-1), "abc") == ["ab", "c"])
        #expect(try Self.pieces(model(-0.8), "abc") == ["abc"])
    }

    @Test("unused pieces are not given: merged ones fall apart again, single characters are unknown")
    func unused() throws {
        let entries: [(String, Float, SentencePieceFile.Piece.Role)] = [
            ("a", -3, .normal), ("b", -3, .normal), ("ab", -1, .unused), ("abb", -2, .normal),
        ]
        #expect(try Self.pieces(Self.file(entries, .unigram), "ab") == ["a", "b"])
        #expect(try Self.pieces(Self.file(entries, .bpe), "ab") == ["a", "b"])
        #expect(try Self.pieces(Self.file(entries, .bpe), "abb") == ["abb"])
        #expect(try Self.pieces(Self.file([("a", 0, .unused)], .bpe), "a") == ["<unk>"])
        #expect(try Self.pieces(Self.file([("a", 0, .unused)], .character), "a") == ["<unk>"])
    }

    @Test("merges go by score, ties to the left, and leave user-defined pieces alone")
    func merging() throws {
        let entries: [(String, Float, SentencePieceFile.Piece.Role)] = [
            ("a", -9, .normal), ("aa", -1, .normal), ("b", -9, .normal), ("ab", 0, .userDefined), ("ba", -2, .normal),
        ]
        let file = Self.file(entries, .bpe)
        #expect(try Self.pieces(file, "aaa") == ["aa", "a"])
        #expect(try Self.pieces(file, "aabba") == ["a", "ab", "ba"])
    }

    @Test("characters outside the vocabulary can still be part of a piece")
    func strangersMerge() throws {
        let file = Self.file([("xy", -1, .normal), ("xyz", -2, .normal)], .bpe)
        #expect(try Self.pieces(file, "xyz") == ["xyz"])
        #expect(try Self.pieces(file, "xyq") == ["xy", "<unk>"])
        #expect(try Self.pieces(file, "zx") == ["<unk>"])
    }

    @Test("words are cut before spaces, characters everywhere")
    func wordsAndCharacters() throws {
        let words = Self.file([("▁a", -1, .normal), ("▁bc", -1, .normal)], .word)
        #expect(try Self.pieces(words, " a bc bc d") == ["▁a", "▁bc", "▁bc", "<unk>"])
        let characters = Self.file([("▁", -1, .normal), ("é", -1, .normal), ("ab", -1, .userDefined)], .character)
        #expect(try Self.pieces(characters, "é abé") == ["é", "▁", "ab", "é"])
    }

    @Test("neighbouring unknown characters are one unknown token, or bytes where the model falls back")
    func unknown() throws {
        var file = Self.file([("a", -1, .normal)], .unigram)
        let tokenizer = try SentencePieceTokenizer(file, in: "test")
        let encoded = tokenizer.encode("xéa".utf8)
        #expect(encoded.ids == [0, 1])
        #expect(encoded.spans == [ByteSpan(0, 3), ByteSpan(3, 4)])
        #expect(tokenizer.decode([0, 1]) == Array(" \u{2047} a".utf8))
        file.hasByteFallback = true
        for byte in UInt8.min...UInt8.max {
            let digits = String(byte, radix: 16, uppercase: true)
            let text = "<0x" + (digits.count < 2 ? "0" : "") + digits + ">"
            file.pieces.append(.init(text: Array(text.utf8), score: 0, role: .byte))
        }
        let fallback = try SentencePieceTokenizer(file, in: "test")
        #expect(fallback.encode("éa".utf8).ids == [2 + 0xC3, 2 + 0xA9, 1])
        #expect(fallback.encode("éa".utf8).spans == [ByteSpan(0, 0), ByteSpan(0, 2), ByteSpan(2, 3)])
        #expect(fallback.decode([2 + 0xC3, 2 + 0xA9, 2 + 0xFF, 1]) == Array("é\u{FFFD}a".utf8))
    }

    @Test("a model survives writing and reading")
    func roundTrip() throws {
        var file = Self.file([("a", -1.25, .normal), ("▁", -2, .userDefined), ("<s>", 0, .control)], .bpe)
        file.beginID = 3
        file.endID = -1
        file.treatsWhitespaceAsSuffix = true
        file.normalization.name = "identity"
        let bytes = file.serialised()
        let back = try bytes.withUnsafeBytes { try SentencePieceFile($0, in: "test") }
        #expect(back == file)
    }

    @Test("random segmentations follow the model's probabilities")
    func sampling() throws {
        // P(ab) : P(a b) = e^-1 : e^-2, so "ab" has probability 1 / (1 + 1/e) = 0.731.
        let file = Self.file([("a", -1, .normal), ("b", -1, .normal), ("ab", -1, .normal)], .unigram)
        let tokenizer = try SentencePieceTokenizer(file, in: "test")
        struct Generator: RandomNumberGenerator {
            var state: UInt64 = 7
            mutating func next() -> UInt64 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return (state ^ (state >> 33)) &* 0x9E37_79B9_7F4A_7C15
            }
        }
        var generator = Generator()
        var joined = 0
        for _ in 0..<20_000 {
            let ids = try tokenizer.sample("ab".utf8, sharpness: 1, using: &generator)
            #expect(ids == [3] || ids == [1, 2])
            if ids == [3] { joined += 1 }
        }
        #expect(abs(Double(joined) / 20_000 - 0.731) < 0.015)
        var fromBest = 0
        for _ in 0..<20_000 {
            if try tokenizer.sample("ab".utf8, sharpness: 1, among: 2, using: &generator) == [3] { fromBest += 1 }
        }
        #expect(abs(Double(fromBest) / 20_000 - 0.731) < 0.015)
        #expect(throws: HeedError.self) {
            let merging = try SentencePieceTokenizer(Self.file([("a", 0, .normal)], .bpe), in: "test")
            _ = try merging.best(3, of: "a".utf8)
        }
    }
}
