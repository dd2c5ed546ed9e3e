#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A file mapped into memory for reading: opening costs microseconds, whatever the size.
///
/// The memory is unmapped with the last reference, so keep the object for as long as `bytes` is used.
public final class MappedFile: Sendable {
    /// Where the file was found.
    public let path: String
    /// Address of the mapping; an integer because addresses are not `Sendable`, and nil-free for empty files.
    private let address: UInt
    /// The size in bytes.
    public let count: Int
    /// Whether the bytes can be read again from the file, so that their pages may be given back.
    private let isFile: Bool

    /// Maps the file.
    ///
    /// - Throws: `HeedError` of kind `missing` or `io`, naming the file.
    public init(path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw systemFailure("cannot open", path, errno) }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { throw systemFailure("cannot read", path, errno) }
        if information.st_mode & S_IFMT == S_IFDIR { throw systemFailure("cannot read", path, EISDIR) }
        guard information.st_mode & S_IFMT == S_IFREG else {
            throw HeedError(.io, "cannot be mapped into memory", in: path, expected: "a regular file")
        }
        self.path = path
        count = Int(information.st_size)
        isFile = true
        if count == 0 {
            address = 0
            return
        }
        guard let memory = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), memory != MAP_FAILED else {
            throw systemFailure("cannot map into memory", path, errno)
        }
        address = UInt(bitPattern: memory)
    }

    /// The same for bytes that are in memory already, under the name that messages shall have.
    ///
    /// - Throws: `HeedError` where memory is refused.
    public init(copying bytes: [UInt8], path: String) throws {
        self.path = path
        count = bytes.count
        isFile = false
        if count == 0 {
            address = 0
            return
        }
        guard let memory = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0), memory != MAP_FAILED
        else {
            throw systemFailure("cannot find memory for", path, errno)
        }
        address = UInt(bitPattern: memory)
        UnsafeMutableRawBufferPointer(start: memory, count: count).copyBytes(from: bytes)
    }

    deinit {
        if count > 0 { munmap(UnsafeMutableRawPointer(bitPattern: address), count) }
    }

    /// The content of the file.
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: address), count: count)
    }

    /// Calls `body` with a part of the content, then gives its pages back to the system.
    ///
    /// Whoever converts a part does not need it afterwards; pages that stay mapped would count as memory of this
    /// program, beside what was made of them. What is read again comes from the system's cache of the file.
    public func withBytes<Result>(
        _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        defer { giveBack(range) }
        return try body(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }

    /// Gives the pages of a part, and of its neighbours up to a large page, back to the system.
    package func giveBack(_ range: Range<Int>) {
        guard isFile, !range.isEmpty else { return }
        // With the first byte of a part come its neighbours, up to a large page; they go with it.
        let (start, end) = (address + UInt(range.lowerBound), address + UInt(range.upperBound))
        let first = max(start / MappedFile.largePage * MappedFile.largePage, address)
        let last = min((end / MappedFile.largePage + 1) * MappedFile.largePage, address + UInt(count))
        madvise(UnsafeMutableRawPointer(bitPattern: first), Int(last - first), MADV_DONTNEED)
    }

    private static let largePage: UInt = 2 << 20
}
