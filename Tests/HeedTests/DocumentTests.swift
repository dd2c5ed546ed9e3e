import Heed
import TestFixtures
import Testing

@Suite("Samples of the documents")
struct DocumentTests {
    private static let root = String(
        #filePath.prefix(#filePath.utf8.count - "/Tests/HeedTests/DocumentTests.swift".utf8.count))

    /// The Swift blocks of a document, without imports, blank lines and indentation.
    private func blocks(_ document: String) throws -> [[String]] {
        let text = String(decoding: try readFile(joinPath(DocumentTests.root, document)), as: UTF8.self)
        var blocks: [[String]] = []
        var isInside = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "```swift" {
                isInside = true
                blocks.append([])
            } else if line.hasPrefix("```") {
                isInside = false
            } else if isInside, !line.hasPrefix("import ") {
                blocks[blocks.count - 1].append(contentsOf: plain(line))
            }
        }
        return blocks
    }

    /// A line of code with single spaces and without its indentation, or nothing.
    private func plain(_ line: Substring) -> [String] {
        let words = line.split(separator: " ")
        return words.isEmpty ? [] : [words.joined(separator: " ")]
    }

    @Test(
        "every sample of a document stands, word for word, in the code that runs",
        arguments: [
            "README.md", "Documentation/Architecture.md", "Documentation/Generation.md", "Documentation/Families.md",
            "Documentation/Tokenizers.md", "Documentation/Library.md",
        ])
    func verbatim(document: String) throws {
        let samples = String(
            decoding: try readFile(joinPath(DocumentTests.root, "Tests/HeedTests/Samples.swift")), as: UTF8.self)
        let lines = samples.split(separator: "\n", omittingEmptySubsequences: false)
        let blocks = try blocks(document)
        #expect(!blocks.isEmpty)
        for (number, block) in blocks.enumerated() {
            guard let start = lines.firstIndex(where: { $0 == "    // \(document), \(number + 1)" }) else {
                Issue.record("\(document), sample \(number + 1) is not run")
                continue
            }
            let code = lines[(start + 2)...].prefix { $0 != "        // end" }.flatMap { plain($0) }
                .map { $0.replacingPaths() }
            #expect(code == block)
        }
    }

    /// Small models under the names of the samples.
    private func withModels(_ body: (SampleFolder) async throws -> Void) async throws {
        let samples = SampleFolder(root: temporaryPath("samples"))
        try createDirectory(samples.root)
        defer { try? removeTree(samples.root) }
        let corpus = try readFile(joinPath(DocumentTests.root, "README.md"))
        try writeAtomically(path: samples.path("corpus.txt"), text: String(decoding: corpus, as: UTF8.self))
        let tokenizer = try ByteLevelBPETrainer(vocabularySize: 512).train(files: [samples.path("corpus.txt")])
        func save(
            _ name: String, _ configuration: Configuration, _ family: Family, ends: [Int] = [],
            _ tokenizer: TrainedTokenizer? = nil
        ) throws {
            try Model(configuration, family: family, specials: SpecialIds(ends: ends), seed: 1)
                .save(folder: samples.path(name))
            try tokenizer?.save(to: samples.path(name))
        }
        let decoder = Configuration.decoder(.gpt2(width: 16, layers: 1, heads: 2, vocabulary: 512, context: 64))
        try save("heed-demo", decoder, .gpt2, tokenizer)
        try save("chat-model", decoder, .gpt2, tokenizer)
        try writeAtomically(
            path: samples.path("chat-model/chat_template.jinja"),
            text: "{% for message in messages %}{{ message.role }}: {{ message.content[:9] }}\n{% endfor %}")
        try save("my-model", .decoder(.gpt2(width: 16, layers: 1, heads: 2, vocabulary: 4000, context: 128)), .gpt2)
        try save(
            "de-en",
            .encoderDecoder(.original(width: 16, layers: 1, heads: 2, inner: 16, vocabulary: 512, context: 64)),
            .marian, ends: [0], tokenizer)
        let words = try WordPieceTrainer(vocabularySize: 300).train(files: [samples.path("corpus.txt")])
        func encoder(_ head: EncoderHead) -> Configuration {
            .encoder(.bert(width: 16, layers: 1, heads: 2, vocabulary: 300, context: 16, head: head))
        }
        try save("topics", encoder(.sequenceClassifier(labels: 3)), .bert, words)
        try save("encoder", encoder(.maskedLanguage), .bert, words)
        try tokenizer.save(to: samples.path("gpt2"))
        try await body(samples)
    }

    @Test("the samples run and do what they say")
    func running() async throws {
        try await withModels { samples in
            #expect(try await samples.readme() == [1, 4, 512])
            let (decoding, options, count) = try samples.generation()
            #expect(count == options.maxNewTokens)
            #expect(try samples.decoding(decoding, options) == options.maxNewTokens)
            #expect(try samples.families() == 3)
            #expect(try await samples.writing() == 2)
            try samples.answering()
            #expect(try samples.reading().count == 16)
            #expect(try samples.tokenizers().text == "The cat sat on")
            let model = try Model.load(folder: samples.path("my-model"))
            let batch = TokenBatch(rowCapacity: 3, sequenceCapacity: 1)
            try batch.append([1, 2, 3])
            #expect(try samples.pass(model, model.decoder, batch, Runtime(threads: 1)) == 3 * 4000)
        }
    }

    @Test("the ids that a sample names are GPT-2's", .enabled(if: Shared.isThere))
    func publishedIds() throws {
        let tokenizer = try Tokenizer.load(path: Shared.path("data", "vocab", "gpt2"))
        #expect(tokenizer.ids(of: "The cat sat on") == [464, 3797, 3332, 319])
    }
}

extension String {
    /// The line with `path("X")` as `"X"`.
    fileprivate func replacingPaths() -> String {
        guard let start = firstRange(of: "path(\"") else { return self }
        let after = self[start.upperBound...]
        guard let end = after.firstRange(of: "\")") else { return self }
        return self[..<start.lowerBound] + "\"" + after[..<end.lowerBound] + "\"" + after[end.upperBound...]
    }
}
