import ArgumentParser
import Heed
import HeedSupport
import HeedWeights
import Testing

@testable import HeedCommand

@Suite("Lines of a file, for every command")
struct InputTests {
    private func run(_ words: [String]) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }

    private func options(_ words: String...) throws -> LineOptions { try LineOptions.parse(words) }

    @Test("what can be used is used, whatever stands beside it")
    func policies() throws {
        let path = temporaryPath("lines.txt")
        defer { try? removeFile(path) }
        try writeAtomically(path: path, text: "one\n\n{\"x\": 1}\n{\"prompt\": \"two\"}\n")
        func texts(_ policy: LineErrorPolicy?) throws -> ([String?], LineErrors) {
            let errors = LineErrors(policy)
            let source = try TextSource([], file: path, options())
            return (try source.map(errors) { content, place in try content.text(in: place) }, errors)
        }
        let (all, left) = try texts(nil)
        #expect(all == ["one", nil, nil, "two"])
        #expect(throws: ExitCode(1)) { try left.finish(of: 4) }
        let (skipped, told) = try texts(.skip)
        #expect(skipped == ["one", nil, nil, "two"])
        try told.finish(of: 4)
        let (before, stopped) = try texts(.stop)
        #expect(before == ["one", nil])
        let error = #expect(throws: HeedError.self) { try stopped.finish(of: 4) }
        #expect(error?.place == "\(path), line 3")
        try LineErrors(nil).finish(of: 4)
    }

    @Test("a single text of the command line is its own error")
    func single() throws {
        let source = try TextSource(["x"], file: nil, options())
        #expect(throws: HeedError.self) {
            _ = try source.map(LineErrors(.skip)) { _, _ -> Int in throw HeedError(.badInput, "no") }
        }
        let several = try TextSource(["x", "y"], file: nil, options())
        let values = try several.map(LineErrors(.skip)) { content, place -> String in
            guard content == .text("y") else { throw HeedError(.badInput, "no") }
            return place
        }
        #expect(values == [nil, "--text, text 2"])
    }

    @Test("how many tokens may follow depends on each prompt alone")
    func limits() throws {
        func options(_ words: String...) throws -> GenerationOptions {
            try DecodingOptions.parse(words).options(GenerationDefaults(), ends: [], context: 100)
        }
        func limit(_ options: GenerationOptions, _ count: Int) throws -> Int {
            try options.forPrompt(of: count, context: 100).maxNewTokens
        }
        let usual = try options()
        #expect(try limit(usual, 1) == 100)
        #expect(try limit(usual, 99) == 2)
        #expect(try limit(usual, 100) == 1)
        #expect(throws: HeedError.self) { _ = try limit(usual, 101) }
        let asked = try options("--max-new-tokens", "20")
        #expect(try limit(asked, 81) == 20)
        #expect(throws: HeedError.self) { _ = try limit(asked, 82) }
        #expect(try limit(try options("--max-new-tokens", "20", "--context-overflow", "slide"), 200) == 20)
    }

    @Test("generate does the lines that it can")
    func generate() throws {
        let folder = temporaryPath("lines")
        let model = joinPath(folder, "model")
        try createDirectory(model)
        defer { try? removeTree(folder) }
        try Model(.gpt2(width: 16, layers: 1, heads: 2, vocabulary: 20, context: 16), family: .gpt2, seed: 3)
            .save(folder: model)
        let input = joinPath(folder, "prompts.jsonl")
        let long = (0..<17).map { _ in "7" }.joined(separator: ",")
        try writeAtomically(path: input, text: "{\"ids\": [1, 2]}\n{\"ids\": [\(long)]}\n{\"ids\": [21]}\n[3]\n")
        #expect(run(["generate", model, "--input", input, "--json"]) == 1)
        #expect(run(["generate", model, "--input", input, "--json", "--on-error", "skip"]) == 0)
        #expect(run(["generate", model, "--input", input, "--on-error", "stop", "-n", "3"]) == 1)
        try writeAtomically(path: input, text: "\n")
        #expect(run(["generate", model, "--input", input]) == 1)
    }

    @Test("options as Python spells them are the same options")
    func underscores() {
        #expect(
            CommandLineWords.prepared(["--max_new_tokens", "-1", "--a_b=c_d", "x_y", "--", "--e_f"])
                == ["--max-new-tokens=-1", "--a-b=c_d", "x_y", "--", "--e_f"])
    }

    @Test("a narrow terminal loses the least telling fields first")
    func narrowBars() {
        let details = ["loss 4.1234", "validation 4.2345", "12,345 tokens/s", "3 min 20 s left"]
        let wide = Progress.bar("Training", 50, 100, details, width: 120)
        #expect(details.allSatisfy { wide.contains($0) })
        let narrow = Progress.bar("Training", 50, 100, details, width: 60)
        #expect(narrow.count < 60)
        #expect(narrow.contains("50 %, loss 4.1234, 3 min 20 s left"))
        #expect(narrow.contains("█"))
        #expect(Progress.bar("Training", 50, 100, details, width: 30).contains("50 %"))
    }
}

