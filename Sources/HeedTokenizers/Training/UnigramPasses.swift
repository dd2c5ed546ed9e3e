#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A trie from strings of numbered characters to pieces, for training: nodes in a hash table of (node, character).
struct UnigramTrainingTrie {
    private let keys: FrozenBuffer<UInt64>
    private let children: FrozenBuffer<Int32>
    private let mask: Int
    /// The piece that ends at a node, or −1.
    private let pieceAtNode: FrozenBuffer<Int32>
    let scores: FrozenBuffer<Float>
    /// exp(score), and that of a character without a piece.
    let probabilities: FrozenBuffer<Double>
    let unknownProbability: Double
    /// The score of a character without a piece.
    let unknownScore: Float
    private let firstLevel: FrozenBuffer<Int32>

    private static let free = UInt64.max

    init(_ pieces: [UnigramLearner.Piece], alphabetSize: Int) {
        let total = pieces.reduce(1) { $0 + max(0, $1.characters.count - 1) }
        var capacity = 16
        while capacity < total * 2 { capacity *= 2 }
        let mask = capacity - 1
        let keys = FrozenBuffer<UInt64>(repeating: Self.free, count: capacity)
        let children = FrozenBuffer<Int32>(repeating: -1, count: capacity)
        let first = FrozenBuffer<Int32>(repeating: -1, count: alphabetSize)
        var ends: [Int32] = []
        for (index, piece) in pieces.enumerated() {
            var node = first.pointer[Int(piece.characters[0])]
            if node < 0 {
                node = Int32(ends.count)
                first.pointer[Int(piece.characters[0])] = node
                ends.append(-1)
            }
            for character in piece.characters.dropFirst() {
                let key = UInt64(UInt32(node)) << 16 | UInt64(character)
                var slot = Int(truncatingIfNeeded: mixBits(key)) & mask
                while keys.pointer[slot] != Self.free, keys.pointer[slot] != key { slot = (slot + 1) & mask }
                if keys.pointer[slot] == Self.free {
                    keys.pointer[slot] = key
                    children.pointer[slot] = Int32(ends.count)
                    ends.append(-1)
                }
                node = children.pointer[slot]
            }
            ends[Int(node)] = Int32(index)
        }
        self.keys = keys
        self.children = children
        self.mask = mask
        firstLevel = first
        pieceAtNode = FrozenBuffer(ends)
        scores = FrozenBuffer(pieces.map(\.score))
        probabilities = FrozenBuffer(pieces.map { exp(Double($0.score)) })
        unknownScore = (pieces.map(\.score).min() ?? 0) - Float(UnigramPieces.unknownPenalty)
        unknownProbability = exp(Double(unknownScore))
    }

    /// Calls `body` with the length and the piece of every prefix of the characters from `start` that is one.
    @inline(__always)
    func forEachPrefix(_ text: UnsafeBufferPointer<UInt16>, _ start: Int, _ body: (Int, Int32) -> Void) {
        var node = firstLevel.pointer[Int(text[start])]
        var at = start + 1
        while node >= 0 {
            let piece = pieceAtNode.pointer[Int(node)]
            if piece >= 0 { body(at - start, piece) }
            guard at < text.count else { return }
            let key = UInt64(UInt32(node)) << 16 | UInt64(text[at])
            var slot = Int(truncatingIfNeeded: mixBits(key)) & mask
            while keys.pointer[slot] != key {
                if keys.pointer[slot] == Self.free { return }
                slot = (slot + 1) & mask
            }
            node = children.pointer[slot]
            at += 1
        }
    }
}

/// Forward–backward and Viterbi over single words, with memory reused from word to word.
struct UnigramPasses {
    private struct Node {
        var start: Int32
        var end: Int32
        var piece: Int32
        var score: Float
        var isUnknown = false
    }

    private var nodes: [Node] = []
    private var ways: [Double] = []
    private var waysBack: [Double] = []
    private var forward: [Float] = []
    private var backward: [Float] = []
    private var hasForward: [Bool] = []
    private var best: [(score: Float, node: Int32)] = []

    private mutating func fill(_ text: UnsafeBufferPointer<UInt16>, _ trie: UnigramTrainingTrie, withoutWhole: Bool) {
        nodes.removeAll(keepingCapacity: true)
        for start in 0..<text.count {
            var hasSingle = false
            trie.forEachPrefix(text, start) { length, piece in
                if length == 1 { hasSingle = true }
                if withoutWhole, length == text.count { return }
                nodes.append(
                    Node(
                        start: Int32(start), end: Int32(start + length), piece: piece,
                        score: trie.scores.pointer[Int(piece)]))
            }
            if !hasSingle {
                // As in SentencePiece, the most frequent character answers for characters without a piece.
                nodes.append(
                    Node(
                        start: Int32(start), end: Int32(start + 1), piece: 0, score: trie.unknownScore, isUnknown: true)
                )
            }
        }
    }

