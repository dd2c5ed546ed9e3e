import HeedSupport

/// A sentence and its translation, as ids.
public struct SentencePair: Sendable, Equatable {
    /// What the encoder reads.
    public var source: [Int32]
    /// What the decoder should say, end id included.
    public var target: [Int32]

    /// A pair from its sides.
    public init(source: [Int32], target: [Int32]) {
        self.source = source
        self.target = target
    }
}

/// Parallel text cut into batches of about as many tokens, of pairs of about the same length.
///
/// Every epoch the pairs are shuffled, put into buckets by length, cut into batches of at most `tokens` tokens (the
/// larger of both sides counts), and the batches are shuffled. What a batch holds depends on the seed and its number in
/// the run only, so that resuming needs no other state. Vaswani et al. 2017, section 5.1.
/// Cost: an epoch is ordered once, n log n; the batches of one epoch are kept.
public final class ParallelText {
    /// Whether batches come as the text has them or shuffled anew in every epoch.
    public enum Order: Sendable, Equatable {
        /// As the text has them.
        case sequential
        /// Anew in every epoch.
        case shuffled
    }

    /// The pairs.
    public let pairs: [SentencePair]
    /// The most tokens of a batch on either side.
    public let tokensPerBatch: Int
    private let seed: UInt64
    private let order: Order
    /// Batches before each epoch that was looked at: `before[e]`.
    private var before = [0]
    private var cached: (epoch: Int, batches: [[Int]])?

    /// Batches of at most `tokensPerBatch` tokens.
    ///
    /// - Throws: `HeedError` when there are no pairs or one does not fit into a batch.
    public init(_ pairs: [SentencePair], tokensPerBatch: Int, order: Order = .shuffled, seed: UInt64) throws {
        guard !pairs.isEmpty else {
            throw HeedError(.badInput, "there are no sentence pairs", in: "`source` and `target`")
        }
        for (index, pair) in pairs.enumerated() where max(pair.source.count, pair.target.count) > tokensPerBatch {
            throw HeedError(
                .badInput, "the pair does not fit into a batch", in: "sentence pair \(index + 1)",
                expected: "at most \(tokensPerBatch) tokens a side",
                got: "\(pair.source.count) and \(pair.target.count)",
                advice: "Raise `tokensPerBatch` or drop long pairs")
        }
        self.pairs = pairs
        self.tokensPerBatch = tokensPerBatch
        self.order = order
        self.seed = seed
    }

    /// Reads `sources[i]` and `targets[i]` line by line.
    ///
    /// - `longest`: pairs with more ids on a side are left out; their number is returned.
    /// - Throws: `HeedError` naming both files when their numbers of lines differ.
    public static func read(
        sources: [String], targets: [String], longest: Int, encodeSource: (String) throws -> [Int32],
        encodeTarget: (String) throws -> [Int32]
    ) throws -> (pairs: [SentencePair], leftOut: Int) {
        guard sources.count == targets.count, !sources.isEmpty else {
            throw HeedError(
                .usage, "source and target files come in pairs", in: "`source` and `target`",
                expected: "as many of one as of the other", got: "\(sources.count) and \(targets.count)")
        }
        var pairs: [SentencePair] = []
        var leftOut = 0
        for (source, target) in zip(sources, targets) {
            let left = try TextFiles.lines(source)
            let right = try TextFiles.lines(target)
            guard left.count == right.count else {
                throw HeedError(
                    .badInput, "the files have different numbers of lines", in: "\(source) and \(target)",
                    expected: "line i of one translates line i of the other", got: "\(left.count) and \(right.count)")
            }
            for (one, other) in zip(left, right) {
                let pair = SentencePair(source: try encodeSource(one), target: try encodeTarget(other))
                if pair.source.isEmpty || pair.target.isEmpty || max(pair.source.count, pair.target.count) > longest {
                    leftOut += 1
                } else {
                    pairs.append(pair)
                }
            }
        }
        return (pairs, leftOut)
    }

    /// The pairs of batch `number` of the run, counted from 0.
    public func batch(_ number: Int) -> [SentencePair] {
        var epoch = before.count - 1
        while epoch > 0, before[epoch] > number { epoch -= 1 }
        while true {
            let batches = self.batches(ofEpoch: epoch)
            if before.count == epoch + 1 { before.append(before[epoch] + batches.count) }
            if number < before[epoch + 1] { return batches[number - before[epoch]].map { pairs[$0] } }
            epoch += 1
        }
    }

    /// The numbers of the pairs of every batch of an epoch.
    public func batches(ofEpoch epoch: Int) -> [[Int]] {
        if let cached, cached.epoch == epoch { return cached.batches }
        var indices = Array(pairs.indices)
        if order == .shuffled {
            let permutation = Permutation(count: pairs.count, seed: seed, epoch: epoch)
            for place in indices.indices { indices[place] = permutation[place] }
            // Stable by construction: the shuffled place breaks ties. Lengths of a bucket differ by at most 3.
            let ranks = indices
            indices = ranks.indices.sorted { left, right in
                let a = bucket(ranks[left])
                let b = bucket(ranks[right])
                return a != b ? a < b : left < right
            }.map { ranks[$0] }
        }
        var batches: [[Int]] = []
        var open: [Int] = []
        var sides = (source: 0, target: 0)
        for index in indices {
            let pair = pairs[index]
            let larger = max(sides.source + pair.source.count, sides.target + pair.target.count)
            if !open.isEmpty, larger > tokensPerBatch {
                batches.append(open)
                open = []
                sides = (0, 0)
            }
            open.append(index)
            sides = (sides.source + pair.source.count, sides.target + pair.target.count)
        }
        if !open.isEmpty { batches.append(open) }
        if order == .shuffled {
            let permutation = Permutation(count: batches.count, seed: seed, epoch: epoch, purpose: .pairs)
            batches = batches.indices.map { batches[permutation[$0]] }
        }
        cached = (epoch, batches)
        return batches
    }

    private func bucket(_ index: Int) -> Int { max(pairs[index].source.count, pairs[index].target.count) / 4 }

    /// A number that changes when the pairs do.
    public var fingerprint: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func mix(_ value: Int32) { hash = (hash ^ UInt64(UInt32(bitPattern: value))) &* 0x0000_0100_0000_01B3 }
        for pair in pairs {
            for id in pair.source { mix(id) }
            mix(-1)
            for id in pair.target { mix(id) }
            mix(-2)
        }
        return hash
    }
}
