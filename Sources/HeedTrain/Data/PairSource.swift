import HeedModels
import HeedSupport
import HeedTensor

/// Micro-batches of sentence pairs: the encoder reads the source, the decoder reads the target shifted right behind the
/// start id and learns to say it.
public struct PairSource: BatchSource {
    private let text: ParallelText
    private let start: Int32
    private let parts: Int

    /// Batches of `text`, `accumulate` of them a step; every target sequence starts with `start`.
    public init(_ text: ParallelText, start: Int, accumulate: Int = 1) {
        self.text = text
        self.start = Int32(start)
        parts = accumulate
    }

    public func fill(_ input: StepInput, step: Int, part: Int) throws {
        for pair in text.batch((step - 1) * parts + part) { try pair.append(to: input, start: start) }
    }
}

extension SentencePair {
    /// Appends both sides; the state behind the start id and the first t ids predicts id t.
    func append(to input: StepInput, start: Int32) throws {
        try input.source.append(source)
        let batch = input.tokens
        let first = batch.rows.current
        try batch.append(target)
        for (index, id) in target.enumerated() {
            batch.ids[first + index] = index == 0 ? start : target[index - 1]
            batch.targets[first + index] = id
        }
    }
}

extension ParallelText {
    /// What a micro-batch of this text may hold.
    public var capacity: StepCapacity {
        let longest = pairs.reduce(1) { max($0, $1.source.count, $1.target.count) }
        let shortest = pairs.reduce(longest) { min($0, max($1.source.count, $1.target.count)) }
        return StepCapacity(
            tokens: tokensPerBatch, sourceTokens: tokensPerBatch,
            sequences: max(1, min(pairs.count, 2 * tokensPerBatch / max(shortest, 1) + 1)), length: longest)
    }
}
