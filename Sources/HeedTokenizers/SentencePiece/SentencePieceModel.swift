import HeedSupport

/// The segmentation of a SentencePiece model: unigram, BPE, words or characters, as the stage that makes tokens.
public struct SentencePieceModel: Sendable {
    private enum Segmenter: Sendable {
        case unigram
        case merging(PieceMerging)
        case words
        case characters(userDefined: DoubleArray?)
    }

    private let segmenter: Segmenter
    /// The unigram model, where the file is of that kind: best and random segmentations.
    public let unigram: UnigramModel?
    /// Pieces and their ids.
    public let vocabulary: Vocabulary
    private let unknown: TokenID
    private let byteIDs: [TokenID]?
    private let algorithm: SentencePieceFile.Algorithm
    /// Pieces that encoding must not give; they count as unknown.
    private let unused: Set<TokenID>

    /// Prepares the model of a file; `place` names it in messages.
    ///
    /// - Throws: `HeedError` when the pieces contradict each other.
    public init(_ file: SentencePieceFile, in place: String) throws {
        try file.validate(in: place)
        algorithm = file.algorithm
        switch file.algorithm {
        case .unigram:
            let model = try UnigramModel(file, in: place)
            unigram = model
            vocabulary = model.vocabulary
            segmenter = .unigram
        case .bpe, .word, .character:
            unigram = nil
            vocabulary = try Self.vocabulary(of: file, in: place)
            switch file.algorithm {
            case .bpe: segmenter = .merging(PieceMerging(file, vocabulary: vocabulary))
            case .word: segmenter = .words
            default:
                let marked = file.pieces.filter { $0.role == .userDefined }
                segmenter = .characters(
                    userDefined: marked.isEmpty ? nil : DoubleArray(keys: marked.map { ($0.text, 0) }))
            }
        }
        unknown = TokenID(file.pieces.firstIndex { $0.role == .unknown } ?? 0)
        byteIDs = file.byteIDs
        unused = Set(file.pieces.indices.filter { file.pieces[$0].role == .unused }.map(TokenID.init))
    }

    private static func vocabulary(of file: SentencePieceFile, in place: String) throws -> Vocabulary {
        var builder = Vocabulary.Builder(capacity: file.pieces.count, in: place)
        for (id, piece) in file.pieces.enumerated() {
            try piece.text.withUnsafeBufferPointer { try builder.add($0, id: id) }
        }
        return builder.build()
    }

    /// Calls `body` with the pieces of a text in order; what no piece covers has the unknown id.
    private func segment(_ text: UnsafeBufferPointer<UInt8>, _ body: (PieceSpan) -> Void) {
        switch segmenter {
        case .unigram: unigram?.pieces.viterbi(text, body)
        case .merging(let merging): merging.segment(text, body)
        case .words: segmentWords(text, body)
        case .characters(let userDefined): segmentCharacters(text, userDefined, body)
        }
    }

    private func span(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> PieceSpan {
        var id = vocabulary.id(of: UnsafeBufferPointer(rebasing: text[start..<end])) ?? unknown
        if unused.contains(id) { id = unknown }
        return PieceSpan(start: Int32(start), end: Int32(end), id: id)
    }

    private func segmentCharacters(
        _ text: UnsafeBufferPointer<UInt8>, _ userDefined: DoubleArray?, _ body: (PieceSpan) -> Void
    ) {
        var at = 0
        while at < text.count {
            let length =
                userDefined?.longestPrefix(text, from: at)?.length ?? UnigramPieces.characterLength(text, at)
            body(span(text, at, at + length))
            at += length
        }
    }

    /// Cuts before each space (also where white space is a suffix, as the reference implementation does).
    private func segmentWords(_ text: UnsafeBufferPointer<UInt8>, _ body: (PieceSpan) -> Void) {
        var start = 0
        var at = 0
        while at < text.count {
            let length = UnigramPieces.characterLength(text, at)
            let isSpace = length == 3 && text[at] == 0xE2 && text[at + 1] == 0x96 && text[at + 2] == 0x81
            if isSpace, at > start {
                body(span(text, start, at))
                start = at
            }
            at += length
        }
        if at > start { body(span(text, start, at)) }
    }
}

extension SentencePieceModel: TokenModel {
    /// The name of the algorithm in `tokenizer.json`.
    public var typeName: String {
        switch algorithm {
        case .unigram: "Unigram"
        case .bpe: "BPE"
        case .word: "WordLevel"
        case .character: "Character"
        }
    }

    /// The id of what has no piece.
    public var unknownID: TokenID? { unknown }

