import HeedProcessor
import CHeedKernels
import HeedSupport
import HeedTensor

/// Beam search for one prompt, with the semantics of Hugging Face's `generate`.
///
/// Each step takes the log probabilities of the open beams, keeps the best (1 + number of end ids) · beams
/// continuations by their sum of log probabilities, moves those of the first `numBeams` that end to the finished
/// ones, scored Σ log p / lengthᵖᵉⁿᵃˡᵗʸ, and goes on with the best that do not end. Ties go to the lower beam, then the
/// lower id. It knows ids only; the caller computes logits and moves cache rows as `parents` says.
/// A beam that has no continuation left is not kept, so there may be fewer rows than beams.
/// Cost of a step: one pass over rows · V numbers.
public final class BeamSearch {
    /// The number of the parent row of every open beam, after a step.
    public private(set) var parents: [Int32]
    /// The newest id of every open beam, after a step.
    public private(set) var newestIds: [Int32]
    /// Whether the search is over.
    public private(set) var isFinished = false
    /// How many new ids every open beam has.
    public private(set) var generated = 0
    /// The open beams' sums of log probabilities, best first.
    public private(set) var scores: [Float] = [0]

    private let options: GenerationOptions
    /// Of every open beam.
    private var choosers: [TokenChooser]
    private var spareChoosers: [TokenChooser] = []
    private let vocabulary: Int
    private let promptCount: Int
    private let random: SequenceRandom
    private let isEnd: [Bool]
    private let candidatesKept: Int
    private var histories: [[Int32]]
    private var spareHistories: [[Int32]]
    private var candidates: [Candidate] = []
    private var finished: [Hypothesis] = []
    private var keptScores: [Float] = []

    private struct Candidate {
        var score: Float
        /// What the candidates are ordered by: the score, plus Gumbel noise for draws.
        var key: Float
        var row: Int32
        var id: Int32
    }

    private struct Hypothesis {
        var score: Float
        var ids: [Int32]
    }

    /// A search that starts after `prompt` (of the decoder).
    ///
    /// - `row`: the number of the prompt in the call, for the random numbers.
    /// - Throws: `HeedError` for options that make no sense.
    public init(
        options: GenerationOptions, vocabulary: Int, prompt: [Int32], source: [Int32]? = nil, row: Int = 0
    ) throws {
        self.options = options
        choosers = [try TokenChooser(options: options, vocabulary: vocabulary, source: source)]
        self.vocabulary = vocabulary
        promptCount = prompt.count
        random = SequenceRandom(seed: options.seed, row: row)
        var isEnd = [Bool](repeating: false, count: vocabulary)
        for id in options.endTokens where id >= 0 && Int(id) < vocabulary { isEnd[Int(id)] = true }
        self.isEnd = isEnd
        candidatesKept = max(2, 1 + options.endTokens.count) * options.numBeams
        parents = []
        newestIds = []
        parents.reserveCapacity(options.numBeams)
        newestIds.reserveCapacity(options.numBeams)
        scores.reserveCapacity(options.numBeams)
        candidates.reserveCapacity(candidatesKept)
        let capacity = prompt.count + options.maxNewTokens
        var first = prompt
        first.reserveCapacity(capacity)
        histories = [first]
        spareHistories = []
    }

    /// How many rows of logits the next step takes: 1 at first.
    public var rows: Int { histories.count }

    /// All ids of an open beam, prompt included.
    public func history(of row: Int) -> [Int32] { histories[row] }

    /// Adds the logits of open beam `row`; all rows, in any order, then `finishStep`.
    ///
    /// - Throws: `HeedError` of kind `numeric` when they hold NaN or infinity.
    public func add(logits: UnsafeBufferPointer<Float>, row: Int, memory: ChoosingMemory) throws {
        let base = scores[row]
        let logProbabilities = try histories[row].withUnsafeBufferPointer {
            try choosers[row].logProbabilities(logits: logits, history: $0, generated: generated, memory: memory)
        }
        if options.isRandom {
            for id in 0..<vocabulary where logProbabilities[id] > -.infinity {
                let score = base + logProbabilities[id]
                offer(Candidate(score: score, key: score + gumbel(row: row, id: id), row: Int32(row), id: Int32(id)))
            }
            return
        }
        var bound = candidates.count == candidatesKept ? candidates[0].key : -Float.infinity
        func look(_ ids: Range<Int>) {
            for id in ids {
                let score = base + logProbabilities[id]
                if score >= bound, score > -.infinity {
                    offer(Candidate(score: score, key: score, row: Int32(row), id: Int32(id)))
                    if candidates.count == candidatesKept { bound = candidates[0].key }
                }
            }
        }
        // After the first few ids hardly any score is above the bound: 16 are dismissed at once.
        let whole = vocabulary & ~15
        if let first = logProbabilities.baseAddress {
            var id = 0
            while id < whole {
                let scores = UnsafeRawPointer(first + id).loadUnaligned(as: SIMD16<Float>.self) + base
                if any(scores .>= bound) { look(id..<(id + 16)) }
                id += 16
            }
        }
        look(whole..<vocabulary)
    }

