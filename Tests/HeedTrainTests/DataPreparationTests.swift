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

    @Test("wide vocabularies take four bytes behind a header; ids beyond are refused")
    func wide() throws {
        #expect(try prepared(["ab", "c"]) { $0.vocabulary = 70_000 }.training == ids(["ab", "c"]))
        #expect(throws: HeedError.self) { try prepared(["ab"]) { $0.vocabulary = 98 } }
        #expect(throws: HeedError.self) { try prepared([]) }
    }
}
