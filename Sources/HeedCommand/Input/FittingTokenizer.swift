import Heed

/// Makes ids of texts that fit a model: what is too long is cut, special tokens stay, and how much there was is told.
struct FittingTokenizer {
    private let cutting: Tokenizer
    private let whole: Tokenizer

    init(_ tokenizer: Tokenizer, longest: Int) {
        var tokenizer = tokenizer
        tokenizer.padding = nil
        tokenizer.truncation = nil
        whole = tokenizer
        tokenizer.truncation = Truncation(maximumLength: longest)
        cutting = tokenizer
    }

    /// The ids, and how many tokens the text has uncut.
    func encode(_ text: String, pair: String? = nil) throws -> (encoding: Encoding, tokens: Int) {
        func encode(_ tokenizer: Tokenizer) throws -> Encoding {
            try pair.map { try tokenizer.encode(text, pair: $0) } ?? tokenizer.encode(text)
        }
        let encoding = try encode(cutting)
        return (encoding, encoding.overflow.isEmpty ? encoding.ids.count : try encode(whole).ids.count)
    }
}
