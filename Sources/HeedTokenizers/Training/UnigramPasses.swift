#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A trie from strings of numbered characters to pieces, for training: nodes in a hash table of (node, character).
///
/// One step costs one place in memory, a piece that ends there one more: the tables are far larger than caches.
struct UnigramTrainingTrie {
    /// A way from one node to the next: `node << 16 | character`, the next node, and the piece that ends there or −1.
    private struct Edge {
        var key: UInt64
        var child: Int32
        var piece: Int32
    }

    /// The score of a piece and its exponential.
    struct Weight {
        var probability: Double
        var score: Float
    }

    private let edges: FrozenBuffer<Edge>
    private let mask: Int
    /// The ways from the root, by character.
    private let first: FrozenBuffer<Edge>
    /// The weights of all pieces, and last that of a character without a piece.
    let weights: FrozenBuffer<Weight>
    /// The place of the last weight.
    let unknown: Int

    private static let free = UInt64.max

    init(_ pieces: [UnigramLearner.Piece], alphabetSize: Int) {
        let total = pieces.reduce(1) { $0 + max(0, $1.characters.count - 1) }
        var capacity = 16
        while capacity < total * 2 { capacity *= 2 }
        let mask = capacity - 1
        let edges = FrozenBuffer<Edge>(repeating: Edge(key: Self.free, child: -1, piece: -1), count: capacity)
        let first = FrozenBuffer<Edge>(repeating: Edge(key: Self.free, child: -1, piece: -1), count: alphabetSize)
        var nodes: Int32 = 0
        for (index, piece) in pieces.enumerated() {
            var edge = first.pointer + Int(piece.characters[0])
            if edge.pointee.child < 0 {
                edge.pointee.child = nodes
                nodes += 1
            }
            for character in piece.characters.dropFirst() {
                let key = UInt64(UInt32(edge.pointee.child)) << 16 | UInt64(character)
                var slot = Int(truncatingIfNeeded: mixBits(key)) & mask
                while edges.pointer[slot].key != Self.free, edges.pointer[slot].key != key { slot = (slot + 1) & mask }
                edge = edges.pointer + slot
                if edge.pointee.key == Self.free {
                    edge.pointee.key = key
                    edge.pointee.child = nodes
                    nodes += 1
                }
            }
            edge.pointee.piece = Int32(index)
        }
        self.edges = edges
        self.mask = mask
        self.first = first
        let unknownScore = (pieces.map(\.score).min() ?? 0) - Float(UnigramPieces.unknownPenalty)
        var weights = pieces.map { Weight(probability: exp(Double($0.score)), score: $0.score) }
        weights.append(Weight(probability: exp(Double(unknownScore)), score: unknownScore))
        unknown = pieces.count
        self.weights = FrozenBuffer(weights)
    }

    /// Calls `body` with the length and the piece of every prefix of the characters from `start` that is one.
    @inline(__always)
    func forEachPrefix(_ text: UnsafeBufferPointer<UInt16>, _ start: Int, _ body: (Int, Int32) -> Void) {
        let edges = edges.pointer
        var edge = first.pointer[Int(text[start])]
        var at = start + 1
        while edge.child >= 0 {
            if edge.piece >= 0 { body(at - start, edge.piece) }
            guard at < text.count else { return }
            let key = UInt64(UInt32(edge.child)) << 16 | UInt64(text[at])
            var slot = Int(truncatingIfNeeded: mixBits(key)) & mask
            while edges[slot].key != key {
                if edges[slot].key == Self.free { return }
                slot = (slot + 1) & mask
            }
            edge = edges[slot]
            at += 1
        }
    }
}

/// Forward–backward and Viterbi over single words, with memory reused from word to word.
struct UnigramPasses {
    private struct Node {
        var start: Int32
        var end: Int32
        /// The piece that counts for it.
        var piece: Int32
        var score: Float
        var probability: Double
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
                let weight = trie.weights.pointer[Int(piece)]
                nodes.append(
                    Node(
                        start: Int32(start), end: Int32(start + length), piece: piece, score: weight.score,
                        probability: weight.probability))
            }
            if !hasSingle {
                // As in SentencePiece, the most frequent character answers for characters without a piece.
                let weight = trie.weights.pointer[trie.unknown]
                nodes.append(
                    Node(
                        start: Int32(start), end: Int32(start + 1), piece: 0, score: weight.score,
                        probability: weight.probability))
            }
        }
    }

    /// Adds the expected counts of all pieces in a word that occurs `count` times.
    mutating func addExpectations(
        _ word: ArraySlice<UInt16>, _ count: Float, _ trie: UnigramTrainingTrie, _ expected: inout [Float]
    ) {
        word.withUnsafeBufferPointer { text in
            fill(text, trie, withoutWhole: false)
            if addLinearly(text.count, Double(count), &expected) { return }
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
        _ length: Int, _ count: Double, _ expected: inout [Float]
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
                        for node in nodes { ways[Int(node.end)] += ways[Int(node.start)] * node.probability }
                        for node in nodes.reversed() {
                            waysBack[Int(node.start)] += waysBack[Int(node.end)] * node.probability
                        }
                        let total = ways[length]
                        guard total > 1e-250 else { return false }
                        let scale = count / total
                        for node in nodes {
                            let share = ways[Int(node.start)] * node.probability * waysBack[Int(node.end)]
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
