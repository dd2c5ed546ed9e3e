import Heed
import HeedProcessor
import HeedRun
import HeedSupport
import HeedTensor

/// Measures the loss of a model on files.
struct LossEvaluation {
    /// What it is measured on: texts, ids or rows, or sources with their targets.
    struct Files {
        let data: [String]
        let sources: [String]
        let targets: [String]
    }

    /// How much is read together; what is nil follows from model and data.
    struct Windows {
        let context: Int?
        let stride: Int?
        let batch: Int
    }

    let model: String
    let adapter: AdapterOption
    let weights: WeightForm
    let tokenizer: String?
    let files: Files
    let windows: Windows
    let against: String?
    let maxUnknown: Double
    /// Characters that the vocabulary lacks.
    private let unknown = UnknownCharacters()

    private var data: [String] { files.data }

    func run(runtime: Runtime, json: Bool) throws {
        let loaded = try adapter.load(model, weights: weights)
        if against != nil, case .encoder = loaded.architecture {
            throw HeedError(
                .unsupported, "only next-token distributions are compared", in: "--against",
                expected: "a decoder or an encoder-decoder", got: loaded.family.name)
        }
        let comparison = against.map { Comparison(against: $0, model: model, adapter: adapter) }
        switch loaded.architecture {
        case .encoderDecoder where data.isEmpty:
            try PairEvaluation(
                folder: model, model: loaded, sources: files.sources, targets: files.targets, tokenizer: tokenizer,
                context: windows.context, maxUnknown: maxUnknown, comparison: comparison
            ).run(runtime: runtime, json: json)
        case .encoder(let encoder) where encoder.configuration.labels == nil && !data.isEmpty:
            try MaskedEvaluation(
                folder: model, model: loaded, data: data, tokenizer: tokenizer, context: windows.context,
                batch: windows.batch, maxUnknown: maxUnknown
            ).run(runtime: runtime, json: json)
        case .encoder where !data.isEmpty:
            try ClassifierEvaluation(
                folder: model, model: loaded, data: data, tokenizer: tokenizer, context: windows.context
            ).run(runtime: runtime, json: json)
        default: try runNextTokens(loaded, comparison, runtime: runtime, json: json)
        }
    }

    /// The loss of a decoder over texts or rows.
    private func runNextTokens(
        _ loaded: Model, _ comparison: Comparison?, runtime: Runtime, json: Bool
    ) throws {
        guard !data.isEmpty else {
            throw HeedError(
                .usage, "the model reads no source", in: "--source", expected: "--data for this model",
                got: loaded.family.name)
        }
        let decoder = try loaded.decoder.configuration
        let data = try open(loaded, decoder)
        try unknown.check(limit: maxUnknown, place: self.data.joined(separator: ", "))
        let window = try self.window(for: data, longest: decoder.context)
        let began = ContinuousClock().now
        let progress = Progress("Evaluating", total: 1)
        let measured = try measure(data, loaded, window: window, runtime: runtime) { done, total in
            progress.update(
                done: done, of: total,
                ["\(countText(Double(done) / max((ContinuousClock().now - began).inSeconds, 1e-9)))tokens/s"])
        }
        progress.finish()
        guard let loss = measured else { throw HeedError(.interrupted, "stopped on request before the end") }
        guard loss.tokens > 0 else {
            throw HeedError(
                .badInput, "there is nothing to predict", in: self.data.first, expected: "at least two tokens")
        }
        let difference = try comparison.map { comparison -> DistributionDifference in
            guard case .texts(let streams, _) = data else {
                throw HeedError(
                    .usage, "--against compares over texts", in: self.data.first, expected: "text or token files")
            }
            return try comparison.measure(loaded, streams, context: window, stride: windows.stride, runtime: runtime)
        }
        try tell(
            loss, bytes: data.bytes, over: "\(counted(loss.tokens, "token")) in windows of \(window)", difference,
            json: json)
    }

