import HeedSupport
import HeedTemplates
import Testing

/// Where a model's folder keeps its templates and special tokens.
@Suite("templates of model folders")
struct ModelTemplateTests {
    /// A folder with these files, for the time of `body`.
    func withFolder(_ files: [String: String], _ body: (String) throws -> Void) throws {
        let folder = temporaryPath("templates")
        for (name, text) in files {
            try createDirectory(parentPath(joinPath(folder, name)))
            try writeAtomically(path: joinPath(folder, name), text: text)
        }
        defer { try? removeTree(folder) }
        try body(folder)
    }

    @Test("one template in the configuration, tokens as texts and objects")
    func single() throws {
        let configuration = """
            {"chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ image_token }}",
             "bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null}
            """
        let map = #"{"eos_token": "<other>", "image_token": "<image>"}"#
        try withFolder(["tokenizer_config.json": configuration, "special_tokens_map.json": map]) { folder in
            let templates = try ModelChatTemplates(folder: folder)
            #expect(templates.names == ["default"])
            var variables = try TemplateVariables(json: Array(#"{"messages": [{"content": "Hi"}]}"#.utf8))
            try variables.setStandardVariables(specialTokens: templates.specialTokens)
            #expect(try templates.template().render(variables) == "<s>Hi</s><image>")
            #expect(variables.names.contains("tools"))
        }
    }

    @Test("templates with names: that for tools where tools are given")
    func named() throws {
        let configuration =
            #"{"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]}"#
        try withFolder(["tokenizer_config.json": configuration]) { folder in
            let templates = try ModelChatTemplates(folder: folder)
            #expect(try templates.template().render(TemplateVariables()) == "d")
            #expect(try templates.template(hasTools: true).render(TemplateVariables()) == "t")
            #expect(try templates.template(named: "default", hasTools: true).render(TemplateVariables()) == "d")
            #expect(throws: HeedError.self) { try templates.template(named: "rag") }
        }
    }

    @Test("files of their own replace the configuration")
    func files() throws {
        try withFolder([
            "tokenizer_config.json": #"{"chat_template": "old"}"#, "chat_template.jinja": "new",
            "additional_chat_templates/tool_use.jinja": "tools",
        ]) { folder in
            let templates = try ModelChatTemplates(folder: folder)
            #expect(try templates.template().render(TemplateVariables()) == "new")
            #expect(try templates.template(hasTools: true).render(TemplateVariables()) == "tools")
        }
    }

    @Test("what is broken or missing is told")
    func failures() throws {
        try withFolder(["tokenizer_config.json": #"{"chat_template": 5}"#]) { folder in
            #expect(throws: HeedError.self) { try ModelChatTemplates(folder: folder) }
        }
        try withFolder(["tokenizer_config.json": "{}"]) { folder in
            let templates = try ModelChatTemplates(folder: folder)
            let error = #expect(throws: HeedError.self) { try templates.template() }
            #expect(error?.kind == .missing)
        }
        try withFolder(["chat_template.jinja": "{{"]) { folder in
            let error = #expect(throws: HeedError.self) { try ModelChatTemplates(folder: folder).template() }
            #expect(error?.description.contains("chat_template.jinja, line 1") == true)
        }
        #expect(throws: HeedError.self) { try ModelChatTemplates(folder: "/no/such/folder") }
    }
}
