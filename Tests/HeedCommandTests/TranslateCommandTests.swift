import Heed
import HeedSupport
import Testing

@testable import HeedCommand

@Suite("Translation from the command line")
struct TranslateCommandTests {
    private func run(_ words: [String]) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }

    /// Fields of every line that `heed translate --json` writes.
    private func translate(_ model: String, _ folder: String, _ words: [String]) throws -> [JSON] {
        let output = joinPath(folder, "out.jsonl")
        #expect(
            run(["translate", model, "--threads", "1", "--json", "--output", output, "--overwrite"] + words) == 0,
            "\(words)")
        return try TextFiles.lines(output).map { try JSON.parse($0, in: output) }
    }

    private func ids(_ sequence: JSON?) -> [Int] { (sequence?["ids"]?.arrayValue ?? []).compactMap(\.intValue) }

    @Test("train on pairs, average, translate with n-best, a prefix, bans and alignments, score")
    func wholeWay() throws {
        let folder = temporaryPath("translate")
        defer { try? removeTree(folder) }
        try createDirectory(folder)
        func file(_ name: String) -> String { joinPath(folder, name) }
        let words = ["eins": "one", "zwei": "two", "drei": "three", "vier": "four"]
        let names = words.keys.sorted()
        var (sources, targets) = ("", "")
        for i in 0..<64 {
            let german: [String] = [names[i % 4], names[i / 4 % 4], names[i / 16]]
            let english: [String] = german.compactMap { words[$0] }
            sources += german.joined(separator: " ") + "\n"
            targets += english.joined(separator: " ") + "\n"
        }
        try writeAtomically(path: file("a"), text: sources)
        try writeAtomically(path: file("b"), text: targets)
        let model = file("model")
        let code = run([
            "train", "--source", file("a"), "--target", file("b"), "--validation-source", file("a"),
            "--validation-target", file("b"), "--tokenizer-kind", "byte-bpe", "--vocab-size", "275", "--preset",
            "translation-small", "--output", model, "--steps", "6", "--batch-tokens", "128", "--warmup", "2",
            "--schedule", "inverse-sqrt", "--label-smoothing", "0.1", "--save-every", "2", "--evaluate-every", "2",
            "--average", "2", "--patience", "2", "--threads", "2",
        ])
        #expect(code == 0)
        let description = try ModelDescription(folder: model)
        #expect(description.family == .marian)

        let plain = try translate(model, folder, ["--text", "eins zwei", "--beams", "3", "--max-new-tokens", "6"])
        let best = try #require(plain.first?["sequences"]?.arrayValue?.first)
        let ids = ids(best)
        try #require(!ids.isEmpty)

        let several = try translate(
            model, folder,
            [
                "--text", "eins zwei", "vier", "--beams", "3", "--num-return-sequences", "3", "--max-new-tokens", "6",
                "--alignments",
            ])
        #expect(several.count == 2)
        for line in several {
            let sequences = try #require(line["sequences"]?.arrayValue)
            let sourceIds = try #require(line["source_ids"]?.arrayValue)
            #expect(sequences.count == 3)
            let scores = sequences.compactMap { $0["score"]?.doubleValue }
            #expect(scores == scores.sorted(by: >))
            for sequence in sequences {
                let count = sequence["ids"]?.arrayValue?.count
                let rows = try #require(sequence["attention"]?.arrayValue)
                #expect(rows.count == count)
                #expect(sequence["alignment"]?.arrayValue?.count == count)
                for row in rows {
                    let weights: [Double] = (row.arrayValue ?? []).compactMap(\.doubleValue)
                    #expect(weights.count == sourceIds.count)
                    let sum: Double = weights.reduce(0, +)
                    #expect(abs(sum - 1) < 1e-5)
                }
            }
        }
        #expect(self.ids(several[0]["sequences"]?.arrayValue?.first) == ids)

        let given = try translate(
            model, folder,
            [
                "--text", "eins zwei", "--prefix", "four", "--beams", "2", "--max-new-tokens", "5", "--alignments",
                "--suppress-tokens", "\(ids[0])", "--no-repeat-ngram-size", "1",
            ])
        let sequence = try #require(given[0]["sequences"]?.arrayValue?.first)
        #expect(sequence["text"]?.stringValue?.hasPrefix("four") == true)
        let continued = self.ids(sequence)
        #expect(!continued.contains(ids[0]))
        #expect(Set(continued).count == continued.count)
        #expect(sequence["attention"]?.arrayValue?.count == continued.count)

        let forced = try translate(
            model, folder,
            [
                "--text", "eins", "--max-new-tokens", "4", "--min-new-tokens", "4", "--forced-bos-token-id", "70",
                "--forced-eos-token-id", "71", "--eos-token-ids", "71",
            ])
        let forcedIds = self.ids(forced[0]["sequences"]?.arrayValue?.first)
        #expect(forcedIds.first == 70)
        #expect(forcedIds.count == 4)
        #expect(forcedIds.last == 71)

        #expect(run(["translate", model, "--input", file("a"), "--output", file("c"), "--beams", "1"]) == 0)
        #expect(try TextFiles.lines(file("c")).count == 64)
        #expect(run(["translate", model, "--text", "eins", "--output", file("c")]) == 2, "something is there")
        #expect(run(["evaluate", "--bleu", file("c"), file("b"), "--json"]) == 0)
        try writeAtomically(path: file("d"), text: "eins\n\n{\"x\": 1}\n\"zwei\"\n")
        let some = [
            "translate", model, "--input", file("d"), "--output", file("e"), "--max-new-tokens", "3", "--overwrite",
        ]
        #expect(run(some + ["--num-return-sequences", "2"]) == 1)
        let all = try TextFiles.lines(file("e"))
        #expect(all.count == 8, "two translations of every line, best first")
        #expect(all[2...5].joined().isEmpty, "a blank line and one that cannot be used")
        #expect(run(some + ["--on-error", "skip"]) == 0)
        #expect(try TextFiles.lines(file("e")) == [all[0], "", "", all[6]])
        try writeAtomically(
            path: file("d"), text: [String](repeating: "drei", count: 300).joined(separator: " ") + "\neins\n")
        #expect(run(some) == 0, "a line that is too long is cut")
        #expect(try TextFiles.lines(file("e"))[1] == all[0])

        let wrong: [([String], Int32)] = [
            (["--text", "eins", "--alignments"], 2), (["--text", "eins", "--json", "--alignment-layer", "1"], 2),
            (["--text", "eins", "--json", "--alignments", "--alignment-layer", "9"], 2),
            (["--text", "eins", "--prefix", "x", "--prefix-ids", "5"], 2), (["--text", "eins", "--beams", "0"], 2),
            (["--text", "eins", "--beams", "2", "--num-return-sequences", "3"], 2),
            (["--text", "eins", "--prefix-ids", "9999"], 1),
        ]
        for (words, code) in wrong { #expect(run(["translate", model] + words) == code, "\(words)") }
    }
}

@Suite("Targets that begin with given ids")
struct TargetPrefixTests {
    @Test("an encoder-decoder goes on behind them; a decoder has none")
    func prefix() throws {
        let folder = temporaryPath("prefix")
        defer { try? removeTree(folder) }
        let model = joinPath(folder, "marian")
        try Model(
            .encoderDecoder(.original(width: 16, layers: 1, heads: 2, inner: 16, vocabulary: 20)), family: .marian,
            seed: 1
        ).save(folder: model)
        let decoder = joinPath(folder, "gpt2")
        try Model(.gpt2(width: 16, layers: 1, heads: 2, vocabulary: 20, context: 8), family: .gpt2, seed: 1)
            .save(folder: decoder)
        func run(_ model: String, _ ids: String) -> Int32 {
            CommandRunner(root: HeedCommand.self).run([
                "generate", model, "--ids", "1,2", "--max-new-tokens", "3", "--prefix-ids", ids,
            ])
        }
        #expect(run(model, "3,4") == 0)
        #expect(run(model, "3,20") == 1)
        #expect(run(decoder, "3") == 2)
    }
}
