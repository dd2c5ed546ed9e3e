import Heed
import HeedSupport
import Testing

/// The numbers of `Documentation/Course.docc` are those that the program computes.
@Suite("The course")
struct CourseTests {
    private static let folder =
        String(#filePath.prefix(#filePath.utf8.count - "Tests/HeedTests/CourseTests.swift".utf8.count))
        + "Documentation/Course.docc"

    private func article(_ name: String) throws -> String {
        String(decoding: try readFile(joinPath(CourseTests.folder, name + ".md")), as: UTF8.self)
    }

    private func digits(_ value: Double, _ count: Int) -> String {
        var scale = 1.0
        for _ in 0..<count { scale *= 10 }
        let whole = String(Int((abs(value) * scale).rounded()))
        let padded = String(repeating: "0", count: max(0, count + 1 - whole.count)) + whole
        return (value < 0 ? "−" : "") + padded.dropLast(count) + "." + padded.suffix(count)
    }

    private func list(_ values: [Double], _ count: Int, _ separator: String) -> String {
        values.map { digits($0, count) }.joined(separator: separator)
    }

    @Test("the worked example, forward")
    func forward() throws {
        let run = try CatSleepsRun(.document)
        let text = try article("OneTokenOneBlock")
        for name in ["Q", "K", "V"] {
            let row = run.value(name).lists.map { list($0, 2, ", ") }.joined(separator: " | ")
            #expect(text.contains("| \(name) | \(row) |"))
        }
        let words = ["The", "cat", "sleeps"]
        #expect(text.contains("| scores of The | \(list(run.value("scores").lists[0], 5, " | ")) |"))
        for (word, row) in zip(words, run.value("weights").lists) {
            #expect(text.contains("| weights of \(word) | \(list(row, 5, " | ")) |"))
        }
        for (word, row) in zip(words, run.value("attn").lists) {
            #expect(text.contains("| A of \(word) | \(list(row, 5, " | ")) |"))
        }
        #expect(text.contains("| logit | \(list(run.value("logits").values, 5, " | ")) |"))
        #expect(text.contains("| probability | \(list(run.value("preds").values, 5, " | ")) |"))
        for name in ["Q", "K", "V", "scores", "weights", "logits", "preds"] {
            #expect(run.printedFigures.contains { $0.name == name && $0.isWrong }, "\(name)")
        }
    }

    @Test("the worked example, backward")
    func backward() throws {
        let run = try CatSleepsRun(.document)
        let text = try article("HowAGradientFlows")
        #expect(text.contains("is \(digits(run.meanLoss, 6)) as a mean"))
        #expect(text.contains("and \(digits(run.sumLoss, 6)) as a sum"))
        #expect(text.contains("| ∂L/∂W_FFN2 | \(list(run.gradient("W_FFN2").values, 6, ", ")) |"))
        #expect(text.contains("| ∂L/∂W_FFN1, first row | \(list(run.gradient("W_FFN1").lists[0], 6, ", ")) |"))
        #expect(text.contains("| ∂L/∂W_V, first row | \(list(run.gradient("W_V").lists[0], 6, ", ")) |"))
    }

    @Test("positions, sizes and costs")
    func sizes() throws {
        let row = SinusoidalPositions(layout: .interleaved).row(1, width: 8).map { Double($0) }
        #expect(try article("TextToIds").contains("| P(1) | \(list(row, 5, " | ")) |"))

        let gpt2 = try Preset.named("gpt2").decoderConfiguration
        let plan = try WorkEstimate(.decoder(gpt2), rows: 1, columns: 1_024)
        let cache = try article("TheCache")
        #expect(cache.contains("GPT-2 has \(grouped(plan.parameters)) numbers"))
        let table = Double(gpt2.vocabulary * gpt2.width) / Double(plan.parameters)
        #expect(cache.contains("the token table is \(Int((100 * table).rounded())) %"))
        let bytes = plan.cacheBytes / 1_024
        #expect(
            cache.contains("| bytes per token | \(grouped(bytes)) | \(grouped(bytes / 2)) | \(grouped(bytes / 4)) |"))
        #expect(cache.contains("| at 1,024 tokens | \(plan.cacheBytes >> 20) MiB | \(plan.cacheBytes >> 21) MiB |"))
        let stack = gpt2.stack
        func share(_ keys: Double) -> Double {
            let all = stack.operationsPerToken(keys: keys)
            return 100 * (all - stack.operationsPerToken(keys: 0)) / all
        }
        #expect(cache.contains("\(digits(share(128), 1)) % of a cached step at t = 128"))
        #expect(cache.contains("\(Int(share(1_024).rounded())) %\nat 1,024") && abs(share(4_608) - 50) < 0.01)

        let inner = 2 * gpt2.width * stack.inner + stack.inner + gpt2.width
        let block = try article("OneTokenOneBlock")
        #expect(block.contains("the layer has \(grouped(inner)) numbers"))
        let part = 100 * Double(12 * inner) / Double(plan.parameters)
        #expect(block.contains("\(digits(part, 1)) % of the model"))

        let base = try WorkEstimate(Preset.named("transformer-base").configuration, rows: 1, columns: 8)
        #expect(try article("TheEncoderDecoder").contains("| \(grouped(base.parameters)) |"))
        #expect(try article("Training").contains("\(digits(ExactMathematics.log(50_257), 4)) for V = 50,257"))
    }

    @Test("every formula of the first page stands in the part that it names")
    func index() throws {
        let lines = try article("Course").split(separator: "\n").filter { $0.hasPrefix("| `") || $0.contains("<doc:") }
        let formulas = lines.filter { $0.hasPrefix("| `") }
        #expect(formulas.count >= 45)
        for line in formulas {
            let cells = line.split(separator: "|").map { $0.split(separator: " ").joined(separator: " ") }
            let part = try #require(cells.last?.split(separator: ":").last?.dropLast())
            let text = try article(String(part)).split(separator: "\n").joined(separator: " ")
            // The first formula of a cell, without its left side, as articles may set it otherwise.
            let formula = try #require(cells[0].split(separator: "`").first)
            #expect(text.contains(formula), "\(formula)")
        }
    }
}
