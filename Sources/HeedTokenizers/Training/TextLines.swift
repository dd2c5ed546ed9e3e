import HeedSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// How far a training has come; handed to a progress callback a few times per second at most.
public struct TrainingProgress: Sendable, Equatable {
    /// The stages of training a tokenizer.
    public enum Stage: String, Sendable {
        /// Reading the text and counting its words; `done` and `total` are bytes.
        case counting
        /// Making candidate pieces (Unigram); `done` and `total` are characters.
        case seeding
        /// Learning merges or pieces; `done` and `total` are vocabulary entries.
        case learning
    }

    /// What is being done.
    public var stage: Stage
    /// How much of it is done.
    public var done: Int
    /// How much there is; 0 where it is not known.
    public var total: Int

    /// So much of a stage.
    public init(stage: Stage, done: Int, total: Int) {
        self.stage = stage
        self.done = done
        self.total = total
    }
}

/// Called with the progress of a training; what it throws ends the training.
public typealias TrainingProgressHandler = (TrainingProgress) throws -> Void

/// What turns lines of text into words to count.
protocol WordScanner: Sendable {
    /// Adds the words of one line, its line end included, to the table.
    func scan(_ line: UnsafeBufferPointer<UInt8>, into table: inout WordTable)
}

/// Counts the words of text files in rounds of bounded size, with any number of threads and always the same result.
struct WordCounter {
    /// How many distinct words are kept at most; beyond it the rarest are forgotten after each round.
    ///
    /// The default of 8 million words of English takes about 0.7 GB.
    var maximumDistinctWords = 8_000_000
    var threads = availableProcessors()

    /// Words counted, and what was left out on the way.
    struct Result: ~Copyable {
        var table: WordTable
        /// Distinct words forgotten because of the cap (a word may be forgotten more than once).
        var forgotten = 0
    }

    /// Bytes of text per chunk (extended to the end of a line) and chunks per round.
    private static let chunkSize = 1 << 20
    private static let chunksPerRound = 64

    /// Counts the words of all files.
    ///
    /// The files are mapped, not loaded; each round counts 64 chunks of about 1 MB into one table per thread, which
    /// are then added up, so that memory depends on the distinct words only.
    ///
    /// - Throws: `HeedError` for a file that cannot be read, and whatever the progress handler throws.
    func count<Scanner: WordScanner>(
        files: [String], scanner: Scanner, progress: TrainingProgressHandler?
    ) throws -> Result {
        let mapped = try files.map { try InputFile.open($0) }
        let total = mapped.reduce(0) { $0 + $1.count }
        var result = Result(table: WordTable(minimumCapacity: 1 << 16))
        var done = 0
        for file in mapped {
            var start = 0
            while start < file.count {
                let chunks = Self.chunks(of: file.bytes, from: start)
                add(chunks, of: file, scanner: scanner, to: &result.table)
                result.forgotten += result.table.prune(to: maximumDistinctWords)
                let end = chunks.last?.upperBound ?? file.count
                done += end - start
                start = end
                try progress?(TrainingProgress(stage: .counting, done: done, total: total))
            }
        }
        return result
    }

    private func add<Scanner: WordScanner>(
        _ chunks: [Range<Int>], of file: InputFile, scanner: Scanner, to table: inout WordTable
    ) {
        let parts = max(1, min(threads, chunks.count))
        let tables = UnsafeMutablePointer<WordTable>.allocate(capacity: parts)
        for part in 0..<parts { (tables + part).initialize(to: WordTable(minimumCapacity: 1 << 16)) }
        nonisolated(unsafe) let shared = tables
        runInParallel(parts) { part in
            for index in stride(from: part, to: chunks.count, by: parts) {
                let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[chunks[index]])
                forEachLine(bytes) { scanner.scan($0, into: &shared[part]) }
            }
        }
        for part in 0..<parts { table.add(tables[part]) }
        tables.deinitialize(count: parts)
        tables.deallocate()
    }

    /// Up to one round of chunks that begin at `start`, each ending with a line (or with the file).
    private static func chunks(of bytes: UnsafeRawBufferPointer, from start: Int) -> [Range<Int>] {
        var chunks: [Range<Int>] = []
        var at = start
        while at < bytes.count, chunks.count < chunksPerRound {
            var end = min(bytes.count, at + chunkSize)
            if end < bytes.count, let base = bytes.baseAddress {
                if let lineEnd = memchr(base + end - 1, 10, bytes.count - end + 1) {
                    end = UnsafeRawPointer(lineEnd) - base + 1
                } else {
                    end = bytes.count
                }
            }
            chunks.append(at..<end)
            at = end
        }
        return chunks
    }
}

/// Calls `body` with each line, its `\n` included; the last may lack one.
@inline(__always)
func forEachLine(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeBufferPointer<UInt8>) throws -> Void) rethrows {
    guard let base = bytes.baseAddress else { return }
    var start = 0
    while start < bytes.count {
        var end = bytes.count
        if let lineEnd = memchr(base + start, 10, bytes.count - start) { end = UnsafeRawPointer(lineEnd) - base + 1 }
        let line = UnsafeRawBufferPointer(start: base + start, count: end - start)
        try body(line.assumingMemoryBound(to: UInt8.self))
        start = end
    }
}

/// A table made from the entries of another: `body` gets each word, how often it occurs, and the table to add to.
///
/// Runs on any number of threads; what it gives does not depend on it but for the order of entries.
func rewritten(
    _ source: borrowing WordTable, threads: Int,
    _ body: @Sendable (UnsafeBufferPointer<UInt8>, Int64, inout WordTable) -> Void
) -> WordTable {
    let count = source.count
    let parts = max(1, min(threads, count / 1000 + 1))
    let tables = UnsafeMutablePointer<WordTable>.allocate(capacity: parts)
    let entries = UnsafeMutablePointer<(UnsafeBufferPointer<UInt8>, Int64)>.allocate(capacity: max(count, 1))
    for index in 0..<count { (entries + index).initialize(to: (source.bytes(index), source[index].count)) }
    nonisolated(unsafe) let sharedTables = tables
    nonisolated(unsafe) let sharedEntries = entries
    runInParallel(parts) { part in
        (sharedTables + part).initialize(to: WordTable())
        for index in stride(from: part, to: count, by: parts) {
            body(sharedEntries[index].0, sharedEntries[index].1, &sharedTables[part])
        }
    }
    var result = WordTable()
    for part in 0..<parts { result.add(tables[part]) }
    tables.deinitialize(count: parts)
    tables.deallocate()
    entries.deallocate()
    return result
}
