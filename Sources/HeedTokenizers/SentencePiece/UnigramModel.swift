import HeedSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A unigram language model over pieces (Kudo 2018): text is cut where the product of the pieces' probabilities is
/// largest.
///
/// Two libraries run such models and differ in details; each is followed exactly: SentencePiece sums in 32 bits and
/// joins neighbouring unknown characters after the search, Hugging Face's library sums in 64 bits and looks the joined
/// text up again.
public struct UnigramModel: Sendable {
    /// Whose details are followed.
    enum Style { case sentencePiece, huggingFace }

    private(set) var pieces: UnigramPieces
    let style: Style
    /// The tokens by id.
    public let vocabulary: Vocabulary
    /// The ids of the 256 bytes where unknown text becomes bytes.
    let byteIDs: [TokenID]?

    /// The model of a SentencePiece file.
    ///
    /// - Throws: `HeedError` when the file is of another kind or broken.
    init(_ file: SentencePieceFile, in place: String) throws {
        var lowest = Float.greatestFiniteMagnitude
        var keys: [(key: [UInt8], value: Int)] = []
        var builder = Vocabulary.Builder(capacity: file.pieces.count, in: place)
        for (id, piece) in file.pieces.enumerated() {
            try piece.text.withUnsafeBufferPointer { try builder.add($0, id: id) }
            switch piece.role {
            case .normal:
                lowest = min(lowest, piece.score)
                keys.append((piece.text, id))
            case .userDefined:
                keys.append((piece.text, id))
            case .unknown, .control, .byte, .unused:
                break
            }
        }
        let hasUserDefined = file.pieces.contains { $0.role == .userDefined }
        pieces = UnigramPieces(
            trie: DoubleArray(keys: keys), scores: FrozenBuffer(file.pieces.map { Double($0.score) }),
            isUserDefined: hasUserDefined ? FrozenBuffer(file.pieces.map { $0.role == .userDefined }) : nil,
            unknownScore: Double(lowest - Float(UnigramPieces.unknownPenalty)),
            unknownID: TokenID(file.pieces.firstIndex { $0.role == .unknown } ?? 0), usesSinglePrecision: true)
        pieces.remember(file.pieces.map(\.text.count), PieceBorders(keys.lazy.map(\.key)))
        style = .sentencePiece
        vocabulary = builder.build()
        byteIDs = file.byteIDs
    }

    /// The model of a `tokenizer.json`: tokens with scores in the order of their ids.
    ///
    /// - Throws: `HeedError` naming `place` when the unknown id is outside, a token occurs twice or a score is NaN.
    public init(tokens: [(text: String, score: Double)], unknownID: Int?, byteFallback: Bool, in place: String) throws {
        var builder = Vocabulary.Builder(capacity: tokens.count, in: place)
        for (id, token) in tokens.enumerated() { try builder.add(token.text, id: id) }
        try self.init(
            vocabulary: builder.build(), scores: tokens.map(\.score), unknownID: unknownID,
            byteFallback: byteFallback, in: place)
    }

    /// The model of a `tokenizer.json`: a vocabulary without gaps, with the score of each id.
    ///
    /// - Throws: `HeedError` naming `place` when the unknown id is outside or a score is NaN.
    init(vocabulary: Vocabulary, scores: [Double], unknownID: Int?, byteFallback: Bool, in place: String) throws {
        if let unknownID, !scores.indices.contains(unknownID) {
            throw HeedError(
                .badInput, "the unknown id is outside the vocabulary", in: place,
                expected: "0 to \(scores.count - 1)", got: "\(unknownID)")
        }
        var views: [(key: UnsafeBufferPointer<UInt8>, value: Int)] = []
        views.reserveCapacity(scores.count)
        var lowest = Double.infinity
        for (id, score) in scores.enumerated() {
            guard !score.isNaN else {
                throw HeedError(.badInput, "the score of token \(id) is not a number", in: place)
            }
            if let text = vocabulary.bytes(of: TokenID(id)) { views.append((text, id)) }
            lowest = min(lowest, score)
        }
        pieces = UnigramPieces(
            trie: DoubleArray(views: views), scores: FrozenBuffer(scores), isUserDefined: nil,
            unknownScore: lowest - UnigramPieces.unknownPenalty, unknownID: TokenID(unknownID ?? -1),
            usesSinglePrecision: false)
        style = .huggingFace
        self.vocabulary = vocabulary
        let ids = (UInt8.min...UInt8.max).map { vocabulary.id(of: SentencePieceFile.spelling(of: $0)) ?? -1 }
        byteIDs = byteFallback ? ids : nil
    }

    /// Appends the tokens of spans in order, with unknown stretches joined or spelled as bytes.
    private func append(
        _ spans: some Sequence<PieceSpan>, of text: UnsafeBufferPointer<UInt8>, to tokens: inout TokenList
    ) {
        var joiner = UnknownJoiner(model: self, text: text)
        for span in spans { joiner.append(span, to: &tokens) }
        joiner.finish(&tokens)
    }

