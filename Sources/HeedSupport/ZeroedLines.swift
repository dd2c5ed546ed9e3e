#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Memory of zeros that begins on a cache line. The system gives pages of it as they are touched, so a large table of
/// which little is used takes little.
package struct ZeroedLines: ~Copyable {
    private static let line = 64
    /// Where it begins.
    package let start: UnsafeMutableRawPointer
    private let block: UnsafeMutableRawPointer

    /// `byteCount` bytes.
    package init(byteCount: Int) {
        // Where there is no memory at all, the allocator of Swift ends the program, as it does for arrays.
        block =
            calloc(1, byteCount + ZeroedLines.line)
            ?? .allocate(byteCount: byteCount + ZeroedLines.line, alignment: ZeroedLines.line)
        start = block.alignedUp(toMultipleOf: ZeroedLines.line)
    }

    /// `count` values from byte `offset` on, all of them zero at first.
    package func values<Value: BitwiseCopyable>(
        of type: Value.Type, at offset: Int, count: Int
    ) -> UnsafeMutableBufferPointer<Value> {
        UnsafeMutableBufferPointer(start: (start + offset).bindMemory(to: type, capacity: count), count: count)
    }

    deinit { free(block) }
}