    /// Adds the expected counts of all pieces in a word that occurs `count` times.
    mutating func addExpectations(
        _ word: ArraySlice<UInt16>, _ count: Float, _ trie: UnigramTrainingTrie, _ expected: inout [Float]
    ) {
        word.withUnsafeBufferPointer { text in
            fill(text, trie, withoutWhole: false)
            if addLinearly(text.count, Double(count), trie, &expected) { return }
            reset(&forward, text.count + 1)
            reset(&backward, text.count + 1)
            hasForward.removeAll(keepingCapacity: true)
            hasForward.append(contentsOf: repeatElement(false, count: text.count + 1))
            // Nodes ascend by start, so sums into an end come in SentencePiece's order.
            for node in nodes {
                let way = node.score + forward[Int(node.start)]
                let end = Int(node.end)
                forward[end] = hasForward[end] ? UnigramLattice.logSumExp(forward[end], way) : way
                hasForward[end] = true
            }
            var index = nodes.count
            while index > 0 {
                let start = nodes[index - 1].start
                var first = index
                while first > 0, nodes[first - 1].start == start { first -= 1 }
                var sum: Float = 0
                for at in first..<index {
                    let way = nodes[at].score + backward[Int(nodes[at].end)]
                    sum = at == first ? way : UnigramLattice.logSumExp(sum, way)
                }
                backward[Int(start)] = sum
                index = first
            }
            let total = forward[text.count]
            for node in nodes {
                let exponent = forward[Int(node.start)] + node.score + backward[Int(node.end)] - total
                let added = Double(count) * exp(Double(exponent))
                expected[Int(node.piece)] = Float(Double(expected[Int(node.piece)]) + added)
            }
        }
    }

    /// Forward and backward sums of probabilities instead of their logarithms: many times cheaper, but long words can
    /// leave the range of numbers; then nothing is added and the result is false.
    private mutating func addLinearly(
        _ length: Int, _ count: Double, _ trie: UnigramTrainingTrie, _ expected: inout [Float]
    ) -> Bool {
        ways.removeAll(keepingCapacity: true)
        ways.append(contentsOf: repeatElement(0, count: length + 1))
        waysBack.removeAll(keepingCapacity: true)
        waysBack.append(contentsOf: repeatElement(0, count: length + 1))
        ways[0] = 1
        waysBack[length] = 1
        return nodes.withUnsafeBufferPointer { nodes in
            ways.withUnsafeMutableBufferPointer { ways in
                waysBack.withUnsafeMutableBufferPointer { waysBack in
                    expected.withUnsafeMutableBufferPointer { expected in
                        func probability(_ node: Node) -> Double {
                            node.isUnknown ? trie.unknownProbability : trie.probabilities.pointer[Int(node.piece)]
                        }
                        for node in nodes { ways[Int(node.end)] += ways[Int(node.start)] * probability(node) }
                        for node in nodes.reversed() {
                            waysBack[Int(node.start)] += waysBack[Int(node.end)] * probability(node)
                        }
                        let total = ways[length]
                        guard total > 1e-250 else { return false }
                        let scale = count / total
                        for node in nodes {
                            let share = ways[Int(node.start)] * probability(node) * waysBack[Int(node.end)]
                            let old = Double(expected[Int(node.piece)])
                            expected[Int(node.piece)] = Float(old + scale * share)
                        }
                        return true
                    }
                }
            }
        }
    }

    private func reset(_ sums: inout [Float], _ count: Int) {
        sums.removeAll(keepingCapacity: true)
        sums.append(contentsOf: repeatElement(0, count: count))
    }

    /// The pieces of the best segmentation; `withoutWhole` bars the word itself.
    mutating func viterbi(
        _ word: ArraySlice<UInt16>, _ trie: UnigramTrainingTrie, withoutWhole: Bool = false
    ) -> [Int32] {
        word.withUnsafeBufferPointer { text in
            fill(text, trie, withoutWhole: withoutWhole)
            best.removeAll(keepingCapacity: true)
            best.append(contentsOf: repeatElement((score: 0, node: -1), count: text.count + 1))
            for (index, node) in nodes.enumerated() {
                let score = best[Int(node.start)].score + node.score
                if best[Int(node.end)].node < 0 || score > best[Int(node.end)].score {
                    best[Int(node.end)] = (score, Int32(index))
                }
            }
            var path: [Int32] = []
            var end = text.count
            while end > 0 {
                let node = nodes[Int(best[end].node)]
                path.append(node.piece)
                end = Int(node.start)
            }
            return path.reversed()
        }
    }
}
