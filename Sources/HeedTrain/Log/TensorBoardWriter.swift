#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// Writes scalars as a TensorBoard event file, without a protocol-buffer library.
///
/// A file is a row of TFRecords (length, masked CRC32C of the length, data, masked CRC32C of the data); the data are
/// `Event` messages. A resumed run writes a file of its own, whose first event after the version makes TensorBoard
/// forget what earlier files say of later steps.
public final class TensorBoardWriter {
    /// The event file.
    public let path: String
    private let descriptor: Int32

    /// Begins an event file in `folder`, which is made where it is missing.
    ///
    /// - Parameter resuming: the last step that counts, when earlier files may hold later ones.
    /// - Throws: `HeedError` naming the file.
    public init(folder: String, resuming step: Int? = nil) throws {
        try createDirectory(folder)
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let seconds = Int(TensorBoardWriter.now())
        var number = 0
        var candidate: String
        repeat {
            let file = "events.out.tfevents.\(seconds).\(host.isEmpty ? "localhost" : host).\(getpid()).\(number)"
            candidate = joinPath(folder, file)
            number += 1
        } while fileExists(candidate)
        path = candidate
        descriptor = open(candidate, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        if descriptor < 0 {
            throw HeedError(.io, "cannot make the event file: \(String(cString: strerror(errno)))", in: candidate)
        }
        var version = ProtocolBuffer()
        version.double(1, TensorBoardWriter.now())
        version.bytes(3, Array("brain.Event:2".utf8))
        try record(version.data)
        if let step {
            var start = ProtocolBuffer()
            start.integer(1, 1)  // SessionLog.status = START
            var event = ProtocolBuffer()
            event.double(1, TensorBoardWriter.now())
            event.integer(2, UInt64(step + 1))
            event.bytes(7, start.data)
            try record(event.data)
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Adds the values of `step` by name.
    ///
    /// - Throws: `HeedError` naming the file.
    public func add(step: Int, _ scalars: [(name: String, value: Double)]) throws {
        var summary = ProtocolBuffer()
        for scalar in scalars {
            var value = ProtocolBuffer()
            value.bytes(1, Array(scalar.name.utf8))
            value.float(2, Float(scalar.value))
            summary.bytes(1, value.data)
        }
        var event = ProtocolBuffer()
        event.double(1, TensorBoardWriter.now())
        event.integer(2, UInt64(max(step, 0)))
        event.bytes(5, summary.data)
        try record(event.data)
    }

    /// Adds the numbers of a training record under the usual names.
    public func add(_ record: TrainingRecord) throws {
        var scalars: [(name: String, value: Double)] = [
            ("train/loss", record.loss), ("train/learning_rate", record.learningRate),
            ("train/gradient_norm", record.gradientNorm), ("train/tokens_per_second", record.tokensPerSecond),
        ]
        if let loss = record.validationLoss { scalars.append(("validation/loss", loss)) }
        try add(step: record.step, scalars)
    }

    private func record(_ data: [UInt8]) throws {
        let length = withUnsafeBytes(of: UInt64(data.count).littleEndian) { Array($0) }
        var bytes = length
        bytes += withUnsafeBytes(of: CRC32C.masked(length).littleEndian) { Array($0) }
        bytes += data
        bytes += withUnsafeBytes(of: CRC32C.masked(data).littleEndian) { Array($0) }
        var sent = 0
        while sent < bytes.count {
            let result = bytes.withUnsafeBytes {
                write(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent)
            }
            if result < 0, errno == EINTR { continue }
            if result <= 0 {
                throw HeedError(.io, "cannot write the event file: \(String(cString: strerror(errno)))", in: path)
            }
            sent += result
        }
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

/// The few wire formats of protocol buffers that events need.
private struct ProtocolBuffer {
    private(set) var data: [UInt8] = []

    mutating func integer(_ field: Int, _ value: UInt64) {
        variable(UInt64(field << 3))
        variable(value)
    }

    mutating func double(_ field: Int, _ value: Double) {
        variable(UInt64(field << 3 | 1))
        data += withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    }

    mutating func float(_ field: Int, _ value: Float) {
        variable(UInt64(field << 3 | 5))
        data += withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    }

    mutating func bytes(_ field: Int, _ value: [UInt8]) {
        variable(UInt64(field << 3 | 2))
        variable(UInt64(value.count))
        data += value
    }

    private mutating func variable(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            data.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        data.append(UInt8(rest))
    }
}
