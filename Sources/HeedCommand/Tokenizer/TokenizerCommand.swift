import ArgumentParser
import Heed
import HeedSupport

/// `heed tokenizer`: text to ids and back.
struct TokenizerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenizer",
        abstract: "Turn text into ids and back; train, measure and inspect tokenizers.",
        discussion: """
            A tokenizer is a model folder, a tokenizer.json, a folder with vocab.json and merges.txt or with GPT-2's \
            encoder.json and vocab.bpe, a vocab.txt (WordPiece), a SentencePiece .model or .spm, a .tiktoken, \
            a .gguf, or llama2.c's tokenizer.bin.
            """,
        subcommands: [
            EncodeText.self, DecodeIDs.self, TrainTokenizer.self, BenchTokenizer.self, InspectTokenizer.self,
        ])
}

/// Which tokenizer, and what its file does not say.
struct TokenizerOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A model folder or a tokenizer's file.", valueName: "path"))
    var tokenizer: String

    @Option(
        help: ArgumentHelp("For a .tiktoken file: the pattern that cuts the text.", valueName: "gpt2|cl100k"))
    var pattern: String?

    @Flag(
        inversion: .prefixedNo,
        help:
            "For a vocab.txt: whether case and accents are kept. Not given: as tokenizer_config.json or the words say.")
    var cased: Bool?

    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Whether special tokens spelled out in the text become those tokens.",
            discussion: "Not given: as the tokenizer's own library does it (SentencePiece and tiktoken do not)."))
    var recogniseSpecialTokens: Bool?

    /// Loads the tokenizer.
    func load() throws -> Tokenizer {
        try Tokenizer.load(
            path: tokenizer,
            options: Tokenizer.LoadOptions(
                isCased: cased, pattern: pattern, recognisesSpecialTokens: recogniseSpecialTokens))
    }
}
