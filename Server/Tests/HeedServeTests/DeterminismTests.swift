import Heed
import Testing

@testable import HeedServe

@Suite("The same answer under any load")
struct DeterminismTests {
    private static func body(_ index: Int) -> JSON {
        let words = "The cat and the dog sat on a mat while rain fell on the quiet lake".split(separator: " ")
        let prompt = (0..<(2 + index % 40)).map { String(words[($0 * 3 + index) % words.count]) }.joined(separator: " ")
        return [
            "model": .string(TestServer.model), "prompt": .string(prompt), "max_tokens": .integer(3 + index % 13),
            "temperature": index % 2 == 0 ? 0 : 0.9, "seed": .integer(index), "logprobs": 2,
            "n": .integer(index % 5 == 0 ? 3 : 1), "echo": .bool(index % 7 == 0),
            "stop": index % 3 == 0 ? ["e"] : .null,
        ]
    }

    @Test("alone, in a crowd, in small pieces, with and without shared beginnings, by one thread or three")
    func load() async throws {
        let count = 60
        let plain = try TestServer(parallel: 1, prefixTokens: 0, threads: 1)
        defer { plain.close() }
        let alone = Answers()
        try await plain.test { client in
            for index in 0..<count {
                await alone.add(index, try await client.post("/v1/completions", Self.body(index)))
            }
        }
        for (parallel, chunk, prefix, threads) in [(16, 256, 16_384, 2), (5, 3, 600, 3), (64, 17, 0, 1)] {
            let server = try TestServer(
                parallel: parallel, promptChunk: chunk, prefixTokens: prefix, threads: threads)
            defer { server.close() }
            let crowd = Answers()
            try await server.test { client in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<count {
                        group.addTask {
                            await crowd.add(index, try await client.post("/v1/completions", Self.body(index)))
                        }
                    }
                    try await group.waitForAll()
                }
            }
            for index in 0..<count {
                let (left, right) = (await alone.all[index], await crowd.all[index])
                #expect(left?["choices"]?.arrayValue?.isEmpty == false)
                #expect(left?["choices"]?.serialised() == right?["choices"]?.serialised(), "request \(index)")
            }
        }
    }

    private actor Answers {
        var all: [Int: JSON] = [:]
        func add(_ index: Int, _ answer: (status: Int, json: JSON)) { all[index] = answer.json }
    }

    @Test("what waits beyond the bound is refused, and everything that was accepted is answered")
    func bounds() async throws {
        let server = try TestServer(parallel: 1, waiting: 4)
        defer { server.close() }
        try await server.test { client in
            let codes = try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<40 {
                    group.addTask {
                        try await client.post(
                            "/v1/completions",
                            ["prompt": "The", "max_tokens": 60, "seed": .integer(index), "ignore_eos": true]
                        ).status
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(codes.allSatisfy { $0 == 200 || $0 == 429 })
            #expect(codes.contains(200) && codes.contains(429))
            #expect(server.shelf.engine.waiting == 0)
        }
    }

    private func submit(
        to model: ServedModel, _ server: TestServer, deadline: ContinuousClock.Instant? = nil
    ) throws -> GenerationJob {
        var options = GenerationOptions()
        options.maxNewTokens = 500
        let prompt = GenerationPrompt(ids: [5])
        let job = GenerationJob(
            choices: [.init(prompt: prompt, number: 0, text: AnswerText(model.answers, after: [5], stops: []))],
            options: options, deadline: deadline)
        try server.shelf.engine.submit(job, to: try model.generation())
        return job
    }

    @Test("a job that nobody waits for gives its place up, and one that is late ends")
    func cancellation() async throws {
        let server = try TestServer(parallel: 1)
        defer { server.close() }
        let model = try server.shelf.model(nil)
        func job(deadline: ContinuousClock.Instant? = nil) throws -> GenerationJob {
            try submit(to: model, server, deadline: deadline)
        }
        let first = try job()
        let second = try job()
        // The second waits behind the first: both are given up before it can begin.
        second.cancel()
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.collect() }
        await #expect(throws: CancellationError.self) { try await second.collect() }
        let late = try job(deadline: .now)
        await #expect(throws: APIError.late) { try await late.collect() }
        let last = try job()
        #expect(try await last.collect().first?.ids.count == 500)
    }

    @Test("owners take turns")
    func turns() {
        var queue = FairQueue<Int>()
        for number in 0..<4 { queue.append(number, owner: 1, priority: 0) }
        queue.append(10, owner: 2, priority: 0)
        queue.append(11, owner: 2, priority: -1)
        queue.append(20, owner: 3, priority: 0)
        var order: [Int] = []
        while let next = queue.first {
            order.append(next)
            queue.rotate(done: true)
        }
        #expect(order == [0, 11, 20, 1, 10, 2, 3])
        #expect(queue.isEmpty)
    }

    @Test("models loaded anew answer the same, and what was running goes on")
    func reload() async throws {
        let server = try TestServer()
        defer { server.close() }
        try await server.test { client in
            let before = try await client.complete(["seed": 3])
            async let running = client.complete(["seed": 4, "max_tokens": 300])
            try server.shelf.reload()
            let after = try await client.complete(["seed": 3])
            #expect(before["choices"] == after["choices"])
            #expect(try await running["choices"]?[0]?["finish_reason"]?.stringValue != nil)
        }
    }

    @Test("a job for a model that others have taken the place of is done too")
    func retired() async throws {
        let server = try TestServer()
        defer { server.close() }
        let engine = server.shelf.engine
        let model = try server.shelf.model(nil)
        try server.shelf.reload()
        // Until the old model has nothing to do and is forgotten.
        for _ in 0..<4 { try await engine.perform {} }
        for _ in 0..<2 {
            let job = try submit(to: model, server)
            #expect(try await job.collect().first?.ids.count == 500)
        }
    }
}
