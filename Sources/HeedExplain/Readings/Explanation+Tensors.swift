import HeedTensor
import HeedWeights

extension Explanation {
    /// Every reading as a named array: `logits` [rows, V], `logit_lens.N` [rows, V] (the last equals `logits` bit for
    /// bit), `attentions.N` [H, T, T], `rollout.N` [T, T] (N counts layers), `gradient_times_input` [T],
    /// `integrated_gradients` [T], `head_ablation` [layers, H] and so on; with two stacks the names of each begin with
    /// `encoder_`, `decoder_` and `cross_`.
    public func tensors() -> TensorFile {
        var file = TensorFile(place: "explanation")
        if let logits = whole.logits {
            file.append("logits", shape: [logits.rows, logits.columns], logits.array)
        }
        for (layer, kept) in whole.pass.outputs.lens.enumerated() {
            let logits = whole.pass[kept]
            file.append("logit_lens.\(layer)", shape: [logits.rows, logits.columns], logits.array)
        }
        if readings.contains(.attention) {
            for map in attentionMaps() {
                file.append("\(map.name).\(map.layer)", shape: [map.heads, map.queries, map.keys], map.weights)
            }
            for rollout in rollouts() {
                for (layer, values) in rollout.layers.enumerated() {
                    file.append("\(rollout.name).\(layer)", shape: [rollout.queries, rollout.keys], values)
                }
            }
        }
        for attribution in gradientTimesInput {
            file.append(
                attribution.prefix + "gradient_times_input", shape: [attribution.values.count], attribution.values)
        }
        for attribution in integratedGradients?.attributions ?? [] {
            file.append(
                attribution.prefix + "integrated_gradients", shape: [attribution.values.count], attribution.values)
        }
        for grid in headAblation + patching {
            file.append(grid.name, shape: [grid.rows, grid.columns], grid.logits)
        }
        if let attribution {
            file.append("logit_attribution", shape: [attribution.parts.count], attribution.parts.map(\.value))
            let heads = attribution.parts.map(\.heads).filter { !$0.isEmpty }
            if let count = heads.first?.count, heads.allSatisfy({ $0.count == count }) {
                file.append("head_attribution", shape: [heads.count, count], heads.flatMap { $0 })
            }
        }
        return file
    }
}
