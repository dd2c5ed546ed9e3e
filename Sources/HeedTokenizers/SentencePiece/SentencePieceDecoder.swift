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

    /// The decoder of a model; `place` names it in messages.
    ///
    /// - Throws: `HeedError` when the rules for decoded text are broken.
    public init(_ file: SentencePieceFile, in place: String) throws {
        self.file = file
        denormalizer =
            file.denormalization.isEmpty ? nil : try SentencePieceNormalizer(rules: file.denormalization, in: place)
        dropsFirstSpace = file.normalization.addsDummyPrefix || file.normalization.removesExtraWhitespaces
        bytes = file.pieces.map { $0.role == .byte ? SentencePieceFile.byte(of: $0.text) : nil }
    }

    /// The text of ids in UTF-8; ids outside the model give nothing.
    public func decode(_ ids: some Sequence<TokenID>) -> [UInt8] {
        var text: [UInt8] = []
        var pendingBytes: [UInt8] = []
        var expectsFirstSpace = true
        var sawFirstSpace = false
        for id in ids {
            guard file.pieces.indices.contains(Int(id)) else { continue }
            let piece = file.pieces[Int(id)]
            if let byte = bytes[Int(id)] {
                pendingBytes.append(byte)
                continue
            }
            Self.flush(&pendingBytes, to: &text)
            if sawFirstSpace || !text.isEmpty { expectsFirstSpace = false }
            switch piece.role {
            case .control:
                sawFirstSpace = false
            case .unknown:
                text += file.unknownSurface
                sawFirstSpace = false
            case .normal, .userDefined, .unused, .byte:
                sawFirstSpace = append(piece.text, to: &text, droppingFirstSpace: expectsFirstSpace)
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
        var at = 0
        var dropped = false
        if droppingFirstSpace, dropsFirstSpace, piece.starts(with: SentencePieceFile.spaceSymbol) {
            at = 3
            dropped = !file.normalization.removesExtraWhitespaces
        }
        while at < piece.count {
            if piece[at] == 0xE2, piece[at...].starts(with: SentencePieceFile.spaceSymbol) {
                text.append(0x20)
                at += 3
            } else {
                text.append(piece[at])
                at += 1
            }
        }
        return dropped
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
