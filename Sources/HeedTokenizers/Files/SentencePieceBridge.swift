import HeedSupport

extension StageReader {
    /// The normaliser of a `precompiled_charsmap` in base64.
    func precompiled(_ text: String) throws -> any NormalizerStage {
        throw unknown("normalizer", "Precompiled", [])
    }
}

extension ModelReader {
    /// A unigram model: an array of `[text, score]`.
    func unigram(_ view: JSONView) throws -> any TokenModel {
        throw HeedError(.unsupported, "the model Unigram is not known", in: place)
    }
}

extension Tokenizer {
    /// Reads a SentencePiece `.model` or `.spm`.
    public init(sentencePiece path: String) throws {
        throw HeedError(.unsupported, "SentencePiece models are not known", in: path)
    }

    /// Reads llama2.c's `tokenizer.bin`.
    public init(llamaTokenizer path: String) throws {
        throw HeedError(.unsupported, "llama2.c's tokenizers are not known", in: path)
    }
}
