import Heed

/// The answer to a request for `/v1/responses`, whole or in pieces.
struct ResponseAnswer: JobAnswer {
    let request: ResponseRequest
    private let head: AnswerHead
    private let messageID = "msg_" + AnswerHead.random()

    init(_ request: ResponseRequest) {
        self.request = request
        head = AnswerHead("resp_", object: "response", model: request.chat.model)
    }

    private var chat: ChatRequest { request.chat }
    var job: GenerationJob { chat.job }
    var model: ServedModel { chat.model }
    var streams: Bool { chat.stream.streams }
    var saysDone: Bool { false }

    func whole(_ collected: [CollectedChoice]) async -> JSON {
        guard let choice = collected.first else { return .null }
        let (text, calls) = chat.tools?.parse(choice.text) ?? (choice.text, [])
        return await response(text, calls, choice)
    }

    private func response(_ text: String, _ calls: [ToolCall], _ choice: CollectedChoice) async -> JSON {
        let isWhole = choice.reason == .stop
        var output = calls.map { item($0, isWhole: true) }
        if !text.isEmpty || calls.isEmpty { output.insert(message(text, choice.scores, isWhole: isWhole), at: 0) }
        return object(
            status: isWhole ? "completed" : "incomplete", output: output,
            usage: Usage(prompt: job.promptTokens, completion: choice.ids.count),
            receipt: await chat.receipt([choice.ids]))
    }

    private func object(status: JSON, output: [JSON], usage: Usage?, receipt: JSON? = nil) -> JSON {
        var members: JSONObject = [
            "id": .string(head.id), "object": "response", "created_at": .integer(head.created), "status": status,
            "background": false, "error": .null,
            "incomplete_details": status == "incomplete" ? ["reason": "max_output_tokens"] : .null,
            "model": .string(head.model), "system_fingerprint": .string(head.fingerprint), "output": .array(output),
        ]
        for (name, value) in request.told { members[name] = value }
        members["usage"] =
            usage.map {
                [
                    "input_tokens": .integer($0.prompt), "input_tokens_details": ["cached_tokens": 0],
                    "output_tokens": .integer($0.completion), "output_tokens_details": ["reasoning_tokens": 0],
                    "total_tokens": .integer($0.prompt + $0.completion),
                ]
            } ?? .null
        if let receipt { members["receipt"] = receipt }
        return .object(members)
    }

    private func part(_ text: String, _ scores: [ScoredToken]) -> JSON {
        [
            "type": "output_text", "text": .string(text), "annotations": [],
            "logprobs": chat.logProbabilities == nil ? [] : .array(ChatAnswer.entries(scores, model.names)),
        ]
    }

    private func message(_ text: String, _ scores: [ScoredToken], isWhole: Bool) -> JSON {
        [
            "type": "message", "id": .string(messageID), "status": isWhole ? "completed" : "incomplete",
            "role": "assistant", "content": [part(text, scores)],
        ]
    }

    private func item(_ call: ToolCall, isWhole: Bool) -> JSON {
        [
            "type": "function_call", "id": .string("fc_" + call.id.dropFirst(5)), "call_id": .string(call.id),
            "name": .string(call.name), "arguments": .string(isWhole ? call.arguments : ""),
            "status": isWhole ? "completed" : "in_progress",
        ]
    }

    func write(to stream: inout EventWriter) async throws {
        var events = Events(
            stream: stream, place: ["item_id": .string(messageID), "output_index": 0, "content_index": 0])
        let begun = object(status: "in_progress", output: [], usage: nil)
        try await events.send("response.created", ["response": begun])
        try await events.send("response.in_progress", ["response": begun])
        var choice = CollectedChoice()
        var watch = chat.tools.map(ToolWatch.init)
        var calls: [ToolCall] = []
        for try await event in job.events {
            choice.take(event.what)
            switch event.what {
            case .prompt: break
            case .token(_, let isEnd, let text, let scored):
                try await say(watch?.append(text) ?? text, isEnd ? [] : scored.map { [$0] } ?? [], to: &events)
            case .finished(_, var text):
                if watch != nil, let (rest, found) = watch?.finish(text) { (text, calls) = (rest, found) }
                try await say(text, [], to: &events)
            }
        }
        guard choice.reason != nil else { throw CancellationError() }
        if calls.isEmpty { try await open(&events) }
        if events.isOpen { try await close(choice, &events) }
        let first = events.isOpen ? 1 : 0
        for (number, call) in calls.enumerated() { try await write(call, at: first + number, to: &events) }
        try await events.send(
            choice.reason == .stop ? "response.completed" : "response.incomplete",
            ["response": await response(events.shown, calls, choice)])
    }

    /// Begins the message, unless it has begun.
    private func open(_ events: inout Events) async throws {
        guard !events.isOpen else { return }
        events.isOpen = true
        try await events.send(
            "response.output_item.added",
            [
                "output_index": 0,
                "item": [
                    "type": "message", "id": .string(messageID), "status": "in_progress", "role": "assistant",
                    "content": [],
                ],
            ])
        try await events.send("response.content_part.added", with(events.place, ["part": part("", [])]))
    }

    /// Sends a piece of the message's text.
    private func say(_ text: String, _ scores: [ScoredToken], to events: inout Events) async throws {
        if text.isEmpty, scores.isEmpty || chat.logProbabilities == nil { return }
        try await open(&events)
        events.shown += text
        let list: JSON = chat.logProbabilities == nil ? [] : .array(ChatAnswer.entries(scores, model.names))
        try await events.send(
            "response.output_text.delta", with(events.place, ["delta": .string(text), "logprobs": list]))
    }

    /// Ends the message.
    private func close(_ choice: CollectedChoice, _ events: inout Events) async throws {
        let (shown, done) = (events.shown, part(events.shown, choice.scores))
        try await events.send(
            "response.output_text.done",
            with(events.place, ["text": .string(shown), "logprobs": done["logprobs"] ?? []]))
        try await events.send("response.content_part.done", with(events.place, ["part": done]))
        try await events.send(
            "response.output_item.done",
            ["output_index": 0, "item": message(shown, choice.scores, isWhole: choice.reason == .stop)])
    }

    private func write(_ call: ToolCall, at index: Int, to events: inout Events) async throws {
        let place: JSONObject = ["item_id": .string("fc_" + call.id.dropFirst(5)), "output_index": .integer(index)]
        try await events.send(
            "response.output_item.added",
            ["output_index": .integer(index), "item": item(call, isWhole: false)])
        try await events.send(
            "response.function_call_arguments.delta", with(place, ["delta": .string(call.arguments)]))
        try await events.send(
            "response.function_call_arguments.done",
            with(place, ["arguments": .string(call.arguments), "name": .string(call.name)]))
        try await events.send(
            "response.output_item.done",
            ["output_index": .integer(index), "item": item(call, isWhole: true)])
    }

    private func with(_ left: JSONObject, _ right: JSONObject) -> JSONObject {
        var all = left
        for (name, value) in right { all[name] = value }
        return all
    }

    /// Numbered events, and what they have shown of the message.
    private struct Events {
        var stream: EventWriter
        /// Where the text of the message stands.
        let place: JSONObject
        var number = 0
        /// Whether the message has begun.
        var isOpen = false
        var shown = ""

        mutating func send(_ type: String, _ members: JSONObject) async throws {
            var all: JSONObject = ["type": .string(type), "sequence_number": .integer(number)]
            for (name, value) in members { all[name] = value }
            number += 1
            try await stream.send(.object(all), event: type)
        }
    }
}
