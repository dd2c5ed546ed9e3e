/// The stages of byte-level tokenizers that come down to one scan over the bytes and a table of pieces.
struct FastPath: Sendable {
    /// The patterns with a scanner of their own.
    enum Scanner: Sendable, Equatable {
        case gpt2
        case cl100k(digits: Int, takesTrailingSpace: Bool)
    }

    let scanner: Scanner
    let model: BPEModel

    /// The fast path of these stages, or nil where they need the long one.
    init?(normalizer: (any NormalizerStage)?, preTokenizer: (any PreTokenizerStage)?, model: any TokenModel) {
        guard normalizer == nil, let model = model as? BPEModel, model.isPlain else { return nil }
        switch preTokenizer {
        case let stage as ByteLevelPreTokenizer where stage.usesPattern && !stage.addsPrefixSpace:
            scanner = .gpt2
        case let stage as SequencePreTokenizer:
            guard stage.stages.count == 2, let split = stage.stages[0] as? SplitPreTokenizer,
                let scanner = split.fastScanner, let bytes = stage.stages[1] as? ByteLevelPreTokenizer,
                !bytes.usesPattern, !bytes.addsPrefixSpace
            else { return nil }
            self.scanner = scanner
        default: return nil
        }
        self.model = model
    }

    /// Appends the ids of a text.
    func encode(_ text: UnsafeBufferPointer<UInt8>, with encoder: ByteEncoder, into ids: inout IDBuffer) {
        switch scanner {
        case .gpt2: encoder.encode(text, by: GPT2Scanner(), into: &ids)
        case .cl100k(let digits, let takesTrailingSpace):
            encoder.encode(
                text, by: CL100KScanner(digits: digits, takesTrailingSpace: takesTrailingSpace), into: &ids)
        }
    }

    /// Appends the ids of bytes that are no UTF-8 from `bad` on, as tiktoken has it: the last piece of the text before
    /// that place and all bytes after it are one piece.
    func encodeBroken(
        _ bytes: UnsafeBufferPointer<UInt8>, from bad: Int, with encoder: ByteEncoder, into ids: inout IDBuffer
    ) {
        // Joining a piece of many megabytes would take gigabytes of memory, and no text looks like that.
        guard bytes.count - bad <= FastPath.longestBrokenTail else {
            encode(bytes, with: encoder, into: &ids)
            return
        }
        let pieces = pieces(of: UnsafeBufferPointer(rebasing: bytes[..<bad]))
        var tail = pieces.last?.lowerBound ?? 0
        // The pieces are those of the text as a whole: white space before the tail is not at the end of a text.
        var kept = IDBuffer(capacity: bad / 3 + 16)
        for piece in pieces.dropLast() {
            encoder.encodePiece(UnsafeBufferPointer(rebasing: bytes[piece]), into: &kept)
        }
        var head = kept.array()
        // White space before the last piece joins it, if that piece starts with white space.
        var last = IDBuffer(capacity: 16)
        encoder.encodePiece(UnsafeBufferPointer(rebasing: bytes[tail..<bad]), into: &last)
        if let first = last.array().first, isSpace(first) {
            while let before = head.last, isSpace(before) {
                tail -= model.vocabulary.bytes(of: before)?.count ?? 0
                head.removeLast()
            }
        }
        for id in head { ids.append(id) }
        encoder.encodePiece(UnsafeBufferPointer(rebasing: bytes[tail...]), into: &ids)
    }

    private static let longestBrokenTail = 1 << 20

    private func isSpace(_ id: TokenID) -> Bool {
        model.vocabulary.bytes(of: id)?.allSatisfy { $0 == 0x20 || $0 == 0x0A || $0 == 0x09 } ?? false
    }

    /// The pieces of a text.
    func pieces(of text: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        switch scanner {
        case .gpt2: text.pieces(by: GPT2Scanner())
        case .cl100k(let digits, let takesTrailingSpace):
            text.pieces(by: CL100KScanner(digits: digits, takesTrailingSpace: takesTrailingSpace))
        }
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// The pieces that a scanner cuts.
    func pieces(by scanner: some PatternScanner) -> [Range<Int>] {
        guard let base = baseAddress else { return [] }
        var result: [Range<Int>] = []
        var at = 0
        while at < count {
            let end = scanner.pieceEnd(base, at, count)
            result.append(at..<end)
            at = end
        }
        return result
    }
}
