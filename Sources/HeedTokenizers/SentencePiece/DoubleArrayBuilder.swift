extension DoubleArray {
    /// Builds the trie of keys that ascend strictly by their bytes; values from 0 to 2³¹ − 1.
    ///
    /// Keys must not be empty or hold the byte 0 (which marks ends); such keys are left out. Time grows with the total
    /// length of the keys.
    ///
    /// - Parameter sharing: whether equal subtrees are stored once; for short keys with few values only, as it costs
    ///   time and recursion.
    init(sortedKeys keys: [(key: UnsafeBufferPointer<UInt8>, value: Int)], sharing: Bool = false) {
        var builder = DoubleArrayBuilder()
        builder.isSharing = sharing
        builder.build(keys.filter { !$0.key.isEmpty && !$0.key.contains(0) })
        self.init(units: builder.units)
    }

    /// Builds the trie of keys in any order; of equal keys the first counts.
    init(keys: [(key: [UInt8], value: Int)], sharing: Bool = false) {
        var storage: [UInt8] = []
        storage.reserveCapacity(keys.reduce(0) { $0 + $1.key.count })
        var places: [(start: Int, end: Int, value: Int)] = []
        places.reserveCapacity(keys.count)
        for (key, value) in keys {
            places.append((storage.count, storage.count + key.count, value))
            storage += key
        }
        self = storage.withUnsafeBufferPointer { bytes in
            DoubleArray(
                views: places.map { (UnsafeBufferPointer(rebasing: bytes[$0.start..<$0.end]), $0.value) },
                sharing: sharing)
        }
    }

    /// Builds the trie of keys in any order that lie in memory; of equal keys the first counts.
    init(views: [(key: UnsafeBufferPointer<UInt8>, value: Int)], sharing: Bool = false) {
        // The first eight bytes as a number decide nearly every comparison.
        var order: [(prefix: UInt64, index: Int32)] = []
        order.reserveCapacity(views.count)
        for (index, view) in views.enumerated() {
            var prefix: UInt64 = 0
            let count = min(view.key.count, 8)
            for place in 0..<count { prefix |= UInt64(view.key[place]) << UInt64(56 - 8 * place) }
            order.append((prefix, Int32(truncatingIfNeeded: index)))
        }
        order.sort { left, right in
            if left.prefix != right.prefix { return left.prefix < right.prefix }
            let first = views[Int(left.index)].key
            let second = views[Int(right.index)].key
            if first.count > 8 || second.count > 8 {
                if first.lexicographicallyPrecedes(second) { return true }
                if second.lexicographicallyPrecedes(first) { return false }
            } else if first.count != second.count {
                return first.count < second.count
            }
            return left.index < right.index
        }
        var unique: [(key: UnsafeBufferPointer<UInt8>, value: Int)] = []
        unique.reserveCapacity(order.count)
        for entry in order {
            let view = views[Int(entry.index)]
            if let last = unique.last, last.key.count == view.key.count, last.key.elementsEqual(view.key) { continue }
            unique.append(view)
        }
        self.init(sortedKeys: unique, sharing: sharing)
    }
}

/// Places the nodes of a trie: each node's children go where the free units fit all their bytes.
private struct DoubleArrayBuilder {
    private(set) var units: [UInt32] = []
    /// Whether nodes with equal subtrees share their children.
    var isSharing = false
    /// The number of each distinct subtree, and where its children were put.
    private var subtrees: [[Int]: Int] = [:]
    private var placed: [Int: Int] = [:]
    /// Free units in a ring, only those of the last blocks, so that placing stays fast.
    private var next: [Int32] = []
    private var previous: [Int32] = []
    private var isUsed: [Bool] = []
    /// Offsets that already have children: two nodes must not share one.
    private var isOffset: [Bool] = []
    private var head: Int32 = -1
    private var firstOpen = 0

    private static let blockSize = 256
    private static let openBlocks = 16

    private struct Pending {
        var node: Int
        var keys: Range<Int>
        var depth: Int
    }

