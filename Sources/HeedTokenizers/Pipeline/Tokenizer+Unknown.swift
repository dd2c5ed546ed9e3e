extension Tokenizer {
    /// Whether the vocabulary has tokens for any text, so that none of it is ever unknown.
    public var coversAllText: Bool {
        if let bpe = model as? BPEModel {
            return bpe.isPlain || bpe.spelling == .ranks
                || (bpe.options.fallsBackToBytes && (0..<256).allSatisfy { bpe.byteIDs.pointer[$0] >= 0 })
        }
        return (model as? SentencePieceModel)?.fallsBackToBytes ?? false
    }

    /// How many characters of a text the vocabulary lacks: those that become the unknown token or nothing.
    ///
    /// Counted in normalised text, the marks of spaces left out. Cost: an encoding, or nothing where `coversAllText`.
    public func unknownCharacters(in text: [UInt8]) -> Int {
        if coversAllText { return 0 }
        return withWorkspace { workspace in
            text.withUnsafeBufferPointer { tokens(of: $0, tracksSpans: true, workspace).unknownCharacters }
        }
    }

    /// How many characters of a piece its tokens leave out or call unknown.
    func unknownCharacters(of piece: UnsafeBufferPointer<UInt8>, _ tokens: TokenList) -> Int {
        let unknown = model.unknownID ?? -1
        // Byte-pair encoding counts what it drops; its spans close the gaps, as in the Hugging Face library.
        let leavesGaps = !(model is BPEModel)
        var count = tokens.unknownCharacters
        var covered = 0
        func add(_ range: Range<Int>) {
            var at = max(range.lowerBound, 0)
            while at < min(range.upperBound, piece.count) {
                let isMark =
                    at + 3 <= piece.count && piece[at] == 0xE2 && piece[at + 1] == 0x96 && piece[at + 2] == 0x81
                if piece[at] & 0xC0 != 0x80, !isMark { count += 1 }
                at += 1
            }
        }
        for (id, span) in zip(tokens.ids, tokens.spans) {
            let range = span.range
            if leavesGaps, range.lowerBound > covered { add(covered..<range.lowerBound) }
            if id == unknown { add(max(range.lowerBound, covered)..<max(range.upperBound, covered)) }
            covered = max(covered, range.upperBound)
        }
        if leavesGaps, covered < piece.count { add(covered..<piece.count) }
        return count
    }
}
