import HeedSupport
import HeedTokenizers
import TestFixtures
import Testing

/// Other segmentations than the best: n-best, sampling, dropout; and what remembering words must not change.
@Suite("other segmentations")
struct AlternativesTests {
    @Test("the best segmentations come best first, and the first is the usual one")
    func best() throws {
        for kind in [FuzzTests.Kind.unigram, .pieceUnigram] {
            let tokenizer = try FuzzTests.tokenizer(kind)
            let text = "the the e"
            let best = try tokenizer.best(20, of: Array(text.utf8))
            #expect(best.first?.ids == tokenizer.ids(of: text))
            #expect(Set(best.map(\.ids)).count == best.count)
            #expect(best.count > 3)
            for (one, next) in zip(best, best.dropFirst()) { #expect(one.score >= next.score) }
            for one in best where !one.ids.contains(0) {
                #expect(try tokenizer.decode(one.ids) == tokenizer.decode(best[0].ids))
            }
            #expect(try tokenizer.best(1, of: Array(text.utf8)).map(\.ids) == [tokenizer.ids(of: text)])
        }
        #expect(throws: HeedError.self) { try FuzzTests.tokenizer(.byteLevel).best(2, of: [97]) }
    }

    @Test("random segmentations spell the text, and a sharp one is the best")
    func sampling() throws {
        let tokenizer = try FuzzTests.tokenizer(.pieceUnigram)
        let text = Array("the the e the".utf8)
        var random = SplitMix(state: 1)
        var seen: Set<[TokenID]> = []
        for _ in 0..<200 {
            let ids = try tokenizer.sample(text, sharpness: 0.1, using: &random)
            #expect(try tokenizer.decode(ids) == tokenizer.decode(tokenizer.ids(of: text)))
            seen.insert(ids)
        }
        #expect(seen.count > 10)
        #expect(try tokenizer.sample(text, sharpness: 1000, using: &random) == tokenizer.ids(of: text))
        #expect(throws: HeedError.self) {
            try FuzzTests.tokenizer(.byteLevel).sample([97], sharpness: 1, using: &random)
        }
    }

    @Test(
        "dropout of 0 is plain BPE, of 1 no merge at all, between them it spells the text",
        arguments: [FuzzTests.Kind.byteLevel, .ranks, .cl100k, .spelled, .fallback, .suffix, .pieceMerges, .llamaFile])
    func dropout(kind: FuzzTests.Kind) throws {
        let tokenizer = try FuzzTests.tokenizer(kind)
        var random = SplitMix(state: 2)
        let text = Array("the 12 the's é the".utf8)
        let plain = tokenizer.ids(of: text)
        #expect(try tokenizer.sample(text, dropout: 0, using: &random) == plain)
        let single = try tokenizer.sample(text, dropout: 1, using: &random)
        #expect(single.count > plain.count)
        var seen: Set<[TokenID]> = []
        for _ in 0..<100 {
            let ids = try tokenizer.sample(text, dropout: 0.5, using: &random)
            #expect(ids.count >= plain.count && ids.count <= single.count)
            if kind != .suffix { #expect(try tokenizer.decode(ids) == tokenizer.decode(plain)) }
            seen.insert(ids)
        }
        #expect(seen.count > 1)
        #expect(throws: HeedError.self) {
            try FuzzTests.tokenizer(.unigram).sample([97], dropout: 0.5, using: &random)
        }
    }

    @Test("a text gives the same ids whatever was encoded before", arguments: FuzzTests.Kind.allCases)
    func memory(kind: FuzzTests.Kind) throws {
        let used = try FuzzTests.tokenizer(kind)
        var source = TextSource(random: SplitMix(state: 21))
        for _ in 0..<300 {
            var text: [UInt8] = []
            for _ in 0..<4 { text += Array(source.text().utf8) + [0x20] }
            let fresh = try FuzzTests.tokenizer(kind)
            let ids = used.ids(of: text)
            #expect(ids == fresh.ids(of: text), "\(text)")
            #expect(ids == used.ids(of: text), "\(text)")
        }
    }

    @Test("sums that start again do not show between the fast way and the long one")
    func longSums() throws {
        let tokenizer = try FuzzTests.tokenizer(.pieceUnigram)
        var source = TextSource(random: SplitMix(state: 31))
        var text: [UInt8] = []
        while text.count < 150_000 { text += Array(source.text().utf8) + Array(" the he eth ".utf8) }
        #expect(tokenizer.ids(of: text) == (try tokenizer.encode(text, addingSpecialTokens: false)).ids)
    }

    @Test("a switch of recognising special tokens counts at once")
    func switching() throws {
        let text =
            #"{"added_tokens":[{"id":9,"content":"[x]","special":true,"normalized":true}],"#
            + #""normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"WhitespaceSplit"},"#
            + #""model":{"type":"WordLevel","unk_token":"?","vocab":{"?":0,"a":1}}}"#
        var tokenizer = try Tokenizer(json: Array(text.utf8), in: "x")
        for _ in 0..<2 {
            tokenizer.recognisesSpecialTokens = true
            #expect(tokenizer.ids(of: "a [X] a") == [1, 9, 1])
            tokenizer.recognisesSpecialTokens = false
            #expect(tokenizer.ids(of: "a [X] a") == [1, 0, 1])
        }
    }

    @Test("spaces go as transformers takes them away")
    func cleanUp() throws {
        let decoder = WordPieceDecoder()
        #expect(decoder.decode(["i", "do", "not", "don", "'", "t", ",", "ok", "!"]).joined() == "i do not don't, ok!")
    }
}
