import HeedTensor

/// A random order of 0 ..< count that needs no memory: the place of any index is computed when it is asked for.
///
/// A Feistel network of four rounds over the next power of four, its round function one Philox word (Luby and Rackoff
/// 1988: four rounds of random functions are a random permutation); numbers beyond `count` walk on along their cycle
/// (Black and Rogaway 2002). Depends on seed and epoch only, so a resumed run needs no state. Cost: some four to
/// sixteen Philox blocks.
struct IndexPermutation {
    let count: Int
    private let half: UInt64
    private let random: RandomSource

    init(count: Int, seed: UInt64, epoch: Int) {
        self.count = count
        var bits: UInt64 = 1
        while UInt64(1) << (2 * bits) < UInt64(max(count, 1)) { bits += 1 }
        half = bits
        random = RandomSource(seed: seed, purpose: .shuffle, step: UInt32(truncatingIfNeeded: epoch))
    }

    /// The `index`-th number of the order.
    func callAsFunction(_ index: Int) -> Int {
        guard count > 1 else { return 0 }
        var value = UInt64(index)
        repeat { value = once(value) } while value >= UInt64(count)
        return Int(value)
    }

    private func once(_ value: UInt64) -> UInt64 {
        let mask = (UInt64(1) << half) - 1
        var (left, right) = (value >> half, value & mask)
        for round in 0..<4 as Range<UInt64> {
            // The first block of the purpose is the epoch's own; see `phase`.
            let word = random.word(4 * (1 + (round << 34 | right)))
            (left, right) = (right, left ^ (UInt64(word) & mask))
        }
        return left << half | right
    }

    /// A number in 0 ..< limit that belongs to the epoch.
    func phase(below limit: Int) -> Int {
        limit > 1 ? Int(UInt64(random.word(0)) * UInt64(limit) >> 32) : 0
    }
}
