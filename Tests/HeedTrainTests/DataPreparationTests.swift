import HeedSupport
import Testing

@testable import HeedTrain

@Suite("Preparing data")
struct DataPreparationTests {
    /// Bytes as ids, and 300 at the end of a document.
    private let encoding = TextEncoding(documentEnd: 300) { text in text.map { Int32($0) } }

    private func documents(_ path: String) throws -> [[Int32]] {
        try TokenStream(binary: path).ids.split(separator: 300).map { Array($0) }
    }

    private func prepared(
        _ texts: [String], _ change: (inout DataPreparation) -> Void = { _ in }
    ) throws -> (outcome: DataPreparation.Outcome, training: [[Int32]], validation: [[Int32]]) {
        let folder = temporaryPath("prepared")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        let path = joinPath(folder, "texts.jsonl")
        try writeAtomically(
            path: path, text: texts.map { JSON.object(["text": .string($0)]).serialised() }.joined(separator: "\n"))
        var preparation = DataPreparation(vocabulary: 301)
        change(&preparation)
        let out = joinPath(folder, "out")
        let outcome = try preparation.run([path], encoding, into: out)
        let names = try listDirectory(out)
        #expect(names == (preparation.validation > 0 ? ["train.bin", "validation.bin"] : ["train.bin"]))
        return (
            outcome, try documents(joinPath(out, "train.bin")),
            names.count > 1 ? try documents(joinPath(out, "validation.bin")) : []
        )
    }

    private func ids(_ texts: [String]) -> [[Int32]] { texts.map { $0.utf8.map { Int32($0) } } }

    @Test("no token is lost; order, shuffling, duplicates and validation are as asked for")
    func documents() throws {
        let texts = (0..<60).map { "text number \($0 % 50)" }
        let plain = try prepared(texts)
        #expect(plain.training == ids(texts) && plain.outcome.documents == 60)
        #expect(plain.outcome.tokens == plain.outcome.trainingTokens)

        let unique = try prepared(texts) { $0.removesDuplicates = true }
        #expect(unique.training == ids(Array(texts.prefix(50))) && unique.outcome.duplicates == 10)

        let shuffled = try prepared(texts) { $0.seed = 3 }
        #expect(shuffled.training != plain.training)
        #expect(shuffled.training.map { "\($0)" }.sorted() == plain.training.map { "\($0)" }.sorted())
        #expect(try prepared(texts) { $0.seed = 3 }.training == shuffled.training)
        #expect(try prepared(texts) { $0.seed = 4 }.training != shuffled.training)

        let split = try prepared(texts) { $0.validation = 0.3 }
        #expect(split.validation.count > 5 && split.validation.count < 35)
        #expect((split.training + split.validation).map { "\($0)" }.sorted() == plain.training.map { "\($0)" }.sorted())
        // A document stays where it was when others come.
        let more = try prepared(texts + (100..<130).map { "text number \($0)" }) { $0.validation = 0.3 }
        #expect(Array(more.validation.prefix(split.validation.count)) == split.validation)
    }

    @Test("near duplicates are found, others are kept, and their tokens are counted")
    func nearDuplicates() throws {
        func text(_ seed: Int) -> String {
            (0..<200).map { (place: Int) -> String in
                let number = (place * place * (seed + 3) + place * seed * 7) % 1009
                return "\(number) "
            }.joined()
        }
        let originals = (0..<40).map(text)
        // One word of about two hundred is another: 4 of 5 runs of five bytes and more are common.
        let changed = originals.prefix(20).enumerated().map { (index: Int, text: String) -> String in
            var words = text.split(separator: " ").map { String($0) }
            words[50 + index] = "other"
            return words.joined(separator: " ")
        }
        let found = try prepared(originals + changed) { $0.nearDuplicates = 0.8 }
        #expect(found.outcome.nearDuplicates == 20 && found.training == ids(originals))
        #expect(found.outcome.tokens == found.outcome.trainingTokens + found.outcome.nearDuplicateTokens)
        let strict = try prepared(originals + changed + [originals[3]]) { $0.nearDuplicates = 1 }
        #expect(strict.outcome.nearDuplicates >= 1 && strict.outcome.nearDuplicates < 20)
    }

    @Test("the estimate of the common share is near the exact one", arguments: [0.3, 0.6, 0.9])
    func minHash(share: Double) {
        let near = NearDuplicates(threshold: 0.8)
        for seed in 0..<10 {
            let first = (0..<1000).map { Int32(($0 * 7919 + seed * 104_729) % 5000) }
            let kept = Int(1000 * 2 * share / (1 + share))
            let second = Array(first.prefix(kept)) + (0..<1000 - kept).map { Int32(6000 + $0 * 13 + seed) }
            func runs(_ ids: [Int32]) -> Set<[Int32]> { Set((0...ids.count - 5).map { Array(ids[$0..<$0 + 5]) }) }
            let (a, b) = (runs(first), runs(second))
            let exact = Double(a.intersection(b).count) / Double(a.union(b).count)
            let (left, right) = (near.signature(first), near.signature(second))
            let found = Double(zip(left, right).filter { $0 == $1 }.count) / Double(left.count)
            #expect(abs(found - exact) < 0.18, "\(found) for \(exact)")
        }
        // Bands are as long as they may be.
        #expect(NearDuplicates(threshold: 0.5).rows < near.rows && near.rows < NearDuplicates(threshold: 0.95).rows)
    }

    @Test("wide vocabularies take four bytes behind a header; ids beyond are refused")
    func wide() throws {
        #expect(try prepared(["ab", "c"]) { $0.vocabulary = 70_000 }.training == ids(["ab", "c"]))
        #expect(throws: HeedError.self) { try prepared(["ab"]) { $0.vocabulary = 98 } }
        #expect(throws: HeedError.self) { try prepared([]) }
    }
}
