extension TrainedTokenizer {
    /// The trained tokenizer, ready to encode and decode.
    public func tokenizer() throws -> Tokenizer {
        try Tokenizer(json: tokenizerJSON().serialisedBytes(), in: "the trained tokenizer")
    }
}
