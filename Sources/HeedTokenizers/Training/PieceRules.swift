/// Which strings may become pieces of a SentencePiece vocabulary (the reference trainer's `IsValidSentencePiece` with
/// its default settings).
struct PieceRules: Sendable {
    /// The most characters a piece may have.
    var maximumLength = 16
    /// Whether a piece may hold characters of one script only.
    var splitsByScript = true
    /// Whether digits stay single.
    var splitsDigits = false

    private static let space: Unicode.Scalar = "\u{2581}"

    /// The script that counts for a character: Hiragana and Katakana count as Han, inherited ones as what precedes.
    static func script(_ scalar: Unicode.Scalar) -> UInt8 {
        let script = UnicodeScripts.script(scalar.value)
        if script == UnicodeScripts.hiragana || script == UnicodeScripts.katakana || scalar.value == 0x30FC {
            return UnicodeScripts.han
        }
        return script
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
        (0x30...0x39).contains(scalar.value) || (0xFF10...0xFF19).contains(scalar.value)
    }

    /// Whether a string of characters of an alphabet may be a piece.
    func allows(_ piece: some Collection<UInt16>, _ characters: CharacterKinds) -> Bool {
        guard piece.count <= maximumLength else { return false }
        var previous = CharacterKinds.noScript
        var isFirst = true
        for character in piece {
            let kind = characters.kinds[Int(character)]
            if kind == CharacterKinds.space {
                // A space may only begin a piece.
                if !isFirst { return false }
                isFirst = false
                continue
            }
            isFirst = false
            var script = kind & 0x1FF
            if splitsDigits, kind & CharacterKinds.digit != 0, piece.count > 1 { return false }
            if script == UInt16(UnicodeScripts.inherited) { script = previous }
            if splitsByScript, script != CharacterKinds.noScript, previous != CharacterKinds.noScript,
                script != previous
            {
                return false
            }
            previous = script
        }
        return true
    }

    /// What the rules need to know about each character of an alphabet.
    struct CharacterKinds: Sendable {
        static let noScript: UInt16 = 0x1FF
        static let digit: UInt16 = 0x200
        static let space: UInt16 = 0xFFFF
        let kinds: [UInt16]

        init(_ alphabet: [Unicode.Scalar]) {
            kinds = alphabet.map { scalar in
                if scalar == PieceRules.space { return Self.space }
                return UInt16(PieceRules.script(scalar)) | (PieceRules.isDigit(scalar) ? Self.digit : 0)
            }
        }
    }
}
