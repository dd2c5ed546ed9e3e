import HeedSupport

extension SentencePieceFile {
    /// Checks what encoding relies on, as SentencePiece does when it loads a model.
    ///
    /// - Throws: `HeedError` of kind `badInput` for no pieces, an empty or repeated piece, a score that is no number,
    ///   no or several unknown pieces, byte pieces that are not all there.
    func validate(in place: String) throws {
        func broken(_ what: String, expected: String? = nil, got: String? = nil) -> HeedError {
            HeedError(
                .badInput, what, in: place, expected: expected, got: got,
                advice: "Check that it is a whole SentencePiece model file")
        }
        guard !pieces.isEmpty else { throw broken("the model has no pieces") }
        guard pieces.count < Vocabulary.largestID else {
            throw broken("the model has \(grouped(pieces.count)) pieces")
        }
        var unknown: Int?
        var bytesSeen = [Bool](repeating: false, count: 256)
        var ordinary = Vocabulary.Builder(capacity: pieces.count)
        var reserved = Vocabulary.Builder(capacity: 512)
        for (id, piece) in pieces.enumerated() {
            guard !piece.text.isEmpty else { throw broken("piece \(id) is empty") }
            guard !piece.score.isNaN else { throw broken("the score of piece \(id) is not a number") }
            var name: String { quoted(String(decoding: piece.text, as: UTF8.self)) }
            do {
                // Ordinary pieces and others may share a text.
                try piece.text.withUnsafeBufferPointer { text in
                    switch piece.role {
                    case .normal, .userDefined, .unused: try ordinary.add(text, id: id)
                    case .unknown, .control, .byte: try reserved.add(text, id: id)
                    }
                }
            } catch {
                throw broken("piece \(name) occurs twice, the second time as \(id)")
            }
            if piece.role == .unknown {
                if let unknown { throw broken("pieces \(unknown) and \(id) are both the unknown one") }
                unknown = id
            }
            if piece.role == .byte {
                guard hasByteFallback else { throw broken("piece \(name) is a byte though the model has no fallback") }
                guard let byte = Self.byte(of: piece.text) else {
                    throw broken("piece \(id) should be a byte", expected: "<0x00> to <0xFF>", got: name)
                }
                bytesSeen[Int(byte)] = true
            }
        }
        guard unknown != nil else { throw broken("the model has no unknown piece") }
        if hasByteFallback, let missing = bytesSeen.firstIndex(of: false) {
            let name = String(decoding: Self.spelling(of: UInt8(missing)), as: UTF8.self)
            throw broken("the model falls back to bytes but lacks \(name)")
        }
    }

    /// The byte that `<0x0A>` spells.
    static func byte(of text: [UInt8]) -> UInt8? {
        guard text.count == 6, text[0] == 0x3C, text[1] == 0x30, text[2] == 0x78, text[5] == 0x3E else { return nil }
        func digit(_ byte: UInt8) -> UInt8? {
            switch byte {
            case 0x30...0x39: byte - 0x30
            case 0x41...0x46: byte - 0x41 + 10
            default: nil
            }
        }
        guard let high = digit(text[3]), let low = digit(text[4]) else { return nil }
        return high << 4 | low
    }

    /// `<0x0A>`: how a byte is spelled as a piece.
    static func spelling(of byte: UInt8) -> [UInt8] {
        func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x41 + value - 10 }
        return [0x3C, 0x30, 0x78, digit(byte >> 4), digit(byte & 15), 0x3E]
    }
}
