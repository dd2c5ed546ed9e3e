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
        guard let path = paths.first, paths.count == 1 || isAnswers else {
            throw HeedError(
                .usage, "--data takes one file for this model", in: start.model.family.name,
                expected: "rows of ids (.safetensors) or texts with classes (.jsonl)", got: "\(paths.count) files")
        }
        let all = try RowTrainingData.rows(paths, start, context, prefers)
        if let context, DataKind(path: path) == .rows {
            try requireOption(
                "context", context == all.longest, expected: "\(all.longest), the length of the rows of \(path)",
                got: "\(context)")
        }
        switch choice {
        case nil:
            training = all
            validation = nil
        case .fraction(let fraction):
            var kept = Int(Double(all.count) * (1 - fraction))
            if prefers { kept -= kept % 2 }
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
                validation = .rows(try RowTrainingData.rows([other], start, context, prefers))
            }
        }
    }

    private static func rows(
        _ paths: [String], _ start: TrainingStart, _ context: Int?, _ prefers: Bool
    ) throws -> TrainingRows {
        guard let path = paths.first else { throw wrong("--data", start) }
        switch DataKind(path: path) {
        case .rows: return try TrainingRows(TensorFile(path: path), start.model.architecture)
        case .jsonLines where try prefers || start.learnsAnswers(path):
            let decoder = try start.model.decoder.configuration
            var texts = AnsweredTexts(
                try start.requiredTokenizer(for: path), folder: start.folder ?? "", end: start.documentEnd,
                longest: min(context ?? decoder.context, decoder.context))
            let file = try texts.rows(paths, prefers: prefers)
            texts.tell()
            return try TrainingRows(file, start.model.architecture)
        case .jsonLines:
            guard case .encoder(let encoder) = start.model.architecture else { throw wrong(path, start) }
            let tokenizer = try start.requiredTokenizer(for: path)
            guard case .sequenceClassifier(let count) = encoder.configuration.head else { throw wrong(path, start) }
            let reader = ClassifierTexts(tokenizer, encoder.configuration, longest: context)
            let file = try LabelledTexts(path).rows(
                names: encoder.configuration.labelNames, count: count, encode: reader.encode)
            reader.tellCuts()
            return try TrainingRows(file, start.model.architecture)
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