    /// Whether what has no piece becomes bytes.
    var fallsBackToBytes: Bool { byteIDs != nil }

    /// Appends the pieces of normalised text.
    public func tokenize(_ piece: UnsafeBufferPointer<UInt8>, into tokens: inout TokenList) {
        appendTokens(of: piece, to: &tokens) { segment(piece, $0) }
    }

    /// The pieces of a text under dropout, or nil for a model without merges.
    func mergedSpans(
        of text: UnsafeBufferPointer<UInt8>, under dropout: MergeDropout,
        using generator: inout some RandomNumberGenerator
    ) -> [PieceSpan]? {
        guard case .merging(let merging) = segmenter else { return nil }
        return merging.spans(of: text, under: dropout, using: &generator)
    }

    /// Appends the tokens of the pieces that `segment` gives: unknown ones joined, or spelled as bytes.
    func appendTokens(
        of piece: UnsafeBufferPointer<UInt8>, to tokens: inout TokenList,
        _ segment: ((PieceSpan) -> Void) -> Void
    ) {
        var unknownStart: Int32 = -1
        var unknownEnd: Int32 = 0
        segment { span in
            if span.id == unknown {
                if let byteIDs {
                    spell(span, piece, byteIDs, &tokens)
                    return
                }
                if unknownStart < 0 { unknownStart = span.start }
                unknownEnd = span.end
                return
            }
            if unknownStart >= 0 {
                tokens.append(unknown, from: Int(unknownStart), to: Int(unknownEnd))
                unknownStart = -1
            }
            tokens.append(span.id, from: Int(span.start), to: Int(span.end))
        }
        if unknownStart >= 0 { tokens.append(unknown, from: Int(unknownStart), to: Int(unknownEnd)) }
    }

    /// Spells an unknown piece as bytes; the last has the place of the whole.
    private func spell(
        _ span: PieceSpan, _ text: UnsafeBufferPointer<UInt8>, _ byteIDs: [TokenID], _ tokens: inout TokenList
    ) {
        for at in Int(span.start)..<Int(span.end) {
            let end = at + 1 == Int(span.end) ? span.end : span.start
            tokens.append(byteIDs[Int(text[at])], from: Int(span.start), to: Int(end))
        }
    }

    public func json() -> JSON? { unigram?.json() }
}

extension SentencePieceModel {
    /// Appends the ids of normalised text, with words remembered where the model cuts them on their own.
    func appendIDs(of text: UnsafeBufferPointer<UInt8>, _ workspace: Workspace, to ids: inout IDBuffer) {
        switch segmenter {
        case .merging(let merging):
            appendMerged(text, merging, workspace, to: &ids)
        case .unigram where unigram?.pieces.borders != nil:
            unigram?.appendIDs(of: text, workspace.unigramMemory, to: &ids)
        default:
            var tokens = TokenList(tracksSpans: false)
            tokenize(text, into: &tokens)
            tokens.ids.withUnsafeBufferPointer { ids.append($0) }
        }
    }

    private func appendMerged(
        _ text: UnsafeBufferPointer<UInt8>, _ merging: PieceMerging, _ workspace: Workspace, to ids: inout IDBuffer
    ) {
        guard let base = text.baseAddress else { return }
        let memory = workspace.words(true)
        var isUnknownPending = false
        var start = 0
        while start < text.count {
            let end = merging.borders.end(text, from: start)
            defer { start = end }
            let readable = text.count - start
            // Unknown pieces that follow each other are one, so a stretch with any is not remembered.
            let before = ids.count
            if isUnknownPending { ids.append(unknown) }
            if memory.append(base + start, end - start, readable: readable, to: &ids) {
                isUnknownPending = false
                continue
            }
            if isUnknownPending { ids.remove(from: before) }
            var hasUnknown = false
            var found: [TokenID] = []
            merging.segment(text, start..<end, &workspace.merging) { span in
                if span.id != unknown {
                    if isUnknownPending { found.append(unknown) }
                    isUnknownPending = false
                    found.append(span.id)
                } else if let byteIDs {
                    for at in Int(span.start)..<Int(span.end) { found.append(byteIDs[Int(text[at])]) }
                } else {
                    isUnknownPending = true
                    hasUnknown = true
                }
            }
            found.withUnsafeBufferPointer { found in
                ids.append(found)
                if !hasUnknown, byteIDs != nil || !found.contains(unknown) {
                    memory.insert(base + start, end - start, readable: readable, found)
                }
            }
        }
        if isUnknownPending { ids.append(unknown) }
    }
}
