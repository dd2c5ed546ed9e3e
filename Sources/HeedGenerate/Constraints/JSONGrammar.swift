/// The parts of JSON texts as grammars. White space is bounded, so that a text comes to its end.
struct JSONGrammar {
    /// At most one line feed or space, and then at most this many spaces or tabs.
    static let mostIndentation = 20

    /// White space between the parts of a text.
    static let space: GrammarExpression = .optional(
        .choice([
            .text(" "),
            .sequence([
                .text("\n"), .repeated(.characters(CodePointSet(" \t")), least: 0, most: mostIndentation),
            ]),
        ]))

    static let digit: GrammarExpression = .characters(RegularExpressionGrammar.digits)
    static let hexadecimalDigit: GrammarExpression = .characters(
        CodePointSet([0x30...0x39, 0x41...0x46, 0x61...0x66]))

    /// A character within a text, escaped or not: no quotation mark, backslash or control character by itself.
    static let character: GrammarExpression = .choice([
        .characters(CodePointSet([0...0x1F, 0x22...0x22, 0x5C...0x5C]).inverted),
        .sequence([
            .text("\\"),
            .choice([
                .characters(CodePointSet("\"\\/bfnrt")), unicodeEscape,
            ]),
        ]),
    ])

    /// `uHHHH`: a character of its own, or both halves of a pair.
    private static let unicodeEscape: GrammarExpression = {
        func digits(_ text: String) -> GrammarExpression { .characters(CodePointSet(text)) }
        let three: GrammarExpression = .repeated(hexadecimalDigit, least: 3, most: 3)
        let two: GrammarExpression = .repeated(hexadecimalDigit, least: 2, most: 2)
        let single: GrammarExpression = .choice([
            .sequence([digits("0123456789abcefABCEF"), three]),
            .sequence([digits("dD"), digits("01234567"), two]),
        ])
        let pair: GrammarExpression = .sequence([
            digits("dD"), digits("89abAB"), two, .text("\\u"), digits("dD"), digits("cdefCDEF"), two,
        ])
        return .sequence([.text("u"), .choice([single, pair])])
    }()

    static func string(least: Int = 0, most: Int? = nil) -> GrammarExpression {
        .sequence([.text("\""), .repeated(character, least: least, most: most), .text("\"")])
    }

    /// An integer of at most 18 digits, so that it can be read again and comes to its end.
    static let integer: GrammarExpression = .sequence([
        .optional(.text("-")),
        .choice([
            .text("0"),
            .sequence([.characters(CodePointSet("123456789")), .repeated(digit, least: 0, most: 17)]),
        ]),
    ])

    static let number: GrammarExpression = .sequence([
        integer, .optional(.sequence([.text("."), .repeated(digit, least: 1, most: 17)])),
        .optional(
            .sequence([
                .characters(CodePointSet("eE")), .optional(.characters(CodePointSet("+-"))),
                .repeated(digit, least: 1, most: 2),
            ])),
    ])

    /// `open item, item, … close` with as many items as asked for.
    static func list(
        _ open: String, _ close: String, of item: GrammarExpression, least: Int = 0, most: Int? = nil
    ) -> GrammarExpression {
        if most == 0 { return .sequence([.text(open), space, .text(close)]) }
        let more: GrammarExpression = .repeated(
            .sequence([.text(","), space, item, space]), least: max(0, least - 1), most: most.map { $0 - 1 })
        let items: GrammarExpression = .sequence([item, space, more])
        return .sequence([.text(open), space, least == 0 ? .optional(items) : items, .text(close)])
    }
}
