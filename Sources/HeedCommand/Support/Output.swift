#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import Heed
import HeedSupport
import Synchronization

/// Thrown when whoever reads standard output has seen enough (`heed … | head`): the work ends, and that is no error.
struct ReaderHasGone: Error {}

/// Standard output: results and nothing else.
///
/// Writes are gathered and checked: a full disk is an error with a message, never a silent loss.
enum StandardOutput {
    private static let buffer = Mutex<[UInt8]>([])
    private static let capacity = 1 << 16
    private static let held = Atomic<Bool>(false)

    /// Whether nothing is handed to the system before `merge`.
    static var isHeld: Bool {
        get { held.load(ordering: .relaxed) }
        set { held.store(newValue, ordering: .relaxed) }
    }

    /// Lets rank 0 write what all ranks have held, in their order.
    static func merge(_ communicator: any Communicator) throws {
        isHeld = false
        let own = buffer.withLock { buffer in
            defer { if communicator.rank > 0 { buffer = [] } }
            return communicator.rank > 0 ? buffer : []
        }
        let counts = try communicator.gathered([own.count], fill: 0)
        let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        guard communicator.rank == 0 else {
            if own.isEmpty { return }
            return try own.withUnsafeBytes { try communicator.exchange(with: 0, send: $0, receive: nothing) }
        }
        try flush()
        for rank in 1..<communicator.size where counts[rank] > 0 {
            var bytes = [UInt8](repeating: 0, count: counts[rank])
            try bytes.withUnsafeMutableBytes {
                try communicator.exchange(with: rank, send: UnsafeRawBufferPointer(nothing), receive: $0)
            }
            try write(bytes)
        }
        try flush()
    }

    /// Writes text.
    static func write(_ text: String) throws {
        try write(Array(text.utf8))
    }

    /// Writes text and a line end.
    static func writeLine(_ text: String = "") throws {
        try write(Array((text + "\n").utf8))
    }

    /// Writes a JSON value on a line of its own.
    static func writeLine(_ json: JSON, pretty: Bool = false) throws {
        var bytes = json.serialisedBytes(pretty: pretty)
        bytes.append(0x0A)
        try write(bytes)
    }

    /// Writes bytes.
    static func write(_ bytes: [UInt8]) throws {
        try buffer.withLock { buffer in
            buffer.append(contentsOf: bytes)
            if buffer.count >= capacity, !isHeld { try send(&buffer) }
        }
    }

    /// Hands everything to the system; call it after each piece of streamed text.
    static func flush() throws {
        if !isHeld { try buffer.withLock { try send(&$0) } }
    }

    private static func send(_ buffer: inout [UInt8]) throws {
        defer { buffer.removeAll(keepingCapacity: true) }
        try buffer.withUnsafeBytes { bytes in
            var rest = bytes
            while let start = rest.baseAddress, !rest.isEmpty {
                let sent = systemWrite(STDOUT_FILENO, start, rest.count)
                if sent < 0 {
                    if errno == EINTR { continue }
                    throw failure(errno)
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[sent...])
            }
        }
    }

    private static func failure(_ code: Int32) -> any Error {
        switch code {
        case EPIPE: ReaderHasGone()
        case ENOSPC: HeedError(.io, "cannot write the result: the disk is full", in: "standard output")
        default: HeedError(.io, "cannot write the result: \(String(cString: strerror(code)))", in: "standard output")
        }
    }
}

/// Standard error: progress and messages. A failure to write here stops nothing.
enum StandardError {
    private static let quiet = Atomic<Bool>(false)

    /// Whether progress and notes are left out, and only errors told.
    static var isQuiet: Bool {
        get { quiet.load(ordering: .relaxed) }
        set { quiet.store(newValue, ordering: .relaxed) }
    }

    /// Writes a line that is no error: left out under `--quiet`.
    static func writeNote(_ text: String) { if !isQuiet { writeLine(text) } }

    /// Writes text at once.
    static func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while let start = rest.baseAddress, !rest.isEmpty {
                let sent = systemWrite(STDERR_FILENO, start, rest.count)
                if sent < 0 {
                    if errno == EINTR { continue }
                    return
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[sent...])
            }
        }
    }

    /// Writes text and a line end.
    static func writeLine(_ text: String = "") { write(text + "\n") }
}

private func systemWrite(_ descriptor: Int32, _ start: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, start, count)
}
