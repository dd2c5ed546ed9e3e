#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import Heed
import HeedSupport
import Testing

@testable import HeedCommand

@Suite("heed chat")
struct ChatTests {
    @Test("slash commands, with the nearest one for a misspelt one")
    func commands() throws {
        #expect(try ChatCommandLine("Hello /help") == nil)
        #expect(try ChatCommandLine("//etc/hosts") == nil)
        #expect(try ChatCommandLine("/help") == .help)
        #expect(try ChatCommandLine("/system Be brief.") == .system("Be brief."))
        #expect(try ChatCommandLine("/system") == .system(nil))
        #expect(try ChatCommandLine("/save  a b.json") == .save("a b.json"))
        #expect(try ChatCommandLine("/set enable_thinking=false") == .set("enable_thinking", "false"))
        for line in ["/save", "/set", "/set x", "/nonsense"] {
            #expect(throws: HeedError.self) { try ChatCommandLine(line) }
        }
        let error = #expect(throws: HeedError.self) { try ChatCommandLine("/rest") }
        #expect(error?.advice == "Did you mean /reset?")
    }

    @Test("a history keeps its system message, takes back, saves and loads")
    func history() throws {
        var history = ChatHistory()
        history.system = "Be brief."
        history.ask("2 + 2?")
        history.answer("4")
        history.ask("And 3 + 3?")
        history.answer("6")
        history.variables["enable_thinking"] = false
        let path = temporaryPath("chat.json")
        defer { try? removeFile(path) }
        try history.save(path)
        #expect(throws: HeedError.self) { try history.save(path) }
        let isUndone = history.undo()
        #expect(isUndone)
        #expect(history.messages.count == 3)
        let isDropped = history.dropAnswer()
        #expect(isDropped)
        #expect(history.messages.last?["content"] == "2 + 2?")
        history.reset()
        #expect(history.messages.count == 1)
        #expect(history.system == "Be brief.")
        let isUndoneAgain = history.undo()
        #expect(!isUndoneAgain)
        history.system = nil
        #expect(history.messages.isEmpty)
        try history.load(path)
        #expect(history.messages.count == 5)
        #expect(history.variables["enable_thinking"] == false)
    }

