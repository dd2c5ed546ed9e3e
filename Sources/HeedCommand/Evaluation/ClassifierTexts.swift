import Heed
import HeedTexts

/// Makes ids of texts as a classifier reads them: cut to its length, with the kinds of tokens.
final class ClassifierTexts {
    /// How many texts have been cut.
    private(set) var cut = 0
    /// The most tokens of a text.
    let longest: Int
    private let tokenizer: FittingTokenizer
    private let types: Int

    init(_ tokenizer: Tokenizer, _ configuration: EncoderConfiguration, longest: Int?) {
        self.longest = min(longest ?? .max, configuration.context)
        self.tokenizer = FittingTokenizer(tokenizer, longest: self.longest)
        types = configuration.types
    }

    /// The ids of a text or a pair of texts.
    func encode(_ text: String, _ pair: String?) throws -> LabelledTexts.Encoded {
        let (encoding, tokens) = try tokenizer.encode(text, pair: pair)
        if tokens > encoding.ids.count { cut += 1 }
        return LabelledTexts.Encoded(
            ids: encoding.ids, types: encoding.typeIDs.map { min($0, Int32(types - 1)) })
    }

    /// Says how many texts were cut, if any.
    func tellCuts() {
        if cut > 0 { StandardError.writeNote("\(counted(cut, "text")) cut to \(grouped(longest)) tokens.") }
    }
}
