import HeedSupport
import TestFixtures
import Testing

@testable import HeedTokenizers

@Suite("patterns")
struct PatternTests {
    func matches(_ pattern: String, _ text: String) throws -> [String] {
        let program = try RegexProgram(pattern)
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBufferPointer { buffer in
            program.matches(in: buffer).map { String(decoding: buffer[$0], as: UTF8.self) }
        }
    }

    @Test(
        "matches",
        arguments: [
            ("a+", "caaat aa", ["aaa", "aa"]),
            ("a+?", "aaa", ["a", "a", "a"]),
            ("a|ab", "ab", ["a"]),
            ("ab|a", "ab", ["ab"]),
            ("(?:ab)+c", "ababc", ["ababc"]),
            ("(?:ab){2,3}", "abababab", ["ababab"]),
            ("[^a-c]+", "abcxyzabc", ["xyz"]),
            ("[\\p{L}--]+", "é-x", ["é-x"]),
            ("\\p{Lu}\\p{Ll}*", "Hello World", ["Hello", "World"]),
            ("\\P{L}+", "ab12cd", ["12"]),
            ("\\p{^L}+", "ab12cd", ["12"]),
            ("\\d{1,3}(?=(?:\\d{3})*\\b)", "1234567", ["1", "234", "567"]),
            ("(?i)straSSe", "STRASSE", ["STRASSE"]),
            ("(?i:ſ)", "sS", ["s", "S"]),
            ("x(?!y)", "xyxz", ["x"]),
            ("(?<=a)b", "abcb", ["b"]),
            ("(?<!a)b", "abcb", ["b"]),
            ("a++a", "aaa", []),
            ("(?>a+)b", "aaab", ["aaab"]),
            ("(?>a|ab)c", "abc", []),
            ("^a|b$", "ab", ["a", "b"]),
            (".", "é\n漢", ["é", "漢"]),
            ("(?s).", "é\n", ["é", "\n"]),
            ("\\x{1F600}|\\u00e9|\\x41", "😀éA", ["😀", "é", "A"]),
            ("[[:digit:]]+", "a12", ["12"]),
            ("[\\w&&[^\\d]]+", "ab12", ["ab"]),
            ("a{,2}", "aaa", ["aa", "a", ""]),
            ("a{x", "a{x", ["a{x"]),
            ("(a*)*b", "aab", ["aab"]),
            ("", "ab", ["", "", ""]),
            ("\\bfoo\\b", "foo food", ["foo"]),
            ("[]a]+", "a]", ["a]"]),
            ("[a-]+", "a-b", ["a-"]),
        ] as [(String, String, [String])])
    func find(pattern: String, text: String, expected: [String]) throws {
        #expect(try matches(pattern, text) == expected)
    }

    @Test(
        "broken patterns are refused with the place",
        arguments: [
            "(((", "(a", "a)", "[a", "a**b(", "*a", "\\", "\\p{", "\\p{Nonsense}", "[z-a]", "a{3,1}", "(?<name>a)",
            "\\1",
            "(?x:a)", "\\x{}", "[[:what:]]", "\\q", String(repeating: "(", count: 5000),
            String(repeating: "(?:a{1000}", count: 9) + String(repeating: "){1000}", count: 9),
        ])
    func broken(pattern: String) {
        let error = #expect(throws: HeedError.self) { try RegexProgram(pattern, in: "tokenizer.json") }
        #expect(error?.description.contains("tokenizer.json") == true)
    }

    @Test("work is bounded")
    func bounded() throws {
        let text = String(repeating: "a", count: 64) + "c"
        #expect(try matches("(a*)*b", text).isEmpty)
        #expect(try matches("(?:a|aa)+b", text).isEmpty)
    }

    @Test(
        "the scanners cut as the patterns that they stand for",
        arguments: [
            (FastPath.Scanner.gpt2, KnownPatterns.gpt2),
            (FastPath.Scanner.cl100k(digits: 3, takesTrailingSpace: false), KnownPatterns.cl100k),
            (
                FastPath.Scanner.cl100k(digits: 3, takesTrailingSpace: true),
                #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++\z|\s*[\r\n]|\s+(?!\S)|\s"#
            ),
        ] as [(FastPath.Scanner, String)])
    func scanners(scanner: FastPath.Scanner, pattern: String) throws {
        let program = try RegexProgram(pattern)
        var source = TextSource(random: SplitMix(state: 21))
        for _ in 0..<FuzzTests.count {
            let text = source.text()
            let bytes = Array(text.utf8)
            bytes.withUnsafeBufferPointer { buffer in
                let wanted = program.matches(in: buffer)
                let got: [Range<Int>]
                switch scanner {
                case .gpt2: got = buffer.pieces(by: GPT2Scanner())
                case .cl100k(let digits, let trailing):
                    got = buffer.pieces(by: CL100KScanner(digits: digits, takesTrailingSpace: trailing))
                }
                #expect(got == wanted, "\(text.debugDescription)")
            }
        }
    }
}