@Suite("Vectors of lines")
struct VectorTests {
    @Test("the same vectors in every kind of file; a line without a text has zeros")
    func files() throws {
        let folder = temporaryPath("vectors")
        defer { try? removeTree(folder) }
        let model = joinPath(folder, "model")
        try createDirectory(model)
        let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film"]
        let shape = EncoderConfiguration.bert(
            width: 16, layers: 1, heads: 2, vocabulary: words.count, context: 6, head: .none)
        try Model(.encoder(shape), family: .bert, seed: 3).save(folder: model)
        try writeAtomically(path: joinPath(model, "vocab.txt"), text: words.map { $0 + "\n" }.joined())
        let input = joinPath(folder, "lines.txt")
        try writeAtomically(path: input, text: "good film\n\nbad film good good good good\n")
        func run(_ words: String...) -> Int32 {
            CommandRunner(root: HeedCommand.self).run(words + ["--threads", "1", "--quiet"])
        }
        func file(_ name: String) -> String { joinPath(folder, name) }
        for name in ["v.safetensors", "v.npy", "v.csv"] {
            #expect(run("embed", model, "--input", input, "--output", file(name)) == 0)
        }
        #expect(run("embed", model, "--input", input, "--output", file("v.txt")) == 2)
        #expect(!fileExists(file("v.txt")))
        let vectors = try VectorFile.read(file("v.safetensors"), width: 16, lines: 3)
        #expect(vectors.isThere == [true, false, true])
        #expect(vectors.values[16..<32].allSatisfy { $0 == 0 })
        let rows = try TextFiles.lines(file("v.csv")).map { $0.split(separator: ",").compactMap { Float($0) } }
        #expect(rows.flatMap { $0 } == vectors.values)
        let numpy = try readFile(file("v.npy"))
        let start = numpy.count - 3 * 16 * 4
        #expect(start % 64 == 0)
        #expect(Array(numpy[..<8]) == [0x93] + Array("NUMPY".utf8) + [1, 0])
        #expect(String(decoding: numpy[10..<start], as: UTF8.self).contains("'shape': (3, 16)"))
        #expect(numpy[start...].elementsEqual(vectors.values.withUnsafeBytes { Array($0) }))

        let nearest = Search.nearest(vectors, to: vectors.values[0..<16], count: 5)
        #expect(nearest.map(\.0) == [0, 2], "a line without a vector is not found")
        #expect(abs(nearest[0].1 - 1) < 1e-9)
        #expect(nearest[1].1 < nearest[0].1)
        #expect(run("search", model, "--input", input, "--query", "good", "bad film") == 0)
        let kept = file("v.safetensors")
        #expect(run("search", model, "--input", input, "--vectors", kept, "--query", "good", "--json") == 0)
        try writeAtomically(path: input, text: "good\n")
        #expect(run("search", model, "--input", input, "--vectors", file("v.safetensors"), "--query", "good") == 1)
    }

    @Test("ranks share lines without gap or overlap, in order")
    func shares() {
        for (total, size) in [(0, 4), (1, 2), (3, 4), (10, 3), (1000, 7)] {
            let lines = (0..<size).flatMap { Array(LineShare(rank: $0, size: size).lines(of: total)) }
            #expect(lines == Array(1..<total + 1), "\(total) lines of \(size) ranks")
        }
    }
}
