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
            case .bpe: segmenter = .merging(PieceMerging(file))
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
    public var typeName: String {
        switch algorithm {
        case .unigram: "Unigram"
        case .bpe: "BPE"
        case .word: "WordLevel"
        case .character: "Character"
        }
    }

    public var unknownID: TokenID? { unknown }

    public func tokenize(_ piece: UnsafeBufferPointer<UInt8>, into tokens: inout TokenList) {
        var unknownStart: Int32 = -1
        var unknownEnd: Int32 = 0
        segment(piece) { span in
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