    private func tell(
        _ loss: MeasuredLoss, bytes: Int?, over: String, _ difference: DistributionDifference?, json: Bool
    ) throws {
        let bitsPerByte = bytes.flatMap { loss.bitsPerByte($0) }
        if json {
            var report: JSONObject = [
                "loss": .number(loss.mean), "perplexity": .number(loss.perplexity),
                "bits_per_byte": bitsPerByte.map { .number($0) } ?? .null, "tokens": .integer(loss.tokens),
                "bytes": bytes.map { .integer($0) } ?? .null, "unknown_characters": .integer(unknown.unknown),
            ]
            for (key, value) in difference?.report ?? JSONObject() { report[key] = value }
            try StandardOutput.writeLine(.object(report))
            return
        }
        try StandardOutput.writeLine("loss            \(fixed(loss.mean, 4)) nats per token")
        try StandardOutput.writeLine("perplexity      \(fixed(loss.perplexity, 2))")
        if let bitsPerByte { try StandardOutput.writeLine("bits per byte   \(fixed(bitsPerByte, 4))") }
        if unknown.unknown > 0 {
            try StandardOutput.writeLine(
                "unknown         \(counted(unknown.unknown, "character")), which count nowhere")
        }
        for line in difference?.lines ?? [] { try StandardOutput.writeLine(line) }
        try StandardOutput.writeLine("over \(over)")
    }

    /// What the loss is measured on.
    private enum Data {
        /// Texts, and how many bytes of text their ids stand for where that is known.
        case texts([TokenStream], bytes: Int?)
        case rows(TrainingRows)

        var bytes: Int? { if case .texts(_, let bytes) = self { bytes } else { nil } }
    }

    /// The tokens of a window: as asked for, within what the model and the data allow.
    private func window(for data: Data, longest: Int) throws -> Int {
        var shortest = 1
        if case .rows(let rows) = data { shortest = rows.longest }
        let window = windows.context ?? (shortest > 1 ? shortest : longest)
        guard window <= longest, window >= shortest else {
            throw HeedError(
                .usage, "--context is out of range",
                expected: "\(shortest) to \(longest), as the model and the data allow", got: "\(window)")
        }
        if let stride = windows.stride, stride > window {
            throw HeedError(
                .usage, "--stride is longer than a window, which would leave tokens out",
                expected: "at most \(window)", got: "\(stride)")
        }
        return window
    }

    private func measure(
        _ data: Data, _ model: Model, window: Int, runtime: Runtime, progress: (_ done: Int, _ total: Int) -> Void
    ) throws -> MeasuredLoss? {
        let shouldStop = { Signals.isStopRequested }
        return try withoutActuallyEscaping(progress) { progress in
            switch data {
            case .texts(let streams, _):
                let meter = try StreamLoss(model, context: window, batch: windows.batch, runtime: runtime)
                return try meter.measure(streams, stride: windows.stride, progress: progress, shouldStop: shouldStop)
            case .rows(let rows):
                let meter = try RowLoss(model, rows, batch: windows.batch, runtime: runtime)
                return try meter.measure(progress: progress, shouldStop: shouldStop)?.first
            }
        }
    }

    private func open(_ loaded: Model, _ decoder: DecoderConfiguration) throws -> Data {
        if let first = data.first, DataKind(path: first) == .rows {
            guard data.count == 1 else {
                throw HeedError(
                    .usage, "--data takes one file of rows", expected: "one .safetensors file",
                    got: "\(data.count) files")
            }
            return .rows(try TrainingRows(TensorFile(path: first), loaded.architecture))
        }
        let encoding = try textEncoding()
        let needsSpelling = data.contains { !DataKind(path: $0).isText }
        let spelling =
            needsSpelling && (tokenizer != nil || TokenizerFiles.copied(from: model).areThere)
            ? try Tokenizer.load(path: tokenizer ?? model) : nil
        var streams: [TokenStream] = []
        var bytes: Int? = 0
        for path in data {
            let text = try readText(path, encoding: encoding)
            try text.tokens.check(vocabulary: decoder.vocabulary)
            streams.append(text.tokens)
            // Of ids, the bytes are those of the text that they spell.
            let size = try text.bytes ?? spelling.map { try $0.decodeBytes(text.tokens.ids).count }
            bytes = bytes.flatMap { sum in size.map { sum + $0 } }
        }
        // What the vocabulary lacks is not among the ids, so its bytes are none that the loss is of.
        return .texts(streams, bytes: bytes.map { $0 - unknown.bytes })
    }

    private func textEncoding() throws -> TextEncoding? {
        guard data.contains(where: { DataKind(path: $0).isText }) else { return nil }
        let tokenizer = try Tokenizer.load(path: tokenizer ?? model)
        let end = ["<|endoftext|>", "</s>", "<|end_of_text|>"].lazy.compactMap { tokenizer.id(of: $0) }.first
        return TextEncoding(tokenizer, documentEnd: end, unknown)
    }
}
