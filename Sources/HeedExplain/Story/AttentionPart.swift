import HeedTensor

/// One step within attention: scores, scale, offsets, mask, softmax, weighted sum.
///
/// The kernel takes them together, tile by tile, and writes none of them down: their numbers are computed again from what
/// the pass has, for the explained row of every head, and their bytes are what each would take by itself.
public struct AttentionPart: Sendable {
    /// Which step.
    public enum Kind: String, Sendable, CaseIterable {
        /// S = Q·Kᵀ
        case scores
        /// S · factor
        case scale
        /// S + what positions add
        case offset
        /// −∞ where a row may not look
        case mask
        /// P = softmax(S)
        case softmax
        /// P·V
        case sum
    }

    /// Which of them.
    public let kind: Kind
    /// What it computes.
    public let formula: String
    /// How the gradient flows back.
    public let gradientFormula: String
    /// [heads, rows, keys]; of the sum [heads, rows, width].
    public let shape: [Int]
    /// What it costs for all rows.
    public let cost: Cost
    /// The row whose numbers follow.
    public let row: Int
    /// That row of every head, one after the other; −∞ where the mask hides a key.
    public let numbers: [Float]
    /// What they are like, hidden ones left out.
    public let values: ValueSummary
    /// The gradient of the target's logit by them; nil without a target.
    public let gradientNumbers: [Float]?
    /// What that is like.
    public let gradient: ValueSummary?
}

extension AttentionReader {
    /// The steps in order, with the numbers of one row of every head, by default of the one that is shown.
    ///
    /// Cost: 8 · heads · keys · width operations.
    func parts(of wanted: Int? = nil) -> [AttentionPart] {
        let row = wanted ?? shownRow
        let heads = 0..<shape.heads
        let own = heads.map { self.row($0, row) }
        let scaled = own.map { $0.scaled($0.products) }
        let scores = zip(own, scaled).map { $0.scores($1) }
        let weights = heads.map { fastWeights($0, row).map { Double($0) } }
        let answers = heads.map { answerGradient($0, row) }
        let gradients = heads.map { head in
            answers[head].map { own[head].gradients($0, weights: weights[head]) }
        }
        func floats(_ values: [[Double]]) -> [Float] { values.joined().map { Float($0) } }
        func floatsOfAll(_ values: [[Double]?]) -> [Float]? {
            values.contains { $0 == nil } ? nil : floats(values.compactMap { $0 })
        }
        let isVisible = own.flatMap(\.isVisible)
        let keyShape = [shape.heads, queries.rows, span.count]
        func part(
            _ kind: AttentionPart.Kind, _ formula: String, _ back: String, _ numbers: [Float], _ gradient: [Float]?
        ) -> AttentionPart {
            let isOfKeys = kind != .sum
            let seen = isOfKeys ? zip(numbers, isVisible).compactMap { $1 ? $0 : nil } : numbers
            return AttentionPart(
                kind: kind, formula: formula, gradientFormula: back,
                shape: isOfKeys ? keyShape : [shape.heads, queries.rows, shape.width], cost: cost(kind), row: row,
                numbers: numbers, values: seen.withUnsafeBufferPointer { ValueSummary($0) }, gradientNumbers: gradient,
                gradient: gradient.map { $0.withUnsafeBufferPointer { ValueSummary($0) } })
        }
        let byScores = floatsOfAll(gradients.map { $0?.scores })
        var parts = [
            part(
                .scores, "S = q · kᵀ", "∂q = ∂S · k; ∂k = ∂Sᵀ · q", floats(own.map(\.products)),
                floatsOfAll(gradients.map { $0?.products })),
            part(
                .scale, shape.cap.map { "S′ = c · tanh(s · S / c), c = \($0)" } ?? "S′ = s · S, s = \(shape.scale)",
                shape.cap == nil ? "∂S = s · ∂S′" : "∂S = s · ∂S′ · (1 − tanh²(s · S / c))", floats(scaled), byScores),
        ]
        if operation.bias != nil {
            parts.append(
                part(
                    .offset, "S″ = S′ + b[distance]", "∂S′ = ∂S″; ∂b[d] += Σ ∂S″ at distance d", floats(scores),
                    byScores))
        } else if !shape.slopes.isEmpty {
            parts.append(part(.offset, "S″ = S′ + m · (key − query)", "∂S′ = ∂S″", floats(scores), byScores))
        }
        if shape.causal || shape.window != nil {
            let hidden = zip(floats(scores), isVisible).map { $1 ? $0 : -Float.infinity }
            parts.append(
                part(.mask, "−∞ where \(hiddenKeys)", "∂ = 0 where hidden", hidden, byScores))
        }
        parts.append(
            part(
                .softmax, "P = softmax of each row", "∂S = P ⊙ (∂P − Σ ∂P ⊙ P)", floats(weights),
                floatsOfAll(gradients.map { $0?.weights })))
        parts.append(
            part(
                .sum, "out = P · v", "∂P = ∂out · vᵀ; ∂v = Pᵀ · ∂out",
                floats(heads.map { own[$0].answer(weights[$0]) }), floatsOfAll(answers)))
        return parts
    }

