#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import Synchronization

/// Writes bytes to an open file through a buffer.
public struct FileWriter: ~Copyable {
    private let descriptor: Int32
    private let path: String
    private var buffer: [UInt8] = []
    /// Bytes written so far, those in the buffer included.
    public private(set) var count = 0
    private static let capacity = 1 << 18

    fileprivate init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
        buffer.reserveCapacity(FileWriter.capacity)
    }

    /// Writes bytes.
    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws {
        count += bytes.count
        if buffer.count + bytes.count <= FileWriter.capacity {
            buffer.append(contentsOf: bytes)
            return
        }
        try flush()
        if bytes.count >= FileWriter.capacity {
            try send(bytes)
        } else {
            buffer.append(contentsOf: bytes)
        }
    }

    /// Writes bytes.
    public mutating func write(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try write($0) }
    }

    /// Writes text in UTF-8.
    public mutating func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    }

    /// Hands what is in the buffer to the system.
    public mutating func flush() throws {
        try buffer.withUnsafeBytes { try send($0) }
        buffer.removeAll(keepingCapacity: true)
    }

    fileprivate mutating func finish() throws {
        try flush()
        // Some file systems (pipes, /dev) cannot be synchronised; that is no failure to write.
        if fsync(descriptor) != 0, errno != EINVAL, errno != ENOTSUP {
            throw systemFailure("cannot write", path, errno)
        }
    }

    private func send(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while let start = rest.baseAddress, !rest.isEmpty {
            let sent = systemWrite(descriptor, start, rest.count)
            if sent < 0 {
                if errno == EINTR { continue }
                throw systemFailure("cannot write", path, errno)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[sent...])
        }
    }
}

private func systemWrite(_ descriptor: Int32, _ start: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, start, count)
}

/// Counts temporary files, so that threads of one process never share a name.
private let temporaries = Atomic<Int>(0)

/// Writes a file so that it is either whole or not there.
///
/// The bytes go to `PATH.tmp-PROCESS-NUMBER` in the same folder, are flushed to the disk and renamed. If `body` or
/// the system fails, the temporary is removed and an older file at `path` is left as it was.
/// - Throws: what `body` throws, or a `HeedError` of kind `io` or `missing` naming `path`.
package func writeAtomically(path: String, _ body: (inout FileWriter) throws -> Void) throws {
    if isDirectory(path) { throw systemFailure("cannot write", path, EISDIR) }
    let number = temporaries.add(1, ordering: .relaxed).newValue
    let temporary = "\(path).tmp-\(getpid())-\(number)"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
        let code = errno
        if code == ENOENT {
            throw HeedError(
                .missing, "cannot write: there is no folder \(parentPath(path))", in: path,
                advice: "Make the folder first")
        }
        throw systemFailure("cannot write", path, code)
    }
    var renamed = false
    defer { if !renamed { unlink(temporary) } }
    do {
        defer { close(descriptor) }
        var writer = FileWriter(descriptor: descriptor, path: path)
        try body(&writer)
        try writer.finish()
    }
    guard rename(temporary, path) == 0 else { throw systemFailure("cannot write", path, errno) }
    renamed = true
    // The rename itself lives in the folder; without this a power cut may undo it.
    let folder = open(parentPath(path), O_RDONLY | O_CLOEXEC)
    if folder >= 0 {
        fsync(folder)
        close(folder)
    }
}

/// Writes `bytes` to `path` atomically.
package func writeAtomically(path: String, bytes: [UInt8]) throws {
    try writeAtomically(path: path) { try $0.write(bytes) }
}

/// Writes `text` to `path` atomically.
package func writeAtomically(path: String, text: String) throws {
    try writeAtomically(path: path) { try $0.write(text) }
}
