import HeedModels
import HeedSupport
import HeedTensor
import HeedWeights

extension ForwardPass {
    /// A pass of an encoder: `last_hidden_state`, `pooler_output` and what its head says.
    func run(_ model: TransformerEncoder, _ file: TensorFile) throws -> TensorFile {
        let c = model.configuration
        let (input, batch, hasLabels) = try ForwardPass.encoderRows(file, c, allLosses: options.gradients)
        let layers = options.gradients ? model.withDropout(0) : model
        let pass = try compute(length: input.length, counted: 1) { trace in
            let states = layers(batch, in: trace, observing: options.everything)
            states.observed(as: "last_hidden_state")
            let pooled = layers.pooled(states, batch)
            pooled?.observed(as: "pooler_output")
            layers.predictionLogits(states)?.observed(as: c.head == .pretraining ? "prediction_logits" : "logits")
            layers.nextSentenceLogits(pooled)?.observed(as: "seq_relationship_logits")
            layers.classLogits(states, batch)?.observed(as: "logits")
            let losses = hasLabels ? layers.losses(states, batch, smoothing: options.labelSmoothing) : []
            for loss in losses { loss.scale.value = 1 / Float(max(loss.counted, 1)) }
            return losses
        }
        var output = TensorFile(place: "output")
        append(pass, to: &output, sequences: batch.sequences) { _ in (input.side, input.side) }
        if c.head == .replacedTokens, case .floats(var answers)? = output["logits"]?.values {
            let types = try file.optionalMatrix("token_type_ids", shape: [input.rows, input.columns])?.values
            try addMasked(to: &answers, layers, input, types: types)
            output.replace("logits", shape: [input.rows, input.columns], answers)
        }
        if hasLabels {
            append(pass.outputs.filter { $0.counted > 0 }.map { ($0.readout, counted: $0.counted) }, to: &output)
        }
        append(pass.gradients, to: &output)
        return output
    }

    /// The rows of a file with their positions, types and targets; without labels nothing is a target.
    ///
    /// - Parameter allLosses: whether every loss of the head needs its labels.
    static func encoderRows(
        _ file: TensorFile, _ c: EncoderConfiguration, allLosses: Bool
    ) throws -> (input: PassInput, batch: TokenBatch, hasLabels: Bool) {
        let input = try encoderInput(file, c)
        for row in 0..<input.rows where input.side.visible[row].isEmpty {
            throw HeedError(
                .badInput, "attention_mask excludes every id of row \(row)", in: file.place,
                expected: "at least one id to read")
        }
        let types = try file.optionalMatrix("token_type_ids", shape: [input.rows, input.columns])?.values
        if let types {
            try PassInput.check(types, "token_type_ids", below: max(c.types, 1), "the kinds of tokens", file)
        }
        let batch = try input.batch(types: types)
        return (input, batch, try setLabels(file, input, c, batch, allLosses: allLosses))
    }

    /// The ids with the positions that the family gives them.
    private static func encoderInput(_ file: TensorFile, _ c: EncoderConfiguration) throws -> PassInput {
        var input = try PassInput(file, vocabulary: c.vocabulary, context: c.context + c.firstPosition)
        if input.hasOwnPositions {
            // Published positions name rows of the table; ours count from the first position's row.
            for index in input.positions.indices { input.positions[index] -= Int64(c.firstPosition) }
            return input
        }
        guard input.columns <= c.context else {
            throw HeedError(
                .badInput, "input_ids has more columns than the model has positions", in: file.place,
                expected: "at most \(c.context)", got: "\(input.columns)")
        }
        if c.firstPosition > 0 {
            // RoBERTa counts ids that are not padding; padding has the row before the first position's.
            input.countPositions(skipping: c.padding)
        }
        return input
    }

    /// Sets targets of positions and sequences; false when the file has none.
    private static func setLabels(
        _ file: TensorFile, _ input: PassInput, _ c: EncoderConfiguration, _ batch: TokenBatch, allLosses: Bool
    ) throws -> Bool {
        guard file["labels"] != nil else { return false }
        switch c.head {
        case .none:
            throw HeedError(
                .badInput, "the model has no head that labels could be held against", in: file.place,
                expected: "input_ids without labels")
        case .maskedLanguage, .pretraining, .tokenClassifier, .replacedTokens:
            let labels = try PassInput.labels(
                file, shape: [input.rows, input.columns],
                vocabulary: c.head == .replacedTokens ? 2 : c.labels ?? c.vocabulary)
            if let labels { _ = try input.setTargets(labels.values, ahead: 0, in: batch) }
            if c.head == .pretraining {
                if let follows = try sequenceLabels(file, "next_sentence_label", input.rows, below: 2) {
                    for row in 0..<input.rows { batch.sequenceTargets[row] = follows[row] }
                } else if allLosses {
                    throw HeedError(
                        .missing, "the tensor next_sentence_label is missing", in: file.place,
                        expected: "I64 [\(input.rows)], because the model's loss has two parts")
                }
            }
        case .sequenceClassifier(let count):
            if let labels = try sequenceLabels(file, "labels", input.rows, below: count) {
                for row in 0..<input.rows { batch.sequenceTargets[row] = labels[row] }
                guard labels.contains(where: { $0 != TokenBatch.ignored }) else {
                    throw HeedError(
                        .badInput, "no element of labels counts", in: file.place,
                        expected: "at least one label that is not -100")
                }
            }
        }
        return true
    }

    /// One label per sequence, [B] or [B, 1].
    private static func sequenceLabels(_ file: TensorFile, _ name: String, _ rows: Int, below limit: Int) throws
        -> [Int32]?
    {
        guard let entry = file[name] else { return nil }
        guard case .integers(let values) = entry.values, values.count == rows else {
            throw HeedError(
                .badInput, "the tensor \(name) does not fit", in: file.place, expected: "I64 [\(rows)]",
                got: "\(entry.shape)")
        }
        return try values.enumerated().map { index, value in
            if value == -100 { return TokenBatch.ignored }
            guard value >= 0, value < limit else {
                throw HeedError(
                    .badInput, "the tensor \(name) holds a class out of range at element \(index)", in: file.place,
                    expected: "0 ..< \(limit), or -100 to ignore", got: "\(value)")
            }
            return Int32(value)
        }
    }
}
