import HeedGenerate
import HeedModels
import HeedSupport
import HeedTokenizers

/// Makes prompts of texts as a model reads them: with the special tokens that it expects, and no others.
public struct TextPrompter: Sendable {
    /// How many ids the model reads.
    public let vocabulary: Int
    /// The model's begin id.
    public let begin: Int32?
    private let tokenizer: Tokenizer

    /// Prompts for a model.
    public init(_ model: Model, tokenizer: Tokenizer) {
        self.init(
            vocabulary: model.architecture.sourceVocabulary, begin: model.specials.begin.map { Int32($0) },
            tokenizer: tokenizer)
    }

    /// Prompts for a model of `vocabulary` ids.
    public init(vocabulary: Int, begin: Int32?, tokenizer: Tokenizer) {
        self.vocabulary = vocabulary
        self.begin = begin
        self.tokenizer = tokenizer.withoutLimits
    }

    /// The ids of a text; the begin id alone for an empty one.
    ///
    /// - `place`: what to name in errors.
    /// - Throws: `HeedError` where the text has a token that the model lacks, or is empty and the model has no begin id.
    public func ids(of text: String, in place: String? = nil) throws -> [Int32] {
        var ids = try tokenizer.encode(text).ids
        // A SentencePiece model holds no template; models that use one expect their begin id in front of a text.
        if let begin, tokenizer.kind.hasPrefix("SentencePiece"), ids.first != begin, !ids.isEmpty {
            ids.insert(begin, at: 0)
        }
        if ids.isEmpty {
            guard let begin else {
                throw HeedError(
                    .badInput, "the prompt is empty, and the model has no begin token to start from", in: place)
            }
            return [begin]
        }
        // A tokenizer may have more ids than the model, as long as the text uses none of them.
        if let id = ids.first(where: { Int($0) >= vocabulary }) {
            throw HeedError(
                .badInput, "the text has a token of the tokenizer that the model does not have", in: place,
                expected: "ids of the model's vocabulary, 0 to \(vocabulary - 1)", got: "\(id)",
                advice: "The tokenizer and the model do not belong together")
        }
        return ids
    }
}

extension Tokenizer {
    /// The tokenizer without the cutting and padding that its file asks for.
    package var withoutLimits: Tokenizer {
        var tokenizer = self
        tokenizer.truncation = nil
        tokenizer.padding = nil
        return tokenizer
    }
}

extension Model {
    /// Ids as this model takes them: to be continued, or as the source of a target.
    ///
    /// - Parameter isText: whether the ids are those of a text, which ends a source with the end id.
    package func generationPrompt(_ ids: [Int32], isText: Bool) -> GenerationPrompt {
        guard case .encoderDecoder(let layers) = architecture else { return GenerationPrompt(ids: ids) }
        var source = ids
        if isText, let end = specials.ends.first, source.last != Int32(end) { source.append(Int32(end)) }
        return GenerationPrompt(ids: [Int32(layers.configuration.start)], source: source)
    }

    /// The ids that end a sequence, of those that the model can give.
    package var usableEnds: [Int32] {
        specials.ends.filter { (0..<architecture.vocabulary).contains($0) }.map { Int32($0) }
    }
}