@Suite("stages")
struct StageTests {
    func normalized(_ stage: any NormalizerStage, _ text: String) -> (text: String, sources: [ByteSpan]) {
        let bytes = Array(text.utf8)
        var normal = bytes.withUnsafeBufferPointer { NormalizedText($0, tracksSources: true) }
        stage.normalize(&normal)
        return (String(decoding: normal.bytes, as: UTF8.self), normal.sources)
    }

    @Test(
        "normalisation forms",
        arguments: [
            (UnicodeNormalizer.Form.nfc, "e\u{301}\u{323}", "\u{1EB9}\u{301}"),
            (.nfd, "\u{1EB9}\u{301}", "e\u{323}\u{301}"),
            (.nfc, "\u{1100}\u{1161}\u{11A8}", "각"), (.nfd, "각", "\u{1100}\u{1161}\u{11A8}"),
            (.nfc, "\u{212B}", "\u{C5}"), (.nfkc, "ﬁ①㍿", "fi1株式会社"), (.nfkd, "Å②", "A\u{30A}2"),
            (.nfc, "\u{0958}", "\u{0915}\u{093C}"), (.nfc, "plain", "plain"),
            (.nfd, "q\u{307}\u{323}", "q\u{323}\u{307}"),
        ] as [(UnicodeNormalizer.Form, String, String)])
    func forms(form: UnicodeNormalizer.Form, text: String, expected: String) {
        let got = normalized(UnicodeNormalizer(form), text)
        #expect(Array(got.text.unicodeScalars) == Array(expected.unicodeScalars))
        #expect(got.sources.count == got.text.utf8.count)
    }

    @Test("a long run of marks is sorted in good time")
    func marks() {
        let text = "a" + String(repeating: "\u{301}\u{323}", count: 20_000)
        let got = normalized(UnicodeNormalizer(.nfd), text).text
        let expected = "a" + String(repeating: "\u{323}", count: 20_000) + String(repeating: "\u{301}", count: 20_000)
        #expect(Array(got.unicodeScalars) == Array(expected.unicodeScalars))
    }

    @Test("simple normalisers")
    func simple() {
        #expect(normalized(LowercaseNormalizer(), "ÀİΣß").text == "ài\u{307}σß")
        #expect(normalized(StripNormalizer(left: true, right: true), " \t a b\u{3000}").text == "a b")
        #expect(normalized(StripNormalizer(left: true, right: true), "  ").text.isEmpty)
        #expect(normalized(PrependNormalizer("▁"), "a").text == "▁a")
        #expect(normalized(PrependNormalizer("▁"), "").text.isEmpty)
        #expect(normalized(ReplaceNormalizer(Pattern(text: "  "), with: "__"), "a   b").text == "a__ b")
        #expect(normalized(BertNormalizer(), "Ｈéllo\u{0}漢\u{200B}x").text == "ｈello 漢 x")
        #expect(normalized(ByteLevelNormalizer(), "a é").text == "aĠÃ©")
    }

    @Test("sources follow the text")
    func sources() {
        #expect(normalized(LowercaseNormalizer(), "Éa").sources == [ByteSpan(0, 2), ByteSpan(0, 2), ByteSpan(2, 3)])
        #expect(normalized(UnicodeNormalizer(.nfkc), "ﬁ").sources == [ByteSpan(0, 3), ByteSpan(0, 3)])
        let replaced = normalized(ReplaceNormalizer(Pattern(text: "bb"), with: "x"), "abbc")
        #expect(replaced.sources == [ByteSpan(0, 1), ByteSpan(2, 3), ByteSpan(3, 4)])
    }

