/// Forms of files that Heed does not read, told by their first bytes, with a way to read them nevertheless.
enum ForeignFormat {
    /// First bytes, a name, and the program that writes the content to its output when it is given `-dc`.
    private static let compressed: [(start: [UInt8], name: String, program: String)] = [
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "xz", "xz"),
        ([0x42, 0x5A, 0x68], "bzip2", "bzip2"),
        ([0x04, 0x22, 0x4D, 0x18], "lz4", "lz4"),
    ]

    /// Throws where `bytes` begin as such a file does.
    ///
    /// - Throws: `HeedError` (`unsupported`) naming the form, with a command that gives the content as standard input.
    static func refuse(_ bytes: UnsafeRawBufferPointer, in place: String) throws {
        // bzip2's mark is also a word: what follows it is the size of a block and the mark of the first one.
        for form in compressed where bytes.starts(with: form.start) {
            if form.name == "bzip2", bytes.count < 10 || bytes[4] != 0x31 || bytes[5] != 0x41 { continue }
            throw HeedError(
                .unsupported, "the file is compressed with \(form.name), which Heed does not take apart", in: place,
                expected: "plain or compressed with gzip or zstd",
                advice: "Give - in its place, behind `\(form.program) -dc \(place) |`")
        }
        if bytes.starts(with: Array("PAR1".utf8)) {
            throw HeedError(
                .unsupported, "the file is a Parquet table, which Heed does not read", in: place,
                expected: "text, JSONL, CSV or TSV",
                advice: "Write it as JSONL: duckdb -c \"COPY (FROM '\(place)') TO 'data.jsonl' (FORMAT json)\"")
        }
    }
}
