import Heed

/// Makes ids of texts as a classifier reads them: cut to its length, with the kinds of tokens.
struct ClassifierTexts {
    private let tokenizer: Tokenizer
    private let types: Int

    init(_ tokenizer: Tokenizer, _ configuration: EncoderConfiguration, longest: Int?) {
        var tokenizer = tokenizer
        tokenizer.truncation = Truncation(maximumLength: min(longest ?? .max, configuration.context))
        tokenizer.padding = nil
        self.tokenizer = tokenizer
        types = configuration.types
    }

    func encode(_ text: String, _ pair: String?) throws -> LabelledTexts.Encoded {
        let encoding = try pair.map { try tokenizer.encode(text, pair: $0) } ?? tokenizer.encode(text)
        return LabelledTexts.Encoded(
            ids: encoding.ids.map { Int32($0) }, types: encoding.typeIDs.map { min($0, Int32(types - 1)) })
    }
}