    @Test(
        "pre-tokenizers",
        arguments: [
            (ClassPreTokenizer(.words) as any PreTokenizerStage, "Hey, you! x_1", ["Hey", ",", "you", "!", "x_1"]),
            (ClassPreTokenizer(.whiteSpaceSplit), " a  b,c\n", ["a", "b,c"]),
            (ClassPreTokenizer(.bert), "don't 漢", ["don", "'", "t", "漢"]),
            (ClassPreTokenizer(.digits(individual: true)), "a12b", ["a", "1", "2", "b"]),
            (ClassPreTokenizer(.digits(individual: false)), "a12b", ["a", "12", "b"]),
            (ClassPreTokenizer(.punctuation(.contiguous)), "a!?b", ["a", "!?", "b"]),
            (ClassPreTokenizer(.punctuation(.mergedWithPrevious)), "a!?b", ["a!", "?", "b"]),
            (ClassPreTokenizer(.punctuation(.mergedWithNext)), "a!?b", ["a", "!", "?b"]),
            (ClassPreTokenizer(.delimiter("-")), "a-b--c", ["a", "b", "c"]),
            (MetaspacePreTokenizer(), "a b", ["▁a", "▁b"]),
            (MetaspacePreTokenizer(prependScheme: .never, splits: false), "a b", ["a▁b"]),
            (ByteLevelPreTokenizer(addsPrefixSpace: true), "a é", ["Ġa", "ĠÃ©"]),
            (SplitPreTokenizer(Pattern(text: "b"), .removed, isInverted: true), "abcb", ["b", "b"]),
        ] as [(any PreTokenizerStage, String, [String])])
    func preTokenizers(stage: any PreTokenizerStage, text: String, expected: [String]) {
        let bytes = Array(text.utf8)
        var list = PieceList(bytes.withUnsafeBufferPointer { NormalizedText($0, tracksSources: true) }, isAtStart: true)
        stage.cut(&list)
        list.spellIfNeeded()
        #expect(list.pieces.map { String(decoding: list.text.bytes[$0], as: UTF8.self) } == expected)
    }

    @Test(
        "decoders",
        arguments: [
            (WordPieceDecoder() as any DecoderStage, ["it", "'", "s", "a", "##b", "."], "it's ab."),
            (MetaspaceDecoder(), ["▁a", "▁b"], "a b"), (BPEDecoder(), ["a</w>", "b</w>"], "a b"),
            (ByteFallbackDecoder(), ["a", "<0xC3>", "<0xA9>", "<0xFF>", "b"], "a\u{FFFD}\u{FFFD}\u{FFFD}b"),
            (ByteFallbackDecoder(), ["<0xC3>", "<0xA9>"], "é"), (FuseDecoder(), ["a", "b"], "ab"),
            (StripDecoder(content: " ", start: 1, stop: 0), ["  a", "b"], " ab"),
            (ByteLevelDecoder(), ["Ġa", "Ã", "©"], " aé"),
        ] as [(any DecoderStage, [String], String)])
    func decoders(stage: any DecoderStage, tokens: [String], expected: String) {
        #expect(stage.decode(tokens).joined() == expected)
    }

    @Test("added tokens: longest first, words alone, white space taken along")
    func addedTokens() throws {
        let base = try FuzzTests.tokenizer(.byteLevel)
        let tokenizer = Tokenizer(
            model: base.model, preTokenizer: base.preTokenizer, decoding: base.decoding,
            addedTokens: [
                AddedToken("<a>", id: 500), AddedToken("<a>b", id: 501),
                AddedToken("word", id: 502, isSingleWord: true),
                AddedToken("<l>", id: 503, stripsLeft: true), AddedToken("<r>", id: 504, stripsRight: true),
            ])
        #expect(tokenizer.ids(of: "<a>b<a>") == [501, 500])
        #expect(tokenizer.ids(of: "words word") == base.ids(of: "words ") + [502])
        #expect(tokenizer.ids(of: "x  <l>y") == base.ids(of: "x") + [503] + base.ids(of: "y"))
        #expect(tokenizer.ids(of: "<r> \n y") == [504] + base.ids(of: "y"))
        var deaf = tokenizer
        deaf.recognisesSpecialTokens = false
        #expect(deaf.ids(of: "<a>") == base.ids(of: "<a>"))
    }

    @Test("truncation and padding")
    func truncation() throws {
        var tokenizer = try FuzzTests.tokenizer(.characters)
        tokenizer.truncation = Truncation(maximumLength: 4, stride: 1)
        let encoding = try tokenizer.encode("the quick")
        #expect(encoding.count == 4)
        #expect(encoding.overflow.map(\.count) == [4, 3])
        #expect(encoding.overflow[0].ids.first == encoding.ids.last)
        tokenizer.truncation = Truncation(maximumLength: 4, fromLeft: true)
        #expect(try tokenizer.decode(tokenizer.encode("the quick").ids) == "uick")
        tokenizer.truncation = Truncation(maximumLength: 3, strategy: .onlyFirst)
        #expect(try tokenizer.encode("the quick", pair: "t").ids.count == 3)
        #expect(throws: HeedError.self) { try tokenizer.encode("t", pair: "the quick") }
        tokenizer.truncation = Truncation(maximumLength: 3, stride: 3)
        #expect(throws: HeedError.self) { try tokenizer.encode("the quick") }
        tokenizer.truncation = nil
        tokenizer.padding = Padding(target: .longest, id: 0, token: "<unk>", onLeft: true, multiple: 4)
        let batch = try tokenizer.encode(batch: [(Array("the q".utf8), nil), (Array("t".utf8), nil)])
        #expect(batch.map(\.count) == [8, 8])
        #expect(batch[1].attentionMask == [0, 0, 0, 0, 0, 0, 0, 1])
    }
}
