#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// What is told of one step.
public struct TrainingRecord: Sendable, Equatable {
    /// The step, from 1.
    public var step: Int
    /// Mean loss over the targets of the step, before its update.
    public var loss: Double
    /// The learning rate of the step.
    public var learningRate: Double
    /// Norm of all gradients before clipping.
    public var gradientNorm: Double
    /// Tokens read up to and including this step.
    public var tokens: Int
    /// Tokens of this step over its seconds.
    public var tokensPerSecond: Double
    /// Mean loss over the validation data, on steps that evaluate.
    public var validationLoss: Double?
    /// Other numbers by name, for example `bleu`.
    public var extra: JSONObject

    /// A record from its parts.
    public init(
        step: Int, loss: Double, learningRate: Double, gradientNorm: Double, tokens: Int, tokensPerSecond: Double,
        validationLoss: Double? = nil, extra: JSONObject = [:]
    ) {
        self.step = step
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
        self.tokens = tokens
        self.tokensPerSecond = tokensPerSecond
        self.validationLoss = validationLoss
        self.extra = extra
    }

    /// The record as an object of the log.
    public var json: JSON {
        var object: JSONObject = [
            "step": .integer(step), "loss": .number(loss), "lr": .number(learningRate),
            "grad_norm": .number(gradientNorm), "tokens": .integer(tokens),
            "tokens_per_second": .number((tokensPerSecond * 10).rounded() / 10),
        ]
        if let validationLoss { object["validation_loss"] = .number(validationLoss) }
        for (key, value) in extra { object[key] = value }
        return .object(object)
    }
}

/// The log of a run: one JSON object per line and step, only whole lines, every step once.
///
/// A line reaches the file in one call of the system, so that a process killed between two calls leaves whole lines. A
/// resumed run first cuts the log back to the steps of its last save, by rename.
public final class TrainingLog {
    /// The file.
    public let path: String
    private var descriptor: Int32
    private var size: Int

    /// Opens the log at `path` for the steps after `step`; 0 begins a new one.
    ///
    /// - Throws: `HeedError` naming the file.
    public init(path: String, after step: Int) throws {
        self.path = path
        let kept = step > 0 && fileExists(path) ? try TrainingLog.wholeLines(path, upTo: step) : []
        try writeAtomically(path: path, bytes: kept)
        size = kept.count
        descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        if descriptor < 0 { throw failure("cannot open the log") }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Adds one line.
    ///
    /// - Throws: `HeedError` naming the file, which then ends with the line before.
    public func append(_ record: TrainingRecord) throws {
        var line = record.json.serialisedBytes()
        line.append(10)
        var sent = 0
        while sent < line.count {
            let result = line.withUnsafeBytes { write(descriptor, $0.baseAddress.map { $0 + sent }, line.count - sent) }
            if result < 0, errno == EINTR { continue }
            if result <= 0 {
                let error = failure("cannot write the log")
                _ = ftruncate(descriptor, off_t(size))
                throw error
            }
            sent += result
        }
        size += line.count
    }

    /// Asks the system to bring the lines to the disk; before a save, so that no saved step lacks its line.
    public func synchronise() { _ = fsync(descriptor) }

    /// The records of a log: lines that are whole JSON objects with a step, in order.
    public static func read(path: String) throws -> [JSONObject] {
        try readFile(path).split(separator: 10).compactMap { line in
            guard let object = (try? JSON.parse(Array(line)))?.objectValue, object["step"]?.intValue != nil else {
                return nil
            }
            return object
        }
    }

    /// The bytes of the whole lines whose step is at most `step`, each step once.
    private static func wholeLines(_ path: String, upTo step: Int) throws -> [UInt8] {
        var kept: [UInt8] = []
        var last = 0
        let bytes = try readFile(path)
        var rest = bytes[...]
        while let end = rest.firstIndex(of: 10) {
            let line = rest[..<end]
            rest = rest[(end + 1)...]
            guard let number = (try? JSON.parse(Array(line)))?["step"]?.intValue else { continue }
            if number > last, number <= step {
                kept += line
                kept.append(10)
                last = number
            }
        }
        return kept
    }

    private func failure(_ what: String) -> HeedError {
        HeedError(.io, "\(what): \(String(cString: strerror(errno)))", in: path, advice: "Check the disk and the path")
    }
}
