import HeedGenerate
import HeedSupport

/// How many tokens may follow each prompt, by the model's context and what was asked for.
struct GenerationLimits {
    /// The positions of the model.
    let context: Int
    /// What was asked for; its `maxNewTokens` counts where `isAsked`.
    let options: GenerationOptions
    /// Whether the user named the number of new tokens; else as many as fit, up to 128.
    let isAsked: Bool

    /// The most new tokens behind a prompt of so many ids.
    ///
    /// - Throws: `HeedError` when the model cannot hold the prompt, or not with that many tokens behind it.
    func limit(ofPrompt count: Int, in place: String) throws -> Int {
        guard options.contextOverflow == .error, context < .max else { return options.maxNewTokens }
        guard count <= context else {
            throw HeedError(
                .badInput, "the prompt is longer than the model's context", in: place,
                expected: "at most \(context) ids", got: "\(count)",
                advice: "Shorten it, or let the oldest ids be forgotten with --context-overflow slide")
        }
        let room = context + 1 - count
        guard isAsked else { return max(1, options.minNewTokens, min(options.maxNewTokens, room)) }
        guard options.maxNewTokens <= room else {
            throw HeedError(
                .usage,
                "the prompt of \(counted(count, "id")) and \(options.maxNewTokens) new ones outgrow the model's context",
                in: place, expected: "at most \(context + 1) ids together",
                got: "\(count) and --max-new-tokens \(options.maxNewTokens)",
                advice: "Ask for at most \(counted(room, "new token")), or add --context-overflow slide")
        }
        return options.maxNewTokens
    }
}
