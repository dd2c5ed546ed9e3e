import HeedModels
import HeedSupport
import HeedTensor
import HeedWeights

extension ForwardPass {
    /// A pass of an encoder-decoder: `logits`, `encoder_hidden_states.N`, `decoder_attentions.N`, ….
    func run(_ model: EncoderDecoder, _ file: TensorFile) throws -> TensorFile {
        let rows = try ForwardPass.encoderDecoderRows(file, model.configuration)
        let (source, target) = (rows.source, rows.target)
        let layers = options.gradients ? model.withDropout(0) : model
        let pass = try compute(length: max(source.length, target.length), counted: rows.counted ?? 1) { trace in
            let memory = layers.encode(rows.sourceBatch, in: trace, observing: options.everything)
            let states = layers.decode(
                rows.targetBatch, reading: memory, of: rows.sourceBatch, in: trace, observing: options.everything)
            layers.logits(states).observed(as: "logits")
            return rows.counted.map {
                (layers.loss(states, targets: rows.targetBatch, smoothing: options.labelSmoothing), counted: $0)
            }
        }
        var output = TensorFile(place: "output")
        append(pass, to: &output) { name in
            if name.hasPrefix("encoder_") { return (source.side, source.side) }
            return (target.side, name.hasPrefix("cross_") ? source.side : target.side)
        }
        if let loss = pass.outputs { append([loss], to: &output) }
        append(pass.gradients, to: &output)
        return output
    }

    /// Both sides of a file, checked and packed.
    struct BothSides {
        let source: PassInput
        let target: PassInput
        let sourceBatch: TokenBatch
        let targetBatch: TokenBatch
        /// Labels that count; nil without labels.
        let counted: Int?
    }

    static func encoderDecoderRows(_ file: TensorFile, _ c: EncoderDecoderConfiguration) throws -> BothSides {
        var source = try PassInput(
            file, vocabulary: c.sourceVocabulary, context: c.context, takesPositions: false)
        let labels = try PassInput.labels(file, shape: nil, vocabulary: c.vocabulary)
        var target = try targets(file, source, labels, c)
        if c.skipsPadding {
            source.countPositions(skipping: c.padding)
            target.countPositions(skipping: c.padding)
        }
        for row in 0..<source.rows where source.side.visible[row].isEmpty {
            throw HeedError(
                .badInput, "attention_mask excludes every id of row \(row)", in: file.place,
                expected: "at least one id to read")
        }
        let targetBatch = try target.batch()
        let counted = try labels.map { try target.setTargets($0.values, ahead: 0, in: targetBatch) }
        return BothSides(
            source: source, target: target, sourceBatch: try source.batch(), targetBatch: targetBatch,
            counted: counted)
    }

    /// What the decoder reads: `decoder_input_ids`, or the labels shifted right behind the start id.
    private static func targets(
        _ file: TensorFile, _ source: PassInput, _ labels: (rows: Int, columns: Int, values: [Int64])?,
        _ c: EncoderDecoderConfiguration
    ) throws -> PassInput {
        if let labels, labels.rows != source.rows {
            throw HeedError(
                .badInput, "the tensor labels has another number of rows than input_ids", in: file.place,
                expected: "\(source.rows)", got: "\(labels.rows)")
        }
        let ids: (rows: Int, columns: Int, values: [Int64])
        if let given = try file.optionalMatrix(
            "decoder_input_ids", shape: labels.map { [$0.rows, $0.columns] })
        {
            ids = given
        } else if let labels {
            ids = (labels.rows, labels.columns, c.shifted(labels.values, columns: labels.columns))
        } else {
            throw HeedError(
                .missing, "the decoder has nothing to read", in: file.place,
                expected: "decoder_input_ids or labels, I64 [\(source.rows), T]")
        }
        guard ids.rows == source.rows else {
            throw HeedError(
                .badInput, "the tensor decoder_input_ids has another number of rows than input_ids", in: file.place,
                expected: "\(source.rows)", got: "\(ids.rows)")
        }
        return try PassInput(
            file, "decoder_input_ids", ids, mask: "decoder_attention_mask", vocabulary: c.vocabulary,
            context: c.context, takesPositions: false)
    }
}

extension EncoderDecoderConfiguration {
    /// Labels shifted right by one column behind the start id (or the last of them that counts, where targets begin so),
    /// −100 replaced by the padding id: what the decoder reads when it learns to write them.
    public func shifted(_ labels: [Int64], columns: Int) -> [Int64] {
        labels.indices.map { index in
            guard index % columns > 0 else {
                guard startsWithLast else { return Int64(start) }
                // As many ids as are no padding, wherever they stand, is what transformers counts.
                let row = labels[index..<index + columns].map { $0 == -100 ? Int64(padding) : $0 }
                let count = row.count { $0 != Int64(padding) }
                return row[max(count, 1) - 1]
            }
            let label = labels[index - 1]
            return label == -100 ? Int64(padding) : label
        }
    }
}
