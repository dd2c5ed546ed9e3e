import HeedSupport

/// The pieces of a SentencePiece model under the ids of another vocabulary, as Marian and M2M100 have them.
///
/// What no piece covers is looked up too: a vocabulary of two languages knows characters that the model of one lacks.
struct MappedPieceModel: TokenModel {
    /// The model that cuts.
    let pieces: SentencePieceModel
    let vocabulary: Vocabulary
    /// The id of each piece.
    private let ids: FrozenBuffer<TokenID>
    private let unknown: TokenID
    private let unknownPiece: TokenID

    var typeName: String { pieces.typeName }
    var unknownID: TokenID? { unknown }

    init(_ pieces: SentencePieceModel, vocabulary: Vocabulary, unknown: TokenID) {
        self.pieces = pieces
        self.vocabulary = vocabulary
        self.unknown = unknown
        unknownPiece = pieces.unknownID ?? -1
        ids = FrozenBuffer(
            (0..<pieces.vocabulary.idLimit).map { piece in
                pieces.vocabulary.bytes(of: TokenID(piece)).flatMap { vocabulary.id(of: $0) } ?? unknown
            })
    }

    func tokenize(_ piece: UnsafeBufferPointer<UInt8>, into tokens: inout TokenList) {
        var found = TokenList(tracksSpans: true)
        pieces.tokenize(piece, into: &found)
        for (id, span) in zip(found.ids, found.spans) {
            let start = min(Int(span.start), piece.count)
            let end = min(max(start, Int(span.end)), piece.count)
            let mapped =
                id == unknownPiece
                ? vocabulary.id(of: UnsafeBufferPointer(rebasing: piece[start..<end])) ?? unknown
                : ids.pointer[Int(id)]
            tokens.append(mapped, from: Int(span.start), to: Int(span.end))
        }
    }

    func json() -> JSON? { nil }
}

/// Turns ids of a vocabulary beside a SentencePiece model into text, in the manner of `transformers`.
///
/// Special tokens stand as they are spelled between stretches that the model decodes; white space at both ends goes.
struct MappedPieceDecoder: IDDecoder {
    let decoder: SentencePieceDecoder
    /// The vocabulary whose ids are decoded.
    let vocabulary: Vocabulary?
    /// The texts of special tokens and of other ids outside the vocabulary.
    let marks: [TokenID: [UInt8]]
    /// Whether a space follows each special token, and U+2581 is a space in pieces that the model lacks.
    let spacesMarks: Bool

    func decode(_ ids: [TokenID]) -> [UInt8] {
        var text: [UInt8] = []
        var pieces: [[UInt8]] = []
        for id in ids {
            if let mark = marks[id] {
                text += decoder.decode(pieces: pieces) + mark
                if spacesMarks { text.append(0x20) }
                pieces.removeAll()
            } else if let bytes = vocabulary?.bytes(of: id) {
                pieces.append(Array(bytes))
            }
        }
        text += decoder.decode(pieces: pieces)
        if spacesMarks { text = SentencePieceDecoder.withPlainSpaces(text) }
        let start = text.withUnsafeBufferPointer { Self.spaceCount($0, atEnd: false) }
        let end = text.withUnsafeBufferPointer { Self.spaceCount($0, atEnd: true) }
        return start + end >= text.count ? [] : Array(text[start..<text.count - end])
    }

    func openCount(_ text: [UInt8]) -> Int {
        decoder.rewritesText ? text.count : text.withUnsafeBufferPointer { Self.spaceCount($0, atEnd: true) }
    }

    func json() -> JSON? { nil }

    /// The bytes of white space at one end of a text.
    private static func spaceCount(_ text: UnsafeBufferPointer<UInt8>, atEnd: Bool) -> Int {
        var count = 0
        while count < text.count {
            var at = atEnd ? text.count - count - 1 : count
            if atEnd { while at > 0, text[at] & 0xC0 == 0x80 { at -= 1 } }
            let (scalar, length) = decodeScalar(text, at)
            guard scalar.isWhiteSpace || (0x1C...0x1F).contains(scalar.value) else { break }
            count += length
        }
        return min(count, text.count)
    }
}
