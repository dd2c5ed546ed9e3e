import Heed

/// A choice that has ended: all that came of it.
struct CollectedChoice {
    var text = ""
    var ids: [Int32] = []
    /// What an end id was scored is not part of it: it has no text.
    var scores: [ScoredToken] = []
    var promptScores: [ScoredToken?] = []
    var reason: FinishReason?

    /// The mean log probability of its ids, by which candidates are compared.
    var quality: Double {
        scores.isEmpty ? -.infinity : scores.reduce(0) { $0 + $1.logProbability } / Double(scores.count)
    }

    mutating func take(_ what: ChoiceEvent.What) {
        switch what {
        case .prompt(let scores): promptScores = scores
        case .token(let id, let isEnd, let text, let scored):
            ids.append(id)
            self.text += text
            if let scored, !isEnd { scores.append(scored) }
        case .finished(let reason, let text):
            self.text += text
            self.reason = reason
        }
    }
}

extension GenerationJob {
    /// Waits for all choices.
    ///
    /// - Throws: what ended the job early.
    func collect() async throws -> [CollectedChoice] {
        var collected = [CollectedChoice](repeating: CollectedChoice(), count: choices.count)
        for try await event in events { collected[event.choice].take(event.what) }
        // A task that was cancelled sees the end of the events too early.
        guard collected.allSatisfy({ $0.reason != nil }) else {
            cancel()
            throw CancellationError()
        }
        return collected
    }

    /// Ids of all prompts, each counted once.
    var promptTokens: Int {
        var count = 0
        var last: GenerationPrompt?
        for choice in choices where choice.prompt != last {
            count += choice.prompt.source?.count ?? choice.prompt.ids.count
            last = choice.prompt
        }
        return count
    }
}

extension FinishReason {
    /// As OpenAI names it.
    var name: JSON { self == .stop ? "stop" : self == .length ? "length" : .null }
}

/// How many tokens a request took.
struct Usage {
    var prompt: Int
    var completion: Int

    var json: JSON {
        [
            "prompt_tokens": .integer(prompt), "completion_tokens": .integer(completion),
            "total_tokens": .integer(prompt + completion),
        ]
    }
}