    /// Chooses the next open beams from what was added.
    ///
    /// Afterwards `parents` and `newestIds` say which cache rows go on and with which ids, unless `isFinished`.
    public func finishStep() {
        generated += 1
        candidates.sort { comesBefore($0, $1) }
        let isLast = generated >= options.maxNewTokens
        let length = lengthFactor(generated)
        for rank in 0..<min(options.numBeams, candidates.count) where isLast || ends(candidates[rank]) {
            let candidate = candidates[rank]
            var ids = Array(histories[Int(candidate.row)][promptCount...])
            ids.append(candidate.id)
            finish(Hypothesis(score: candidate.score / length, ids: ids))
        }
        openBeams(isLast: isLast)
        candidates.removeAll(keepingCapacity: true)
        decideEnd()
    }

    /// The best sequences, best first; fewer than asked for when there are not that many.
    public func results() -> [GeneratedSequence] {
        finished.prefix(options.numReturnSequences).map { hypothesis in
            let ended = hypothesis.ids.last.map { isEnd[Int($0)] } ?? false
            return GeneratedSequence(
                ids: hypothesis.ids, score: Double(hypothesis.score), finishReason: ended ? .stop : .length)
        }
    }

    /// Ends the search before its time; the open beams count as they are.
    public func interrupt() {
        guard !isFinished else { return }
        isFinished = true
        guard generated > 0 else { return }
        for row in 0..<rows {
            finish(Hypothesis(score: scores[row] / lengthFactor(generated), ids: Array(histories[row][promptCount...])))
        }
    }

    // MARK: - Parts

    private func ends(_ candidate: Candidate) -> Bool { isEnd[Int(candidate.id)] }

    private func lengthFactor(_ length: Int) -> Float {
        Float(ExactMathematics.pow(Double(length), options.lengthPenalty))
    }

    private func comesBefore(_ left: Candidate, _ right: Candidate) -> Bool {
        if left.key != right.key { return left.key > right.key }
        return left.row != right.row ? left.row < right.row : left.id < right.id
    }

    /// Keeps the best `candidatesKept` in a heap whose first element is the worst.
    private func offer(_ candidate: Candidate) {
        // The worst of those kept comes first.
        if candidates.count < candidatesKept {
            candidates.append(candidate)
            candidates.withUnsafeMutableBufferPointer { Heap.rise($0) { comesBefore($1, $0) } }
        } else if comesBefore(candidate, candidates[0]) {
            candidates[0] = candidate
            candidates.withUnsafeMutableBufferPointer { Heap.sink($0) { comesBefore($1, $0) } }
        }
    }

    /// Inserts a finished sequence behind those that score as high, and drops the worst beyond the number of beams.
    private func finish(_ hypothesis: Hypothesis) {
        guard hypothesis.score > -.infinity else { return }
        let place = finished.firstIndex { $0.score < hypothesis.score } ?? finished.count
        finished.insert(hypothesis, at: place)
        if finished.count > options.numBeams { finished.removeLast() }
    }

    private func openBeams(isLast: Bool) {
        parents.removeAll(keepingCapacity: true)
        newestIds.removeAll(keepingCapacity: true)
        spareChoosers.removeAll(keepingCapacity: true)
        var open = 0
        if !isLast {
            // A draw orders candidates by chance; beams go on in the order of their scores.
            if options.isRandom {
                candidates.sort { $0.score > $1.score || ($0.score == $1.score && comesBefore($0, $1)) }
            }
            for candidate in candidates where open < options.numBeams && !ends(candidate) {
                if candidate.score == -.infinity { continue }
                if spareHistories.count == open { spareHistories.append([]) }
                spareHistories[open].removeAll(keepingCapacity: true)
                spareHistories[open].reserveCapacity(promptCount + options.maxNewTokens)
                spareHistories[open].append(contentsOf: histories[Int(candidate.row)])
                spareHistories[open].append(candidate.id)
                spareChoosers.append(choosers[Int(candidate.row)])
                spareChoosers[open].accept(candidate.id)
                parents.append(candidate.row)
                newestIds.append(candidate.id)
                open += 1
                keptScores.append(candidate.score)
            }
        }
        scores.removeAll(keepingCapacity: true)
        scores.append(contentsOf: keptScores)
        keptScores.removeAll(keepingCapacity: true)
        if spareHistories.count > open { spareHistories.removeLast(spareHistories.count - open) }
        swap(&histories, &spareHistories)
        swap(&choosers, &spareChoosers)
    }

    private func decideEnd() {
        guard let best = scores.first else {
            isFinished = true
            return
        }
        guard finished.count == options.numBeams, let worst = finished.last?.score else { return }
        if options.earlyStopping == .yes {
            isFinished = true
            return
        }
        let length = options.earlyStopping == .never && options.lengthPenalty > 0 ? options.maxNewTokens : generated
        if !(best / lengthFactor(length) > worst) { isFinished = true }
    }

    /// −log(−log u): the order of score + noise is that of drawing without replacement (Gumbel 1954).
    private func gumbel(row: Int, id: Int) -> Float {
        var word: UInt32 = 0
        let index = (random.row << 40) &+ UInt64(row * vocabulary + id)
        heed_philox(random.seed, RandomPurpose.beams.number(), UInt32(truncatingIfNeeded: generated), index, &word, 1)
        let uniform = (Double(word) + 0.5) * 0x1p-32
        return Float(-ExactMathematics.log(-ExactMathematics.log(uniform)))
    }
}
