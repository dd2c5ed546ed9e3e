import Heed
import Testing

@testable import HeedServe

@Suite("The OpenAI protocol")
struct ProtocolTests {
    @Test("a completion is what the generator gives, whole and streamed, seed by seed and choice by choice")
    func completions() async throws {
        let server = try TestServer()
        defer { server.close() }
        let path = server.folder + "/" + TestServer.model
        let tokenizer = try Tokenizer.load(path: path)
        let model = try DecodingModel(try Model.load(folder: path), runtime: Runtime(threads: 1))
        var options = GenerationOptions()
        options.maxNewTokens = 12
        options.endTokens = [0]
        options.samples = true
        options.temperature = 0.9
        options.topP = 0.95
        options.seed = 11
        options.numReturnSequences = 3
        let prompt = tokenizer.ids(of: "The cat")
        let expected = try Generator(model: model, options: options).generate([GenerationPrompt(ids: prompt)])
            .sequences[0]
        try await server.test { client in
            let members: JSONObject = ["temperature": 0.9, "top_p": 0.95, "seed": 11, "n": 3]
            let answer = try await client.complete(members)
            let texts = answer["choices"]?.arrayValue?.map { $0["text"]?.stringValue } ?? []
            for (text, sequence) in zip(texts, expected) {
                var ids = sequence.ids
                if ids.last == 0 { ids.removeLast() }
                let all = try tokenizer.decodeBytes(prompt + ids).dropFirst(try tokenizer.decodeBytes(prompt).count)
                #expect(text == String(decoding: all, as: UTF8.self))
            }
            #expect(texts.count == 3)
            #expect(answer["usage"]?["prompt_tokens"]?.intValue == prompt.count)
            var streamed: JSONObject = [
                "model": .string(TestServer.model), "prompt": "The cat", "max_tokens": 12, "stream": true,
                "stream_options": ["include_usage": true],
            ]
            for (name, value) in members { streamed[name] = value }
            let events = try await client.events("/v1/completions", .object(streamed))
            for index in 0..<3 {
                let pieces = events.flatMap { $0["choices"]?.arrayValue ?? [] }.filter {
                    $0["index"]?.intValue == index
                }
                #expect(pieces.compactMap { $0["text"]?.stringValue }.joined() == texts[index])
                #expect(pieces.last?["finish_reason"] == answer["choices"]?[index]?["finish_reason"])
            }
            #expect(events.last?["usage"] == answer["usage"])
        }
    }

