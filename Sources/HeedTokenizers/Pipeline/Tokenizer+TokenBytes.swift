extension Tokenizer {
    /// What each id adds to a text that goes on, by id: the bytes of `decodeBytes` behind an ordinary id less those of
    /// that id alone. Empty for special tokens and for ids that the vocabulary lacks.
    ///
    /// For constraints on generated text. A byte piece (`<0xE2>`) is its byte, also where it is no character by itself.
    /// Cost: two decodings of one id each.
    public func tokenBytes(count: Int) -> [[UInt8]] {
        let anchor = ids(of: "a").last
        let before = anchor.flatMap { try? decodeBytes([$0]) } ?? []
        return (0..<TokenID(clamping: max(0, count))).map { id -> [UInt8] in
            guard contains(id), !isSpecial(id) else { return [] }
            if let byte = token(of: id).flatMap(Tokenizer.byte(ofPiece:)) { return [byte] }
            guard let anchor else { return (try? decodeBytes([id])) ?? [] }
            guard let both = try? decodeBytes([anchor, id]), both.starts(with: before) else { return [] }
            return Array(both.dropFirst(before.count))
        }
    }

    /// The byte that a piece like `<0x0A>` stands for.
    private static func byte(ofPiece piece: String) -> UInt8? {
        guard piece.utf8.count == 6, piece.hasPrefix("<0x"), piece.hasSuffix(">") else { return nil }
        return UInt8(piece.dropFirst(3).dropLast(), radix: 16)
    }
}