    mutating func build(_ keys: [(key: UnsafeBufferPointer<UInt8>, value: Int)]) {
        addBlock()
        use(0)
        isOffset[0] = true
        guard !keys.isEmpty else { return }
        var pending = [Pending(node: 0, keys: 0..<keys.count, depth: 0)]
        var labels: [UInt8] = []
        var starts: [Int] = []
        while let task = pending.popLast() {
            labels.removeAll(keepingCapacity: true)
            starts.removeAll(keepingCapacity: true)
            for index in task.keys {
                let key = keys[index].key
                let label = task.depth < key.count ? key[task.depth] : 0
                if labels.last != label {
                    labels.append(label)
                    starts.append(index)
                }
            }
            starts.append(task.keys.upperBound)
            var subtree = -1
            if isSharing {
                subtree = self.subtree(keys, task.keys, task.depth)
                if let offset = placed[subtree], canLink(task.node, to: offset) {
                    link(task.node, to: offset)
                    if labels[0] == 0 { units[task.node] |= 0x100 }
                    continue
                }
            }
            let offset = place(labels, of: task.node)
            if isSharing { placed[subtree] = offset }
            isOffset[offset] = true
            link(task.node, to: offset)
            for (child, label) in labels.enumerated() {
                let unit = offset ^ Int(label)
                use(unit)
                if label == 0 {
                    units[task.node] |= 0x100
                    units[unit] = UInt32(truncatingIfNeeded: keys[starts[child]].value) | 0x8000_0000
                } else {
                    units[unit] = UInt32(label)
                    pending.append(
                        Pending(node: unit, keys: starts[child]..<starts[child + 1], depth: task.depth + 1))
                }
            }
        }
    }

    /// The number of the subtree of some keys below a depth; equal subtrees have one number.
    private mutating func subtree(
        _ keys: [(key: UnsafeBufferPointer<UInt8>, value: Int)], _ range: Range<Int>, _ depth: Int
    ) -> Int {
        var shape: [Int] = []
        var start = range.lowerBound
        while start < range.upperBound {
            let key = keys[start].key
            guard depth < key.count else {
                shape += [0, keys[start].value]
                start += 1
                continue
            }
            var end = start + 1
            while end < range.upperBound, keys[end].key[depth] == key[depth] { end += 1 }
            shape += [Int(key[depth]), subtree(keys, start..<end, depth + 1)]
            start = end
        }
        if let known = subtrees[shape] { return known }
        subtrees[shape] = subtrees.count
        return subtrees.count - 1
    }

    private func canLink(_ node: Int, to offset: Int) -> Bool {
        let distance = node ^ offset
        return distance & 0xFF == 0 || distance >> 21 == 0
    }

    /// Writes the distance from a node to its children: 21 bits, or 29 whose lowest 8 are zero.
    private mutating func link(_ node: Int, to offset: Int) {
        let distance = UInt32(truncatingIfNeeded: node ^ offset)
        units[node] &= 0x8000_01FF
        if distance < 1 << 21 {
            units[node] |= distance << 10
        } else {
            units[node] |= distance << 2 | 1 << 9
        }
    }

    /// An offset whose units for all labels are free and that a node can be linked to.
    private mutating func place(_ labels: [UInt8], of node: Int) -> Int {
        if head >= 0 {
            var free = head
            repeat {
                let offset = Int(free) ^ Int(labels[0])
                if fits(labels, at: offset, of: node) { return offset }
                free = next[Int(free)]
            } while free != head
        }
        let offset = units.count | (node & 0xFF)
        addBlock()
        return offset
    }

    private func fits(_ labels: [UInt8], at offset: Int, of node: Int) -> Bool {
        if isOffset[offset] { return false }
        if !canLink(node, to: offset) { return false }
        for label in labels.dropFirst() where isUsed[offset ^ Int(label)] { return false }
        return true
    }

    private mutating func use(_ unit: Int) {
        guard !isUsed[unit] else { return }
        isUsed[unit] = true
        if next[unit] >= 0 { remove(unit) }
    }

    private mutating func remove(_ unit: Int) {
        let after = next[unit]
        let before = previous[unit]
        if after == Int32(unit) {
            head = -1
        } else {
            next[Int(before)] = after
            previous[Int(after)] = before
            if head == Int32(unit) { head = after }
        }
        next[unit] = -1
    }

    /// Adds 256 free units and takes the oldest open block out of the ring.
    private mutating func addBlock() {
        let start = units.count
        units.append(contentsOf: repeatElement(0, count: Self.blockSize))
        isUsed.append(contentsOf: repeatElement(false, count: Self.blockSize))
        isOffset.append(contentsOf: repeatElement(false, count: Self.blockSize))
        next.append(contentsOf: repeatElement(-1, count: Self.blockSize))
        previous.append(contentsOf: repeatElement(-1, count: Self.blockSize))
        for unit in start..<start + Self.blockSize { insert(unit) }
        if start / Self.blockSize >= Self.openBlocks {
            for unit in firstOpen..<firstOpen + Self.blockSize where next[unit] >= 0 { remove(unit) }
            firstOpen += Self.blockSize
        }
    }

    private mutating func insert(_ unit: Int) {
        let index = Int32(unit)
        guard head >= 0 else {
            head = index
            next[unit] = index
            previous[unit] = index
            return
        }
        let last = previous[Int(head)]
        next[Int(last)] = index
        previous[unit] = last
        next[unit] = head
        previous[Int(head)] = index
    }
}
