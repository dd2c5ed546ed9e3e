import HeedTokenizers

/// Makes ids of texts that fit a model: what is too long is cut, special tokens stay, and how much there was is told.
package struct FittingTokenizer: Sendable {
    private let cutting: Tokenizer
    private let whole: Tokenizer

    /// Cuts texts to `longest` tokens, whatever the tokenizer's file asks for.
    package init(_ tokenizer: Tokenizer, longest: Int) {
        whole = tokenizer.withoutLimits
        var cutting = whole
        cutting.truncation = Truncation(maximumLength: longest)
        self.cutting = cutting
    }

    /// The ids, and how many tokens the text has uncut.
    package func encode(_ text: String, pair: String? = nil) throws -> (encoding: Encoding, tokens: Int) {
        func encode(_ tokenizer: Tokenizer) throws -> Encoding {
            try pair.map { try tokenizer.encode(text, pair: $0) } ?? tokenizer.encode(text)
        }
        let encoding = try encode(cutting)
        return (encoding, encoding.overflow.isEmpty ? encoding.ids.count : try encode(whole).ids.count)
    }
}
