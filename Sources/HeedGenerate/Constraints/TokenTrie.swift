/// The tokens of a vocabulary by their bytes, as a tree in one list: a node before its children, children by byte.
struct TokenTrie {
    /// The byte that leads to a node.
    private(set) var bytes: [UInt8] = [0]
    /// How many bytes lead to a node.
    private(set) var depths: [Int32] = [0]
    /// The node behind everything below a node.
    private(set) var ends: [Int32] = []
    /// Where the tokens of a node begin in `ids`; those of all nodes below follow.
    private(set) var firsts: [Int32] = []
    /// The ids in the order of the nodes.
    private(set) var ids: [Int32] = []
    private(set) var deepest = 0
    let vocabulary: Int

    /// A tree of the tokens' bytes, by id; tokens without bytes are left out.
    init(_ tokens: [[UInt8]]) {
        vocabulary = tokens.count
        let order = tokens.indices.filter { !tokens[$0].isEmpty }
            .sorted { tokens[$0].lexicographicallyPrecedes(tokens[$1]) }
        firsts.append(0)
        // The nodes that lead to the last token.
        var path: [Int] = [0]
        ends.append(0)
        var last: [UInt8] = []
        for id in order {
            let token = tokens[id]
            var same = 0
            while same < last.count, same < token.count, last[same] == token[same] { same += 1 }
            close(&path, to: same + 1)
            for place in same..<token.count {
                path.append(bytes.count)
                bytes.append(token[place])
                depths.append(Int32(place + 1))
                firsts.append(Int32(ids.count))
                ends.append(0)
            }
            deepest = max(deepest, token.count)
            ids.append(Int32(id))
            last = token
        }
        close(&path, to: 0)
        firsts.append(Int32(ids.count))
    }

    private mutating func close(_ path: inout [Int], to count: Int) {
        while path.count > count { ends[path.removeLast()] = Int32(bytes.count) }
    }

    /// How many nodes there are, the root included.
    var count: Int { bytes.count }

    /// The tokens that end at a node.
    func tokens(at node: Int) -> Range<Int> { Int(firsts[node])..<Int(firsts[node + 1]) }
}