    private var hiddenKeys: String {
        [
            shape.causal ? "key > query" : nil, shape.window.map { "key < query − \($0.before)" },
            shape.causal ? nil : shape.window.map { "key > query + \($0.after)" },
        ].compactMap { $0 }.joined(separator: " or ")
    }

    private func cost(_ kind: AttentionPart.Kind) -> Cost {
        let pairs = (0..<queries.rows).reduce(0) {
            $0 + shape.visibleKeys(of: $1 - firstQuery, count: span.count).count
        }
        let scores = Double(pairs * shape.heads)
        let rows = Double(queries.rows * shape.queryColumns), keyNumbers = Double(keys.rows * shape.keyColumns)
        switch kind {
        case .scores, .sum:
            return Cost(operations: 2 * scores * Double(shape.width), bytes: 4 * (rows + keyNumbers + scores))
        // A hyperbolic tangent and an exponential count twenty.
        case .scale: return Cost(operations: scores * (shape.cap == nil ? 1 : 23), bytes: 8 * scores)
        case .offset: return Cost(operations: scores, bytes: 8 * scores)
        case .mask: return Cost(bytes: 8 * scores)
        case .softmax: return Cost(operations: 24 * scores, bytes: 8 * scores)
        }
    }
}

extension Explanation {
    /// Holds the gradients within attention against central differences: what changes within the explained row of all
    /// heads is computed in double precision up to the kernel's answer, and from there on by the model.
    ///
    /// Cost: four forward passes for each step of each attention.
    func attentionChecks(
        _ edited: Subject.EditedPass, _ target: Int, _ seed: UInt64, _ mayGoOn: () throws -> Void
    ) throws -> [GradientCheck] {
        try whole.places.attentions.enumerated().flatMap { index, attention -> [GradientCheck] in
            guard let reader = try AttentionReader(whole, attention), let edit = edited.edits[attention.place] else {
                return []
            }
            let row = reader.shownRow
            let heads = (0..<reader.shape.heads).map { reader.row($0, row) }
            let scaled = heads.map { $0.scaled($0.products) }
            let scores = zip(heads, scaled).map { $0.scores($1) }
            let weights = zip(heads, scores).map { $0.weights($1) }
            let before = zip(heads, weights).map { $0.answer($1) }
            return try reader.parts().filter { $0.kind != .sum && $0.kind != .mask }.compactMap { part in
                try mayGoOn()
                guard let gradient = part.gradientNumbers else { return nil }
                let keys = reader.span.count
                let slope = Slope(gradient, values: part.numbers, seed: seed, place: UInt64(1 << 21 + index * 8))
                let found = slope.measured { amount in
                    for (head, own) in heads.enumerated() {
                        func moved(_ values: [Double]) -> [Double] {
                            values.enumerated().map {
                                own.isVisible[$0] ? $1 + amount * Double(slope.direction[head * keys + $0]) : $1
                            }
                        }
                        let answer: [Double] =
                            switch part.kind {
                            case .scores: own.answer(own.weights(own.scores(own.scaled(moved(own.products)))))
                            case .scale, .offset, .mask: own.answer(own.weights(moved(scores[head])))
                            case .softmax, .sum: own.answer(moved(weights[head]))
                            }
                        for (column, value) in answer.enumerated() {
                            edit.set(
                                row: row, column: head * reader.shape.width + column, factor: 1,
                                offset: Float(value - before[head][column]))
                        }
                    }
                    return Double(edited.logit(target, row: whole.answerRow))
                }
                edit.clear()
                return GradientCheck(
                    kind: .value, path: whole.places.nodes[attention.place].path,
                    operation: "attention: \(part.kind.rawValue)", formula: part.formula,
                    gradientFormula: part.gradientFormula, shape: [part.shape[0], part.shape[2]], size: slope.size,
                    byGradient: slope.expected, byDifferences: found.slope, uncertainty: found.uncertainty)
            }
        }
    }
}