    @Test("conversations: messages alone, with tools, several of them, and what is none")
    func conversations() throws {
        let message: JSON = ["role": "user", "content": "Hi", "name": nil]
        let alone = try Conversation([message], in: "x")
        #expect(alone.messages == [["role": "user", "content": "Hi"]])
        #expect(!alone.hasTools)
        let reasoned = try Conversation(
            ["messages": [["role": "assistant", "content": "4", "reasoning": "2 + 2"]], "tools": []], in: "x")
        #expect(reasoned.messages[0]["reasoning_content"] == "2 + 2")
        #expect(reasoned.messages[0]["thinking"] == "2 + 2")
        #expect(reasoned.hasTools)
        for broken: JSON in [[], "Hi", ["messages": "Hi"], [["content": "Hi"]], ["messages": []], [1]] {
            #expect(throws: HeedError.self) { try Conversation(broken, in: "x") }
        }
        let path = temporaryPath("conversations.jsonl")
        defer { try? removeFile(path) }
        let line = #"{"messages": [{"role": "user", "content": "Hi"}]}"#
        try writeAtomically(path: path, text: line + "\n\n[" + #"{"role": "user", "content": "Ho"}]"# + "\n")
        #expect(try Conversation.read(path).map { $0.messages[0]["content"] } == ["Hi", "Ho"])
        try writeAtomically(path: path, text: "[\(line), \(line)]")
        #expect(try Conversation.read(path).count == 2)
        try writeAtomically(path: path, text: "\(line)\nnonsense\n")
        let error = #expect(throws: HeedError.self) { try Conversation.read(path) }
        #expect(error?.place?.contains("line 2") == true)
    }

    /// What comes of bytes that arrive on a pipe.
    func entries(_ text: String) throws -> [ChatLines.Entry] {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let bytes = Array(text.utf8)
        #expect(write(ends[1], bytes, bytes.count) == bytes.count)
        close(ends[1])
        defer { close(ends[0]) }
        var lines = ChatLines(descriptor: ends[0])
        var entries: [ChatLines.Entry] = []
        while entries.last != .end, entries.count < 20 { entries.append(try lines.next(more: {})) }
        return entries
    }

    @Test("messages of one line, of several, and the end of the input")
    func lines() throws {
        #expect(try entries("a\r\nb") == [.text("a"), .text("b"), .end])
        #expect(try entries("a\\\nb\\\nc\nd\n") == [.text("a\nb\nc"), .text("d"), .end])
        #expect(try entries("\"\"\"\na\n\nb\n\"\"\"\nc\n") == [.text("a\n\nb"), .text("c"), .end])
        #expect(try entries("\"\"\"\na") == [.text("a"), .end])
        #expect(try entries("a\\") == [.text("a"), .end])
        #expect(try entries("") == [.end])
    }

    /// A folder with a tokenizer and a template.
    func withModel(_ body: (String, Tokenizer) throws -> Void) throws {
        let folder = temporaryPath("chat-model")
        defer { try? removeTree(folder) }
        try createDirectory(folder)
        let template =
            "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
            + "{% if add_generation_prompt %}<assistant>{% endif %}{{ mood }}"
        let configuration: JSON = ["chat_template": .string(template), "bos_token": "<s>"]
        try writeAtomically(path: joinPath(folder, "tokenizer_config.json"), text: configuration.serialised())
        var vocabulary: JSONObject = ["<unk>": 0, "<s>": 1]
        for byte in 0..<256 {
            let digits = String(byte + 256, radix: 16).uppercased().dropFirst()
            vocabulary["<0x\(digits)>"] = .integer(byte + 2)
        }
        let json: JSON = [
            "added_tokens": [
                [
                    "id": 1, "content": "<s>", "special": true, "normalized": false, "lstrip": false, "rstrip": false,
                    "single_word": false,
                ]
            ],
            "model": [
                "type": "BPE", "vocab": .object(vocabulary), "merges": [], "unk_token": "<unk>", "byte_fallback": true,
            ],
        ]
        try body(folder, try Tokenizer(json: json.serialisedBytes(), in: folder))
    }

    @Test("a session asks the template, keeps the answers and obeys commands")
    func session() throws {
        try withModel { folder, tokenizer in
            let prompter = ChatPrompter(
                model: folder, tokenizer: .success(tokenizer), variables: ["mood": "!"])
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            let text = Array("Hi\n//etc\n/undo\n/retry\n/system S\nHo\n/quit\nnever\n".utf8)
            #expect(write(ends[1], text, text.count) == text.count)
            close(ends[1])
            defer { close(ends[0]) }
            var asked: [String] = []
            var session = ChatSession(
                prompter: prompter, history: ChatHistory(), isInteractive: false,
                lines: ChatLines(descriptor: ends[0])
            ) { ids, retries, onText in
                asked.append(String(decoding: ids.dropFirst().map { UInt8(clamping: $0 - 2) }, as: UTF8.self))
                #expect(ids.first == 1)
                return ChatAnswer(text: "A\(retries)", ending: .finished)
            }
            try session.run()
            #expect(
                asked == [
                    "<user>Hi<assistant>!", "<user>Hi<assistant>A0<user>/etc<assistant>!", "<user>Hi<assistant>!",
                    "<system>S<user>Ho<assistant>!",
                ])
        }
    }

    @Test("generate takes one source of prompts, conversations among them")
    func options() throws {
        #expect(throws: (any Error).self) { try Generate.parse(["m", "--chat", "c", "--prompt", "p"]) }
        #expect(throws: (any Error).self) { try Generate.parse(["m", "--chat", "c", "--chat-set", "x"]) }
        let command = try Generate.parse(["m", "--chat", "c", "--chat-set", "a=1", "--chat-set", "b=text"])
        #expect(command.chatTemplate.variables == ["a": 1, "b": "text"])
        #expect(throws: (any Error).self) { try Chat.parse(["m", "--num-beams", "2"]) }
    }
}
