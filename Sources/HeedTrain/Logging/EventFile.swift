#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// Curves for TensorBoard: an event file of scalars.
///
/// The file is a chain of TFRecords (length, its masked CRC32C, data, their masked CRC32C; little-endian), each an
/// `Event` message of TensorFlow in the protocol-buffer wire format. A resumed run begins a file of its own and tells
/// TensorBoard to forget what older files say of later steps.
public final class EventFile {
    private let path: String
    private let descriptor: Int32

    /// Opens a new file in `folder`, which is made where it is missing.
    ///
    /// - `step`: the step that the run goes on from; 0 for a new run.
    /// - Throws: `HeedError` naming the file.
    public init(folder: String, resumingFrom step: Int = 0) throws {
        try createDirectory(folder)
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let time = EventFile.now
        path = joinPath(folder, "events.out.tfevents.\(Int(time)).\(host.isEmpty ? "host" : host).\(getpid()).0")
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw EventFile.failure(path) }
        var version = Message()
        version.double(1, time)
        version.text(3, "brain.Event:2")
        try write(version)
        if step > 0 {
            // SessionLog START: TensorBoard drops what other files have from this step on.
            var log = Message()
            log.integer(1, 1)
            var event = Message()
            event.double(1, time)
            event.integer(2, step + 1)
            event.message(7, log)
            try write(event)
        }
    }

    deinit { close(descriptor) }

    /// Writes the values of a step.
    public func append(step: Int, _ values: KeyValuePairs<String, Double>) throws {
        var summary = Message()
        for (tag, value) in values {
            var scalar = Message()
            scalar.text(1, tag)
            scalar.float(2, Float(value))
            summary.message(1, scalar)
        }
        var event = Message()
        event.double(1, EventFile.now)
        event.integer(2, step)
        event.message(5, summary)
        try write(event)
    }

    private func write(_ message: Message) throws {
        let record = EventFile.record(message.bytes)
        guard record.withUnsafeBytes({ systemWrite(descriptor, $0) }) == record.count else {
            throw EventFile.failure(path)
        }
    }

    /// The data framed as a TFRecord.
    static func record(_ data: [UInt8]) -> [UInt8] {
        func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
            withUnsafeBytes(of: number.littleEndian) { Array($0) }
        }
        let length = bytes(UInt64(data.count))
        return length + bytes(CRC32C.masked(length)) + data + bytes(CRC32C.masked(data))
    }

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    private static func failure(_ path: String) -> HeedError {
        HeedError(
            .io, "cannot write the event file: \(String(cString: strerror(errno)).lowercased())", in: path,
            advice: "Choose another `tensorboard`.")
    }

    /// A protocol-buffer message under construction.
    private struct Message {
        var bytes: [UInt8] = []

        mutating func integer(_ field: Int, _ value: Int) {
            varint(UInt64(field) << 3)
            varint(UInt64(bitPattern: Int64(value)))
        }

        mutating func double(_ field: Int, _ value: Double) {
            varint(UInt64(field) << 3 | 1)
            withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
        }

        mutating func float(_ field: Int, _ value: Float) {
            varint(UInt64(field) << 3 | 5)
            withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
        }

        mutating func text(_ field: Int, _ value: String) { data(field, Array(value.utf8)) }
        mutating func message(_ field: Int, _ value: Message) { data(field, value.bytes) }

        private mutating func data(_ field: Int, _ value: [UInt8]) {
            varint(UInt64(field) << 3 | 2)
            varint(UInt64(value.count))
            bytes += value
        }

        private mutating func varint(_ value: UInt64) {
            var rest = value
            while rest >= 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(rest))
        }
    }
}

private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    write(descriptor, bytes.baseAddress, bytes.count)
}
