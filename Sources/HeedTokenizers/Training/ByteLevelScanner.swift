/// Splits a line by GPT-2's pattern, as the byte-level pre-tokenizer does.
struct ByteLevelScanner: WordScanner {
    func scan(_ line: UnsafeBufferPointer<UInt8>, into table: inout WordTable) {
        guard let text = line.baseAddress else { return }
        let scanner = GPT2Scanner()
        var at = 0
        while at < line.count {
            let end = scanner.pieceEnd(text, at, line.count)
            table.add(text + at, end - at, times: 1)
            at = end
        }
    }
}
