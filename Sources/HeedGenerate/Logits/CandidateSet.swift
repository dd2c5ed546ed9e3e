import HeedProcessor
import CHeedKernels
import HeedSupport

/// The ids that may come next, with their logits and probabilities, in ascending order of ids.
///
/// Filters remove candidates; probabilities are the softmax over those left: `exp` in single precision by the
/// project's kernel, sums in double precision over 8 lanes and one tree, so that the bits depend on the logits only.
/// Ties are won by the lowest id. All memory is allocated by `init`. Cost of a filter: one pass over the candidates and,
/// where an order is needed, a heap from which only those that stay are taken.
public struct CandidateSet: ~Copyable {
    /// How many candidates are left.
    public private(set) var count = 0
    private let vocabulary: Int
    private let idBase: UnsafeMutablePointer<Int32>
    private let logitBase: UnsafeMutablePointer<Float>
    /// exp(logit − maximum)
    private let exponentialBase: UnsafeMutablePointer<Float>
    private let keyBase: UnsafeMutablePointer<Float>
    private let keepBase: UnsafeMutablePointer<Bool>
    private let heapBase: UnsafeMutablePointer<Int32>
    private let exponential: ExponentialKernel
    private var maximum: Float = 0
    private var sum = 0.0
    private var isNormalised = false

    /// Makes room for `vocabulary` candidates.
    public init(vocabulary: Int) {
        self.vocabulary = vocabulary
        exponential = ExponentialKernel()
        idBase = .allocate(capacity: vocabulary)
        logitBase = .allocate(capacity: vocabulary)
        exponentialBase = .allocate(capacity: vocabulary)
        keyBase = .allocate(capacity: vocabulary)
        keepBase = .allocate(capacity: vocabulary)
        heapBase = .allocate(capacity: vocabulary)
        keepBase.initialize(repeating: false, count: vocabulary)
    }

    deinit {
        idBase.deallocate()
        logitBase.deallocate()
        exponentialBase.deallocate()
        keyBase.deallocate()
        keepBase.deallocate()
        heapBase.deallocate()
    }

    /// The ids left, ascending.
    public var ids: UnsafeBufferPointer<Int32> { UnsafeBufferPointer(start: idBase, count: count) }

    /// Takes every id whose logit is above −∞, divided by `temperature`.
    ///
    /// - Throws: `HeedError` of kind `numeric` when a logit is NaN or +∞ or when no id is left.
    public mutating func load(_ logits: UnsafeBufferPointer<Float>, temperature: Float = 1) throws {
        count = 0
        isNormalised = false
        for (id, logit) in logits.enumerated() {
            if logit == -.infinity { continue }
            let value = logit / temperature
            guard value.isFinite else {
                throw HeedError(
                    .numeric, "a logit is \(logit) (divided by the temperature: \(value))", in: "logits of id \(id)",
                    expected: "a finite number", advice: "Check the weights with `heed verify`, or the temperature")
            }
            idBase[count] = Int32(id)
            logitBase[count] = value
            count += 1
        }
        if count == 0 {
            throw HeedError(
                .numeric, "every id is banned, so no next token is left",
                advice: "Loosen the n-gram ban, the suppressed tokens or the forced tokens")
        }
    }

    /// Probability of the candidate at `position` (not the id).
    public mutating func probability(at position: Int) -> Float {
        normalise()
        return Float(Double(exponentialBase[position]) / sum)
    }

    /// Writes the distribution `[V]`, zero for ids that are no candidates.
    public mutating func writeProbabilities(to row: UnsafeMutableBufferPointer<Float>) {
        normalise()
        row.update(repeating: 0)
        for position in 0..<count { row[Int(idBase[position])] = Float(Double(exponentialBase[position]) / sum) }
    }

    /// Writes the candidates' logits `[V]`, divided by the temperature, and −∞ for ids that are no candidates.
    public func writeLogits(to row: UnsafeMutableBufferPointer<Float>) {
        row.update(repeating: -.infinity)
        for position in 0..<count { row[Int(idBase[position])] = logitBase[position] }
    }

    /// The id at which the running sum of probabilities, over ascending ids, first exceeds `uniform` ∈ [0, 1).
    public mutating func draw(uniform: Double) -> Int32 {
        normalise()
        var running = 0.0
        var last: Int32 = idBase[0]
        let target = uniform * sum
        for position in 0..<count where exponentialBase[position] > 0 {
            running += Double(exponentialBase[position])
            last = idBase[position]
            if running > target { return last }
        }
        return last
    }

    /// Lends memory for V numbers; the candidates are lost.
    mutating func withScratch<Result>(_ body: (UnsafeMutablePointer<Float>) -> Result) -> Result {
        count = 0
        isNormalised = false
        return body(exponentialBase)
    }

    // MARK: - Filters

    /// Keeps the `k` most likely.
    public mutating func keepTop(_ k: Int) {
        guard k < count else { return }
        heapify(keys: logitBase)
        for _ in 0..<k { keepBase[Int(popHeap(keys: logitBase))] = true }
        compact()
    }

