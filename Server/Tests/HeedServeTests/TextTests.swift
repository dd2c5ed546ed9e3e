import Heed
import Testing

@testable import HeedServe

@Suite("Texts of answers")
struct TextTests {
    @Test("calls are read as the template's convention writes them, and malformed ones stay text")
    func calls() {
        func calls(_ convention: ToolConvention, _ text: String) -> (String, [String]) {
            let (content, calls) = convention.parse(text)
            return (content, calls.map { "\($0.name) \($0.arguments)" })
        }
        let tagged =
            "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>"
        #expect(calls(.tagged, tagged) == ("Let me see.", ["f {\"x\":1}", "g {}"]))
        #expect(calls(.tagged, "<tool_call>{nonsense</tool_call>") == ("<tool_call>{nonsense</tool_call>", []))
        #expect(calls(.list, "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}]") == ("", ["f {}"]))
        #expect(calls(.json, "{\"name\": \"f\", \"parameters\": {\"x\": \"y\"}}") == ("", ["f {\"x\":\"y\"}"]))
        #expect(calls(.json, "Hello") == ("Hello", []))
        #expect(calls(.none, tagged).1.isEmpty)
    }

    @Test("a stream shows text at once, but nothing that is part of a call", arguments: 1...9)
    func watch(size: Int) {
        let text = "See: <tool>\n<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>"
        var watch = ToolWatch(.tagged)
        var shown = ""
        var rest = text[...]
        while !rest.isEmpty {
            shown += watch.append(String(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        let (last, calls) = watch.finish("")
        #expect(shown + last == "See: <tool>\n")
        #expect(calls.map(\.name) == ["f"])
    }

    @Test("base 64 as RFC 4648 has it")
    func base64() {
        #expect(EmbeddingRequest.base64([1]) == "AACAPw==")
        #expect(EmbeddingRequest.base64([1, -2.5]) == "AACAPwAAIMA=")
        #expect(EmbeddingRequest.base64([0, 0, 0]) == "AAAAAAAAAAAAAAAA")
    }

    @Test("metrics are Prometheus' text")
    func metrics() {
        let metrics = PrometheusMetrics()
        metrics.makeCounter(label: "a.b", dimensions: [("p", "x\"y")]).increment(by: 2)
        let recorder = metrics.makeRecorder(label: "s", dimensions: [], aggregate: true)
        recorder.record(0.003)
        recorder.record(1000.0)
        let text = metrics.text()
        #expect(text.contains("# TYPE a_b counter\na_b{p=\"x\\\"y\"} 2\n"))
        #expect(text.contains("s_bucket{le=\"0.0025\"} 0\ns_bucket{le=\"0.005\"} 1\n"))
        #expect(text.contains("s_bucket{le=\"+Inf\"} 2\n") && text.contains("s_count 2\n"))
    }
}
