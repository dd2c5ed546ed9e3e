#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The most memory in bytes that this process has had resident.
package func peakMemory() -> Int {
    var usage = rusage()
    #if canImport(Darwin)
        getrusage(RUSAGE_SELF, &usage)
        return Int(usage.ru_maxrss)
    #else
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Int(usage.ru_maxrss) * 1_024
    #endif
}

/// The memory in bytes that this process has resident; the most that it had where the system does not say.
package func residentMemory() -> Int {
    #if os(Linux)
        // All pages, then the resident ones.
        let fields = (try? readFile("/proc/self/statm"))?.split(separator: UInt8(ascii: " ")) ?? []
        if fields.count > 1, let pages = Int(String(decoding: fields[1], as: UTF8.self)) {
            return pages * sysconf(Int32(_SC_PAGESIZE))
        }
    #endif
    return peakMemory()
}

/// Gives back what only the start of a program needed, where it goes on to run a model of so many bytes: pages of code,
/// and memory that was freed but that the allocator keeps. They would count as its memory, and count for little beside a
/// small model. Code that runs again comes from the system's cache, in small pages.
///
/// Cost: some hundred microseconds. Does nothing but on Linux.
package func giveBackStart(beside bytes: Int) {
    #if os(Linux)
        guard bytes >= 64 << 20 else { return }
        // glibc's own, which its module for Swift lacks; other libraries have none.
        if let trim = dlsym(nil, "malloc_trim") {
            _ = unsafeBitCast(trim, to: (@convention(c) (Int) -> Int32).self)(0)
        }
        guard let map = try? readFile("/proc/self/maps") else { return }
        for line in map.split(separator: UInt8(ascii: "\n")) {
            // First address-last address, rights, offset, device, number, path.
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count >= 6, fields[1].elementsEqual("r-xp".utf8), fields[5].first == UInt8(ascii: "/") else {
                continue
            }
            let ends = fields[0].split(separator: UInt8(ascii: "-"))
                .compactMap { UInt(String(decoding: $0, as: UTF8.self), radix: 16) }
            guard ends.count == 2, ends[0] < ends[1] else { continue }
            let code = UnsafeMutableRawPointer(bitPattern: ends[0])
            madvise(code, Int(ends[1] - ends[0]), 15 /* MADV_NOHUGEPAGE */)
            madvise(code, Int(ends[1] - ends[0]), MADV_DONTNEED)
        }
    #endif
}
