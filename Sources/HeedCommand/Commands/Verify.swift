import ArgumentParser
import Heed
import HeedSupport

/// `heed verify`: whether the files of a model are whole and belong together.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check that a model's files are whole and belong together.",
        discussion: """
            heed verify model

            Holds headers, shapes and configuration against each other, reads every weight and looks for numbers that \
            are not finite, loads the tokenizer and holds its ids against the model. Exit code 0 if all is well, 1 with \
            the first fault if not.
            """)

    @Argument(help: ArgumentHelp("The model: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @OptionGroup var output: JSONOption

    func run() throws {
        let description = try ModelDescription.readTelling(folder: model)
        let weights = try StoredModel(path: model).weights
        let progress = Progress("Reading", total: max(weights.tensors.count, 1))
        for (index, tensor) in weights.tensors.enumerated() {
            try Signals.check()
            if tensor.type.isFloating { try weights.checkFinite(tensor) }
            progress.update(done: index + 1)
        }
        progress.finish()
        let tokens = try description.tokenizer.map { _ in try checkedTokenizer(description) }
        if output.json {
            try StandardOutput.writeLine([
                "whole": true, "family": .string(description.family.name),
                "tensors": .integer(description.tensors.count), "bytes": .integer(description.byteCount),
                "tokens": tokens.map { .integer($0) } ?? .null,
            ])
            return
        }
        try StandardOutput.writeLine(
            "\(model) is whole: \(description.family.name), \(grouped(description.parameterCount)) parameters in "
                + "\(counted(description.tensors.count, "tensor")), all finite; "
                + (tokens.map { "a tokenizer of \(grouped($0)) tokens that fits." } ?? "no tokenizer."))
    }

    /// The number of tokens of the folder's tokenizer, all of which the model must know.
    private func checkedTokenizer(_ description: ModelDescription) throws -> Int {
        let tokenizer = try Tokenizer.load(path: model)
        let vocabulary = description.configuration.vocabulary
        guard tokenizer.vocabularySize <= vocabulary else {
            throw HeedError(
                .badInput, "the tokenizer has ids that the model does not know", in: model,
                expected: "ids below vocab_size \(vocabulary)", got: "ids up to \(tokenizer.vocabularySize - 1)")
        }
        return tokenizer.vocabularySize
    }
}
