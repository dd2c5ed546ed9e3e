#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// What a step wrote down.
public struct LogRow: Sendable, Equatable {
    /// The number of the step, from 1.
    public let step: Int
    /// Mean loss before the update, in nats.
    public let loss: Double
    /// The learning rate.
    public let rate: Double
    /// Norm of the gradient before clipping.
    public let gradientNorm: Double
    /// Tokens read in the step.
    public let tokens: Int
    /// Tokens per second of this step.
    public let tokensPerSecond: Double
    /// Mean loss on the validation data after the update, where it was measured.
    public let validationLoss: Double?
    /// Norms of gradients by layer, where they were asked for.
    public var layers: [LayerNorms.Entry] = []
    /// The gradient's noise scale in targets, where a step has several shards.
    public var noiseScale: Double?

    /// The row as JSON.
    public var json: JSON {
        var row: JSONObject = [
            "step": .integer(step), "loss": .number(loss), "lr": .number(rate), "grad_norm": .number(gradientNorm),
            "tokens": .integer(tokens), "tokens_per_second": .number((tokensPerSecond * 10).rounded() / 10),
        ]
        if let validationLoss { row["validation_loss"] = .number(validationLoss) }
        if let noiseScale { row["noise_scale"] = .number((noiseScale * 10).rounded() / 10) }
        if !layers.isEmpty {
            var norms = JSONObject()
            for layer in layers { norms[layer.name] = .number(layer.norm) }
            row["layer_grad_norms"] = .object(norms)
        }
        return .object(row)
    }
}

/// A file with one JSON object per step.
///
/// The file appears by rename; every row is one write of a whole line, so a process that is killed leaves whole lines
/// only. A run that goes on from step s cuts the file back to the rows up to s, again by rename: each step stands once.
final class TrainingLog {
    private let path: String
    private let descriptor: Int32
    private var line: [UInt8] = []

    /// Opens the log at `path`, keeping the rows of steps up to `step` that are there (0: none).
    ///
    /// - Throws: `HeedError` naming the file.
    init(path: String, keepingUpTo step: Int) throws {
        self.path = path
        let old = fileExists(path) ? try readFile(path) : nil
        let kept = TrainingLog.rows(old ?? [], upTo: step)
        if old != kept { try writeAtomically(path: path, bytes: kept) }
        descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else { throw TrainingLog.failure(path) }
    }

    deinit { close(descriptor) }

    /// Whether a file begins as a log does.
    static func isLog(_ path: String) -> Bool {
        guard let file = try? MappedFile(path: path) else { return false }
        let line = file.bytes.prefix { $0 != 0x0A }
        return line.count < 4096 && (try? JSON.parse(UnsafeRawBufferPointer(rebasing: line)))?["step"] != nil
    }

    /// The whole lines of steps up to `step`, each step's first only.
    static func rows(_ bytes: [UInt8], upTo step: Int) -> [UInt8] {
        guard step > 0 else { return [] }
        var kept: [UInt8] = []
        var last = 0
        var start = 0
        while let end = bytes[start...].firstIndex(of: 0x0A) {
            let row = Array(bytes[start..<end])
            if let number = (try? JSON.parse(row))?["step"]?.intValue, number > last, number <= step {
                kept += row
                kept.append(0x0A)
                last = number
            }
            start = end + 1
        }
        return kept
    }

    /// Writes a row.
    func append(_ row: LogRow) throws {
        line.removeAll(keepingCapacity: true)
        row.json.write(to: &line)
        line.append(0x0A)
        let sent = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard sent == line.count else { throw TrainingLog.failure(path) }
    }

    /// Hands what is written to the disk, before a save that counts on it.
    func synchronise() { fsync(descriptor) }

    private static func failure(_ path: String) -> HeedError {
        HeedError(
            .io, "cannot write the log: \(String(cString: strerror(errno)).lowercased())", in: path,
            advice: "Free some space or choose another `log`, then go on with `resume`.")
    }
}
