import ArgumentParser
import Heed
import HeedRun
import HeedSupport

/// Rows of ids for any model, texts with a class each for a classifier, or texts with answers to learn.
struct RowTrainingData {
    let training: TrainingRows
    let validation: ValidationData?

    /// - Parameter prefers: lines hold two answers each, which are two rows.
    init(
        _ paths: [String], _ choice: ValidationChoice?, _ start: TrainingStart, context: Int?, prefers: Bool = false
    ) throws {
        let isAnswers = try prefers || paths.allSatisfy(start.learnsAnswers)
        let isLabelled = try paths.allSatisfy { try DataKind(path: $0) == .jsonLines && LabelledTexts.isLabelled($0) }
        guard let path = paths.first, paths.count == 1 || isAnswers || isLabelled else {
            throw HeedError(
                .usage, "--data takes one file for this model", in: start.model.family.name,
                expected: "one file of rows of ids (.safetensors), or files of texts with classes (.jsonl)",
                got: "\(paths.count) files")
        }
        let share = if case .fraction(let share) = choice { share } else { 0.0 }
        let (all, whole) = try RowTrainingData.rows(paths, start, context, prefers, setApart: share)
        if let context, DataKind(path: path) == .rows {
            try requireOption(
                "context", context == all.longest, expected: "\(all.longest), the length of the rows of \(path)",
                got: "\(context)")
        }
        switch choice {
        case nil:
            training = all
            validation = nil
        case .fraction:
            // Two rows are a pair.
            let kept = prefers ? whole - whole % 2 : whole
            guard kept >= 1, kept < all.count else {
                throw HeedError(
                    .badInput, "--validation leaves nothing to train on or to measure", in: path,
                    got: "\(all.count) rows")
            }
            training = all.part(0..<kept)
            validation = .rows(all.part(kept..<all.count))
        case .file(let other):
            training = all
            if DataKind(path: other) == .tokens, case .decoder(let decoder) = start.model.architecture {
                let stream = try TokenStream(binary: other)
                try stream.check(vocabulary: decoder.configuration.vocabulary)
                validation = .streams([stream])
            } else {
                validation = .rows(try RowTrainingData.rows([other], start, context, prefers).all)
            }
        }
    }

    /// All rows, and how many stand before those that are set apart.
    private static func rows(
        _ paths: [String], _ start: TrainingStart, _ context: Int?, _ prefers: Bool, setApart share: Double = 0
    ) throws -> (all: TrainingRows, kept: Int) {
        guard let path = paths.first else { throw wrong("--data", start) }
        func cut(_ file: TensorFile, at kept: Int? = nil) throws -> (TrainingRows, Int) {
            let all = try TrainingRows(file, start.model.architecture)
            return (all, kept ?? Int(Double(all.count) * (1 - share)))
        }
        switch DataKind(path: path) {
        case .rows: return try cut(TensorFile(path: path))
        case .jsonLines where try prefers || start.learnsAnswers(path):
            let decoder = try start.model.decoder.configuration
            var texts = AnsweredTexts(
                try start.requiredTokenizer(for: path), folder: start.folder ?? "", end: start.documentEnd,
                longest: min(context ?? decoder.context, decoder.context))
            let file = try texts.rows(paths, prefers: prefers)
            texts.tell()
            return try cut(file)
        case .jsonLines:
            guard case .encoder(let encoder) = start.model.architecture else { throw wrong(path, start) }
            let tokenizer = try start.requiredTokenizer(for: path)
            guard case .sequenceClassifier(let count) = encoder.configuration.head else { throw wrong(path, start) }
            let reader = ClassifierTexts(tokenizer, encoder.configuration, longest: context)
            var texts = try LabelledTexts(paths)
            let kept = texts.setApart(share)
            let file = try texts.rows(
                names: encoder.configuration.labelNames, count: count, encode: reader.encode)
            reader.tellCuts()
            return try cut(file, at: kept)
        default: throw wrong(path, start)
        }
    }

    private static func wrong(_ path: String, _ start: TrainingStart) -> HeedError {
        HeedError(
            .usage, "a \(start.model.family.name) model does not learn from such a file", in: path,
            expected: "rows of ids (.safetensors)"
                + (start.model.architecture.readsSource
                    ? ", or --source and --target" : ", or texts with classes (.jsonl)"))
    }
}
