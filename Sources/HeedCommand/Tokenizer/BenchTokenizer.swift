import ArgumentParser
import Heed
import HeedSupport

/// `heed tokenizer bench`: how fast text becomes ids.
struct BenchTokenizer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure the speed of encoding a text file, in MB/s.",
        discussion: """
            heed tokenizer bench --tokenizer gpt2 --threads 2 corpus.txt

            The text is cut into documents of --document bytes, as a program that reads a corpus has them. Medians of \
            --repeats runs after one to warm up; the warm-up run is shown as well.
            """)

    @OptionGroup var source: TokenizerOptions
    @Option(help: ArgumentHelp("How many threads encode.", valueName: "n")) var threads = 1
    @Option(help: ArgumentHelp("How many runs.", valueName: "n")) var repeats = 5
    @Option(help: ArgumentHelp("Bytes per document; 0 for the whole text at once.", valueName: "n")) var document = 4000
    @OptionGroup var output: JSONOption
    @Argument(help: "A text file.") var file: String

    func validate() throws {
        try check("--threads", threads, in: 1...1024)
        try check("--repeats", repeats, in: 1...1000)
        try check("--document", document, in: 0...(1 << 40))
    }

    func run() throws {
        let clock = ContinuousClock()
        var loads: [Double] = []
        var loaded: Tokenizer?
        for _ in 0..<max(3, repeats) {
            let start = clock.now
            loaded = try source.load()
            loads.append((clock.now - start).inSeconds)
        }
        guard let tokenizer = loaded else { return }
        let mapped = try MappedFile(path: file)
        guard mapped.count > 0 else { throw HeedError(.badInput, "the file is empty", in: file) }
        let bytes = mapped.bytes.bindMemory(to: UInt8.self)
        let ranges = documents(bytes)
        var times: [Double] = []
        var count = 0
        for _ in 0...repeats {
            let start = clock.now
            let ids = tokenizer.ids(of: bytes, in: ranges, threads: threads)
            times.append((clock.now - start).inSeconds)
            count = ids.reduce(0) { $0 + $1.count }
        }
        let first = times.removeFirst()
        let median = times.sorted()[times.count / 2]
        let best = times.min() ?? median
        let megabytes = Double(bytes.count) / 1e6
        let load = loads.sorted()[loads.count / 2]
        if output.json {
            try StandardOutput.writeLine([
                "megabytes_per_second": .number(megabytes / median),
                "best_megabytes_per_second": .number(megabytes / best),
                "first_megabytes_per_second": .number(megabytes / first),
                "tokens_per_second": .number(Double(count) / median), "tokens": .integer(count),
                "bytes": .integer(bytes.count), "documents": .integer(ranges.count), "threads": .integer(threads),
                "load_seconds": .number(load),
            ])
            return
        }
        try StandardOutput.writeLine(
            "\(fixed(megabytes / median, 1)) MB/s (best \(fixed(megabytes / best, 1)), first "
                + "\(fixed(megabytes / first, 1))), \(countText(Double(count) / median))tokens/s, \(threads) "
                + "thread\(threads == 1 ? "" : "s"), \(grouped(ranges.count)) documents, \(grouped(count)) tokens; "
                + "loaded in \(fixed(load * 1000, 2)) ms")
    }

    /// Documents of about the asked length, cut between characters.
    private func documents(_ bytes: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        guard document > 0 else { return [0..<bytes.count] }
        var ranges: [Range<Int>] = []
        var start = 0
        while start < bytes.count {
            var end = min(start + document, bytes.count)
            while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
            ranges.append(start..<end)
            start = end
        }
        return ranges
    }
}
