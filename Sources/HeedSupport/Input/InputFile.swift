#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import Synchronization

/// Something that a user names as input: a file, `-` for standard input, or a pipe; gzip and zstd are taken apart, other
/// forms of compression are refused by name.
///
/// A regular file is mapped, so opening it costs microseconds. A pipe can be read only once: its content is kept, and
/// the same path gives it again. Whether something is compressed is told by its first bytes, not by its name.
public final class InputFile: Sendable {
    /// The path as it was given.
    public let path: String
    /// What messages call it: the path, or `standard input`.
    public let name: String
    /// The size of the content in bytes.
    public let count: Int
    /// Address of the content; an integer because addresses are not `Sendable`.
    private let address: UInt
    /// What keeps the content alive where it is mapped; nil where the memory is our own.
    private let mapped: MappedFile?

    private static let pipes = Mutex<[String: InputFile]>([:])

    /// Opens what `path` names.
    ///
    /// - `limit`: the most bytes that compressed content may expand to.
    /// - Throws: `HeedError` naming the input: missing, not readable, or compressed and damaged.
    public static func open(_ path: String, limit: Int = Gzip.usualLimit) throws -> InputFile {
        if path != "-", !isPipe(path) {
            let file = try MappedFile(path: path)
            guard let content = try expanded(file.bytes, in: path, limit: limit) else { return InputFile(file) }
            return InputFile(path, content)
        }
        return try pipes.withLock { pipes in
            if let known = pipes[path] { return known }
            let bytes = path == "-" ? try readDescriptor(STDIN_FILENO, displayName(path)) : try readFile(path)
            let file = try bytes.withUnsafeBytes { raw throws -> InputFile in
                InputFile(path, try expanded(raw, in: displayName(path), limit: limit) ?? bytes)
            }
            pipes[path] = file
            return file
        }
    }

    /// The content of compressed bytes; nil where they are not compressed.
    private static func expanded(_ bytes: UnsafeRawBufferPointer, in place: String, limit: Int) throws -> [UInt8]? {
        if Gzip.begins(bytes) { return try Gzip.decompress(bytes, in: place, limit: limit) }
        if Zstandard.begins(bytes) { return try Zstandard.decompress(bytes, in: place, limit: limit) }
        try ForeignFormat.refuse(bytes, in: place)
        return nil
    }

    private init(_ file: MappedFile) {
        path = file.path
        name = file.path
        count = file.count
        address = UInt(bitPattern: file.bytes.baseAddress)
        mapped = file
    }

    private init(_ path: String, _ bytes: [UInt8]) {
        self.path = path
        name = displayName(path)
        count = bytes.count
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(bytes.count, 1), alignment: 16)
        bytes.withUnsafeBytes {
            memory.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: $0.count)
        }
        address = UInt(bitPattern: memory)
        mapped = nil
    }

    deinit {
        if mapped == nil { UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
    }

    /// The content; keep the object for as long as it is used.
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: address), count: count)
    }

    /// Whether `path` is standard input or a pipe whose first line is JSON.
    public static func pipeBeginsAsJSON(_ path: String) -> Bool {
        guard path == "-" || isPipe(path), let file = try? open(path) else { return false }
        return InputLines.beginsAsJSON(file.bytes)
    }

    /// Whether `path` names something that is neither a regular file nor a folder.
    private static func isPipe(_ path: String) -> Bool {
        var information = stat()
        guard stat(path, &information) == 0 else { return false }
        let kind = information.st_mode & S_IFMT
        return kind != S_IFREG && kind != S_IFDIR
    }
}

/// What messages call the input at `path`.
package func displayName(_ path: String) -> String { path == "-" ? "standard input" : path }
