import HeedModels
import HeedSupport
import HeedTensor

/// What a model is asked about: one text as ids and, for a model that reads a source, that too.
public struct ExplainedInput: Sendable, Equatable {
    /// A prompt, an encoder's text, or what a decoder has written of the target so far.
    public var ids: [Int32]
    /// The source of an encoder-decoder.
    public var source: [Int32]
    /// Which sentence each id belongs to, for encoders; all 0 where there are none.
    public var types: [Int32]
    /// The place whose answer is explained, counted from 0; nil: the last.
    public var position: Int?

    /// A question about the answer at `position`, by default the last.
    public init(_ ids: [Int32], source: [Int32] = [], types: [Int32] = [], position: Int? = nil) {
        self.ids = ids
        self.source = source
        self.types = types
        self.position = position
    }
}

/// One of the sequences that flow through a model, and under which names its values are known.
public struct ExplainedStream: Sendable {
    /// What names begin with: nothing, `encoder_` or `decoder_`.
    public let prefix: String
    /// Its ids.
    public let ids: [Int32]
    /// Blocks of its stack.
    public let layers: Int
    let types: [Int32]
    let positions: [Int32]

    /// `hidden_states.N` is the input of block N.
    var states: String { prefix + "hidden_states" }

    /// - `what`: what the ids are, for messages.
    /// - `padding`: an id that has no position; nil: every id has one.
    /// - Throws: `HeedError` when it is empty, too long or holds an id that is none.
    fileprivate init(
        _ ids: [Int32], _ what: String, prefix: String = "", layers: Int, vocabulary: Int, context: Int,
        skipping padding: Int? = nil, types: [Int32] = []
    ) throws {
        guard !ids.isEmpty, ids.count <= context else {
            throw HeedError(
                .badInput, "\(what) cannot be explained", expected: "1 to \(context) tokens", got: "\(ids.count)")
        }
        if let wrong = ids.first(where: { $0 < 0 || Int($0) >= vocabulary }) {
            throw HeedError(
                .badInput, "\(what) holds an id outside the vocabulary", expected: "0 ..< \(vocabulary)",
                got: "\(wrong)")
        }
        var positions = ids.indices.map { Int32($0) }
        if let padding {
            // Where padding has no position, the others count without it.
            var next: Int32 = 0
            for (index, id) in ids.enumerated() {
                positions[index] = id == padding ? -1 : next
                if id != padding { next += 1 }
            }
        }
        (self.prefix, self.ids, self.layers, self.types, self.positions) = (prefix, ids, layers, types, positions)
    }

    func batch(outputs: [Int]) throws -> TokenBatch {
        let batch = TokenBatch(rowCapacity: ids.count, sequenceCapacity: 1)
        try batch.append(ids, positions: positions)
        for (row, type) in types.enumerated() where row < ids.count { batch.types[row] = type }
        for (index, row) in outputs.enumerated() { batch.outputRows[index] = Int32(row) }
        batch.outputs.current = outputs.count
        return batch
    }
}

extension ExplainedInput {
    /// The streams of `architecture` for this input, the one whose answer is explained last.
    ///
    /// - Throws: `HeedError` naming what is empty, too long or out of range.
    func streams(_ architecture: Architecture) throws -> [ExplainedStream] {
        let result: [ExplainedStream]
        switch architecture {
        case .decoder(let layers):
            let c = layers.configuration
            result = [
                try ExplainedStream(
                    ids, "the prompt", layers: c.layers, vocabulary: c.vocabulary, context: c.context)
            ]
        case .encoder(let layers):
            let c = layers.configuration
            if let wrong = types.first(where: { $0 < 0 || Int($0) >= max(c.types, 1) }) {
                throw HeedError(
                    .badInput, "the text has a token type that the model does not know",
                    expected: "0 ..< \(max(c.types, 1))", got: "\(wrong)")
            }
            result = [
                try ExplainedStream(
                    ids, "the text", layers: c.stack.layers, vocabulary: c.vocabulary, context: c.context,
                    skipping: c.firstPosition > 0 ? c.padding : nil, types: types)
            ]
        case .encoderDecoder(let layers):
            let c = layers.configuration
            let padding = c.skipsPadding ? c.padding : nil
            result = [
                try ExplainedStream(
                    source, "the source", prefix: "encoder_", layers: c.encoder.layers,
                    vocabulary: c.sourceVocabulary, context: c.context, skipping: padding),
                try ExplainedStream(
                    ids, "the target", prefix: "decoder_", layers: c.decoder.layers, vocabulary: c.vocabulary,
                    context: c.context, skipping: padding),
            ]
        }
        if let position, !(0..<ids.count).contains(position) {
            throw HeedError(
                .badInput, "there is no token at the position that is to be explained", expected: "0 ..< \(ids.count)",
                got: "\(position)")
        }
        return result
    }
}
