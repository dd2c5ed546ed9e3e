/// Remembers the best segmentation of words under a unigram model, and by how much it beats the next: a table of fixed
/// size.
///
/// SentencePiece adds scores in 32 bits along the whole text, so which of two nearly equal segmentations wins can
/// depend on all that stands before. A remembered segmentation is used only where its lead is larger than what
/// rounding can make up for; its scores are then added one by one as the search would have done, so that the sums that
/// follow are the same to the last bit.
///
/// Belongs to one thread at a time.
final class UnigramMemory {
    static let longestWord = 23
    static let mostPieces = 8

    /// One word in one cache line.
    struct Entry {
        /// The bytes of the word with its length in the last.
        var key: (UInt64, UInt64, UInt64)
        /// How much better the segmentation is than the next.
        var lead: Float
        var count: Int32
        var ids: (TokenID, TokenID, TokenID, TokenID, TokenID, TokenID, TokenID, TokenID)
    }

    private let entries: UnsafeMutablePointer<Entry>
    private let mask: Int

    /// A table of `2^bits` entries of 64 bytes.
    init(bits: Int = 16) {
        let count = 1 << bits
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Entry>.stride, alignment: 64)
        entries = memory.bindMemory(to: Entry.self, capacity: count)
        entries.initialize(
            repeating: Entry(key: (0, 0, 0), lead: 0, count: 0, ids: (0, 0, 0, 0, 0, 0, 0, 0)), count: count)
        mask = count - 1
    }

    deinit { UnsafeMutableRawPointer(entries).deallocate() }

    /// The three words of a key, from 1 to 23 bytes.
    @inline(__always)
    static func key(_ start: UnsafePointer<UInt8>, _ count: Int, readable: Int) -> (UInt64, UInt64, UInt64) {
        let length = UInt64(truncatingIfNeeded: count) << 56
        let raw = UnsafeRawPointer(start)
        func part(_ offset: Int) -> UInt64 {
            let left = count - offset
            if left <= 0 { return 0 }
            if left >= 8 { return raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
            if readable >= offset + 8 {
                return raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self) & (1 << UInt64(8 * left) &- 1)
            }
            return loadShort(start + offset, left)
        }
        return (part(0), part(8), part(16) | length)
    }

    /// The place of a key: the entry that is there may be another's.
    @inline(__always)
    func entry(_ key: (UInt64, UInt64, UInt64)) -> UnsafeMutablePointer<Entry> {
        let hash = mixBits(key.0 ^ key.1 &* 0x9E37_79B9_7F4A_7C15 ^ key.2 &* 0xD6E8_FEB8_6659_FD93)
        return entries + (Int(truncatingIfNeeded: hash) & mask)
    }
}

extension UnigramModel {
    /// Appends the ids of normalised text, word by word: the result is that of one search over the whole text.
    func appendIDs(of text: UnsafeBufferPointer<UInt8>, _ memory: UnigramMemory, to ids: inout IDBuffer) {
        guard let base = text.baseAddress, let scores = pieces.searchScores?.pointer, let borders = pieces.borders
        else { return }
        var tokens = TokenList(tracksSpans: false)
        var joiner = UnknownJoiner(model: self, text: text)
        var sum = 0.0
        var start = 0
        while start < text.count {
            let end = borders.end(text, from: start)
            let count = end - start
            if count <= UnigramMemory.longestWord {
                let key = UnigramMemory.key(base + start, count, readable: text.count - start)
                let entry = memory.entry(key)
                if entry.pointee.key != key { entry.pointee = remembered(text, start..<end, key) }
                let lead = Double(entry.pointee.lead)
                let isFar = sum - Double(count) * pieces.largestScore > UnigramPieces.lowestSum
                if isFar, lead > pieces.roundingBound(after: sum, length: count) {
                    joiner.finish(&tokens)
                    withUnsafeBytes(of: &entry.pointee.ids) { raw in
                        let found = raw.assumingMemoryBound(to: TokenID.self)
                        for index in 0..<Int(entry.pointee.count) {
                            let id = found[index]
                            sum = pieces.rounded(scores[Int(id)] + sum)
                            tokens.append(id, from: 0, to: 0)
                        }
                    }
                    start = end
                    continue
                }
            }
            let offset = Int32(truncatingIfNeeded: start)
            sum = pieces.viterbi(UnsafeBufferPointer(rebasing: text[start..<end]), from: sum) { span in
                joiner.append(
                    PieceSpan(start: span.start + offset, end: span.end + offset, id: span.id), to: &tokens)
            }
            start = end
        }
        joiner.finish(&tokens)
        tokens.ids.withUnsafeBufferPointer { ids.append($0) }
    }

    /// What is to be remembered of a word; a lead of −1 stands for one that has to be searched each time.
    private func remembered(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ key: (UInt64, UInt64, UInt64)
    ) -> UnigramMemory.Entry {
        var entry = UnigramMemory.Entry(key: key, lead: -1, count: 0, ids: (0, 0, 0, 0, 0, 0, 0, 0))
        let word = UnsafeBufferPointer(rebasing: text[range])
        var count = 0
        var isKnown = true
        let mostPieces = UnigramMemory.mostPieces
        withUnsafeMutableBytes(of: &entry.ids) { raw in
            let ids = raw.assumingMemoryBound(to: TokenID.self)
            pieces.viterbi(word) { span in
                if span.id == pieces.unknownID { isKnown = false }
                if count < mostPieces { ids[count] = span.id }
                count += 1
            }
        }
        if isKnown, count <= mostPieces {
            entry.count = Int32(count)
            // Rounded down: the lead must never look larger than it is.
            entry.lead = Float(pieces.lead(word)).nextDown
        }
        return entry
    }
}

extension UnigramPieces {
    /// More than the sums of two segmentations of a word can move against each other by rounding.
    ///
    /// Each of at most `length` additions is off by at most half a unit in the last place of the largest sum.
    @inline(__always)
    func roundingBound(after sum: Double, length: Int) -> Double {
        let largest = abs(sum) + Double(length) * largestScore
        let unit = usesSinglePrecision ? Double(Float(largest).ulp) : largest.ulp
        return 4 * Double(length) * unit
    }

    /// How much the best segmentation of a text is better than the second best, in 64 bits.
    func lead(_ text: UnsafeBufferPointer<UInt8>) -> Double {
        let size = text.count
        return withUnsafeTemporaryAllocation(of: (first: Double, second: Double).self, capacity: size + 1) { best in
            best.initialize(repeating: (-.infinity, -.infinity))
            best[0] = (0, -.infinity)
            func offer(_ sum: Double, _ end: Int) {
                if sum > best[end].first {
                    best[end] = (sum, best[end].first)
                } else if sum > best[end].second {
                    best[end].second = sum
                }
            }
            var start = 0
            while start < size {
                let here = best[start]
                let characterLength = Self.characterLength(text, start)
                var hasSingle = false
                var cursor = trie.root
                var end = start
                walk: while end < size {
                    let step = trie.step(&cursor, text[end])
                    end += 1
                    switch step {
                    case .none: break walk
                    case .inner: continue walk
                    case .key(let id):
                        let score = score(id, length: end - start)
                        offer(here.first + score, end)
                        offer(here.second + score, end)
                        if end - start == characterLength { hasSingle = true }
                    }
                }
                if !hasSingle {
                    offer(here.first + unknownScore, start + characterLength)
                    offer(here.second + unknownScore, start + characterLength)
                }
                start += characterLength
            }
            return best[size].first - best[size].second
        }
    }
}
