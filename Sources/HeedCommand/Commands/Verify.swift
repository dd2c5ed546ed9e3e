import ArgumentParser
import Heed
import HeedProcessor
import HeedRun
import HeedSupport

/// `heed verify`: whether the files of a model are whole and belong together.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check that a model's files are whole and belong together.",
        discussion: """
            heed verify model

            Holds headers, shapes and configuration against each other, reads every weight and looks for numbers that \
            are not finite, loads the tokenizer and holds its ids against the model. Where the folder keeps a record of \
            what the model gave when it was saved (verification.json, written by heed train and by --record), weights, \
            tokenizer and a pass over a few ids are held against it: a flipped bit or a swapped tokenizer is found. \
            Exit code 0 if all is well, 1 with the first fault if not.

            heed verify model --record
            """)

    @Argument(help: ArgumentHelp("The model: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Flag(help: "Keep what the model gives now in its folder, to be held against later.")
    var record = false

    @OptionGroup var compute: ComputeOptions
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
        let isGolden = try holdsGolden(description)
        if output.json {
            try StandardOutput.writeLine([
                "whole": true, "family": .string(description.family.name),
                "tensors": .integer(description.tensors.count), "bytes": .integer(description.byteCount),
                "tokens": tokens.map { .integer($0) } ?? .null, "as_saved": isGolden.map { .bool($0) } ?? .null,
            ])
            return
        }
        try StandardOutput.writeLine(
            "\(model) is whole: \(description.family.name), \(grouped(description.parameterCount)) parameters in "
                + "\(counted(description.tensors.count, "tensor")), all finite; "
                + (tokens.map { "a tokenizer of \(grouped($0)) tokens that fits." } ?? "no tokenizer.")
                + (isGolden == true ? " It gives what it gave when it was saved." : ""))
    }

    /// Whether the model gives what was kept when it was saved; nil where nothing was.
    ///
    /// - Throws: `HeedError` that says what is another than it was.
    private func holdsGolden(_ description: ModelDescription) throws -> Bool? {
        let folder = try locateModel(model)
        guard isDirectory(folder) else {
            if record { throw HeedError(.usage, "a record is kept in a folder", in: model, expected: "a model folder") }
            return nil
        }
        let kept = record ? nil : try GoldenVector(keptIn: folder)
        guard record || kept != nil else { return nil }
        let now = try GoldenVector.now(folder: folder, runtime: try compute.runtime())
        if let kept { try kept.check(now, folder: folder) } else { try now.write(folder: folder) }
        return true
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

extension GoldenVector {
    /// What the model in `folder` gives, with its tokenizer where there is one.
    static func now(folder: String, runtime: Runtime) throws -> GoldenVector {
        let tokenizer =
            try TokenizerFiles.copied(from: folder).areThere ? Tokenizer.load(path: folder) : nil
        return try GoldenVector(
            folder: folder, encode: tokenizer.map { tokenizer in { tokenizer.ids(of: $0).map { Int32($0) } } },
            runtime: runtime)
    }
}
