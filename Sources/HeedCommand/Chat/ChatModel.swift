import Heed
import HeedSupport

/// An answer of the model.
struct ChatAnswer {
    enum Ending { case finished, length, stopped }
    let text: String
    let ending: Ending
}

/// A model that answers in a conversation.
struct ChatModel {
    let model: DecodingModel
    let tokenizer: Tokenizer
    let options: GenerationOptions
    /// Texts that end an answer and are no part of it.
    let stops: [String]

    /// Answers a prompt, telling the text as it comes.
    ///
    /// - Parameter retries: how often the prompt was answered before; changes the random numbers.
    func answer(_ ids: [Int32], retries: Int, onText: (String) throws -> Void) throws -> ChatAnswer {
        if ids.count >= model.contextLength, options.contextOverflow == .error {
            throw HeedError(
                .badInput, "the conversation is longer than the model can read", in: "the conversation",
                expected: "less than \(grouped(model.contextLength)) tokens", got: "\(grouped(ids.count)) tokens",
                advice: "/undo takes back the last message, /reset starts anew")
        }
        var options = options
        options.seed &+= UInt64(retries)
        var watch = TextWatch(tokenizer, prompt: ids, stops: stops)
        var text = ""
        let result = try withoutActuallyEscaping(onText) { onText in
            var hooks = GenerationHooks()
            hooks.isInterrupted = { Signals.isStopRequested || ChatInterrupt.isRequested }
            hooks.onToken = { event in
                let (piece, stops) = try watch.append(event.id)
                text += piece
                try onText(piece)
                return !stops
            }
            return try Generator(model: model, options: options).generate(
                [GenerationPrompt(ids: ids)], hooks: hooks)
        }
        let rest = try watch.finish()
        text += rest
        try onText(rest)
        try Signals.check()
        for stop in stops {
            if let place = text.firstRange(of: stop) { text = String(text[..<place.lowerBound]) }
        }
        switch result.sequences.first?.first?.finishReason {
        case .length?: return ChatAnswer(text: text, ending: .length)
        case .interrupted?: return ChatAnswer(text: text, ending: .stopped)
        default: return ChatAnswer(text: text, ending: .finished)
        }
    }
}
