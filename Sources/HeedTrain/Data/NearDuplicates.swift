/// Finds documents that are nearly those that came before, by MinHash (Broder 1997): the share of common runs of five ids
/// among all of both, |A ∩ B|/|A ∪ B|, is about the share of hash functions whose least values are equal.
///
/// Documents that agree in all hashes of one band of several are compared (Leskovec et al., "Mining of Massive Datasets",
/// section 3.4); the number of hashes in a band is the largest with which 99 of 100 documents at the threshold meet. With
/// 128 hashes an estimate is off by 0.04 or less in two cases of three. Memory: 512 bytes and some for each document that
/// is kept. Cost: 128 multiplications an id.
struct NearDuplicates {
    private static let hashes = 128
    /// Ids of a run; a shorter document is one run.
    private static let run = 5

    private let threshold: Double
    /// Hashes of a band.
    let rows: Int
    private let factors: [(UInt64, UInt64)]
    private var signatures: [[UInt32]] = []
    /// By band and its hashes: the documents that have them.
    private var bands: [[UInt64: [Int32]]]

    /// Documents count as nearly the same from a share of `threshold` on, above 0 and at most 1.
    init(threshold: Double) {
        self.threshold = threshold
        rows = NearDuplicates.rows(at: threshold)
        bands = Array(repeating: [:], count: NearDuplicates.hashes / rows)
        var factors: [(UInt64, UInt64)] = []
        for index in 0..<NearDuplicates.hashes {
            let seed = UInt64(2 * index)
            factors.append((NearDuplicates.mixed(seed + 1) | 1, NearDuplicates.mixed(seed + 2)))
        }
        self.factors = factors
    }

    /// Whether `ids` are nearly a document that was kept; if not, it is kept.
    mutating func isKnown(_ ids: [Int32]) -> Bool {
        guard !ids.isEmpty else { return false }
        let signature = signature(ids)
        let keys = bands.indices.map { band -> UInt64 in
            var key = UInt64(band)
            for least in signature[band * rows..<(band + 1) * rows] { key = NearDuplicates.mixed(key ^ UInt64(least)) }
            return key
        }
        let wanted = Int((threshold * Double(NearDuplicates.hashes)).rounded(.up))
        for (band, key) in keys.enumerated() {
            for other in bands[band][key] ?? [] {
                var equal = 0
                for (left, right) in zip(signatures[Int(other)], signature) where left == right { equal += 1 }
                if equal >= wanted { return true }
            }
        }
        for (band, key) in keys.enumerated() { bands[band][key, default: []].append(Int32(signatures.count)) }
        signatures.append(signature)
        return false
    }

    /// The least value of every hash function over the runs.
    func signature(_ ids: [Int32]) -> [UInt32] {
        var least = [UInt32](repeating: .max, count: NearDuplicates.hashes)
        let length = min(NearDuplicates.run, ids.count)
        for start in 0...ids.count - length {
            var hash: UInt64 = 0
            for id in ids[start..<start + length] {
                let word = UInt64(UInt32(bitPattern: id))
                hash = NearDuplicates.mixed(hash ^ word)
            }
            least.withUnsafeMutableBufferPointer { least in
                factors.withUnsafeBufferPointer { factors in
                    for index in 0..<least.count {
                        let value = UInt32(truncatingIfNeeded: (hash &* factors[index].0 &+ factors[index].1) >> 32)
                        least[index] = min(least[index], value)
                    }
                }
            }
        }
        return least
    }

    private static func rows(at threshold: Double) -> Int {
        (1...16).last { rows in
            var (apart, together) = (1.0, 1.0)
            for _ in 0..<rows { together *= threshold }
            for _ in 0..<hashes / rows { apart *= 1 - together }
            return apart <= 0.01
        } ?? 1
    }

    /// A permutation of 64 bits in which every bit depends on all (Steele et al. 2014, "SplitMix").
    private static func mixed(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
