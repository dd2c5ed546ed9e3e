import HeedSupport

/// Turns the pieces of a SentencePiece model back into text, as the reference implementation does.
///
/// Control pieces give nothing, unknown ones the model's surface (` ⁇ `), U+2581 a space, runs of byte pieces their
/// text with U+FFFD for bytes that are no UTF-8; the space that normalisation put before the text goes.
public struct SentencePieceDecoder: Sendable {
    private let file: SentencePieceFile
    private let denormalizer: SentencePieceNormalizer?
    private let dropsFirstSpace: Bool
    private let bytes: [UInt8?]
    /// The number of each piece's text, where texts are decoded; control and byte pieces before ordinary ones.
    private let ids: [[UInt8]: Int]

    /// The decoder of a model; `place` names it in messages.
    ///
    /// - `decodesPieces`: whether `decode(pieces:)` is wanted, which takes a table of the texts.
    /// - Throws: `HeedError` when the rules for decoded text are broken.
    public init(_ file: SentencePieceFile, in place: String, decodesPieces: Bool = false) throws {
        self.file = file
        denormalizer =
            file.denormalization.isEmpty ? nil : try SentencePieceNormalizer(rules: file.denormalization, in: place)
        dropsFirstSpace = file.normalization.addsDummyPrefix || file.normalization.removesExtraWhitespaces
        bytes = file.pieces.map { $0.role == .byte ? SentencePieceFile.byte(of: $0.text) : nil }
        ids =
            decodesPieces
            ? Dictionary(
                file.pieces.enumerated().map { ($1.text, $0) },
                uniquingKeysWith: { file.pieces[$1].role.isSegmentable ? $0 : $1 }) : [:]
    }

    /// Whether rules for decoded text can reach from one piece into the next.
    var rewritesText: Bool { denormalizer != nil }

    /// The text of ids in UTF-8; ids outside the model give nothing.
    public func decode(_ ids: some Sequence<TokenID>) -> [UInt8] {
        decode(
            ids.lazy.compactMap { id in
                guard file.pieces.indices.contains(Int(id)) else { return nil }
                let piece = file.pieces[Int(id)]
                let text = piece.role == .unknown ? file.unknownSurface : piece.text
                return Unit(text: text, role: piece.role, byte: bytes[Int(id)])
            })
    }

    /// The text of pieces that are given by their own; those that the model lacks stand as they are.
    func decode(pieces: [[UInt8]]) -> [UInt8] {
        decode(
            pieces.lazy.map { text in
                guard let id = ids[text] else { return Unit(text: text, role: .unknown, byte: nil) }
                let piece = file.pieces[id]
                return Unit(
                    text: piece.role == .unknown ? file.unknownSurface : text, role: piece.role, byte: bytes[id])
            })
    }

    /// A piece to be decoded.
    private struct Unit {
        var text: [UInt8]
        var role: SentencePieceFile.Piece.Role
        var byte: UInt8?
    }

    private func decode(_ units: some Sequence<Unit>) -> [UInt8] {
        var text: [UInt8] = []
        var pendingBytes: [UInt8] = []
        var expectsFirstSpace = true
        var sawFirstSpace = false
        for unit in units {
            if let byte = unit.byte {
                pendingBytes.append(byte)
                continue
            }
            Self.flush(&pendingBytes, to: &text)
            if sawFirstSpace || !text.isEmpty { expectsFirstSpace = false }
            switch unit.role {
            case .control:
                sawFirstSpace = false
            case .unknown:
                text += unit.text
                sawFirstSpace = false
            case .normal, .userDefined, .unused, .byte:
                sawFirstSpace = append(unit.text, to: &text, droppingFirstSpace: expectsFirstSpace)
            }
        }
        Self.flush(&pendingBytes, to: &text)
        if let denormalizer {
            return text.withUnsafeBufferPointer { denormalizer.normalize($0, tracksPlaces: false).bytes }
        }
        return text
    }

    /// Appends a piece with its spaces made plain; returns whether the space before the text went with it.
    private func append(_ piece: [UInt8], to text: inout [UInt8], droppingFirstSpace: Bool) -> Bool {
        var piece = piece[...]
        var dropped = false
        if droppingFirstSpace, dropsFirstSpace, piece.starts(with: SentencePieceFile.spaceSymbol) {
            piece = piece.dropFirst(3)
            dropped = !file.normalization.removesExtraWhitespaces
        }
        text += Self.withPlainSpaces(piece)
        return dropped
    }

    /// A text with spaces in the place of U+2581.
    static func withPlainSpaces(_ text: some Collection<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        for byte in text {
            result.append(byte)
            if byte == 0x81, result.suffix(3).elementsEqual(SentencePieceFile.spaceSymbol) {
                result.removeLast(3)
                result.append(0x20)
            }
        }
        return result
    }

    private static func flush(_ bytes: inout [UInt8], to text: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        bytes.withUnsafeBufferPointer { bytes in
            var at = 0
            while at < bytes.count {
                let length = utf8SequenceLength(bytes, at)
                if length == 0 {
                    text += [0xEF, 0xBF, 0xBD]
                    at += 1
                } else {
                    text += bytes[at..<at + length]
                    at += length
                }
            }
        }
        bytes.removeAll(keepingCapacity: true)
    }
}
