import HeedSupport

/// Contrastive search for one prompt: of the k most likely ids, the one that is likely and unlike what came before.
///
/// The score of a candidate v with probability p and last hidden state h_v is
///
///     (1 − α) · p(v) − α · max_j cos(h_v, h_j)
///
/// over the states h_j of all ids before it, prompt included; equal scores go to the likelier id, equal probabilities
/// to the lower one. It knows ids, logits and states; the caller reads candidates with a model. α is `penaltyAlpha`, k
/// `topK`. Source: Su et al. 2022, "A contrastive framework for neural text generation".
/// Cost of a step: one pass over V logits and k · n · C multiply-adds, n ids with states of C numbers.
struct ContrastiveSearch {
    /// The ids that may come next, likeliest first.
    private(set) var candidates: [Candidate] = []

    private var chooser: TokenChooser
    private let alpha: Double
    private let count: Int
    /// The states of all ids so far, each of length 1, one after the other.
    private var states: [Float] = []
    /// A candidate's state, of length 1.
    private var state: [Float] = []
    private var probabilities: [Float]

    /// An id that may come next.
    struct Candidate {
        let id: Int32
        let probability: Float
        /// The score, once its state is known.
        var score = -Double.infinity
    }

    /// - Throws: `HeedError` for options that make no sense.
    init(options: GenerationOptions, vocabulary: Int, source: [Int32]?) throws {
        chooser = try TokenChooser(options: options, vocabulary: vocabulary, source: source)
        alpha = options.penaltyAlpha
        count = options.topK
        probabilities = [Float](repeating: 0, count: vocabulary)
    }

    /// Whether a constraint lets nothing follow.
    var isComplete: Bool { chooser.isComplete }

    /// Remembers the state of an id that was read.
    mutating func remember(_ state: UnsafeBufferPointer<Float>) {
        normalise(state)
        states.append(contentsOf: self.state)
    }

    /// Finds the candidates after `history` from the logits there.
    ///
    /// - Throws: `HeedError` (`numeric`) when the logits hold NaN or infinity, or every id is banned.
    mutating func propose(
        logits: UnsafeBufferPointer<Float>, history: [Int32], generated: Int, memory: ChoosingMemory
    ) throws {
        let chooser = chooser
        try history.withUnsafeBufferPointer { history in
            try probabilities.withUnsafeMutableBufferPointer {
                try chooser.writeProbabilities(
                    logits: logits, history: history, generated: generated, to: $0, memory: memory)
            }
        }
        candidates.removeAll(keepingCapacity: true)
        for (id, probability) in probabilities.enumerated() where probability > 0 {
            let isFull = candidates.count == count
            if isFull, let last = candidates.last, probability <= last.probability { continue }
            if isFull { candidates.removeLast() }
            let place = candidates.firstIndex { $0.probability < probability } ?? candidates.count
            candidates.insert(Candidate(id: Int32(id), probability: probability), at: place)
        }
    }

    /// Scores candidate `number` by the state that the model has after it.
    mutating func score(_ number: Int, state: UnsafeBufferPointer<Float>) {
        normalise(state)
        let width = self.state.count
        var nearest = -Double.infinity
        states.withUnsafeBufferPointer { states in
            self.state.withUnsafeBufferPointer { state in
                for start in stride(from: 0, to: states.count, by: width) {
                    nearest = max(nearest, dot(UnsafeBufferPointer(rebasing: states[start..<start + width]), state))
                }
            }
        }
        candidates[number].score = (1 - alpha) * Double(candidates[number].probability) - alpha * nearest
    }

    /// The number of the candidate with the best score, which is taken.
    mutating func take() -> Int {
        var best = 0
        for number in candidates.indices where candidates[number].score > candidates[best].score { best = number }
        chooser.accept(candidates[best].id)
        return best
    }

    private mutating func normalise(_ x: UnsafeBufferPointer<Float>) {
        let length = dot(x, x).squareRoot()
        state.removeAll(keepingCapacity: true)
        for value in x { state.append(length > 0 ? Float(Double(value) / length) : 0) }
    }
}

/// Σ x·y in double precision over 8 lanes (lane = index mod 8) and one tree.
private func dot(_ x: UnsafeBufferPointer<Float>, _ y: UnsafeBufferPointer<Float>) -> Double {
    var lanes = SIMD8<Double>.zero
    let whole = x.count & ~7
    if let left = x.baseAddress, let right = y.baseAddress {
        var index = 0
        while index < whole {
            let a = UnsafeRawPointer(left + index).loadUnaligned(as: SIMD8<Float>.self)
            let b = UnsafeRawPointer(right + index).loadUnaligned(as: SIMD8<Float>.self)
            lanes += SIMD8<Double>(a) * SIMD8<Double>(b)
            index += 8
        }
    }
    for index in whole..<x.count { lanes[index - whole] += Double(x[index]) * Double(y[index]) }
    let four = lanes.lowHalf + lanes.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
}
