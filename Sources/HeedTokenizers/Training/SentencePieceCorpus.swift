import HeedSupport

/// Cuts normalised lines into words at U+2581 for SentencePiece's trainers.
///
/// Each word is counted together with a last byte that says what follows it, because Unigram's seeds depend on it: a
/// string is a seed only where its continuations differ.
struct SentencePieceScanner: WordScanner {
    /// What follows a word.
    enum Following {
        static let end: UInt8 = 0
        static let space: UInt8 = 1
        static let foreign: UInt8 = 2
    }

    let normalizer: SentencePieceNormalizer
    /// The texts of special pieces; they cut words and are no part of them.
    let marks: DoubleArray?

    /// The bytes that surely end a stretch of text whose normalisation does not depend on its neighbours: those that
    /// the rules make plain spaces.
    let separators: [UInt8]

    /// Counts stretches of raw text with what follows each; `addWords` makes words of them afterwards, once per distinct
    /// stretch.
    func scan(_ line: UnsafeBufferPointer<UInt8>, into table: inout WordTable) {
        var length = line.count
        if length > 0, line[length - 1] == 10 { length -= 1 }
        if length > 0, line[length - 1] == 13 { length -= 1 }
        // U+2585 stands for rare characters while training; SentencePiece skips lines that hold it.
        guard length > 0, !Self.holdsForeignMark(line) else { return }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length + 1) { stretch in
            guard let base = stretch.baseAddress else { return }
            var count = 0
            var at = 0
            while at < length {
                let byte = line[at]
                if !separators.contains(byte) {
                    stretch[count] = byte
                    count += 1
                } else if count > 0 {
                    // A space at the end of the line is followed by nothing.
                    var next = at
                    while next < length, separators.contains(line[next]) { next += 1 }
                    stretch[count] = next < length ? Following.space : Following.end
                    table.add(base, count + 1, times: 1)
                    count = 0
                }
                at += 1
            }
            if count > 0 {
                stretch[count] = Following.end
                table.add(base, count + 1, times: 1)
            }
        }
    }

    /// Adds the words of a stretch that occurs `times` times.
    func addWords(_ stretch: UnsafeBufferPointer<UInt8>, times: Int64, to table: inout WordTable) {
        guard let following = stretch.last else { return }
        let raw = UnsafeBufferPointer(rebasing: stretch.dropLast())
        let text = normalizer.normalize(raw, tracksPlaces: false).bytes
        text.withUnsafeBufferPointer { text in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: text.count + 1) { word in
                var count = 0
                func finish(_ following: UInt8) {
                    guard count > 0, let base = word.baseAddress else { return }
                    word[count] = following
                    table.add(base, count + 1, times: times)
                    count = 0
                }
                var at = 0
                while at < text.count {
                    if let mark = marks?.longestPrefix(text, from: at) {
                        finish(Following.foreign)
                        at += mark.length
                        continue
                    }
                    let size = UnigramPieces.characterLength(text, at)
                    if text[at] == 9 || text[at] == 0 || text[at] == 0x20 {
                        finish(Following.foreign)
                    } else {
                        let isSpace = size == 3 && text[at] == 0xE2 && text[at + 1] == 0x96 && text[at + 2] == 0x81
                        if isSpace { finish(Following.space) }
                        for offset in 0..<size { word[count + offset] = text[at + offset] }
                        count += size
                    }
                    at += size
                }
                finish(following)
            }
        }
    }

    private static func holdsForeignMark(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var at = 0
        while at + 2 < text.count {
            if text[at] == 0xE2, text[at + 1] == 0x96, text[at + 2] == 0x85 { return true }
            at += 1
        }
        return false
    }
}

/// The words of a text as SentencePiece's trainers see them: characters by number, rare ones cut out.
struct SentencePieceCorpus {
    /// A stretch of characters with how often it occurs and what follows it.
    struct Word {
        /// Where the characters lie in `characters`.
        var start: Int
        var end: Int
        var count: Int64
        var following: UInt8
        /// Whether a rare character cut it out of a longer word.
        var isPart = false
    }

    /// The characters of all words, as places in `alphabet`.
    private(set) var characters: [UInt16] = []
    /// The words in order of their bytes.
    private(set) var words: [Word] = []
    /// Words with rare characters, whole; each of those is the number `rareCharacter`.
    private(set) var wordsWithRare: [(characters: [UInt16], count: Int64)] = []
    /// The number after the last of the alphabet.
    var rareCharacter: UInt16 { UInt16(alphabet.count) }
    /// The characters that the vocabulary must hold, by code point.
    private(set) var alphabet: [Unicode.Scalar] = []
    /// How often each occurs.
    private(set) var alphabetCounts: [Int64] = []
    /// Whole words without what follows them, most frequent first; of equal counts by bytes. For word models.
    private(set) var wholeWords: [(text: [UInt8], count: Int64)] = []
    /// How many words the text has, those with rare characters included. For word models.
    private(set) var allWordCount: Int64 = 0
    /// Distinct words that the cap on memory made the count forget.
    private(set) var forgotten = 0

