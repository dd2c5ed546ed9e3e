import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedWeights

/// Sentences → vectors, by an encoder and a way of pooling: a plan of forward passes over ragged batches.
///
/// A sentence's vector has the same bits whatever its company.
package final class SentenceEmbedder {
    /// The length of a vector.
    package let width: Int
    /// The most tokens of a sentence.
    package let longest: Int
    private let pooling: SentencePooling
    private let batch: TokenBatch
    private let pass: Pass<KeptTensor>
    private let vocabulary: Int
    private let stateWidth: Int

    /// - Parameter batchTokens: tokens computed together; changes no bit.
    /// - Throws: `HeedError` when the model is no encoder or memory is refused.
    package init(
        _ model: Model, pooling: SentencePooling, longest: Int? = nil, batchTokens: Int = 4096,
        runtime: Runtime
    ) throws {
        let encoder = try model.encoder
        let configuration = encoder.configuration
        self.longest = min(longest ?? configuration.context, configuration.context)
        self.pooling = pooling
        vocabulary = configuration.vocabulary
        stateWidth = configuration.width
        width = stateWidth * pooling.ways.count
        let capacity = max(batchTokens, self.longest)
        let batch = TokenBatch(rowCapacity: capacity, sequenceCapacity: capacity)
        self.batch = batch
        pass = try runtime.pass(
            model.weights, for: .inference, maximumLength: self.longest
        ) { trace in encoder(batch, in: trace).kept() }
    }

    /// The vectors of `sentences`, one after the other: [N, width].
    ///
    /// - Throws: `HeedError` naming the sentence that is empty or too long, or holds an id out of range.
    package func embed(
        _ sentences: [[Int32]], progress: (_ done: Int) -> Void = { _ in }
    ) throws -> [Float] {
        for (index, ids) in sentences.enumerated() {
            guard !ids.isEmpty, ids.count <= longest else {
                throw HeedError(
                    .badInput, "sentence \(index + 1) has no usable length", expected: "1 to \(longest) tokens",
                    got: "\(ids.count)")
            }
            if let id = ids.first(where: { $0 < 0 || $0 >= vocabulary }) {
                throw HeedError(
                    .badInput, "sentence \(index + 1) has an id out of range", expected: "0 ..< \(vocabulary)",
                    got: "\(id)")
            }
        }
        // Sentences of about one length share a batch; the order of the result is that of the input.
        let order = sentences.indices.sorted { (sentences[$0].count, $0) < (sentences[$1].count, $1) }
        var result = [Float](repeating: 0, count: sentences.count * width)
        var next = 0
        while next < order.count {
            batch.clear()
            let first = next
            while next < order.count, batch.rows.current + sentences[order[next]].count <= batch.rows.capacity {
                try batch.append(sentences[order[next]])
                next += 1
            }
            pass.forward()
            let states = pass[pass.outputs]
            for (sequence, index) in order[first..<next].enumerated() {
                let start = Int(batch.offsets[sequence])
                let vector = states.withRows(start..<Int(batch.offsets[sequence + 1])) {
                    pooling.vector($0, width: stateWidth)
                }
                result.replaceSubrange(index * width..<(index + 1) * width, with: vector)
            }
            progress(next)
        }
        return result
    }

    /// The most tokens of a sentence by `sentence_bert_config.json` of a folder, or nil.
    package static func longest(folder: String) throws -> Int? {
        let path = joinPath(folder, "sentence_bert_config.json")
        guard fileExists(path) else { return nil }
        return try ConfigurationReader(path: path).optionalInteger("max_seq_length", in: 1...1 << 24)
    }
}
