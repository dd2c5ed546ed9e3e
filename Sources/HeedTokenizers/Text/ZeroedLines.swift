#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Memory of zeros that begins on a cache line. The system gives pages of it as they are touched, so a large table of
/// which little is used takes little.
struct ZeroedLines: ~Copyable {
    private static let line = 64
    /// Where it begins.
    let start: UnsafeMutableRawPointer
    private let block: UnsafeMutableRawPointer

    /// `byteCount` bytes.
    init(byteCount: Int) {
        // Where there is no memory at all, the allocator of Swift ends the program, as it does for arrays.
        block =
            calloc(1, byteCount + ZeroedLines.line)
            ?? .allocate(byteCount: byteCount + ZeroedLines.line, alignment: ZeroedLines.line)
        start = block.alignedUp(toMultipleOf: ZeroedLines.line)
    }

    deinit { free(block) }
}
