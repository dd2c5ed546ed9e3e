import HeedSupport
import HeedTensor

/// The target's logit when part of the model is changed: [rows, columns].
public struct InterventionGrid: Sendable {
    /// The name of the reading.
    public let name: String
    /// Layers.
    public let rows: Int
    /// Heads or tokens.
    public let columns: Int
    /// The target's logit with that part changed.
    public let logits: [Float]
}

extension Subject {
    /// The target's logit with one head's answer at zero, offsets kept, for every head of every kind of attention.
    ///
    /// Cost: one forward pass per head.
    func headAblation(_ places: Places, target: Int, mayGoOn: () throws -> Void) throws -> [InterventionGrid] {
        let edited = try editing(Set(places.attentions.map(\.place)))
        return try places.attentionNames.map { name in
            let layers = places.attentions.filter { $0.name == name }
            let heads = layers.map(\.operation.shape.heads).max() ?? 0
            var logits: [Float] = []
            for layer in layers {
                let width = layer.operation.shape.width
                for head in 0..<heads {
                    try mayGoOn()
                    let edit = edited.edits[layer.place]
                    edit?.remove(columns: head * width..<(head + 1) * width)
                    logits.append(edited.logit(target))
                    edit?.clear()
                }
            }
            return InterventionGrid(
                name: name.replacing("attentions", with: "head_ablation"), rows: layers.count, columns: heads,
                logits: logits)
        }
    }

    /// The target's logit when one value is taken from a pass over another input of the same length: the input of each
    /// block at each token, and each head's answers at all tokens (Vig et al. 2020; Meng et al. 2022).
    ///
    /// Cost: one forward pass per block and token, and one per head.
    /// - Throws: `HeedError` when the inputs differ in length.
    func patching(from other: Subject, _ places: Places, target: Int, mayGoOn: () throws -> Void) throws
        -> [InterventionGrid]
    {
        for (mine, theirs) in zip(streams, other.streams) where mine.ids.count != theirs.ids.count {
            throw HeedError(
                .badInput, "values can be exchanged between inputs of the same length only",
                expected: "\(mine.ids.count) tokens", got: "\(theirs.ids.count)")
        }
        let source = try WholePass(other, rows: [other.position], lens: false)
        let states = places.states.map { Array($0.dropLast()) }
        let edited = try editing(Set(states.joined()).union(places.attentions.map(\.place)))
        func take(_ place: Int, rows: Range<Int>, columns: Range<Int>?) {
            guard let edit = edited.edits[place], let values = source.values(place) else { return }
            for row in rows {
                for column in columns ?? 0..<values.columns {
                    edit.set(row: row, column: column, factor: 0, offset: values[row, column])
                }
            }
        }
        var grids: [InterventionGrid] = []
        for (stream, places) in zip(streams, states) {
            var logits: [Float] = []
            for place in places {
                for row in stream.ids.indices {
                    try mayGoOn()
                    take(place, rows: row..<row + 1, columns: nil)
                    logits.append(edited.logit(target))
                    edited.edits[place]?.clear()
                }
            }
            grids.append(
                InterventionGrid(
                    name: stream.prefix + "activation_patching", rows: places.count, columns: stream.ids.count,
                    logits: logits))
        }
        for name in places.attentionNames {
            let layers = places.attentions.filter { $0.name == name }
            let heads = layers.map(\.operation.shape.heads).max() ?? 0
            var logits: [Float] = []
            for layer in layers {
                let width = layer.operation.shape.width
                let rows = places.queryStream(name, of: self).ids.count
                for head in 0..<heads {
                    try mayGoOn()
                    take(layer.place, rows: 0..<rows, columns: head * width..<(head + 1) * width)
                    logits.append(edited.logit(target))
                    edited.edits[layer.place]?.clear()
                }
            }
            grids.append(
                InterventionGrid(
                    name: name.replacing("attentions", with: "head_patching"), rows: layers.count, columns: heads,
                    logits: logits))
        }
        return grids
    }

    /// A pass some of whose values can be changed on their way.
    struct EditedPass {
        let edits: [Int: ValueEdit]
        let pass: Pass<KeptTensor?>

        /// The target's logit with the edits as they stand.
        func logit(_ target: Int, row: Int = 0) -> Float {
            pass.forward()
            return pass.outputs.map { pass[$0][row, target] } ?? 0
        }
    }

    /// A pass whose values at `sites` can be changed; answers are those of `rows`, by default of the explained one.
    func editing(_ sites: Set<Int>, rows: [Int]? = nil) throws -> EditedPass {
        var edits: [Int: ValueEdit] = [:]
        let pass = try pass(
            for: .inference, rows: rows ?? [position],
            following: { place, _, output in
                guard sites.contains(place) else { return output }
                let edit = ValueEdit(output.shape)
                edits[place] = edit
                return output.edited(by: edit)
            }
        ) { recorded, _ in recorded.logits(recorded.states)?.kept() }
        return EditedPass(edits: edits, pass: pass)
    }
}
