import Heed

/// The answer to a request for `/v1/chat/completions`, whole or in pieces.
struct ChatAnswer: JobAnswer {
    let request: ChatRequest
    let head: AnswerHead

    init(_ request: ChatRequest) {
        self.request = request
        let object = request.stream.streams ? "chat.completion.chunk" : "chat.completion"
        head = AnswerHead("chatcmpl-", object: object, model: request.model)
    }

    var job: GenerationJob { request.job }
    var model: ServedModel { request.model }
    var streams: Bool { request.stream.streams }

    func whole(_ collected: [CollectedChoice]) async -> JSON {
        let choices = collected.enumerated().map { index, choice -> JSON in
            var message: JSONObject = ["role": "assistant", "content": .string(choice.text), "refusal": .null]
            var reason = choice.reason?.name ?? .null
            if let tools = request.tools {
                let (content, calls) = tools.parse(choice.text)
                message["content"] = content.isEmpty && !calls.isEmpty ? .null : .string(content)
                if !calls.isEmpty {
                    message["tool_calls"] = .array(calls.map { $0.json(index: nil) })
                    if reason == "stop" { reason = "tool_calls" }
                }
            }
            return [
                "index": .integer(index), "message": .object(message),
                "logprobs": request.logProbabilities == nil ? .null : content(choice.scores), "finish_reason": reason,
            ]
        }
        let usage = Usage(
            prompt: request.job.promptTokens, completion: collected.reduce(0) { $0 + $1.ids.count })
        return head.object(choices, usage: usage.json, receipt: await request.receipt(collected.map(\.ids)))
    }

    /// Text that may be a call of a tool is held back until it is known.
    func write(to stream: inout EventWriter) async throws {
        var usage = Usage(prompt: request.job.promptTokens, completion: 0)
        for index in request.job.choices.indices {
            try await send(index, ["role": "assistant", "content": ""], .null, .null, &stream)
        }
        var watches = request.job.choices.map { _ in request.tools.map(ToolWatch.init) }
        var ended = 0
        var ids = request.job.choices.map { _ in [Int32]() }
        for try await event in request.job.events {
            let index = event.choice
            switch event.what {
            case .prompt: break
            case .token(let id, let isEnd, var text, let scored):
                usage.completion += 1
                ids[index].append(id)
                text = watches[index]?.append(text) ?? text
                let scores = request.logProbabilities == nil || isEnd ? nil : scored.map { content([$0]) }
                if !text.isEmpty || scores != nil {
                    try await send(index, ["content": .string(text)], scores ?? .null, .null, &stream)
                }
            case .finished(let reason, var text):
                ended += 1
                var calls: [ToolCall] = []
                if var watch = watches[index] {
                    (text, calls) = watch.finish(text)
                    watches[index] = watch
                }
                if !text.isEmpty { try await send(index, ["content": .string(text)], .null, .null, &stream) }
                if !calls.isEmpty {
                    let list = calls.enumerated().map { $0.element.json(index: $0.offset) }
                    try await send(index, ["tool_calls": .array(list)], .null, .null, &stream)
                }
                let name = reason == .stop && !calls.isEmpty ? "tool_calls" : reason.name
                let receipt = ended == ids.count ? await request.receipt(ids) : nil
                try await send(index, [:], .null, name, receipt: receipt, &stream)
            }
        }
        guard ended == request.job.choices.count else { throw CancellationError() }
        if request.stream.includesUsage { try await stream.send(head.object([], usage: usage.json)) }
    }

    private func send(
        _ index: Int, _ delta: JSONObject, _ logProbabilities: JSON, _ reason: JSON, receipt: JSON? = nil,
        _ stream: inout EventWriter
    ) async throws {
        let choice: JSON = [
            "index": .integer(index), "delta": .object(delta), "logprobs": logProbabilities, "finish_reason": reason,
        ]
        try await stream.send(
            head.object([choice], usage: request.stream.includesUsage ? .null : nil, receipt: receipt))
    }

    /// The object `logprobs` of a chat's choice.
    private func content(_ scores: [ScoredToken]) -> JSON {
        ["content": .array(ChatAnswer.entries(scores, request.model.names)), "refusal": .null]
    }

    /// An object for every token: its name, bytes and log probability, and those of the likeliest.
    static func entries(_ scores: [ScoredToken], _ names: TokenNames) -> [JSON] {
        func entry(_ id: Int32, _ value: Double) -> JSONObject {
            [
                "token": .string(names.name(id)), "logprob": .number(value),
                "bytes": .array(names.bytes(id).map { .integer(Int($0)) }),
            ]
        }
        return scores.map { score in
            var members = entry(score.id, score.logProbability)
            members["top_logprobs"] = .array(score.top.map { .object(entry($0.id, $0.logProbability)) })
            return .object(members)
        }
    }
}

extension ChatRequest {
    /// The receipt of an answer with these ids, where it carries one.
    func receipt(_ ids: [[Int32]]) async -> JSON? {
        guard sampling.hasReceipt else { return nil }
        return await model.receipt(job, form: sampling.form, ids.enumerated().map { ($0.offset, $0.element) })
    }
}
