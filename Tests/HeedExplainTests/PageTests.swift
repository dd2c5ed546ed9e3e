import HeedProcessor
import HeedSupport
import Testing

@testable import HeedExplain

@Suite("Pages")
struct PageTests {
    /// The document within a page, as the browser reads it.
    private func data(_ page: Page) throws -> JSON {
        let text = String(decoding: page.html, as: UTF8.self)
        let start = try #require(text.firstRange(of: "<script type=\"application/json\" id=\"data\">")).upperBound
        let end = try #require(text[start...].firstRange(of: "</script>")).lowerBound
        return try JSON.parse(String(text[start..<end]))
    }

    @Test("base64 is that of RFC 4648")
    func encoding() {
        for (text, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            #expect(Array(text.utf8).withUnsafeBytes { base64($0) } == expected)
        }
        #expect(base64([Float(1)]) == "AACAPw==" && base64([UInt16(0x0102)]) == "AgE=")
    }

    @Test("a page holds what the explanation says, whatever its texts are", arguments: SmallModel.allCases)
    func explanation(_ small: SmallModel) throws {
        let explanation = try Explanation(
            small.model(), small.input, readings: [.lens, .attention, .gradients, .attribution],
            runtime: try Runtime(threads: 1))
        let words = explanation.streams.map { stream in stream.ids.map { "</script><\($0)>&\"" } }
        let page = try explanation.page(
            title: "<b>", subtitle: "&", words: words, leftOut: [.ablation], text: { "<!--\($0)" })
        let html = String(decoding: page.html, as: UTF8.self)
        #expect(html.ranges(of: "</script>").count == 2 && !html.contains("<!--") && html.contains("&lt;b&gt;"))
        let data = try data(page)
        #expect(try data["stages"]?.arrayValue?.count == explanation.story().count)
        #expect(data["attention"]?.arrayValue?.count == explanation.attentionMaps().count)
        #expect(data["streams"]?.arrayValue?.first?["words"]?.arrayValue?.count == explanation.streams[0].ids.count)
        #expect((data["target"] != nil) == small.hasHead)
        if small.hasHead {
            #expect(data["target"]?["id"]?.intValue == explanation.target)
            #expect(data["lens"]?.arrayValue?.count == 3)
        }
        let json = try explanation.json(text: { "\($0)" }, sourceText: { "\($0)" })
        #expect(try json["stages"]?.arrayValue?.count == explanation.story().count)
        #expect(json["target"]?["id"]?.intValue == explanation.target)
    }

    @Test("a log is read whole or refused by its line; alarms name what is wrong")
    func training() throws {
        let folder = temporaryPath("log")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        let path = joinPath(folder, "log.jsonl")
        var lines = (1...50).map { "{\"step\":\($0),\"loss\":\(3.0 / Double($0) + 1),\"grad_norm\":1.0,\"lr\":0.1}" }
        lines[29] =
            "{\"step\":30,\"loss\":9.5,\"grad_norm\":40.0,\"validation_loss\":1.0,\"sample\":\"<b>\",\"layer_grad_norms\":{\"h.0\":1.0,\"h.1\":39.0}}"
        lines[28] = "{\"step\":29,\"loss\":1.1,\"grad_norm\":1.0,\"layer_grad_norms\":{\"h.0\":0.7,\"h.1\":0.7}}"
        lines[27] = "{\"step\":28,\"loss\":1.1,\"grad_norm\":1.0,\"layer_grad_norms\":{\"h.0\":0.7,\"h.1\":null}}"
        lines[39] = "{\"step\":40,\"loss\":1.1,\"validation_loss\":1.5}"
        try writeAtomically(path: path, text: lines.joined(separator: "\n") + "\n")
        let record = try TrainingRecord(name: "run", log: path, settings: [("--lr", "0.1")])
        #expect(record.rows.count == 50 && record.rows[29].sample == "<b>")
        #expect(record.alarms.contains { $0.contains("the loss jumps at step 30") })
        #expect(
            record.alarms.contains {
                $0.contains("the norm of the gradient jumps at step 30") && $0.contains("most in h.1")
            })
        #expect(record.alarms.contains { $0.contains("rises since step 30") })
        let runs = try #require(try data(Page(runs: [record, record]))["runs"]?.arrayValue)
        #expect(runs[0]["layers"] == ["h.0", "h.1"] && runs[0]["rows"]?.arrayValue?[27]["layers"] == [0.7, .null])
        #expect(runs.count == 2 && runs[0]["rows"]?.arrayValue?.count == 50)
        for (text, part) in [("", "no step"), ("{\"step\":1}\nnonsense\n", "line 2"), ("{\"loss\":1}\n", "line 1")] {
            try writeAtomically(path: path, text: text)
            let error = #expect(throws: HeedError.self) { try TrainingRecord(name: "run", log: path) }
            #expect(error?.description.contains(part) == true)
        }
    }

    @Test("every operation's gradient agrees with differences")
    func survey() throws {
        let survey = try GradientSurvey(ofEverything: 3, runtime: try Runtime(threads: 2))
        for part in survey.parts {
            #expect(!part.checks.isEmpty, "\(part.name)")
            for check in part.checks {
                #expect(check.agrees, "\(part.name), \(check.path): \(check.byGradient), \(check.byDifferences)")
            }
        }
        let names = Set(survey.operations.map(\.name))
        for name in [
            "embed", "linear", "attention", "layer norm", "root mean square norm", "norms of heads", "rotary positions",
            "gate", "add", "cap", "pick rows", "route", "dispatch", "linear of experts", "mix",
            "output matrix and cross-entropy",
        ] { #expect(names.contains(name), "\(name)") }
        #expect(try data(Page(survey))["checks"]?.intValue == survey.checks.count)
    }
}
