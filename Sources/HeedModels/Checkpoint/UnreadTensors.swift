import HeedSupport
import HeedWeights

/// The tensors of a file that no parameter of its model is made from.
struct UnreadTensors {
    /// Tensors that follow from the configuration: masks, numbers of positions, frequencies, sinusoids.
    private static let derived = [
        "position_ids", "rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached", "attn.bias",
        "attn.masked_bias", "attention.bias", "attention.masked_bias", "embed_positions.weights",
        "embed_positions.weight", "embed_positions._float_tensor", "decoder.version", "encoder.version",
        "token_type_ids",
    ]
    /// What other classes of the same families have on the same states.
    private static let heads = [
        "cls.", "lm_head.", "classifier.", "score.", "pooler.", "qa_outputs.", "discriminator_predictions.",
        "generator_predictions.", "generator_lm_head.", "classification_head.", "pre_classifier.", "vocab_transform.",
        "vocab_layer_norm.", "vocab_projector.", "multiple_choice_head.", "summary.", "sequence_summary.",
        "final_logits_bias", "head.", "decoder.bias", "embed_out.",
    ]

    private let others: [String]

    /// - Throws: `HeedError` naming a tensor of which nothing is known.
    init(_ source: any TensorSource, known: Set<String>) throws {
        var others: [String] = []
        var strange: [String] = []
        for tensor in source.tensors where !known.contains(tensor.name) {
            let name = tensor.name
            if UnreadTensors.derived.contains(where: { name == $0 || name.hasSuffix("." + $0) }) { continue }
            let inside = name.firstIndex(of: ".").map { String(name[name.index(after: $0)...]) } ?? name
            if UnreadTensors.heads.contains(where: { name.hasPrefix($0) || inside.hasPrefix($0) }) {
                others.append(name)
            } else {
                strange.append(name)
            }
        }
        if let first = strange.first {
            throw HeedError(
                .badInput,
                "the tensor \(quoted(first, limit: 200)) belongs to no layer of the model that config.json describes"
                    + (strange.count > 1 ? ", nor do \(strange.count - 1) more" : ""), in: source.place)
        }
        self.others = others
    }

    /// A sentence about heads that are left out, or nil.
    func warning(_ place: String) -> String? {
        guard let first = others.first else { return nil }
        let count = others.count
        return
            "\(place): \(count) \(count == 1 ? "tensor belongs to a head" : "tensors belong to heads") that config.json "
            + "does not name and \(count == 1 ? "was" : "were") not read, the first \(quoted(first, limit: 200))"
    }
}

extension TensorSource {
    /// Whether the first tensor there of `names` has other numbers than the first there of `others`; false where one of
    /// both is not there.
    ///
    /// Cost: one pass over both.
    func differ(_ names: [String], _ others: [String]) throws -> Bool {
        guard let name = names.first(where: { tensor(named: $0) != nil }), let a = tensor(named: name),
            let other = others.first(where: { tensor(named: $0) != nil }), let b = tensor(named: other), name != other
        else { return false }
        guard a.shape == b.shape else { return true }
        if a.type == b.type {
            return try withBytes(of: a) { x in try withBytes(of: b) { y in !x.elementsEqual(y) } }
        }
        return try zip(floats(name), floats(other)).contains { $0 != $1 }
    }
}
