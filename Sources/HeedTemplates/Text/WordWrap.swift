import HeedSupport

/// Python's `textwrap.wrap` of one paragraph, tabs and white space kept.
struct WordWrap {
    let width: Int
    let breaksLongWords: Bool
    let breaksOnHyphens: Bool

    /// The lines, each at most `width` long where words allow.
    func lines(_ text: [Unicode.Scalar], _ meter: Meter) throws -> [[Unicode.Scalar]] {
        try meter.copy(8 * text.count)
        var chunks: [ArraySlice<Unicode.Scalar>] = pieces(text).reversed()
        var lines: [[Unicode.Scalar]] = []
        while !chunks.isEmpty {
            try meter.work()
            var line: [ArraySlice<Unicode.Scalar>] = []
            var length = 0
            if !lines.isEmpty, let first = chunks.last, first.allSatisfy(\.isSpace) { chunks.removeLast() }
            while let next = chunks.last, length + next.count <= width {
                line.append(next)
                length += next.count
                chunks.removeLast()
            }
            if let next = chunks.last, next.count > width {
                let room = width - length
                if breaksLongWords {
                    let end = cut(next, max(room, 1))
                    line.append(next.prefix(end))
                    chunks[chunks.count - 1] = next.dropFirst(end)
                } else if line.isEmpty {
                    line.append(next)
                    chunks.removeLast()
                }
            }
            if let last = line.last, last.allSatisfy(\.isSpace) { line.removeLast() }
            if !line.isEmpty { lines.append(Array(line.joined())) }
        }
        return lines
    }

    /// Where a word that is too long is cut: after a hyphen where there is one.
    private func cut(_ word: ArraySlice<Unicode.Scalar>, _ room: Int) -> Int {
        guard breaksOnHyphens, word.count > room else { return room }
        let head = word.prefix(room)
        if let hyphen = head.lastIndex(of: "-") {
            let offset = hyphen - head.startIndex
            if offset > 0, head.prefix(offset).contains(where: { $0 != "-" }) { return offset + 1 }
        }
        return room
    }

    /// Words and white space; with hyphens, words end after a hyphen between letters and at dashes.
    private func pieces(_ text: [Unicode.Scalar]) -> [ArraySlice<Unicode.Scalar>] {
        var pieces: [ArraySlice<Unicode.Scalar>] = []
        var at = 0
        while at < text.count {
            let end = breaksOnHyphens ? hyphenEnd(text, at) : runEnd(text, at)
            pieces.append(text[at..<max(end, at + 1)])
            at = max(end, at + 1)
        }
        return pieces
    }

    /// White space for textwrap: that of ASCII only.
    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || (0x09...0x0D).contains(scalar.value)
    }

    private func runEnd(_ text: [Unicode.Scalar], _ start: Int) -> Int {
        var end = start
        while end < text.count, WordWrap.isSpace(text[end]) == WordWrap.isSpace(text[start]) { end += 1 }
        return end
    }

    private func hyphenEnd(_ text: [Unicode.Scalar], _ start: Int) -> Int {
        if WordWrap.isSpace(text[start]) { return runEnd(text, start) }
        func isWord(_ place: Int) -> Bool {
            guard place >= 0, place < text.count else { return false }
            return text[place].isAlphanumeric || text[place] == "_" || "!\"'&.,?".unicodeScalars.contains(text[place])
        }
        func isLetter(_ place: Int) -> Bool {
            guard place >= 0, place < text.count else { return false }
            return (text[place].isAlphanumeric || text[place] == "_") && !text[place].isDecimalDigit
        }
        func isDashRun(_ place: Int) -> Int {
            var end = place
            while end < text.count, text[end] == "-" { end += 1 }
            return end - place
        }
        // A dash of two or more hyphens between words is a piece of its own.
        if isWord(start - 1), isDashRun(start) >= 2, isWord(start + isDashRun(start)) {
            return start + isDashRun(start)
        }
        var end = start
        while end < text.count, !WordWrap.isSpace(text[end]) {
            if end > start {
                if isWord(end - 1), isDashRun(end) >= 2, isWord(end + isDashRun(end)) { return end }
                let isHyphen =
                    text[end - 1] == "-" && isLetter(end - 2)
                    && (isLetter(end - 3) || end >= 4 && text[end - 3] == "-" && isLetter(end - 4))
                let goesOn =
                    isLetter(end)
                    && (isLetter(end + 1) || end + 2 < text.count && text[end + 1] == "-" && isLetter(end + 2))
                if isHyphen, end - 2 > start || end - 3 >= start, goesOn { return end }
            }
            end += 1
        }
        return end
    }
}
