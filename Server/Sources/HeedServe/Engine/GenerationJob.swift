import Heed
import Synchronization

/// What a client asked to be generated: choices, each a sequence of its own, and where their ids go.
///
/// Made by the task of the request, worked at by the engine. Cancelling it is all that a task may do afterwards.
public final class GenerationJob: Sendable {
    /// One sequence to generate.
    public struct Choice: Sendable {
        /// What is continued.
        public let prompt: GenerationPrompt
        /// The number that its random numbers depend on, besides the seed.
        public let number: Int
        /// Its text at the end of the prompt.
        let text: AnswerText
    }

    /// The sequences, those of one prompt side by side.
    public let choices: [Choice]
    /// How ids are chosen. A job of 0 new tokens only scores its prompts.
    public let options: GenerationOptions
    /// Whether no id is generated.
    public let onlyScores: Bool
    /// How many likely ids are told beside each id, with log probabilities; nil for no log probabilities.
    public let logProbabilities: Int?
    /// Whether the ids of the prompts are scored too.
    public let scoresPrompts: Bool
    /// Whose it is: owners take turns.
    public let owner: Int
    /// Of one owner's jobs those of lower numbers go first.
    public let priority: Int
    /// When it ends, done or not.
    public let deadline: ContinuousClock.Instant?
    /// What comes of it.
    public let events: AsyncThrowingStream<ChoiceEvent, any Error>
    let output: AsyncThrowingStream<ChoiceEvent, any Error>.Continuation
    private let cancelled = Atomic<Bool>(false)

    /// A job; `events` ends when all choices have.
    public init(
        choices: [Choice], options: GenerationOptions, onlyScores: Bool = false, logProbabilities: Int? = nil,
        scoresPrompts: Bool = false, owner: Int = 0, priority: Int = 0, deadline: ContinuousClock.Instant? = nil
    ) {
        self.choices = choices
        self.options = options
        self.onlyScores = onlyScores
        self.logProbabilities = logProbabilities
        self.scoresPrompts = scoresPrompts
        self.owner = owner
        self.priority = priority
        self.deadline = deadline
        (events, output) = AsyncThrowingStream.makeStream()
    }

    /// Lets the engine drop what is left to do, because nobody waits for it.
    public func cancel() { cancelled.store(true, ordering: .relaxed) }

    var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    func isLate(_ now: ContinuousClock.Instant) -> Bool { deadline.map { now > $0 } ?? false }
}

/// Something that came of a choice.
///
/// There are never more of them than a choice may have ids, so a client that reads slowly holds no more than that.
public struct ChoiceEvent: Sendable {
    /// The number of the choice in its job.
    public let choice: Int
    /// What came.
    public let what: What

    /// What can come.
    public enum What: Sendable {
        /// The prompt's ids, scored; the first has no probability.
        case prompt([ScoredToken?])
        /// An id, and the text that it makes certain.
        case token(id: Int32, isEnd: Bool, text: String, scored: ScoredToken?)
        /// The end, and the text that was held back.
        case finished(FinishReason, text: String)
    }
}

/// An id with its log probability and what else was likely.
public struct ScoredToken: Sendable, Equatable {
    /// The id.
    public let id: Int32
    /// The logarithm of the probability that the model gave it, before rules, temperature and filters.
    public let logProbability: Double
    /// The most likely ids, the likeliest first.
    public let top: [Likely]

    /// One of the most likely ids.
    public struct Likely: Sendable, Equatable {
        /// The id.
        public let id: Int32
        /// The logarithm of its probability.
        public let logProbability: Double
    }
}
