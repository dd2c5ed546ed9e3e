/// The tokenisation of `mteval-v13a`, in which BLEU scores of translations are reported.
///
/// It separates punctuation and symbols of ASCII from words, and full stops, commas and dashes except within numbers.
/// Source: NIST's `mteval-v13a.pl` as read by sacreBLEU (Post 2018, "A Call for Clarity in Reporting BLEU Scores").
enum Tokenization13a {
    /// The tokens of one segment.
    static func tokens(_ segment: String) -> [ArraySlice<UInt32>] {
        var text = PythonText.trimmingEnd(segment)
        text = PythonText.replacing("<skipped>", with: "", in: text)
        text = PythonText.replacing("-\n", with: "", in: text)
        text = PythonText.replacing("\n", with: " ", in: text)
        if text.contains(0x26) {
            text = PythonText.replacing("&quot;", with: "\"", in: text)
            text = PythonText.replacing("&amp;", with: "&", in: text)
            text = PythonText.replacing("&lt;", with: "<", in: text)
            text = PythonText.replacing("&gt;", with: ">", in: text)
        }
        text = [space] + text + [space]
        text = separatingSymbols(text)
        text = replacingPairs(text, isNoDigit, isStopOrComma) { [$0, space, $1, space] }
        text = replacingPairs(text, isStopOrComma, isNoDigit) { [space, $0, space, $1] }
        text = replacingPairs(text, isDigit, { $0 == 0x2D }) { [$0, space, $1, space] }
        return PythonText.words(text)
    }

    private static let space: UInt32 = 0x20

    private static func isDigit(_ scalar: UInt32) -> Bool { scalar >= 0x30 && scalar <= 0x39 }
    private static func isNoDigit(_ scalar: UInt32) -> Bool { !isDigit(scalar) }
    private static func isStopOrComma(_ scalar: UInt32) -> Bool { scalar == 0x2E || scalar == 0x2C }

    /// The symbols of ASCII but for `'`, `,`, `-` and `.`; the space is among them, which changes nothing.
    private static func isSymbol(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x7B...0x7E, 0x5B...0x60, 0x20...0x26, 0x28...0x2B, 0x3A...0x40, 0x2F: true
        default: false
        }
    }

    private static func separatingSymbols(_ text: [UInt32]) -> [UInt32] {
        var result: [UInt32] = []
        result.reserveCapacity(text.count * 2)
        for scalar in text {
            if isSymbol(scalar) { result += [space, scalar, space] } else { result.append(scalar) }
        }
        return result
    }

    /// Replaces neighbours that satisfy both conditions, from left to right, each scalar in at most one pair: what a
    /// regular expression of two classes does.
    private static func replacingPairs(
        _ text: [UInt32], _ first: (UInt32) -> Bool, _ second: (UInt32) -> Bool,
        _ replacement: (UInt32, UInt32) -> [UInt32]
    ) -> [UInt32] {
        var result: [UInt32] = []
        result.reserveCapacity(text.count + text.count / 4)
        var at = 0
        while at < text.count {
            if at + 1 < text.count, first(text[at]), second(text[at + 1]) {
                result += replacement(text[at], text[at + 1])
                at += 2
            } else {
                result.append(text[at])
                at += 1
            }
        }
        return result
    }
}