    /// The `count` most probable segmentations of a normalised piece of text, best first, with their sums of scores.
    public func best(_ count: Int, of text: UnsafeBufferPointer<UInt8>) -> [(tokens: TokenList, score: Float)] {
        guard !text.isEmpty else { return [(TokenList(tracksSpans: true), 0)] }
        if count <= 1 {
            var tokens = TokenList(tracksSpans: true)
            tokenize(text, into: &tokens)
            return [(tokens, 0)]
        }
        var lattice = UnigramLattice()
        lattice.fill(text, pieces)
        return UnigramNBest.search(&lattice, count: min(count, 1024)).map { path in
            var tokens = TokenList(tracksSpans: true)
            append(path.nodes.map(lattice.span), of: text, to: &tokens)
            return (tokens, path.score)
        }
    }

    /// A segmentation drawn with probability proportional to exp(sharpness · sum of scores), from all of them or,
    /// with `among` above 1, from that many of the best.
    public func sample(
        _ text: UnsafeBufferPointer<UInt8>, sharpness: Float, among count: Int = -1,
        using generator: inout some RandomNumberGenerator
    ) -> TokenList {
        var tokens = TokenList(tracksSpans: true)
        guard !text.isEmpty else { return tokens }
        if count == 0 || count == 1 {
            tokenize(text, into: &tokens)
            return tokens
        }
        if count > 1 {
            let paths = best(count, of: text)
            let highest = paths.map(\.score).max() ?? 0
            let weights = paths.map { exp(Double(sharpness) * Double($0.score - highest)) }
            return paths[UnigramLattice.draw(weights, using: &generator)].tokens
        }
        var lattice = UnigramLattice()
        lattice.fill(text, pieces)
        append(
            lattice.sample(sharpness: sharpness, using: &generator).map(lattice.span), of: text, to: &tokens)
        return tokens
    }
}

extension UnigramModel: TokenModel {
    /// The name in `tokenizer.json`.
    public var typeName: String { "Unigram" }

    /// The id of what has no piece, where there is one.
    public var unknownID: TokenID? { pieces.unknownID >= 0 ? pieces.unknownID : nil }

    /// Appends the most likely pieces (Viterbi). Cost: text times the longest piece.
    public func tokenize(_ piece: UnsafeBufferPointer<UInt8>, into tokens: inout TokenList) {
        var joiner = UnknownJoiner(model: self, text: piece)
        pieces.viterbi(piece) { joiner.append($0, to: &tokens) }
        joiner.finish(&tokens)
    }

    public func json() -> JSON? {
        let tokens = (0..<vocabulary.idLimit).map { id -> JSON in
            .array([.string(vocabulary.text(of: TokenID(id)) ?? ""), .number(pieces.scores.pointer[id])])
        }
        return [
            "type": "Unigram", "unk_id": unknownID.map { .integer(Int($0)) } ?? .null, "vocab": .array(tokens),
            "byte_fallback": .bool(byteIDs != nil),
        ]
    }
}

/// Turns spans into tokens: neighbouring unknown characters become one unknown token, or bytes.
struct UnknownJoiner {
    let model: UnigramModel
    let text: UnsafeBufferPointer<UInt8>
    private var start: Int32 = -1
    private var end: Int32 = 0

    init(model: UnigramModel, text: UnsafeBufferPointer<UInt8>) {
        self.model = model
        self.text = text
    }

    @inline(__always)
    mutating func append(_ span: PieceSpan, to tokens: inout TokenList) {
        guard span.id == model.pieces.unknownID else {
            if start >= 0 { finish(&tokens) }
            tokens.append(span.id, from: Int(span.start), to: Int(span.end))
            return
        }
        if start < 0 { start = span.start }
        end = span.end
        // SentencePiece spells each character on its own.
        if model.style == .sentencePiece, model.byteIDs != nil { finish(&tokens) }
    }

    mutating func finish(_ tokens: inout TokenList) {
        guard start >= 0 else { return }
        let range = Int(start)..<Int(end)
        start = -1
        if model.style == .huggingFace {
            if let id = model.vocabulary.id(of: UnsafeBufferPointer(rebasing: text[range])) {
                tokens.append(id, from: range.lowerBound, to: range.upperBound)
                return
            }
        }
        if let bytes = model.byteIDs, range.allSatisfy({ bytes[Int(text[$0])] >= 0 }) {
            for at in range {
                let isLast = at + 1 == range.upperBound
                let end = isLast || model.style == .huggingFace ? range.upperBound : range.lowerBound
                tokens.append(bytes[Int(text[at])], from: range.lowerBound, to: end)
            }
            return
        }
        if model.pieces.unknownID >= 0 {
            tokens.append(model.pieces.unknownID, from: range.lowerBound, to: range.upperBound)
        }
    }
}

extension SentencePieceFile {
    /// The ids of the pieces of the 256 bytes, where the model falls back to them.
    var byteIDs: [TokenID]? {
        guard hasByteFallback else { return nil }
        var ids = [TokenID](repeating: -1, count: 256)
        for (id, piece) in pieces.enumerated() where piece.role == .byte {
            if let byte = Self.byte(of: piece.text) { ids[Int(byte)] = TokenID(id) }
        }
        return ids
    }
}
