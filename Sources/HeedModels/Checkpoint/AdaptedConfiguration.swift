extension Configuration {
    /// The same shape for another tokenizer or another dropout rate; what is nil stays.
    ///
    /// - `padding`: the id that stands for nothing, which starts every target sequence of a new
    ///   encoder-decoder, as in Marian.
    public func adapted(vocabulary: Int? = nil, padding: Int? = nil, dropout: Float? = nil) -> Configuration {
        switch self {
        case .decoder(var configuration):
            if let vocabulary { configuration.vocabulary = vocabulary }
            if let dropout { configuration.drop(dropout) }
            return .decoder(configuration)
        case .encoder(var configuration):
            if let vocabulary { configuration.vocabulary = vocabulary }
            if let padding, configuration.firstPosition == 0 { configuration.padding = padding }
            if let dropout { configuration.drop(dropout) }
            return .encoder(configuration)
        case .encoderDecoder(var configuration):
            if let vocabulary {
                configuration.vocabulary = vocabulary
                configuration.sourceVocabulary = vocabulary
            }
            let nothing = padding ?? min(configuration.padding, configuration.vocabulary - 1)
            configuration.padding = nothing
            configuration.start = nothing
            if let dropout { configuration.drop(dropout) }
            return .encoderDecoder(configuration)
        }
    }
}
