import HeedSupport
import HeedTrain
import TestFixtures
import Testing

@Suite("BLEU and chrF")
struct TranslationMetricTests {
    @Test("equal texts score 100, unlike ones 0")
    func extremes() {
        let text = ["The cat sat on the mat.", "It did not move."]
        #expect(abs(BLEU(hypotheses: text, references: [text]).score - 100) < 1e-9)
        #expect(ChrF(hypotheses: text, references: [text]).score == 100)
        #expect(BLEU(hypotheses: ["aa bb"], references: [["cc dd"]]).score == 0)
        #expect(ChrF(hypotheses: ["aa bb"], references: [["cc dd"]]).score == 0)
        #expect(BLEU(hypotheses: [""], references: [["a"]]).score == 0)
        #expect(BLEU(hypotheses: [], references: [[]]).score == 0)
    }

    @Test("a score worked out by hand")
    func byHand() {
        // Unigrams 3 of 4, bigrams 1 of 3, trigrams 0 of 2 (smoothed to 1/4), four-grams 0 of 1 (1/4), 4 against 5 tokens.
        let bleu = BLEU(hypotheses: ["a b x d"], references: [["a b c d e"]])
        #expect(zip(bleu.precisions, [75, 100 / 3.0, 25, 25]).allSatisfy { abs($0 - $1) < 1e-12 })
        #expect(abs(bleu.brevityPenalty - 0.778_800_783_071_404_9) < 1e-15)
        #expect(abs(bleu.score - 27.534_765_745_159_184) < 1e-9)
    }

    /// Equal scores show equal tokens: a text against its tokens written apart.
    @Test(
        "texts are cut as mteval-v13a cuts them",
        arguments: [
            ("Hello, world.", "Hello , world ."), ("1,000.5 and 3-4", "1,000.5 and 3 - 4"), ("a-b", "a-b"),
            ("x &amp;lt; y", "x < y"), ("(a) [b] {c}", "( a ) [ b ] { c }"), ("don't", "don't"), ("a,b", "a , b"),
            ("<skipped>a", "a"), ("..a", ". . a"), ("50% of $3", "50 % of $ 3"), ("a\u{3000}b\u{A0}c", "a b c"),
        ])
    func cutting(text: String, tokens: String) {
        let pieces = tokens.split(separator: " ").count
        let bleu = BLEU(hypotheses: [text], references: [[tokens]], isSentence: true)
        #expect(abs(bleu.score - 100) < 1e-9, "\(bleu)")
        #expect(bleu.hypothesisLength == pieces && bleu.referenceLength == pieces)
    }

    @Test("canonically equivalent texts are different texts, as in the published scorer")
    func scalars() {
        #expect(ChrF(hypotheses: ["e\u{301}"], references: [["\u{E9}"]]).score == 0)
        #expect(BLEU(hypotheses: ["e\u{301}"], references: [["\u{E9}"]]).score == 0)
    }

    @Test("goldens", .enabled(if: Shared.given("metrics/translation.json") != nil))
    func goldens() throws {
        let golden = try JSON.load(path: #require(Shared.given("metrics/translation.json")))
        func texts(_ json: JSON?) -> [String] { (json?.arrayValue ?? []).compactMap(\.stringValue) }
        let references = texts(golden["references"])
        let cases = try #require(golden["cases"]?.arrayValue)
        #expect(cases.count == 5)
        for test in cases {
            let hypotheses = texts(test["hypotheses"])
            for (kind, readings) in [
                ("one_reference", [references]), ("two_references", [references, texts(test["second_references"])]),
            ] {
                let bleu = BLEU(hypotheses: hypotheses, references: readings)
                let wanted = try #require(test[kind])
                #expect(abs(bleu.score - (wanted["bleu"]?.doubleValue ?? -1)) < 1e-9, "\(kind)")
                #expect(abs(bleu.brevityPenalty - (wanted["bp"]?.doubleValue ?? -1)) < 1e-12)
                #expect(bleu.hypothesisLength == wanted["sys_len"]?.intValue)
                #expect(bleu.referenceLength == wanted["ref_len"]?.intValue)
                let chrf = ChrF(hypotheses: hypotheses, references: readings).score
                #expect(abs(chrf - (wanted["chrf"]?.doubleValue ?? -1)) < 1e-9, "\(kind)")
            }
            let sentences = (test["sentence_bleu_first20"]?.arrayValue ?? []).compactMap(\.doubleValue)
            for (index, wanted) in sentences.enumerated() {
                let score = BLEU(hypotheses: [hypotheses[index]], references: [[references[index]]], isSentence: true)
                    .score
                #expect(abs(score - wanted) < 1e-9, "sentence \(index)")
            }
        }
    }
}
