import Heed

/// The answer to a request for `/v1/completions`, whole or in pieces.
struct CompletionAnswer: JobAnswer {
    let request: CompletionRequest
    let head: AnswerHead

    init(_ request: CompletionRequest) {
        self.request = request
        head = AnswerHead("cmpl-", object: "text_completion", model: request.model)
    }

    var job: GenerationJob { request.job }
    var model: ServedModel { request.model }
    var streams: Bool { request.stream.streams }

    func whole(_ collected: [CollectedChoice]) async -> JSON {
        var choices: [JSON] = []
        var told: [(number: Int, ids: [Int32])] = []
        let candidates = request.candidates
        for prompt in request.prompts.indices {
            let all = collected[prompt * candidates..<(prompt + 1) * candidates]
            // The best first; of equals the one that came first.
            let best =
                candidates == request.sampling.count
                ? Array(all.indices)
                : Array(
                    all.indices.sorted { (-all[$0].quality, $0) < (-all[$1].quality, $1) }
                        .prefix(request.sampling.count))
            for index in best {
                let choice = collected[index]
                told.append((index, choice.ids))
                var logProbabilities: JSON = .null
                if request.logProbabilities != nil {
                    var scores = ScoreList(request, prompt: prompt)
                    if request.echoes { scores.addPrompt(choice.promptScores) }
                    scores.add(choice.scores)
                    logProbabilities = scores.json
                }
                let text = (request.echoes ? request.promptTexts[prompt] : "") + choice.text
                choices.append(
                    self.choice(choices.count, text: text, logProbabilities, choice.reason?.name ?? .null))
            }
        }
        let usage = Usage(
            prompt: request.job.promptTokens, completion: collected.reduce(0) { $0 + $1.ids.count })
        return head.object(choices, usage: usage.json, receipt: await receipt(told))
    }

    func choice(_ index: Int, text: String, _ logProbabilities: JSON, _ reason: JSON) -> JSON {
        [
            "index": .integer(index), "text": .string(text), "logprobs": logProbabilities, "finish_reason": reason,
        ]
    }

    func write(to stream: inout EventWriter) async throws {
        var usage = Usage(prompt: request.job.promptTokens, completion: 0)
        var scores = request.prompts.indices.flatMap { prompt in
            (0..<request.candidates).map { _ in ScoreList(request, prompt: prompt) }
        }
        if request.echoes, request.logProbabilities == nil {
            for index in scores.indices {
                try await send(index, request.promptTexts[index / request.candidates], .null, .null, &stream)
            }
        }
        var ended = 0
        var ids = request.job.choices.map { _ in [Int32]() }
        for try await event in request.job.events {
            let index = event.choice
            switch event.what {
            case .prompt(let prompt):
                scores[index].addPrompt(prompt)
                let text = request.echoes ? request.promptTexts[index / request.candidates] : ""
                try await send(index, text, scores[index].takeJSON(), .null, &stream)
            case .token(let id, let isEnd, let text, let scored):
                usage.completion += 1
                ids[index].append(id)
                guard let scored, request.logProbabilities != nil, !isEnd else {
                    if !text.isEmpty { try await send(index, text, .null, .null, &stream) }
                    continue
                }
                scores[index].add([scored])
                try await send(index, text, scores[index].takeJSON(), .null, &stream)
            case .finished(let reason, let text):
                ended += 1
                let isLast = ended == ids.count
                let receipt = isLast ? await receipt(ids.enumerated().map { ($0.offset, $0.element) }) : nil
                try await send(index, text, .null, reason.name, receipt: receipt, &stream)
            }
        }
        guard ended == request.job.choices.count else { throw CancellationError() }
        if request.stream.includesUsage { try await stream.send(head.object([], usage: usage.json)) }
    }

    private func send(
        _ index: Int, _ text: String, _ logProbabilities: JSON, _ reason: JSON, receipt: JSON? = nil,
        _ stream: inout EventWriter
    ) async throws {
        try await stream.send(
            head.object(
                [choice(index, text: text, logProbabilities, reason)],
                usage: request.stream.includesUsage ? .null : nil, receipt: receipt))
    }

    private func receipt(_ choices: [(number: Int, ids: [Int32])]) async -> JSON? {
        guard request.sampling.hasReceipt else { return nil }
        return await request.model.receipt(request.job, form: request.sampling.form, choices)
    }
}

/// The object `logprobs` of a completion: four lists of one length.
struct ScoreList {
    private let names: TokenNames
    private let prompt: [Int32]
    private var tokens: [JSON] = []
    private var values: [JSON] = []
    private var tops: [JSON] = []
    private var offsets: [JSON] = []
    /// In characters of the prompt's text and the answer.
    private var offset: Int
    private let tellsIds: Bool
    private var ids: [JSON] = []
    private var topIds: [JSON] = []

    init(_ request: CompletionRequest, prompt: Int) {
        names = request.model.names
        tellsIds = request.tellsIds
        self.prompt = request.prompts[prompt].ids
        // Without an echo the answer's text begins behind the prompt's.
        offset = request.echoes ? 0 : request.promptTexts[prompt].unicodeScalars.count
    }

    mutating func addPrompt(_ scores: [ScoredToken?]) {
        for (id, score) in zip(prompt, scores) { add(id, score) }
    }

    mutating func add(_ scores: [ScoredToken]) {
        for score in scores { add(score.id, score) }
    }

    private mutating func add(_ id: Int32, _ score: ScoredToken?) {
        tokens.append(.string(names.name(id)))
        values.append(score.map { .number($0.logProbability) } ?? .null)
        if let score {
            // The likeliest of several that are spelled alike counts.
            var top = JSONObject()
            var topIds = JSONObject()
            for likely in score.top where top[names.name(likely.id)] == nil {
                top[names.name(likely.id)] = .number(likely.logProbability)
                topIds[names.name(likely.id)] = .integer(Int(likely.id))
            }
            if top[names.name(id)] == nil {
                top[names.name(id)] = .number(score.logProbability)
                topIds[names.name(id)] = .integer(Int(id))
            }
            tops.append(.object(top))
            self.topIds.append(.object(topIds))
        } else {
            tops.append(.null)
            topIds.append(.null)
        }
        offsets.append(.integer(offset))
        ids.append(.integer(Int(id)))
        // Bytes that begin a character.
        offset += names.bytes(id).count { $0 & 0xC0 != 0x80 }
    }

    var json: JSON {
        var members: JSONObject = [
            "tokens": .array(tokens), "token_logprobs": .array(values), "top_logprobs": .array(tops),
            "text_offset": .array(offsets),
        ]
        if tellsIds {
            members["token_ids"] = .array(ids)
            members["top_token_ids"] = .array(topIds)
        }
        return .object(members)
    }

    /// What was added since the last call.
    mutating func takeJSON() -> JSON {
        defer {
            (tokens, values, tops, offsets) = ([], [], [], [])
            (ids, topIds) = ([], [])
        }
        return json
    }
}
