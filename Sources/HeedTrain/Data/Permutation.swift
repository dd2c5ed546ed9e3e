import HeedProcessor
import CHeedKernels
import HeedTensor

/// A shuffling of 0 ..< count that is computed place by place, without a table.
///
/// A Feistel network of 8 rounds over the next even number of bits, whose round function is Philox under the seed;
/// values beyond the count are sent through again ("cycle walking"; Black and Rogaway 2002, "Ciphers with arbitrary
/// finite domains"). The value of a place depends on seed, purpose, epoch, count and place only.
/// Cost: 8 to 32 Philox calls a place on average.
public struct Permutation: Sendable {
    /// How many places there are.
    public let count: Int
    private let seed: UInt64
    private let purpose: RandomPurpose
    private let epoch: UInt32
    private let halfBits: UInt64

    /// The shuffling of `count` places in `epoch`.
    public init(count: Int, seed: UInt64, epoch: Int, purpose: RandomPurpose = .shuffle) {
        self.count = count
        self.seed = seed
        self.purpose = purpose
        self.epoch = UInt32(truncatingIfNeeded: epoch)
        let bits = count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount
        halfBits = UInt64(max(1, (bits + 1) / 2))
    }

    /// What stands at `place`, 0 ≤ place < count.
    public subscript(place: Int) -> Int {
        if count <= 1 { return 0 }
        var value = UInt64(place)
        repeat { value = scramble(value) } while value >= UInt64(count)
        return Int(value)
    }

    private func scramble(_ value: UInt64) -> UInt64 {
        let mask = (1 as UInt64) << halfBits - 1
        var left = value >> halfBits
        var right = value & mask
        for round in 0..<8 as Range<UInt64> {
            var word: UInt32 = 0
            heed_philox(seed, purpose.number(), epoch, right << 8 | round, &word, 1)
            (left, right) = (right, left ^ (UInt64(word) & mask))
        }
        return left << halfBits | right
    }
}