    /// Keeps the smallest set of most likely ids whose probabilities sum to at least `mass`.
    public mutating func keepNucleus(mass: Double, atLeast: Int) {
        guard mass < 1 else { return }
        normalise()
        heapify(keys: logitBase)
        var covered = 0.0
        var kept = 0
        while kept < count, kept < atLeast || covered < mass * sum {
            let position = Int(popHeap(keys: logitBase))
            keepBase[position] = true
            covered += Double(exponentialBase[position])
            kept += 1
        }
        compact()
    }

    /// Keeps ids of at least `share` times the highest probability.
    public mutating func keepAtLeast(shareOfBest share: Double, atLeast: Int) {
        guard share > 0 else { return }
        normalise()
        var best: Float = 0
        for position in 0..<count { best = max(best, exponentialBase[position]) }
        keepAbove(Double(best) * share, atLeast: atLeast)
    }

    /// Keeps ids of at least this probability.
    public mutating func keepAtLeast(probability: Double, atLeast: Int) {
        guard probability > 0 else { return }
        normalise()
        keepAbove(probability * sum, atLeast: atLeast)
    }

    /// Keeps ids of at least min(ε, √ε · exp(−entropy)).
    public mutating func keepByEta(_ epsilon: Double, atLeast: Int) {
        guard epsilon > 0 else { return }
        let bound = min(epsilon, epsilon.squareRoot() * ExactMathematics.exp(-entropy()))
        keepAtLeast(probability: bound, atLeast: atLeast)
    }

    /// Keeps the ids whose surprise −log p is nearest to the entropy, until their probabilities reach `mass`.
    public mutating func keepTypical(mass: Double, atLeast: Int) {
        guard mass < 1 else { return }
        let entropy = entropy()
        let logSum = ExactMathematics.log(sum)
        for position in 0..<count {
            let surprise = logSum - (Double(logitBase[position]) - Double(maximum))
            keyBase[position] = -Float(abs(surprise - entropy))
        }
        heapify(keys: keyBase)
        var covered = 0.0
        var kept = 0
        var bound = -Float.infinity
        while kept < count {
            let position = Int(popHeap(keys: keyBase))
            // Those as far from the entropy as the last one that was needed stay too.
            if kept >= atLeast, covered >= mass * sum, keyBase[position] < bound { break }
            if covered < mass * sum { bound = keyBase[position] }
            keepBase[position] = true
            covered += Double(exponentialBase[position])
            kept += 1
        }
        compact()
    }

    // MARK: - Parts

    /// H = −Σ p log p, in nats.
    private mutating func entropy() -> Double {
        normalise()
        let logSum = ExactMathematics.log(sum)
        var total = 0.0
        for position in 0..<count {
            let logProbability = (Double(logitBase[position]) - Double(maximum)) - logSum
            total -= Double(exponentialBase[position]) / sum * logProbability
        }
        return total
    }

    private mutating func keepAbove(_ bound: Double, atLeast: Int) {
        for position in 0..<count { keepBase[position] = Double(exponentialBase[position]) >= bound }
        heapify(keys: logitBase)
        for _ in 0..<min(atLeast, count) { keepBase[Int(popHeap(keys: logitBase))] = true }
        compact()
    }

    private mutating func normalise() {
        if isNormalised { return }
        maximum = -.infinity
        for position in 0..<count { maximum = max(maximum, logitBase[position]) }
        for position in 0..<count { exponentialBase[position] = logitBase[position] - maximum }
        exponential.apply(exponentialBase, count: count)
        sum = laneSum(UnsafeBufferPointer(start: exponentialBase, count: count))
        isNormalised = true
    }

    /// Drops those that are not marked, and clears the marks.
    private mutating func compact() {
        var kept = 0
        for position in 0..<count {
            if keepBase[position] {
                idBase[kept] = idBase[position]
                logitBase[kept] = logitBase[position]
                kept += 1
            }
            keepBase[position] = false
        }
        if kept != count { isNormalised = false }
        count = kept
    }

    // MARK: - A heap of positions: highest key first, lowest position of equals

    private var heapSize = 0

    private mutating func heapify(keys: UnsafeMutablePointer<Float>) {
        heapSize = count
        for position in 0..<count { heapBase[position] = Int32(position) }
        var parent = count / 2 - 1
        while parent >= 0 {
            sink(parent, keys)
            parent -= 1
        }
    }

    private mutating func popHeap(keys: UnsafeMutablePointer<Float>) -> Int32 {
        let top = heapBase[0]
        heapSize -= 1
        heapBase[0] = heapBase[heapSize]
        sink(0, keys)
        return top
    }

    private func comesBefore(_ left: Int32, _ right: Int32, _ keys: UnsafeMutablePointer<Float>) -> Bool {
        let a = keys[Int(left)]
        let b = keys[Int(right)]
        return a > b || (a == b && left < right)
    }

    private func sink(_ start: Int, _ keys: UnsafeMutablePointer<Float>) {
        var parent = start
        let size = heapSize
        guard parent < size else { return }
        let moving = heapBase[parent]
        while true {
            var child = 2 * parent + 1
            if child >= size { break }
            if child + 1 < size, comesBefore(heapBase[child + 1], heapBase[child], keys) { child += 1 }
            if !comesBefore(heapBase[child], moving, keys) { break }
            heapBase[parent] = heapBase[child]
            parent = child
        }
        heapBase[parent] = moving
    }
}
