/// What went wrong, told in one paragraph: where, what, what was expected, what was found, what to do.
///
/// Every error that Heed throws is of this type, so that a program can print `description` and choose an exit
/// code by `kind` without knowing which module failed.
public struct HeedError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of failure that a caller may want to treat differently.
    public enum Kind: String, Sendable, CaseIterable {
        /// A call or command line that makes no sense as written.
        case usage
        /// Data whose content is broken or contradicts itself.
        case badInput
        /// Something that should be there is not.
        case missing
        /// Arithmetic that left the finite numbers.
        case numeric
        /// The operating system refused to read or write.
        case io
        /// Sound input of a form that Heed does not handle.
        case unsupported
        /// The user or the system asked the work to end.
        case interrupted
    }

    /// The kind of failure.
    public let kind: Kind
    /// What is wrong, as a clause or sentence without a full stop.
    public let what: String
    /// Where it is wrong: a file, a line, a tensor, an option.
    public let place: String?
    /// What would have been right.
    public let expected: String?
    /// What was found instead.
    public let got: String?
    /// What the reader can do about it.
    public let advice: String?

    /// Makes an error from its parts; none of them ends in a full stop.
    public init(
        _ kind: Kind, _ what: String, in place: String? = nil, expected: String? = nil, got: String? = nil,
        advice: String? = nil
    ) {
        self.kind = kind
        self.what = what
        self.place = place
        self.expected = expected
        self.got = got
        self.advice = advice
    }

    /// The same error with a place, unless it already names one.
    public func placed(in place: String) -> HeedError {
        if self.place != nil { return self }
        return HeedError(kind, what, in: place, expected: expected, got: got, advice: advice)
    }

    /// The whole message as one paragraph.
    public var description: String {
        var text = ""
        if let place { text += HeedError.oneLine(place) + ": " }
        text += HeedError.sentence(what)
        switch (expected, got) {
        case (let expected?, let got?):
            text += " " + HeedError.sentence("Expected \(expected), got \(got)")
        case (let expected?, nil):
            text += " " + HeedError.sentence("Expected \(expected)")
        case (nil, let got?):
            text += " " + HeedError.sentence("Got \(got)")
        case (nil, nil):
            break
        }
        if let advice { text += " " + HeedError.sentence(advice) }
        return text
    }

    /// Text taken from a file may hold line ends; a message must stay one paragraph.
    private static func oneLine(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            result.append(scalar.value < 0x20 || scalar.value == 0x7F ? " " : scalar)
        }
        return String(result)
    }

    private static func sentence(_ text: String) -> String {
        let line = oneLine(text)
        if let last = line.unicodeScalars.last, last == "." || last == "?" || last == "!" { return line }
        return line + "."
    }
}

/// The number with commas between groups of three digits: `4,096`.
package func grouped(_ number: Int) -> String {
    let digits = Array(String(number.magnitude).utf8)
    var result: [UInt8] = number < 0 ? [UInt8(ascii: "-")] : []
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0 { result.append(UInt8(ascii: ",")) }
        result.append(digit)
    }
    return String(decoding: result, as: UTF8.self)
}

/// At most `limit` characters of foreign text, in quotes, for use inside a message.
package func quoted(_ text: String, limit: Int = 60) -> String {
    let scalars = text.unicodeScalars
    guard let end = scalars.index(scalars.startIndex, offsetBy: limit, limitedBy: scalars.endIndex),
        end < scalars.endIndex
    else { return "\"\(text)\"" }
    return "\"\(String(scalars[..<end]))…\""
}
