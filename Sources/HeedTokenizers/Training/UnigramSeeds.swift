/// Finds the strings that a unigram vocabulary starts from: all that occur at least twice with different
/// continuations, which are the inner nodes of the text's suffix tree (Abouelhoda et al. 2004).
///
/// As in SentencePiece 0.2.3 the tree is one of bytes: continuations differ where their first bytes do.
///
/// Words are distinct and weighted, and no string is longer than a piece may be, so sorting the suffixes by their first
/// characters suffices. Time O(c log c) in the characters c of the distinct words, memory 20 bytes per character.
struct UnigramSeeds {
    /// A candidate: characters by number and its count.
    struct Seed {
        var start: Int
        var length: Int
        var count: Int64
    }

    /// The text of all words with what follows each: characters count from 3, continuations from 0.
    private var text: [UInt16] = []
    private var weights: [Int64] = []
    private let longest: Int
    /// The first byte in UTF-8 of each character, continuations included.
    private var leads: [UInt8] = [0, 0xE2, 0xE2]

    private static let firstCharacter: UInt16 = 3

    /// Finds seeds of 2 to `rules.maximumLength` characters, the best `limit` by count × length.
    static func find(
        _ corpus: SentencePieceCorpus, rules: PieceRules, kinds: PieceRules.CharacterKinds, limit: Int
    ) -> [(characters: [UInt16], count: Int64, score: Int64)] {
        let finder = UnigramSeeds(corpus, longest: rules.maximumLength)
        var order = finder.sortedSuffixes()
        let seeds = finder.nodes(&order).filter { seed in
            rules.allows(finder.text[seed.start..<seed.start + seed.length].map { $0 - firstCharacter }, kinds)
        }
        var ranked = seeds.indices.map { (index: $0, score: seeds[$0].count * Int64(seeds[$0].length)) }
        ranked.sort { $0.score != $1.score ? $0.score > $1.score : $0.index < $1.index }
        return ranked.prefix(limit).map { index, score in
            let seed = seeds[index]
            let characters = finder.text[seed.start..<seed.start + seed.length].map { $0 - firstCharacter }
            return (characters, seed.count, score)
        }
    }

    private init(_ corpus: SentencePieceCorpus, longest: Int) {
        self.longest = longest
        leads += corpus.alphabet.map { String($0).utf8.first ?? 0 }
        // Continuations take the places of the characters they are in the text: a space sorts as U+2581.
        for word in corpus.words {
            for character in corpus.characters[word.start..<word.end] {
                text.append(character + Self.firstCharacter)
                weights.append(word.count)
            }
            text.append(UInt16(word.following))
            weights.append(0)
        }
        // The place after the last word can be looked at as well.
        text.append(0)
        weights.append(0)
    }

    /// The packed characters of a suffix from `depth` on: four of 16 bits, nothing beyond the end of its word.
    @inline(__always)
    private static func key(_ text: UnsafeBufferPointer<UInt16>, _ suffix: Int32, _ depth: Int) -> UInt64 {
        var key: UInt64 = 0
        var at = Int(suffix) + depth
        var shift: UInt64 = 48
        while true {
            let character = text[at]
            key |= UInt64(character + 1) << shift
            if character < firstCharacter || shift == 0 { return key }
            shift -= 16
            at += 1
        }
    }

    /// Whether a packed run of characters reaches the end of its word.
    @inline(__always)
    private static func ends(_ key: UInt64) -> Bool {
        var key = key
        while key != 0 {
            let character = key >> 48
            if character == 0 || character <= UInt64(firstCharacter) { return true }
            key <<= 16
        }
        return false
    }

    private struct Entry {
        var key: UInt64
        var suffix: Int32
    }

    /// All suffixes that start inside words, sorted by their first `longest + 1` characters.
    private func sortedSuffixes() -> [Int32] {
        text.withUnsafeBufferPointer { text in
            var entries: [Entry] = []
            entries.reserveCapacity(text.count)
            for at in 0..<text.count where text[at] >= Self.firstCharacter {
                entries.append(Entry(key: Self.key(text, Int32(at), 0), suffix: Int32(at)))
            }
            entries.withUnsafeMutableBufferPointer { entries in
                Self.sort(entries[...], text, depth: 0, limit: longest + 1)
            }
            return entries.map(\.suffix)
        }
    }

    private static func sort(
        _ slice: Slice<UnsafeMutableBufferPointer<Entry>>, _ text: UnsafeBufferPointer<UInt16>, depth: Int, limit: Int
    ) {
        var part = UnsafeMutableBufferPointer(rebasing: slice)
        part.sort { $0.key != $1.key ? $0.key < $1.key : $0.suffix < $1.suffix }
        guard depth + 4 < limit else { return }
        var start = 0
        while start < part.count {
            let key = part[start].key
            var end = start + 1
            while end < part.count, part[end].key == key { end += 1 }
            if end - start > 1, !ends(key) {
                for index in start..<end { part[index].key = Self.key(text, part[index].suffix, depth + 4) }
                sort(part[start..<end], text, depth: depth + 4, limit: limit)
            }
            start = end
        }
    }

    /// How many characters two suffixes share, what follows the word included, up to `longest + 1`.
    private static func shared(_ text: UnsafeBufferPointer<UInt16>, _ one: Int32, _ other: Int32, _ limit: Int) -> Int {
        var length = 0
        while length < limit {
            let character = text[Int(one) + length]
            if character != text[Int(other) + length] { return length }
            length += 1
            if character < firstCharacter { return length }
        }
        return length
    }

    /// The inner nodes of the suffix tree in post-order, without those that are too long or reach over a word's end.
    private func nodes(_ order: inout [Int32]) -> [Seed] {
        text.withUnsafeBufferPointer { text in
            var seeds: [Seed] = []
            // Open intervals: the place where each began, its depth, and the weight gathered before it closes.
            var stack: [(from: Int, depth: Int, weight: Int64, branches: Bool)] = [(0, -1, 0, false)]
            for place in 0...order.count {
                var depth = -1
                var branches = false
                if place > 0, place < order.count {
                    let (before, here) = (order[place - 1], order[place])
                    depth = Self.shared(text, before, here, longest + 1)
                    branches = leads[Int(text[Int(before) + depth])] != leads[Int(text[Int(here) + depth])]
                }
                var from = place
                var carried: Int64 = 0
                if place > 0 {
                    carried = weights[Int(order[place - 1])]
                    from = place - 1
                }
                while let top = stack.last, top.depth > depth {
                    stack.removeLast()
                    let weight = top.weight + carried
                    if top.branches, top.depth >= 2, top.depth <= longest {
                        let start = Int(order[top.from])
                        if text[start + top.depth - 1] >= Self.firstCharacter {
                            seeds.append(Seed(start: start, length: top.depth, count: weight))
                        }
                    }
                    carried = weight
                    from = top.from
                }
                if let top = stack.last {
                    if top.depth == depth {
                        stack[stack.count - 1].weight += carried
                        if branches { stack[stack.count - 1].branches = true }
                    } else {
                        stack.append((from, depth, carried, branches))
                    }
                }
            }
            return seeds
        }
    }
}
