import HeedSupport
import HeedTensor

/// What a run reads: windows of text or rows of ids.
public enum TrainingData: BatchSource {
    case windows(WindowSource)
    case rows(RowSource)

    public func fill(_ batch: TokenBatch, step: Int, part: Int) throws {
        switch self {
        case .windows(let source): try source.fill(batch, step: step, part: part)
        case .rows(let source): try source.fill(batch, step: step, part: part)
        }
    }

    /// Windows or rows of an epoch.
    public var count: Int {
        switch self {
        case .windows(let source): source.windows
        case .rows(let source): source.count
        }
    }

    /// The longest sequence.
    public var context: Int {
        switch self {
        case .windows(let source): source.context
        case .rows(let source): source.columns
        }
    }
}

/// What the loss is measured on between steps.
public enum ValidationData: Sendable {
    case streams([TokenStream])
    case rows(RowTable, Range<Int>)
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
            "--validation", number > 0 && number < 1, expected: "a file, or a fraction between 0 and 1", got: text)
        self = .fraction(number)
    }
}

/// Opened and checked data files with what identifies them.
public struct OpenedData {
    /// What is learned from.
    public let training: TrainingData
    /// What the loss is measured on, where there is something.
    public let validation: ValidationData?
    /// Depends on every id (and label) that training reads.
    public let fingerprint: String
    /// Ids that training reads in an epoch.
    public let tokens: Int

    /// Opens, tokenises where needed, checks every id and splits off what validation measures.
    ///
    /// - Parameter context: T; nil for rows, whose length stands in their file.
    /// - Throws: `HeedError` naming file, token or option.
    public init(
        _ paths: [String], validation choice: ValidationChoice?, encoding: TextEncoding?, vocabulary: Int,
        context: Int, givenContext: Int?, options: StepOptions, order: WindowOrder
    ) throws {
        guard let first = paths.first else { throw HeedError(.usage, "--data names no file") }
        self =
            DataKind(path: first) == .rows
            ? try OpenedData.rows(
                paths, choice, vocabulary: vocabulary, context: context, givenContext: givenContext, options: options,
                order: order)
            : try OpenedData.windows(
                paths, choice, encoding, vocabulary: vocabulary, context: context, options: options, order: order)
    }

    private init(training: TrainingData, validation: ValidationData?, fingerprint: String, tokens: Int) {
        self.training = training
        self.validation = validation
        self.fingerprint = fingerprint
        self.tokens = tokens
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
                .badInput, "--validation leaves nothing to measure", in: paths.first,
                expected: "a larger fraction or a file")
        }
        return (streams, choice == nil ? nil : validation, OpenedData.text(hash, streams.map(\.count)))
    }

    private static func windows(
        _ paths: [String], _ choice: ValidationChoice?, _ encoding: TextEncoding?, vocabulary: Int, context: Int,
        options: StepOptions, order: WindowOrder
    ) throws -> OpenedData {
        let (streams, validation, fingerprint) = try streams(paths, choice, encoding, vocabulary: vocabulary)
        let source = try WindowSource(
            streams, context: context, batch: options.batch, accumulate: options.accumulate, order: order,
            seed: options.seed)
        return OpenedData(
            training: .windows(source), validation: validation.map { .streams($0) }, fingerprint: fingerprint,
            tokens: source.windows * context)
    }

    private static func rows(
        _ paths: [String], _ choice: ValidationChoice?, vocabulary: Int, context: Int, givenContext: Int?,
        options: StepOptions, order: WindowOrder
    ) throws -> OpenedData {
        guard paths.count == 1 else {
            throw HeedError(
                .usage, "--data takes one file of rows", expected: "one .safetensors file", got: "\(paths.count) files")
        }
        let table = try RowTable(path: paths[0], vocabulary: vocabulary)
        if let givenContext {
            try requireOption(
                "--context", givenContext == table.columns,
                expected: "\(table.columns), the length of the rows of \(paths[0])", got: "\(givenContext)")
        }
        guard table.columns <= context else {
            throw HeedError(
                .badInput, "the rows are longer than the model's context", in: paths[0], expected: "at most \(context)",
                got: "\(table.columns)")
        }
        var kept = 0..<table.rows
        let validation: ValidationData?
        switch choice {
        case nil: validation = nil
        case .fraction(let fraction):
            let split = Int(Double(table.rows) * (1 - fraction))
            guard split >= 1, split < table.rows else {
                throw HeedError(
                    .badInput, "--validation leaves nothing to train on or to measure", in: paths[0],
                    got: "\(table.rows) rows")
            }
            kept = 0..<split
            validation = .rows(table, split..<table.rows)
        case .file(let path):
            if DataKind(path: path) == .rows {
                let other = try RowTable(path: path, vocabulary: vocabulary)
                validation = .rows(other, 0..<other.rows)
            } else {
                let stream = try TokenStream(binary: path)
                try stream.check(vocabulary: vocabulary)
                validation = .streams([stream])
            }
        }
        let source = RowSource(
            table, range: kept, batch: options.batch, accumulate: options.accumulate, order: order, seed: options.seed)
        return OpenedData(
            training: .rows(source), validation: validation,
            fingerprint: OpenedData.text(table.fingerprint, [kept.count]), tokens: kept.count * table.columns)
    }

    private static func text(_ hash: UInt64, _ counts: [Int]) -> String {
        String(hash, radix: 16) + "-" + counts.map { String($0) }.joined(separator: "+")
    }
}
