/// Places in a text that no piece of a vocabulary can reach over, whatever else the text holds: between two ASCII
/// characters that stand side by side in no piece, and before a space where spaces only begin pieces.
///
/// Segmentation by merges and by the best path falls apart there into independent parts.
struct PieceBorders: Sendable {
    /// For each ASCII character the set of those that follow it in some piece, as 128 bits.
    private let followers: FrozenBuffer<UInt64>
    /// Whether U+2581 follows another character in no piece.
    private let cutsBeforeSpaces: Bool

    /// The borders of pieces; O(bytes of the pieces).
    init(_ pieces: some Sequence<[UInt8]>) {
        var followers = [UInt64](repeating: 0, count: 256)
        var cutsBeforeSpaces = true
        for piece in pieces {
            piece.withUnsafeBufferPointer { Self.add($0, &followers, &cutsBeforeSpaces) }
        }
        self.followers = FrozenBuffer(followers)
        self.cutsBeforeSpaces = cutsBeforeSpaces
    }

    /// The borders of a vocabulary; O(bytes of its texts).
    init(_ vocabulary: Vocabulary) {
        var followers = [UInt64](repeating: 0, count: 256)
        var cutsBeforeSpaces = true
        for id in 0..<vocabulary.idLimit {
            if let text = vocabulary.bytes(of: TokenID(id)) { Self.add(text, &followers, &cutsBeforeSpaces) }
        }
        self.followers = FrozenBuffer(followers)
        self.cutsBeforeSpaces = cutsBeforeSpaces
    }

    private static func add(
        _ piece: UnsafeBufferPointer<UInt8>, _ followers: inout [UInt64], _ cutsBeforeSpaces: inout Bool
    ) {
        for at in 1..<max(1, piece.count) where piece[at] < 0x80 && piece[at - 1] < 0x80 {
            followers[2 * Int(piece[at - 1]) + Int(piece[at] >> 6)] |= 1 << UInt64(piece[at] & 63)
        }
        if cutsBeforeSpaces, hasInnerSpace(piece) { cutsBeforeSpaces = false }
    }

    /// Whether U+2581 follows another character in a text.
    private static func hasInnerSpace(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        for at in 1..<max(1, text.count) where isSpace(text, at) {
            if at < 3 || !isSpace(text, at - 3) { return true }
        }
        return false
    }

    /// Whether two bytes are ASCII characters that stand side by side in no piece.
    @inline(__always)
    func isBorder(_ before: UInt8, _ here: UInt8) -> Bool {
        before < 0x80 && here < 0x80
            && followers.pointer[2 * Int(before) + Int(here >> 6)] >> UInt64(here & 63) & 1 == 0
    }

    /// The first border after `start`, or the end of the text.
    @inline(__always)
    func end(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var at = start + 1
        while at < text.count {
            let here = text[at]
            let before = text[at - 1]
            if here < 0x80 {
                if isBorder(before, here) { return at }
            } else if here == 0xE2, cutsBeforeSpaces, Self.isSpace(text, at),
                !(at - start >= 3 && Self.isSpace(text, at - 3))
            {
                return at
            }
            at += 1
        }
        return text.count
    }

    @inline(__always)
    private static func isSpace(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Bool {
        at + 2 < text.count && text[at] == 0xE2 && text[at + 1] == 0x96 && text[at + 2] == 0x81
    }
}
