import CHeedKernels
import HeedTensor

/// The random numbers of one decoded sequence: the word at a step depends on seed, row and step only.
///
/// Philox4x32-10 (Salmon et al. 2011) with the key `seed`, counter (row, purpose, step).
public struct SequenceRandom: Sendable {
    /// The seed of the call.
    public let seed: UInt64
    /// The number of the sequence in the call.
    public let row: UInt64

    /// The numbers of sequence `row` under `seed`.
    public init(seed: UInt64, row: Int) {
        self.seed = seed
        self.row = UInt64(truncatingIfNeeded: row)
    }

    /// A number in [0, 1) with 53 random bits, for new token `step`.
    public func uniform(step: Int) -> Double {
        var words: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &words) { bytes in
            heed_philox(
                seed, RandomPurpose.decoding.number(), UInt32(truncatingIfNeeded: step), row &* 4,
                bytes.baseAddress?.assumingMemoryBound(to: UInt32.self), 4)
        }
        let bits = UInt64(words.0) << 21 ^ UInt64(words.1) >> 11
        return Double(bits) * 0x1p-53
    }
}
