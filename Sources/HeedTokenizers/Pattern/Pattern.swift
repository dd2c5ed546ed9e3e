import HeedSupport

/// What a stage looks for: a string, or a regular expression.
public struct Pattern: Sendable {
    private enum Form: Sendable {
        case text([UInt8])
        case expression(RegexProgram)
        case scanner(FastPath.Scanner)
    }

    private let form: Form
    /// The string or expression as written.
    public let source: String
    /// Whether `source` is a regular expression.
    public let isExpression: Bool

    /// A string.
    public init(text: String) {
        source = text
        isExpression = false
        form = .text(Array(text.utf8))
    }

    /// A regular expression; patterns of published tokenizers are recognised and cut by scanners of their own.
    ///
    /// - Throws: `HeedError` for broken syntax and for syntax that is not known.
    public init(expression: String, in place: String? = nil) throws {
        source = expression
        isExpression = true
        if let scanner = KnownPatterns.scanner(of: expression) {
            form = .scanner(scanner)
        } else {
            form = .expression(try RegexProgram(expression, in: place))
        }
    }

    /// Whether it is a string of one character, whose matches cannot reach over the end of a text.
    var isCharacter: Bool { !isExpression && source.unicodeScalars.count == 1 }

    /// The scanner of a known pattern, or nil.
    var scanner: FastPath.Scanner? {
        if case .scanner(let scanner) = form { return scanner }
        return nil
    }

    /// The matches from left to right, without overlap.
    func matches(in text: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        switch form {
        case .text(let wanted):
            guard let first = wanted.first, let base = text.baseAddress else { return [] }
            var result: [Range<Int>] = []
            var at = 0
            while let place = findByte(first, base, at, text.count) {
                let end = place + wanted.count
                if end <= text.count, text[place..<end].elementsEqual(wanted) {
                    result.append(place..<end)
                    at = end
                } else {
                    at = place + 1
                }
            }
            return result
        case .expression(let program): return program.matches(in: text)
        case .scanner(.gpt2): return text.pieces(by: GPT2Scanner())
        case .scanner(.cl100k(let digits, let trailing)):
            return text.pieces(by: CL100KScanner(digits: digits, takesTrailingSpace: trailing))
        }
    }

    /// The pattern as `tokenizer.json` writes it.
    func json() -> JSON { isExpression ? ["Regex": .string(source)] : ["String": .string(source)] }
}

/// The patterns of published tokenizers that have a scanner.
enum KnownPatterns {
    /// GPT-2's, as published.
    static let gpt2 = #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    /// The form of cl100k for libraries without possessive quantifiers.
    static let cl100k =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// Qwen 2's: cl100k's with digits alone.
    static let qwen2 = cl100k.replacing(#"\p{N}{1,3}"#, #"\p{N}"#)

    /// The scanner that cuts as a pattern does, or nil.
    static func scanner(of pattern: String) -> FastPath.Scanner? { table[pattern] }

    private static let table: [String: FastPath.Scanner] = [
        gpt2: .gpt2,
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
        #"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"#: .gpt2,
        cl100k: .cl100k(digits: 3, takesTrailingSpace: false),
        #"(?i:'[sdmt]|'ll|'ve|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#:
            .cl100k(digits: 3, takesTrailingSpace: false),
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#:
            .cl100k(digits: 1, takesTrailingSpace: false),
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"#:
            .cl100k(digits: 3, takesTrailingSpace: true),
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#:
            .cl100k(digits: 3, takesTrailingSpace: false),
    ]
}