    @Test("log probabilities are those of a softmax, of the prompt too, and in streams")
    func logProbabilities() async throws {
        let server = try TestServer()
        defer { server.close() }
        try await server.test { client in
            let body: JSONObject = ["temperature": 0, "logprobs": 4, "echo": true, "max_tokens": 5]
            let answer = try await client.complete(body)
            let scores = try #require(answer["choices"]?[0]?["logprobs"])
            let tokens = try #require(scores["tokens"]?.arrayValue)
            #expect(answer["choices"]?[0]?["text"]?.stringValue?.hasPrefix("The cat") == true)
            #expect(scores["token_logprobs"]?[0]?.isNull == true)
            for (place, top) in (scores["top_logprobs"]?.arrayValue ?? []).enumerated().dropFirst() {
                let values = (top.objectValue?.values ?? []).compactMap(\.doubleValue)
                #expect((4...5).contains(values.count) && values == values.sorted(by: >) || values.count == 5)
                #expect(values.allSatisfy { $0 < 0 } && values.reduce(0) { $0 + ExactMathematics.exp($1) } < 1)
                #expect(top[tokens[place].stringValue ?? ""] == scores["token_logprobs"]?[place])
            }
            // A model that reads the prompt to score it continues it as one that does not.
            let plain = try await client.complete(["temperature": 0, "max_tokens": 5])
            #expect(
                "The cat" + (plain["choices"]?[0]?["text"]?.stringValue ?? "")
                    == answer["choices"]?[0]?["text"]?.stringValue)
            let only = try await client.complete(["logprobs": 1, "echo": true, "max_tokens": 0])
            #expect(only["choices"]?[0]?["text"] == "The cat")
            #expect(only["choices"]?[0]?["logprobs"]?["tokens"]?.arrayValue?.count == tokens.count - 5)
            var streamed = body
            streamed["model"] = .string(TestServer.model)
            streamed["prompt"] = "The cat"
            streamed["stream"] = true
            let events = try await client.events("/v1/completions", .object(streamed))
            let pieces = events.flatMap { $0["choices"]?[0]?["logprobs"]?["token_logprobs"]?.arrayValue ?? [] }
            #expect(JSON.array(pieces) == scores["token_logprobs"])
        }
    }

    @Test("the best of several is the one with the highest mean log probability")
    func bestOf() async throws {
        let server = try TestServer()
        defer { server.close() }
        try await server.test { client in
            let all = try await client.complete(["seed": 5, "n": 6, "logprobs": 0])
            let best = try await client.complete(["seed": 5, "n": 2, "best_of": 6, "logprobs": 0])
            func quality(_ choice: JSON) -> Double {
                let values = choice["logprobs"]?["token_logprobs"]?.arrayValue?.compactMap(\.doubleValue) ?? []
                return values.reduce(0, +) / Double(max(values.count, 1))
            }
            let expected = (all["choices"]?.arrayValue ?? []).map(quality).sorted(by: >).prefix(2)
            #expect((best["choices"]?.arrayValue ?? []).map(quality) == Array(expected))
            #expect(best["usage"]?["completion_tokens"] == all["usage"]?["completion_tokens"])
        }
    }

    @Test("a chat is the completion of what its template makes of it")
    func chat() async throws {
        let server = try TestServer()
        defer { server.close() }
        try await server.test { client in
            let messages: JSON = [["role": "user", "content": [["type": "text", "text": "Who is there?"]]]]
            let body: JSON = [
                "model": .string(TestServer.model), "messages": messages, "max_completion_tokens": 9, "temperature": 0,
                "logprobs": true, "top_logprobs": 2,
            ]
            let (status, answer) = try await client.post("/v1/chat/completions", body)
            #expect(status == 200)
            let (_, ids) = try await client.post("/tokenize", ["messages": messages])
            let plain = try await client.complete([
                "prompt": ids["tokens"] ?? .null, "max_tokens": 9, "temperature": 0,
            ])
            #expect(answer["choices"]?[0]?["message"]?["content"] == plain["choices"]?[0]?["text"])
            let scores = answer["choices"]?[0]?["logprobs"]?["content"]?.arrayValue ?? []
            let bytes = scores.flatMap { $0["bytes"]?.arrayValue ?? [] }.compactMap(\.intValue).map { UInt8($0) }
            #expect(
                String(decoding: bytes, as: UTF8.self) == answer["choices"]?[0]?["message"]?["content"]?.stringValue)
            #expect(scores.allSatisfy { $0["top_logprobs"]?.arrayValue?.count == 2 })
        }
    }

    @Test("a schema is kept, and a required tool is called")
    func schemas() async throws {
        let server = try TestServer()
        defer { server.close() }
        try await server.test { client in
            let messages: JSON = [["role": "user", "content": "Go"]]
            let schema: JSON = [
                "type": "object", "properties": ["ok": ["type": "boolean"]], "required": ["ok"],
                "additionalProperties": false,
            ]
            let (_, answer) = try await client.post(
                "/v1/chat/completions",
                [
                    "model": .string(TestServer.model), "messages": messages, "max_tokens": 60, "seed": 1,
                    "response_format": ["type": "json_schema", "json_schema": ["name": "x", "schema": schema]],
                ])
            let text = answer["choices"]?[0]?["message"]?["content"]?.stringValue ?? ""
            #expect(try JSON.parse(text)["ok"]?.boolValue != nil)
            let tools: JSON = [
                ["type": "function", "function": ["name": "switch", "parameters": schema]]
            ]
            let call: JSONObject = [
                "model": .string(TestServer.model), "messages": messages, "max_tokens": 120, "seed": 1,
                "tools": tools, "tool_choice": "required",
            ]
            let (_, called) = try await client.post("/v1/chat/completions", .object(call))
            let function = called["choices"]?[0]?["message"]?["tool_calls"]?[0]?["function"]
            #expect(function?["name"] == "switch", "\(called)")
            #expect(try JSON.parse(function?["arguments"]?.stringValue ?? "")["ok"]?.boolValue != nil)
            #expect(called["choices"]?[0]?["finish_reason"] == "tool_calls")
            var streamed = call
            streamed["stream"] = true
            let events = try await client.events("/v1/chat/completions", .object(streamed))
            let pieces = events.flatMap { $0["choices"]?[0]?["delta"]?["tool_calls"]?.arrayValue ?? [] }
            #expect(pieces.first?["function"] == function)
        }
    }

    @Test(
        "what is wrong is refused in OpenAI's form, naming the member",
        arguments: [
            ("{", 400, nil), ("[1]", 400, nil), (#"{"model":"x","prompt":"a"}"#, 404, "model"),
            (#"{"prompt":"a","max_tokens":"many"}"#, 400, "max_tokens"),
            (#"{"prompt":"a","temperature":-1}"#, 400, "temperature"),
            (#"{"prompt":"a","temperatur":1}"#, 400, "temperatur"), (#"{"prompt":"a","n":1000000}"#, 400, "n"),
            (#"{"prompt":[1,1000000000]}"#, 400, "prompt"), (#"{"prompt":[]}"#, 400, "prompt"),
            (#"{"prompt":{}}"#, 400, "prompt"), (#"{"prompt":"a","stop":[1]}"#, 400, "stop"),
            (#"{"prompt":"a","stop":""}"#, 400, "stop"), (#"{"prompt":"a","logprobs":99}"#, 400, "logprobs"),
            (#"{"prompt":"a","logit_bias":{"x":1}}"#, 400, "logit_bias"),
            (#"{"prompt":"a","logit_bias":{"1":1000}}"#, 400, "logit_bias"),
            (#"{"prompt":"a","best_of":1,"n":2}"#, 400, "best_of"),
            (#"{"prompt":"a","max_tokens":0}"#, 400, "max_tokens"),
            (#"{"prompt":"a","guided_regex":"("}"#, 400, nil), (#"{"prompt":"a","seed":1.5}"#, 400, "seed"),
            (#"{"prompt":"a","response_format":{"type":"x"}}"#, 400, "response_format.type"),
        ])
    func errors(body: String, status: Int, param: String?) async throws {
        let server = try TestServer()
        defer { server.close() }
        try await server.test { client in
            let (code, text) = try await client.send(.post, "/v1/completions", Array(body.utf8))
            let error = try JSON.parse(text)["error"]
            #expect(code == status && error?["message"]?.stringValue?.isEmpty == false, "\(code) \(text)")
            #expect(error?["param"]?.stringValue == param)
            #expect(try await client.send(.get, "/health").status == 200)
        }
    }

    @Test("paths, sizes and keys")
    func doors() async throws {
        var options = ServerOptions()
        options.maximumBody = 1000
        let hash = SHA256.hex("second".utf8)
        let server = try TestServer(keys: "first\n# none\nsha256:\(hash)\n", options: options)
        defer { server.close() }
        try await server.test { client in
            let long = Array(#"{"prompt":"\#(String(repeating: "x", count: 2000))"}"#.utf8)
            #expect(try await client.send(.post, "/v1/completions", long, key: "first").status == 413)
            for (key, status) in [
                ("first", 200), ("second", 200), (nil, 401), ("firs", 401), ("FIRST", 401), (hash, 401),
            ] {
                #expect(try await client.send(.get, "/v1/models", key: key).status == status)
            }
            #expect(try await client.send(.get, "/ready").status == 200)
            #expect(try await client.send(.get, "/nowhere", key: "first").status == 404)
            let (status, text) = try await client.send(.get, "/v1/models/talker", key: "first")
            #expect(status == 200 && text.contains("talker"))
            let metrics = try await client.send(.get, "/metrics", key: "first").text
            #expect(metrics.contains("# TYPE heed_requests_total counter"))
        }
        #expect(throws: HeedError.self) { try APIKeys(lines: "sha256:12", in: "x") }
    }
}
