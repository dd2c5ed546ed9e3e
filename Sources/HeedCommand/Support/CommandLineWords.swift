/// Preparing the words of a command line for the parser.
enum CommandLineWords {
    /// The words as the parser takes them: `--max_new_tokens` as Python programs spell it is `--max-new-tokens`, and
    /// negative numbers belong to the option before them.
    static func prepared(_ words: [String]) -> [String] {
        let end = words.firstIndex(of: "--") ?? words.count
        let hyphenated = words.enumerated().map { index, word -> String in
            guard index < end, word.hasPrefix("--"), word.contains("_") else { return word }
            let name = word.prefix { $0 != "=" }
            return name.replacing("_", with: "-") + String(word.dropFirst(name.count))
        }
        return joiningNegativeNumbers(hyphenated)
    }

    /// Joins `--option -1.0` to `--option=-1.0`.
    ///
    /// The parser takes every word with a leading dash for an option; a negative number after a long option can only
    /// be its value.
    static func joiningNegativeNumbers(_ words: [String]) -> [String] {
        var result: [String] = []
        result.reserveCapacity(words.count)
        for (index, word) in words.enumerated() {
            if word == "--" { return result + words[index...] }
            if let previous = result.last, isLongOption(previous), isNegativeNumber(word) {
                result[result.count - 1] = "\(previous)=\(word)"
            } else {
                result.append(word)
            }
        }
        return result
    }

    private static func isLongOption(_ word: String) -> Bool {
        word.hasPrefix("--") && word.utf8.count > 2 && !word.utf8.contains(UInt8(ascii: "="))
    }

    /// Whether a word is a dash and then something that begins as a number: `-1`, `-.5`, `-inf`, `-1,2`.
    static func isNegativeNumber(_ word: String) -> Bool {
        guard word.hasPrefix("-") else { return false }
        let rest = word.dropFirst()
        if ["inf", "infinity", "nan"].contains(rest.lowercased()) { return true }
        let digits = rest.hasPrefix(".") ? rest.dropFirst() : rest
        guard let first = digits.utf8.first else { return false }
        return first >= UInt8(ascii: "0") && first <= UInt8(ascii: "9")
    }
}
