import HeedSupport

/// A SentencePiece model at work: text to ids and back, exactly as the reference library (Kudo and Richardson 2018).
///
/// The stages are values of their own (`normalizer`, `model`, `decoder`), so that a pipeline can use them; this type
/// puts them together for a `.model` file used alone.
public struct SentencePieceTokenizer: Sendable {
    /// The stage that makes text uniform.
    let normalizer: SentencePieceNormalizer
    /// The stage that cuts text into pieces.
    public let model: SentencePieceModel
    /// The stage that puts text together again.
    public let decoder: SentencePieceDecoder
    /// The file's content.
    public let file: SentencePieceFile

    /// Prepares a model; `place` names it in messages.
    ///
    /// - Throws: `HeedError` when the model contradicts itself.
    public init(_ file: SentencePieceFile, in place: String) throws {
        self.file = file
        model = try SentencePieceModel(file, in: place)
        normalizer = try SentencePieceNormalizer(file, in: place)
        decoder = try SentencePieceDecoder(file, in: place)
    }

    /// Loads a `.model` or `.spm` file.
    ///
    /// - Throws: `HeedError` naming the file.
    public init(path: String) throws { try self.init(SentencePieceFile(path: path), in: path) }

    /// Loads llama2.c's `tokenizer.bin`.
    ///
    /// - Throws: `HeedError` naming the file.
    public init(llamaTokenizer path: String) throws {
        try self.init(SentencePieceFile(llamaTokenizer: path), in: path)
    }

    /// The normalised form of a text.
    public func normalize(_ text: some Collection<UInt8>) -> [UInt8] {
        Array(text).withUnsafeBufferPointer { normalizer.normalize($0, tracksPlaces: false).bytes }
    }

    /// The ids of a text, with the bytes of the text that each stands for; no begin or end mark is added.
    public func encode(_ text: some Collection<UInt8>) -> (ids: [TokenID], spans: [ByteSpan]) {
        Array(text).withUnsafeBufferPointer { bytes in
            let normalized = normalizer.normalize(bytes, tracksPlaces: true)
            var tokens = TokenList(tracksSpans: true)
            normalized.bytes.withUnsafeBufferPointer { model.tokenize($0, into: &tokens) }
            return (tokens.ids, Self.places(tokens.spans, normalized))
        }
    }

    /// The ids of a text alone: cheaper than `encode(_:)` by the tracking of places.
    public func ids(_ text: some Collection<UInt8>) -> [TokenID] {
        Array(text).withUnsafeBufferPointer { bytes in
            let normalized = normalizer.normalize(bytes, tracksPlaces: false)
            var tokens = TokenList(tracksSpans: false)
            normalized.bytes.withUnsafeBufferPointer { model.tokenize($0, into: &tokens) }
            return tokens.ids
        }
    }

    /// The `count` most probable segmentations (at most 1,024), best first, with their sums of scores.
    ///
    /// - Throws: `HeedError` of kind `unsupported` for a model that is not unigram.
    public func best(_ count: Int, of text: some Collection<UInt8>) throws -> [(ids: [TokenID], score: Float)] {
        let unigram = try unigramModel("Several segmentations")
        return normalize(text).withUnsafeBufferPointer { bytes in
            unigram.best(count, of: bytes).map { ($0.tokens.ids, $0.score) }
        }
    }

    /// A random segmentation (subword regularisation, Kudo 2018): with probability proportional to
    /// exp(sharpness · score), from all segmentations or from the `among` best.
    ///
    /// - Throws: `HeedError` of kind `unsupported` for a model that is not unigram.
    public func sample(
        _ text: some Collection<UInt8>, sharpness: Float, among count: Int = -1,
        using generator: inout some RandomNumberGenerator
    ) throws -> [TokenID] {
        let unigram = try unigramModel("Random segmentations")
        return normalize(text).withUnsafeBufferPointer { bytes in
            unigram.sample(bytes, sharpness: sharpness, among: count, using: &generator).ids
        }
    }

    /// The text of ids in UTF-8.
    public func decode(_ ids: some Sequence<TokenID>) -> [UInt8] { decoder.decode(ids) }

    private func unigramModel(_ what: String) throws -> UnigramModel {
        guard let unigram = model.unigram else {
            throw HeedError(
                .unsupported, "\(what) need a unigram model", expected: "a model of type unigram",
                got: "\(file.algorithm)")
        }
        return unigram
    }

    private static func places(_ spans: [ByteSpan], _ normalized: SentencePieceNormalizer.Output) -> [ByteSpan] {
        guard !normalized.places.isEmpty else { return spans }
        return spans.map { span in
            ByteSpan(Int(normalized.places[Int(span.start)]), Int(normalized.places[Int(span.end)]))
        }
    }
}
