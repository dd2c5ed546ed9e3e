/// Words as runs of symbol ids, with how often each word occurs: what the merging of pairs works on.
struct SymbolWords: ~Copyable {
    private(set) var symbols = GrowingBuffer<Int32>(minimumCapacity: 1 << 16)
    private(set) var offsets = GrowingBuffer<Int>(minimumCapacity: 1 << 12)
    private(set) var lengths = GrowingBuffer<Int32>(minimumCapacity: 1 << 12)
    private(set) var counts = GrowingBuffer<Int64>(minimumCapacity: 1 << 12)

    /// The number of words.
    var count: Int { offsets.count }

    /// Opens a new word; `append(symbol:)` fills it.
    mutating func begin(times: Int64) {
        offsets.append(symbols.count)
        lengths.append(0)
        counts.append(times)
    }

    @inline(__always)
    mutating func append(symbol: Int32) {
        symbols.append(symbol)
        lengths[lengths.count - 1] += 1
    }

    /// Drops the word just filled: one of fewer than two symbols can never merge.
    mutating func dropLastIfSingle() {
        guard let last = lengths.count > 0 ? lengths[lengths.count - 1] : nil, last < 2 else { return }
        for _ in 0..<last { _ = symbols.removeLast() }
        _ = offsets.removeLast()
        _ = lengths.removeLast()
        _ = counts.removeLast()
    }

    /// Replaces every (left, right) of word `index` by `merged` and reports each pair that goes (−1) or comes (+1).
    @inline(__always)
    mutating func merge(
        _ index: Int, _ left: Int32, _ right: Int32, into merged: Int32,
        _ change: (_ left: Int32, _ right: Int32, _ sign: Int64) -> Void
    ) {
        let word = symbols.base + offsets[index]
        let length = Int(lengths[index])
        var read = 0
        var write = 0
        while read < length {
            let symbol = word[read]
            guard symbol == left, read + 1 < length, word[read + 1] == right else {
                word[write] = symbol
                read += 1
                write += 1
                continue
            }
            if write > 0 {
                change(word[write - 1], left, -1)
                change(word[write - 1], merged, 1)
            }
            read += 2
            if read < length {
                change(right, word[read], -1)
                change(merged, word[read], 1)
            }
            word[write] = merged
            write += 1
        }
        lengths[index] = Int32(write)
    }
}

/// The pairs of all words with their counts and candidates, kept up to date while words change.
struct PairIndex<Order: MergeOrder>: ~Copyable {
    private var pairs = PairTable()
    private var queue: MergeQueue<Order>
    /// Candidates' lists of words, one after the other.
    private var wordPool = GrowingBuffer<UInt32>(minimumCapacity: 1 << 16)
    private var findSlots = GrowingBuffer<Int32>(minimumCapacity: 1 << 12)
    private var findWords = GrowingBuffer<UInt32>(minimumCapacity: 1 << 12)
    private var touched = GrowingBuffer<Int32>(minimumCapacity: 1 << 12)
    private var mergeNumber: Int32 = 0

    init(order: Order) { queue = MergeQueue(order: order) }

    /// The most frequent pair, or nil when none occurs at least `minimumFrequency` times.
    mutating func next(minimumFrequency: Int64) -> MergeCandidate? {
        while var top = queue.pop() {
            let current = pairs.pointer(Int(top.slot)).pointee.count
            if top.count != current {
                top.count = current
                queue.push(top)
                continue
            }
            if top.count < 1 || top.count < minimumFrequency { return nil }
            return top
        }
        return nil
    }

    /// Forgets the finds of the previous merge.
    mutating func beginMerge() {
        mergeNumber += 1
        findSlots.removeAll()
        findWords.removeAll()
        touched.removeAll()
    }

    /// The word at `position` of a candidate's list.
    @inline(__always)
    func word(_ position: Int) -> UInt32 { wordPool[position] }

    /// Counts a pair that a word lost (`times` below 0) or got; a word that got it is remembered once per merge.
    @inline(__always)
    mutating func change(_ left: Int32, _ right: Int32, by times: Int64, in word: UInt32) {
        let slot = pairs.slot(left, right)
        let pair = pairs.pointer(slot)
        pair.pointee.count += times
        if times < 0 { return }
        if pair.pointee.lastMerge != mergeNumber {
            pair.pointee.lastMerge = mergeNumber
            pair.pointee.found = 0
            touched.append(Int32(slot))
        } else if pair.pointee.lastWord == word {
            return
        }
        pair.pointee.lastWord = word
        pair.pointee.found += 1
        findSlots.append(Int32(slot))
        findWords.append(word)
    }

    /// Sorts the finds by pair into the pool and queues every pair that occurs.
    mutating func queueFinds() {
        var start = wordPool.extend(by: findSlots.count, with: 0)
        for index in 0..<touched.count {
            let slot = touched[index]
            let pair = pairs.pointer(Int(slot))
            let length = pair.pointee.found
            pair.pointee.found = start
            if pair.pointee.count > 0, queue.order.allows(pair.pointee.left, pair.pointee.right) {
                queue.push(
                    MergeCandidate(
                        count: pair.pointee.count, left: pair.pointee.left, right: pair.pointee.right, slot: slot,
                        length: UInt32(length), start: start))
            }
            start += length
        }
        for index in 0..<findSlots.count {
            let pair = pairs.pointer(Int(findSlots[index]))
            wordPool[pair.pointee.found] = findWords[index]
            pair.pointee.found += 1
        }
    }
}

/// Byte-pair encoding's training (Gage 1994; Sennrich et al. 2016, algorithm 1): the most frequent pair becomes a
/// symbol, again and again.
///
/// Pair counts are kept up to date as words change; each candidate carries the list of words that hold its pair, so that one
/// merge costs only the words it changes. Time O(symbols · log candidates) over the whole training, memory about
/// 30 bytes per symbol of the distinct words.
struct PairMerging<Order: MergeOrder>: ~Copyable {
    private var words: SymbolWords
    private var index: PairIndex<Order>

    /// Counts the pairs of all words.
    init(_ words: consuming SymbolWords, order: Order) {
        self.words = words
        index = PairIndex(order: order)
        countPairs()
    }

    /// The next merge, not yet made; nil when no pair occurs at least `minimumFrequency` times.
    ///
    /// `perform` must follow with the candidate before the next call.
    mutating func next(minimumFrequency: Int64) -> MergeCandidate? {
        index.next(minimumFrequency: minimumFrequency)
    }

    /// Merges the candidate's pair into `merged` in all its words.
    mutating func perform(_ candidate: MergeCandidate, into merged: Int32) {
        index.beginMerge()
        for position in candidate.start..<candidate.start + Int(candidate.length) {
            let word = index.word(position)
            let times = words.counts[Int(word)]
            words.merge(Int(word), candidate.left, candidate.right, into: merged) { left, right, sign in
                index.change(left, right, by: sign * times, in: word)
            }
        }
        index.queueFinds()
    }

    private mutating func countPairs() {
        for word in 0..<words.count {
            let times = words.counts[word]
            let start = words.offsets[word]
            let length = Int(words.lengths[word])
            guard length > 1 else { continue }
            for at in start..<start + length - 1 {
                index.change(words.symbols[at], words.symbols[at + 1], by: times, in: UInt32(word))
            }
        }
        index.queueFinds()
    }
}
