import Heed

/// How the demo speaks: titles, lines, quotations, bars. Everything goes out at once, so that long work follows its title.
struct DemoScreen {
    private let terminal = Terminal.output

    func title(_ text: String) throws {
        try StandardOutput.writeLine("\n" + terminal.styled(text, .bold))
        try StandardOutput.flush()
    }

    func line(_ text: String) throws {
        for part in DemoScreen.wrapped(text, width: min(terminal.width, 100)) { try StandardOutput.writeLine(part) }
        try StandardOutput.flush()
    }

    func quote(_ text: String) throws {
        for part in DemoScreen.wrapped(text, width: min(terminal.width, 100) - 4) {
            try StandardOutput.writeLine("  " + terminal.styled("│", .dim) + " " + part)
        }
        try StandardOutput.flush()
    }

    func command(_ text: String) throws { try StandardOutput.writeLine("  " + terminal.styled(text, .cyan)) }

    func bar(_ label: String, _ share: Double) throws {
        let shown = "\"\(label)\""
        let padding = String(repeating: " ", count: max(1, 14 - shown.count))
        let filled = String(repeating: "█", count: Int((share * 40).rounded()))
        try StandardOutput.writeLine("  \(shown)\(padding)\(filled) \(decimals(share * 100, 1)) %")
    }

    /// Breaks at spaces; a line is at most `width` characters unless one word is longer.
    static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
            var line = ""
            var length = 0
            for word in paragraph.split(separator: " ", omittingEmptySubsequences: false) {
                let count = word.count
                if length > 0, length + 1 + count > width {
                    lines.append(line)
                    (line, length) = (String(word), count)
                } else {
                    line += (length > 0 || !line.isEmpty ? " " : "") + word
                    length += count + (length > 0 ? 1 : 0)
                }
            }
            lines.append(line)
        }
        return lines
    }
}
