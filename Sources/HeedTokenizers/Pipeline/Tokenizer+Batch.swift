extension Tokenizer {
    /// The ids of many texts, shared out between threads; the result is the same for any number of them.
    ///
    /// - Parameters:
    ///   - bytes: the texts, one after another.
    ///   - ranges: where each text lies in `bytes`.
    ///   - threads: how many threads work, at least 1.
    public func ids(
        of bytes: UnsafeBufferPointer<UInt8>, in ranges: [Range<Int>], threads: Int = 1
    ) -> [[TokenID]] {
        let parts = max(1, min(threads, ranges.count))
        let results = BatchResults(parts: parts)
        let source = ByteSource(bytes)
        // Shares of equal length in bytes, not in texts.
        var bounds = [0]
        let total = ranges.reduce(0) { $0 + $1.count }
        var sum = 0
        for (index, range) in ranges.enumerated() {
            if bounds.count < parts, sum >= total * bounds.count / parts, index > 0 { bounds.append(index) }
            sum += range.count
        }
        while bounds.count <= parts { bounds.append(ranges.count) }
        let limits = bounds
        runInParallel(parts) { part in
            var share: [[TokenID]] = []
            share.reserveCapacity(limits[part + 1] - limits[part])
            withWorkspace { workspace in
                var buffer = IDBuffer(capacity: 4096)
                for range in ranges[limits[part]..<limits[part + 1]] {
                    buffer.removeAll()
                    appendIDs(of: UnsafeBufferPointer(rebasing: source.bytes[range]), workspace, to: &buffer)
                    share.append(buffer.array())
                }
            }
            results.set(share, part)
        }
        return results.joined()
    }
}

/// Bytes that outlive the threads that read them.
private struct ByteSource: @unchecked Sendable {
    // Unchecked: the caller of a batch keeps the memory until all threads are done, and nobody writes to it.
    let bytes: UnsafeBufferPointer<UInt8>

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }
}

/// One slot per thread.
private final class BatchResults: @unchecked Sendable {
    // Unchecked: every thread writes its own slot, and the slots are read after all have ended.
    private let slots: UnsafeMutablePointer<[[TokenID]]>
    private let count: Int

    init(parts: Int) {
        count = parts
        slots = UnsafeMutablePointer<[[TokenID]]>.allocate(capacity: parts)
        slots.initialize(repeating: [], count: parts)
    }

    func set(_ share: [[TokenID]], _ part: Int) { slots[part] = share }

    func joined() -> [[TokenID]] {
        if count == 1 { return slots[0] }
        return (0..<count).flatMap { slots[$0] }
    }

    deinit {
        slots.deinitialize(count: count)
        slots.deallocate()
    }
}
