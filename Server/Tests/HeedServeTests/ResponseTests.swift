import Heed
import Testing

@testable import HeedServe

@Suite("Responses and receipts")
struct ResponseTests {
    @Test("a response is the chat in other words, whole and streamed")
    func responses() async throws {
        let server = try TestServer()
        defer { server.close() }
        try await server.test { client in
            let (_, chat) = try await client.post(
                "/v1/chat/completions",
                [
                    "messages": [
                        ["role": "system", "content": "Be brief."], ["role": "user", "content": "Who is there?"],
                    ], "max_tokens": 9, "seed": 4,
                ])
            let text = chat["choices"]?[0]?["message"]?["content"]
            let body: JSONObject = [
                "instructions": "Be brief.", "input": "Who is there?", "max_output_tokens": 9, "seed": 4,
            ]
            let (status, whole) = try await client.post("/v1/responses", .object(body))
            #expect(status == 200 && text != nil)
            #expect(whole["output"]?[0]?["content"]?[0]?["text"] == text, "\(whole)")
            #expect(whole["usage"]?["output_tokens"] == chat["usage"]?["completion_tokens"])
            var streamed = body
            streamed["stream"] = true
            let events = try await client.events("/v1/responses", .object(streamed))
            let pieces = events.filter { $0["type"] == "response.output_text.delta" }.compactMap {
                $0["delta"]?.stringValue
            }
            #expect(JSON.string(pieces.joined()) == text)
            #expect(events.map { $0["sequence_number"]?.intValue } == Array(events.indices))
            let last = try #require(events.last?["response"])
            #expect(last["output"]?[0]?["content"] == whole["output"]?[0]?["content"])
            #expect(last["status"] == whole["status"])
        }
    }

    @Test("items of an input become messages; what cannot be done is refused")
    func items() async throws {
        let server = try TestServer()
        defer { server.close() }
        try await server.test { client in
            let input: JSON = [
                ["role": "user", "content": [["type": "input_text", "text": "Weather?"]]],
                ["type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{\"city\":\"Rome\"}"],
                ["type": "function_call_output", "call_id": "c1", "output": "Sun"],
            ]
            let taken = try await client.post("/v1/responses", ["input": input, "max_output_tokens": 3])
            #expect(taken.status == 200, "\(taken)")
            let refused: [JSON] = [
                ["input": []], ["input": [["type": "item_reference", "id": "x"]]],
                ["input": "a", "previous_response_id": "resp_1"], ["input": "a", "background": true],
                ["input": "a", "tools": [["type": "web_search"]]],
            ]
            for body in refused {
                let answer = try await client.post("/v1/responses", body)
                #expect(answer.status == 400, "\(body)")
            }
        }
    }

    @Test("every answer carries a receipt from which it is computed again")
    func receipts() async throws {
        let server = try TestServer()
        defer { server.close() }
        let path = server.folder + "/" + TestServer.model
        try await server.test { client in
            let answer = try await client.complete([
                "prompt": ["The cat", "A boat"], "n": 2, "logit_bias": ["7": 2], "presence_penalty": 0.5,
            ])
            let receipt = try Receipt(answer, in: "answer")
            #expect(receipt.choices.count == 4 && receipt.prompts.count == 2)
            #expect(receipt.modelHash.utf8.count == 64)
            let fresh = try DecodingModel(try Model.load(folder: path), runtime: Runtime(threads: 1))
            for choice in receipt.choices { #expect(try receipt.replay(choice, with: fresh) == choice.ids) }
            let events = try await client.events(
                "/v1/completions", ["prompt": "The cat", "max_tokens": 5, "stream": true])
            #expect(try Receipt(events.last ?? .null, in: "stream").choices.count == 1)
            let without = try await client.complete(["receipt": false])
            #expect(without["receipt"] == nil)
        }
    }

    @Test("an adapter is a model by its name: other answers than the model's, and those of heed generate --adapter")
    func adapter() async throws {
        let server = try TestServer(hasAdapter: true)
        defer { server.close() }
        try await server.test { client in
            #expect(server.shelf.all.map(\.id) == [TestServer.model, "adapted"])
            let plain = try await client.complete(["temperature": 0])
            let adapted = try await client.complete(["model": "adapted", "temperature": 0])
            let text = { (answer: JSON) in answer["choices"]?.arrayValue?.first?["text"]?.stringValue }
            #expect(text(plain) != text(adapted))
            let path = server.folder + "/" + TestServer.model
            let generator = try TextGenerator(path, adapter: server.folder + "/adapter")
            var options = generator.options
            options.maxNewTokens = 12
            #expect(try generator.generate("The cat", options: options).text == text(adapted))
            let hashes = [plain, adapted].map { $0["receipt"]?["model_sha256"]?.stringValue }
            #expect(hashes[0] != nil && hashes[1] != nil && hashes[0] != hashes[1])
        }
    }

    @Test("a token is explained: the last block's answer is the model's, and weights of attention sum to one")
    func explain() async throws {
        let server = try TestServer()
        defer { server.close() }
        try await server.test { client in
            let completion = try await client.complete([
                "temperature": 0, "max_tokens": 1, "return_token_ids": true, "logprobs": 1,
            ])
            let chosen = completion["choices"]?.arrayValue?.first?["logprobs"]?["token_ids"]?.arrayValue?.first
            let prompt = try await client.post("/tokenize", ["prompt": "The cat"]).json["tokens"] ?? .null
            let (status, json) = try await client.post("/explain", ["tokens": prompt, "count": 3])
            try #require(status == 200, "\(json)")
            let lens = json["lens"]?.arrayValue ?? []
            #expect(lens.count == 3 && lens.allSatisfy { $0.arrayValue?.count == 3 })
            #expect(chosen != nil && lens.last?.arrayValue?.first?["id"] == chosen)
            let attention = json["attention"]?.arrayValue ?? []
            let rows = attention.flatMap { $0.arrayValue ?? [] } + [json["rollout"] ?? .null]
            #expect(attention.count == 2 && rows.count == 2 * 4 + 1)
            for row in rows {
                let weights = row.arrayValue?.compactMap(\.doubleValue) ?? []
                #expect(weights.count == prompt.arrayValue?.count)
                #expect(abs(weights.reduce(0, +) - 1) < 1e-5)
            }
            for wrong: JSON in [["tokens": []], ["tokens": [9999]], ["tokens": "x"], ["tokens": [1], "depth": 2]] {
                #expect(try await client.post("/explain", wrong).status == 400, "\(wrong)")
            }
        }
    }
}
