import HeedSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Zeroed memory straight from the system: page-aligned, with large pages where the system offers them.
///
/// Pages cost nothing until they are touched, so a capacity may be generous. Freed with the object.
public final class AlignedMemory: @unchecked Sendable {
    // Sendable because the object only owns an address; who reads and writes through it is the business of its user.

    /// The first byte.
    public let base: UnsafeMutableRawPointer
    /// The size in bytes.
    public let byteCount: Int

    private static let largePage = 2 << 20

    /// Maps `byteCount` bytes of zeros.
    ///
    /// - `sparse`: whether little of it will be touched, here and there: small pages then cost less memory.
    /// - Throws: `HeedError` (`io`) when the system has no such memory.
    public init(byteCount: Int, sparse: Bool = false) throws {
        // Whole large pages: the system aligns and backs only those, and small pages make caches and their speed a
        // matter of luck.
        let page = AlignedMemory.largePage
        self.byteCount = byteCount >= page / 2 ? (byteCount + page - 1) / page * page : max(byteCount, 1)
        #if os(Linux)
            let flags = MAP_PRIVATE | MAP_ANONYMOUS
        #else
            let flags = MAP_PRIVATE | MAP_ANON
        #endif
        let address = mmap(nil, self.byteCount, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let address, address != MAP_FAILED else {
            throw HeedError(
                .io, "the system refuses \(self.byteCount / 1_048_576) MiB of memory",
                advice: "Use a smaller batch, context or model.")
        }
        base = address
        guard !sparse else { return }
        // A large page for the last bytes would cost megabytes that nobody asked for, once per matrix of a model.
        let whole = min(max(byteCount / page, 1) * page, self.byteCount)
        useLargePages(0..<whole)
        #if os(Linux)
            if whole < self.byteCount {
                madvise(address + whole, self.byteCount - whole, 15 /* MADV_NOHUGEPAGE */)
            }
        #endif
    }

    /// Asks for large pages in a part of the memory that will be touched as a whole.
    package func useLargePages(_ range: Range<Int>) {
        #if os(Linux)
            // Walking a matrix by rows touches a page per row; large pages keep the translation cache from deciding the speed.
            let page = UInt(AlignedMemory.largePage)
            let start = UInt(bitPattern: base)
            let first = (start + UInt(range.lowerBound) + page - 1) / page * page
            let last = (start + UInt(range.upperBound)) / page * page
            guard first < last else { return }
            madvise(UnsafeMutableRawPointer(bitPattern: first), Int(last - first), 14 /* MADV_HUGEPAGE */)
        #endif
    }

    deinit { munmap(base, byteCount) }

    /// The memory as numbers.
    public var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }
}
