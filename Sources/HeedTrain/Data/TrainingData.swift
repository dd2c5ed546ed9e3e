import HeedModels
import HeedProcessor
import HeedRun
import HeedSupport
import HeedTensor

/// What the loss is measured on between steps.
public enum ValidationData: Sendable {
    /// Ids in one row each, cut into windows.
    case streams([TokenStream])
    /// Rows of their own, with what is to be learned of them.
    case rows(TrainingRows)

    /// What measures the loss of `model` on it, with the weights as they stand at each call.
    ///
    /// - Throws: `HeedError` when memory is refused.
    func meter(_ model: Model, _ options: StepOptions, context: Int, runtime: Runtime) throws -> () throws -> Double? {
        switch self {
        case .streams(let streams):
            let loss = try StreamLoss(model, context: context, precision: options.precision, runtime: runtime)
            return { try loss.measure(streams)?.mean }
        case .rows(let rows):
            let loss = try RowLoss(model, rows, batch: options.batch, precision: options.precision, runtime: runtime)
            return { try loss.measure()?.total }
        }
    }
}

/// Where validation data come from.
public enum ValidationChoice: Sendable, Equatable {
    /// Another file.
    case file(String)
    /// The last part of every data file, which training then does not see.
    case fraction(Double)

    /// A number strictly between 0 and 1 is a fraction, anything else a file.
    ///
    /// - Throws: `HeedError` (`usage`) for a number that is no fraction.
    public init(_ text: String) throws {
        guard let number = Double(text) else {
            self = .file(text)
            return
        }
        try requireOption(
            "validation", number > 0 && number < 1, expected: "a file, or a fraction between 0 and 1", got: text)
        self = .fraction(number)
    }
}

/// Texts in windows, opened and checked, with what identifies them.
public struct OpenedData {
    /// What is learned from.
    public let training: WindowSource
    /// What the loss is measured on, where there is something.
    public let validation: [TokenStream]?
    /// Depends on every id that training reads.
    public let fingerprint: String
    /// Ids that training reads in an epoch.
    public let tokens: Int

    /// Opens, tokenises where needed, checks every id and splits off what validation measures; windows have
    /// `options.context` tokens.
    ///
    /// - Throws: `HeedError` naming file, token or option.
    public init(
        _ paths: [String], validation choice: ValidationChoice?, encoding: TextEncoding?, vocabulary: Int,
        options: StepOptions, order: WindowOrder
    ) throws {
        let streams: [TokenStream]
        (streams, validation, fingerprint) = try OpenedData.streams(paths, choice, encoding, vocabulary: vocabulary)
        training = try WindowSource(
            streams, context: options.context, batch: options.batch, accumulate: options.accumulate, order: order,
            seed: options.seed)
        tokens = training.windows * options.context
    }

    /// Texts as streams of ids, those of validation apart, with what identifies the former.
    ///
    /// - Throws: `HeedError` naming file, token or option.
    public static func streams(
        _ paths: [String], _ choice: ValidationChoice?, _ encoding: TextEncoding?, vocabulary: Int
    ) throws -> (training: [TokenStream], validation: [TokenStream]?, fingerprint: String) {
        var hash: UInt64 = 0
        var streams: [TokenStream] = []
        var validation: [TokenStream] = []
        for path in paths {
            let stream = try readText(path, encoding: encoding).tokens
            hash = hash &* 31 &+ (try stream.check(vocabulary: vocabulary))
            var kept = stream.count
            if case .fraction(let fraction) = choice {
                // Rounded as in nanoGPT: the first ⌊n · (1 − fraction)⌋ ids train.
                kept = Int(Double(stream.count) * (1 - fraction))
                if stream.count - kept >= 2 { validation.append(stream[kept..<stream.count]) }
            }
            streams.append(stream[0..<kept])
        }
        if case .file(let path) = choice {
            let stream = try readText(path, encoding: encoding).tokens
            try stream.check(vocabulary: vocabulary)
            guard stream.count >= 2 else {
                throw HeedError(.badInput, "there is nothing to predict", in: path, expected: "at least two tokens")
            }
            validation.append(stream)
        }
        if choice != nil, validation.isEmpty {
            throw HeedError(
                .badInput, "`validation` leaves nothing to measure", in: paths.first,
                expected: "a larger fraction or a file")
        }
        return (streams, choice == nil ? nil : validation, OpenedData.text(hash, streams.map(\.count)))
    }

    private static func text(_ hash: UInt64, _ counts: [Int]) -> String {
        String(hash, radix: 16) + "-" + counts.map { String($0) }.joined(separator: "+")
    }
}