    /// The most characters an alphabet may have: with more, numbers of 16 bits do not suffice.
    static let largestAlphabet = 0xFFF0

    /// Counts the words and characters of files.
    ///
    /// - Parameter coverage: the share of all characters of the text that the alphabet covers; the rarest fall out.
    /// - Throws: `HeedError` for unreadable files and for files without text.
    init(
        files: [String], counter: WordCounter, scanner: SentencePieceScanner, coverage: Float, keepsWholeWords: Bool,
        progress: TrainingProgressHandler?
    ) throws {
        let counted = try counter.count(files: files, scanner: scanner, progress: progress)
        forgotten = counted.forgotten
        var table = rewritten(counted.table, threads: counter.threads) { scanner.addWords($0, times: $1, to: &$2) }
        guard table.count > 0 else { throw noTextError(files) }
        table.sortByBytes()
        countCharacters(table, coverage)
        cut(table)
        if keepsWholeWords { collectWholeWords(table) }
    }

    private mutating func countCharacters(_ table: borrowing WordTable, _ coverage: Float) {
        var counts = [Int64](repeating: 0, count: 0x110000)
        var total: Int64 = 0
        for index in 0..<table.count {
            let times = table[index].count
            let text = UnsafeBufferPointer(rebasing: table.bytes(index).dropLast())
            var at = 0
            while at < text.count {
                let (scalar, length) = decodeScalar(text, at)
                counts[Int(scalar.value)] += times
                total += times
                at += length
            }
        }
        let seen = counts.indices.filter { counts[$0] > 0 }.sorted { left, right in
            counts[left] != counts[right] ? counts[left] > counts[right] : left < right
        }
        var covered: Int64 = 0
        var kept: [Int] = []
        for value in seen {
            if Float(Double(covered) / Double(total)) >= coverage || kept.count == Self.largestAlphabet { break }
            covered += counts[value]
            kept.append(value)
        }
        kept.sort()
        alphabet = kept.compactMap { Unicode.Scalar(UInt32($0)) }
        alphabetCounts = alphabet.map { counts[Int($0.value)] }
    }

    private mutating func cut(_ table: borrowing WordTable) {
        var numbers = [UInt16](repeating: UInt16.max, count: 0x110000)
        for (number, scalar) in alphabet.enumerated() { numbers[Int(scalar.value)] = UInt16(number) }
        for index in 0..<table.count {
            let bytes = table.bytes(index)
            let text = UnsafeBufferPointer(rebasing: bytes.dropLast())
            let firstWord = words.count
            var whole: [UInt16] = []
            var hasRare = false
            var start = characters.count
            var at = 0
            func finish(_ following: UInt8) {
                if characters.count > start {
                    words.append(
                        Word(start: start, end: characters.count, count: table[index].count, following: following))
                }
                start = characters.count
            }
            while at < text.count {
                let (scalar, length) = decodeScalar(text, at)
                let number = numbers[Int(scalar.value)]
                if number == UInt16.max {
                    finish(SentencePieceScanner.Following.foreign)
                    hasRare = true
                    whole.append(rareCharacter)
                } else {
                    characters.append(number)
                    whole.append(number)
                }
                at += length
            }
            finish(bytes[bytes.count - 1])
            if hasRare {
                for part in firstWord..<words.count { words[part].isPart = true }
                wordsWithRare.append((whole, table[index].count))
            }
        }
    }

    private mutating func collectWholeWords(_ table: borrowing WordTable) {
        var known = Set<Unicode.Scalar>(alphabet)
        known.remove("\u{2585}")
        for index in 0..<table.count {
            let text = Array(table.bytes(index).dropLast())
            allWordCount += table[index].count
            if !String(decoding: text, as: UTF8.self).unicodeScalars.allSatisfy(known.contains) { continue }
            if let last = wholeWords.last, last.text == text {
                wholeWords[wholeWords.count - 1].count += table[index].count
            } else {
                wholeWords.append((text, table[index].count))
            }
        }
        wholeWords.sort { left, right in
            left.count != right.count ? left.count > right.count : left.text.lexicographicallyPrecedes(right.text)
        }
    }

    /// The alphabet most frequent first; of equal counts by code point.
    var alphabetByCount: [(scalar: Unicode.Scalar, count: Int64)] {
        zip(alphabet, alphabetCounts).sorted { left, right in
            left.1 != right.1 ? left.1 > right.1 : left.0.value < right.0.value
        }.map { (scalar: $0.0, count: $0.1) }
    }
}
