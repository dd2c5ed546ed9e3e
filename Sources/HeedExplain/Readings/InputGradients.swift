import HeedSupport
import HeedTensor

/// How much each token's embedding argues for the target's logit, by token.
public struct InputAttribution: Sendable {
    /// What the stream's names begin with.
    public let prefix: String
    /// One number per token.
    public let values: [Float]
}

extension Subject {
    /// The rows of a stream's tokens in its table, scaled as the model scales them: [rows, C]. No position, no type.
    func tokenRows(_ embedding: Places.Embedding) throws -> [Float] {
        let operation = embedding.operation
        let table = try model.weights.rows(operation.table)
        let width = operation.width
        return streams[embedding.stream].ids.flatMap { id in
            (0..<width).map { operation.scale * table[Int(id) * width + $0] }
        }
    }
}

extension WholePass {
    /// The gradient of the target's logit by the embeddings of the tokens, times these, summed over the width.
    ///
    /// - Throws: `HeedError` when the table cannot be read.
    func gradientTimesInput() throws -> [InputAttribution] {
        try places.embeddings.map { embedding in
            let rows = try subject.tokenRows(embedding)
            let width = embedding.operation.width
            let gradient = values(embedding.place)?.gradient
            return InputAttribution(
                prefix: subject.streams[embedding.stream].prefix,
                values: (0..<rows.count / width).map { row in
                    let sum = gradient?.withRow(row) { gradient in
                        (0..<width).reduce(0.0) { $0 + Double(gradient[$1]) * Double(rows[row * width + $1]) }
                    }
                    return Float(sum ?? 0)
                })
        }
    }
}

extension Subject {
    /// Integrated gradients of the target's logit (Sundararajan et al. 2017): the mean gradient on the straight way from
    /// embeddings of zero to those of the tokens, at `midpoints` points, times the embeddings. Positions are added inside.
    ///
    /// Returns the attributions, and the logit at zero. Cost: `midpoints` passes forward and backward.
    /// - Throws: `HeedError` when memory is refused or `mayGoOn` throws.
    func integratedGradients(
        _ places: Places, target: Int, midpoints: Int, mayGoOn: () throws -> Void
    ) throws -> (attributions: [InputAttribution], baseline: Float) {
        var edits: [Int: ValueEdit] = [:]
        let sites = Set(places.embeddings.map(\.place))
        let pass = try pass(
            for: .explaining, rows: [position],
            following: { place, _, output in
                guard sites.contains(place) else { return output }
                let edit = ValueEdit(output.shape)
                edits[place] = edit
                return output.edited(by: edit).observed(as: "embedding \(place)")
            }
        ) { recorded, trace in
            let logits = recorded.logits(recorded.states)
            return (logits: logits?.kept(), seed: logits?.seeded())
        }
        pass.outputs.seed?.choose(row: 0, column: target)
        let rows = try places.embeddings.map { try tokenRows($0) }
        /// Takes 1 − α of the tokens' rows away; what positions add stays.
        func move(to share: Float) {
            for (embedding, rows) in zip(places.embeddings, rows) {
                let width = embedding.operation.width
                for (index, value) in rows.enumerated() {
                    edits[embedding.place]?.set(
                        row: index / width, column: index % width, factor: 1, offset: -(1 - share) * value)
                }
            }
        }
        var sums = rows.map { [Double](repeating: 0, count: $0.count) }
        for point in 0..<midpoints {
            try mayGoOn()
            move(to: (Float(point) + 0.5) / Float(midpoints))
            pass.forward()
            pass.backward()
            for (index, embedding) in places.embeddings.enumerated() {
                guard let gradient = pass.observation("embedding \(embedding.place)")?.gradient else { continue }
                gradient.withRows(0..<gradient.rows) { numbers in
                    for (place, value) in numbers.enumerated() { sums[index][place] += Double(value) }
                }
            }
        }
        move(to: 0)
        pass.forward()
        let baseline = pass.outputs.logits.map { pass[$0][0, target] } ?? 0
        let attributions = places.embeddings.enumerated().map { index, embedding in
            let width = embedding.operation.width
            return InputAttribution(
                prefix: streams[embedding.stream].prefix,
                values: (0..<rows[index].count / width).map { row in
                    Float(
                        (row * width..<(row + 1) * width).reduce(0.0) {
                            $0 + sums[index][$1] * Double(rows[index][$1])
                        } / Double(midpoints))
                })
        }
        return (attributions, baseline)
    }
}
