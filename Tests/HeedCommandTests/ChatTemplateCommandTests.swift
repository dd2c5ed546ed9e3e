import Heed
import HeedSupport
import HeedTexts
import Testing

@testable import HeedCommand

@Suite("heed chat-template")
struct ChatTemplateCommandTests {
    @Test("a template or a model is needed, and a template has no name")
    func options() throws {
        #expect(throws: (any Error).self) { try ChatTemplateCommand.parse(["--jsonl", "x"]) }
        #expect(throws: (any Error).self) {
            try ChatTemplateCommand.parse(["--template", "t", "--name", "n", "--jsonl", "x"])
        }
        let command = try ChatTemplateCommand.parse(["--template", #filePath, "--jsonl", #filePath, "--now", "today"])
        #expect(throws: HeedError.self) { try command.run() }
    }

    @Test("a GGUF file's templates and special tokens")
    func gguf() throws {
        var metadata = GGUFMetadata(place: "model.gguf")
        metadata["tokenizer.chat_template"] = .string("{{ bos_token }}{{ messages[0].content }}")
        metadata["tokenizer.chat_templates"] = .array(GGUFArray(["tool_use"]))
        metadata["tokenizer.chat_template.tool_use"] = .string("tools{{ eos_token }}")
        metadata["tokenizer.ggml.tokens"] = .array(GGUFArray(["<s>", "</s>"]))
        metadata["tokenizer.ggml.bos_token_id"] = .uint32(0)
        metadata["tokenizer.ggml.eos_token_id"] = .uint32(1)
        let templates = try ModelChatTemplates(metadata: metadata)
        #expect(templates.names == ["default", "tool_use"])
        var variables = try TemplateVariables(json: Array(#"{"messages": [{"content": "Hi"}]}"#.utf8))
        try variables.setStandardVariables(specialTokens: templates.specialTokens)
        #expect(try templates.template().render(variables) == "<s>Hi")
        #expect(try templates.template(hasTools: true).render(variables) == "tools</s>")
    }

    @Test("a malformed template fails in every line, a missing one at once")
    func malformed() throws {
        let path = temporaryPath("broken.jinja")
        try writeAtomically(path: path, text: "{% if %}")
        defer { try? removeFile(path) }
        var source = try TemplateSource(model: nil, file: path, name: nil)
        #expect(throws: HeedError.self) { try source.template(for: TemplateVariables()) }
        #expect(throws: HeedError.self) { try TemplateSource(model: nil, file: "/no/such/file", name: nil) }
    }
}
