/// The best segmentations of a text, best first, by A* search backwards through the lattice (Nagata 1994).
///
/// The agenda is a binary heap with the sifting of C++'s standard library, so that equal sums come out in
/// SentencePiece's order.
struct UnigramNBest {
    /// A segmentation and the sum of its scores.
    struct Path: Equatable {
        var nodes: [Int]
        var score: Float
    }

    private struct Hypothesis {
        var node: Int32
        var next: Int32
        /// The sum of scores from here to the end of the text.
        var gain: Float
        /// The best sum of any segmentation that ends like this.
        var estimate: Float
    }

    private var hypotheses: [Hypothesis] = []
    private var agenda: [Int32] = []

    /// When the agenda has grown to this, only its best are kept.
    private static let largestAgenda = 10_000
    private static let keptAgenda = 512

    /// Finds at most `count` segmentations; `lattice` must be filled.
    static func search(_ lattice: inout UnigramLattice, count: Int) -> [Path] {
        lattice.viterbi()
        if count <= 1 { return [Path(nodes: lattice.bestPath, score: lattice.nodes[lattice.endNode].bestSum)] }
        var search = UnigramNBest()
        return search.run(lattice, count)
    }

    private mutating func run(_ lattice: UnigramLattice, _ count: Int) -> [Path] {
        var paths: [Path] = []
        let end = lattice.endNode
        push(Hypothesis(node: Int32(end), next: -1, gain: 0, estimate: lattice.nodes[end].bestSum))
        while let top = pop() {
            let hypothesis = hypotheses[Int(top)]
            if hypothesis.node == 0 {
                paths.append(Path(nodes: nodes(after: hypothesis), score: hypothesis.estimate))
                if paths.count == count { break }
                continue
            }
            let position = Int(lattice.nodes[Int(hypothesis.node)].start)
            for index in lattice.endingRange(at: position) {
                let left = lattice.endingNode(index)
                push(
                    Hypothesis(
                        node: Int32(left), next: top, gain: lattice.nodes[left].score + hypothesis.gain,
                        estimate: lattice.nodes[left].bestSum + hypothesis.gain))
            }
            if agenda.count >= Self.largestAgenda { shrink(to: min(Self.keptAgenda, count * 10)) }
        }
        return paths
    }

    /// The nodes from a hypothesis to the end of the text, both ends left out.
    private func nodes(after hypothesis: Hypothesis) -> [Int] {
        var path: [Int] = []
        var at = hypothesis.next
        while at >= 0, hypotheses[Int(at)].next >= 0 {
            path.append(Int(hypotheses[Int(at)].node))
            at = hypotheses[Int(at)].next
        }
        return path
    }

    private mutating func shrink(to size: Int) {
        var kept: [Int32] = []
        for _ in 0..<size { if let top = pop() { kept.append(top) } }
        agenda.removeAll(keepingCapacity: true)
        for index in kept { pushIndex(index) }
    }

    private mutating func push(_ hypothesis: Hypothesis) {
        hypotheses.append(hypothesis)
        pushIndex(Int32(hypotheses.count - 1))
    }

    @inline(__always)
    private func estimate(_ index: Int32) -> Float { hypotheses[Int(index)].estimate }

    private mutating func pushIndex(_ index: Int32) {
        agenda.append(index)
        siftUp(index, from: agenda.count - 1)
    }

    private mutating func siftUp(_ index: Int32, from start: Int) {
        var hole = start
        while hole > 0 {
            let parent = (hole - 1) / 2
            guard estimate(agenda[parent]) < estimate(index) else { break }
            agenda[hole] = agenda[parent]
            hole = parent
        }
        agenda[hole] = index
    }

    private mutating func pop() -> Int32? {
        guard let top = agenda.first, let moved = agenda.popLast() else { return nil }
        guard !agenda.isEmpty else { return top }
        // The hole goes all the way down along the larger children, then the last element rises into place.
        let count = agenda.count
        var hole = 0
        var child = 0
        while child < (count - 1) / 2 {
            child = 2 * (child + 1)
            if estimate(agenda[child]) < estimate(agenda[child - 1]) { child -= 1 }
            agenda[hole] = agenda[child]
            hole = child
        }
        if count & 1 == 0, child == (count - 2) / 2 {
            child = 2 * (child + 1)
            agenda[hole] = agenda[child - 1]
            hole = child - 1
        }
        siftUp(moved, from: hole)
        return top
    }
}
