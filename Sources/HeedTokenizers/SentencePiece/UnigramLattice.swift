/// All segmentations of a text into pieces: one node per piece that fits somewhere, positions in characters.
///
/// Sums are 32-bit and nodes are visited in SentencePiece's order, so that rankings come out as its own.
struct UnigramLattice {
    /// A piece at a place.
    struct Node {
        /// First and last position, in characters.
        var start: Int32
        var end: Int32
        var id: TokenID
        var score: Float
        /// The best sum from the beginning through this node, and the node before it; filled by `viterbi`.
        var bestSum: Float = 0
        var previous: Int32 = -1
    }

    /// The nodes by start; the first is the beginning of the text, the last its end.
    private(set) var nodes: [Node] = []
    /// Where the nodes that start at a position begin in `nodes`; one more entry than positions.
    private var startOffsets: [Int32] = []
    /// The nodes that end at each position, by start; and where each position's begin.
    private var ending: [Int32] = []
    private var endOffsets: [Int32] = []
    /// The byte at which each character starts.
    private(set) var characterStarts: [Int32] = []

    init() {}

    /// The number of characters.
    var length: Int { max(0, characterStarts.count - 1) }

    /// The node of the end of the text.
    var endNode: Int { nodes.count - 1 }

    /// Fills the lattice with all pieces of a text, reusing its memory.
    mutating func fill(_ text: UnsafeBufferPointer<UInt8>, _ pieces: UnigramPieces) {
        nodes.removeAll(keepingCapacity: true)
        startOffsets.removeAll(keepingCapacity: true)
        characterStarts.removeAll(keepingCapacity: true)
        var at = 0
        while at < text.count {
            characterStarts.append(Int32(at))
            at += UnigramPieces.characterLength(text, at)
        }
        characterStarts.append(Int32(at))
        nodes.append(Node(start: 0, end: 0, id: -1, score: 0))
        for position in 0..<length {
            startOffsets.append(Int32(nodes.count))
            addPieces(text, pieces, at: position)
        }
        startOffsets.append(Int32(nodes.count))
        nodes.append(Node(start: Int32(length), end: Int32(length), id: -1, score: 0))
        startOffsets.append(Int32(nodes.count))
        sortByEnd()
    }

    private mutating func addPieces(_ text: UnsafeBufferPointer<UInt8>, _ pieces: UnigramPieces, at position: Int) {
        let start = Int(characterStarts[position])
        var hasSingle = false
        var cursor = pieces.trie.root
        var byte = start
        var end = position
        walk: while byte < text.count {
            let step = pieces.trie.step(&cursor, text[byte])
            byte += 1
            switch step {
            case .none: break walk
            case .inner: continue walk
            case .key(let id):
                while Int(characterStarts[end]) < byte { end += 1 }
                let score = Float(pieces.score(id, length: end - position))
                nodes.append(Node(start: Int32(position), end: Int32(end), id: TokenID(id), score: score))
                if end == position + 1 { hasSingle = true }
            }
        }
        if !hasSingle {
            nodes.append(
                Node(
                    start: Int32(position), end: Int32(position + 1), id: pieces.unknownID,
                    score: Float(pieces.unknownScore)))
        }
    }

    private mutating func sortByEnd() {
        endOffsets.removeAll(keepingCapacity: true)
        endOffsets.append(contentsOf: repeatElement(0, count: length + 2))
        for node in nodes.dropLast() { endOffsets[Int(node.end) + 1] += 1 }
        for position in 1..<endOffsets.count { endOffsets[position] += endOffsets[position - 1] }
        ending.removeAll(keepingCapacity: true)
        ending.append(contentsOf: repeatElement(0, count: nodes.count - 1))
        for index in 0..<nodes.count - 1 {
            let end = Int(nodes[index].end)
            ending[Int(endOffsets[end])] = Int32(index)
            endOffsets[end] += 1
        }
        // Each offset now stands at the end of its run, which is where the next run begins.
        for position in stride(from: endOffsets.count - 1, to: 0, by: -1) {
            endOffsets[position] = endOffsets[position - 1]
        }
        endOffsets[0] = 0
    }

    /// The nodes that start at a position; the end of the text has the end node only.
    @inline(__always)
    func starting(at position: Int) -> Range<Int> { Int(startOffsets[position])..<Int(startOffsets[position + 1]) }

    /// The nodes that end at a position, as a range of `endingNode`.
    @inline(__always)
    func endingRange(at position: Int) -> Range<Int> { Int(endOffsets[position])..<Int(endOffsets[position + 1]) }

    @inline(__always)
    func endingNode(_ index: Int) -> Int { Int(ending[index]) }

    /// Fills the best sums; afterwards `bestPath` is the most probable segmentation.
    mutating func viterbi() {
        for position in 0...length {
            for right in starting(at: position) {
                var bestSum: Float = 0
                var best: Int32 = -1
                for index in endingRange(at: position) {
                    let left = endingNode(index)
                    let sum = nodes[left].bestSum + nodes[right].score
                    if best < 0 || sum > bestSum {
                        best = Int32(left)
                        bestSum = sum
                    }
                }
                nodes[right].previous = best
                nodes[right].bestSum = bestSum
            }
        }
    }

    /// The nodes of the most probable segmentation, in order.
    var bestPath: [Int] {
        var path: [Int] = []
        var node = Int(nodes[endNode].previous)
        while node > 0 {
            path.append(node)
            node = Int(nodes[node].previous)
        }
        return path.reversed()
    }

    /// The stretch of text that a node covers.
    func span(_ node: Int) -> PieceSpan {
        let node = nodes[node]
        return PieceSpan(start: characterStarts[Int(node.start)], end: characterStarts[Int(node.end)], id: node.id)
    }
}
