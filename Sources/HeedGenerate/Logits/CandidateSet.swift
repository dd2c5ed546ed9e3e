import HeedSupport

/// The ids that may come next, with their logits and probabilities, in ascending order of ids.
///
/// Filters remove candidates; probabilities are the softmax over those left: `exp` in single precision by the
/// project's kernel, sums in double precision over 8 lanes and one tree, so that the bits depend on the logits only.
/// All memory is allocated by `init`. Cost of a filter: one pass over the candidates and, where an order is needed, a
/// heap from which only those that stay are taken.
struct CandidateSet: ~Copyable {
    /// How many candidates are left.
    private(set) var count = 0
    private let idBase: UnsafeMutablePointer<Int32>
    private let logitBase: UnsafeMutablePointer<Float>
    /// exp(logit − maximum)
    private let exponentialBase: UnsafeMutablePointer<Float>
    private let keyBase: UnsafeMutablePointer<Float>
    private let keepBase: UnsafeMutablePointer<Bool>
    private let heapBase: UnsafeMutablePointer<Int32>
    private let exponential = ExponentialKernel()
    /// The largest logit, once there are exponentials.
    private(set) var maximum: Float = 0
    private var sum = 0.0
    private var isNormalised = false

    /// Makes room for `vocabulary` candidates.
    init(vocabulary: Int) {
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

    /// Takes every id whose logit is above −∞, divided by `temperature`.
    ///
    /// - Throws: `HeedError` of kind `numeric` when a logit is NaN or +∞ or when no id is left.
    mutating func load(_ logits: UnsafeBufferPointer<Float>, temperature: Float = 1) throws {
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
        if count == 0 { throw LogitsError.nothingLeft }
    }

    /// The logits of the candidates, by position.
    var logits: UnsafeBufferPointer<Float> { UnsafeBufferPointer(start: logitBase, count: count) }

    /// The logit of an id, if it is a candidate.
    func logit(of id: Int32) -> Float? {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if idBase[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low < count && idBase[low] == id ? logitBase[low] : nil
    }

    /// exp(logit − largest logit) of the candidates, by position, and their sum.
    mutating func exponentials() -> (values: UnsafeBufferPointer<Float>, sum: Double) {
        normalise()
        return (UnsafeBufferPointer(start: exponentialBase, count: count), sum)
    }

    /// H = −Σ p log p, in nats.
    mutating func entropy() -> Double {
        normalise()
        let logSum = ExactMathematics.log(sum)
        var total = 0.0
        for position in 0..<count {
            let logProbability = (Double(logitBase[position]) - Double(maximum)) - logSum
            total -= Double(exponentialBase[position]) / sum * logProbability
        }
        return total
    }

    /// Writes the distribution `[V]`, zero for ids that are no candidates.
    mutating func writeProbabilities(to row: UnsafeMutableBufferPointer<Float>) {
        normalise()
        row.update(repeating: 0)
        for position in 0..<count { row[Int(idBase[position])] = Float(Double(exponentialBase[position]) / sum) }
    }

    /// Writes the candidates' logits `[V]`, divided by the temperature, and −∞ for ids that are no candidates.
    func writeLogits(to row: UnsafeMutableBufferPointer<Float>) {
        row.update(repeating: -.infinity)
        for position in 0..<count { row[Int(idBase[position])] = logitBase[position] }
    }

    /// The id at which the running sum of probabilities, over ascending ids, first exceeds `uniform` ∈ [0, 1).
    mutating func draw(uniform: Double) -> Int32 {
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

    // MARK: - Removing candidates

    /// Keeps the candidates that `isKept` says, by position, and the `atLeast` most likely.
    mutating func keep(atLeast: Int, where isKept: (_ position: Int) -> Bool) {
        for position in 0..<count { keepBase[position] = isKept(position) }
        let least = min(atLeast, count)
        if least == 1 {
            // The most likely one alone needs no order.
            var best = 0
            for position in 0..<count where logitBase[position] > logitBase[best] { best = position }
            keepBase[best] = true
        } else {
            var left = least
            visit(by: logitBase) { position in
                keepBase[position] = true
                left -= 1
                return left > 0
            }
        }
        compact()
    }

    /// Shows candidates from the most likely on (of equals the lowest id first) and keeps those for which `isKept` is
    /// true, up to the first for which it is false.
    mutating func keepPrefix(while isKept: (_ position: Int) -> Bool) {
        visit(by: logitBase) { position in
            let keeps = isKept(position)
            keepBase[position] = keeps
            return keeps
        }
        compact()
    }

    /// Shows the logits of candidates from the most likely on, until `goesOn` is false; all stay.
    func visitMostLikely(_ goesOn: (_ logit: Float) -> Bool) {
        visit(by: logitBase) { goesOn(logitBase[$0]) }
    }

    /// The same in descending order of `key`, by position.
    mutating func keepPrefix(by key: (_ position: Int) -> Float, while isKept: (_ position: Int, _ key: Float) -> Bool)
    {
        for position in 0..<count { keyBase[position] = key(position) }
        visit(by: keyBase) { position in
            let keeps = isKept(position, keyBase[position])
            keepBase[position] = keeps
            return keeps
        }
        compact()
    }

    /// Shows positions in descending order of their keys, the lowest of equals first, until `goesOn` is false.
    private func visit(by keys: UnsafeMutablePointer<Float>, _ goesOn: (_ position: Int) -> Bool) {
        func before(_ left: Int32, _ right: Int32) -> Bool {
            let (a, b) = (keys[Int(left)], keys[Int(right)])
            return a > b || (a == b && left < right)
        }
        for position in 0..<count { heapBase[position] = Int32(position) }
        Heap.order(UnsafeMutableBufferPointer(start: heapBase, count: count), before: before)
        var size = count
        while size > 0, goesOn(Int(heapBase[0])) {
            size -= 1
            heapBase[0] = heapBase[size]
            Heap.sink(UnsafeMutableBufferPointer(start: heapBase, count: size), before: before)
        }
    }

    private mutating func normalise() {
        if isNormalised { return }
        maximum = laneMaximum(logits)
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
}

/// What can be wrong with a row of logits.
enum LogitsError {
    static var nothingLeft: HeedError {
        HeedError(
            .numeric, "every id is banned, so no next token is left",
            advice: "Loosen the n-gram ban, the suppressed tokens or the forced tokens")
    }

    static func notFinite(_ what: String, id: Int? = nil) -> HeedError {
        HeedError(
            .numeric, what, in: id.map { "logits of id \($0)" } ?? "logits",
            advice: "Check the weights with `heed verify`")
    }
}
