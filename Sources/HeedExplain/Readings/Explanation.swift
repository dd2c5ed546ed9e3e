import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedWeights

/// What can be read of a model at work. None of it is a reason: it says what was read, and what the answer is
/// sensitive to.
public enum Reading: String, Sendable, CaseIterable {
    /// The stream after each block, read out as the answer is.
    case lens
    /// Attention weights, and their roll-out over layers.
    case attention
    /// The gradient of the target's logit by each token, times the token.
    case gradients
    /// What each part adds to the target's logit directly.
    case attribution
    /// The same gradient along the way from nothing to the tokens.
    case integrated
    /// The target's logit without each head.
    case ablation
    /// The target's logit with values of another input.
    case patching
}

/// An answer that a model may give.
public struct Candidate: Sendable, Equatable {
    /// The id of a token, or of a class.
    public let id: Int
    /// Its logit.
    public let logit: Float
    /// Its probability, from 0 to 1.
    public let probability: Double
}

/// A model at work on one input, its values kept, and readings of it.
public final class Explanation {
    /// The streams of ids, that of the answer last.
    public let streams: [ExplainedStream]
    /// The row whose answer is explained.
    public let position: Int
    /// The id of the explained answer: the likeliest, unless another was asked for. Nil without a head.
    public let target: Int?
    /// The rows that logits were kept of; empty where logits are of the whole sequence.
    public var answerRows: [Int] { whole.rows }
    /// Gradient × input, by stream.
    public private(set) var gradientTimesInput: [InputAttribution] = []
    /// Integrated gradients by stream, and the target's logit at embeddings of zero.
    public private(set) var integratedGradients: (attributions: [InputAttribution], baseline: Float)?
    /// The target's logit without each head.
    public private(set) var headAblation: [InterventionGrid] = []
    /// The target's logit with values of another input.
    public private(set) var patching: [InterventionGrid] = []
    /// What each part adds to the target's logit.
    public private(set) var attribution: LogitAttribution?
    /// What was read.
    public let readings: Set<Reading>

    let whole: WholePass

    /// Runs `input` through `model` and reads what is `wanted`.
    ///
    /// - `target`: the id whose logit is explained; nil: the likeliest.
    /// - `other`: an input of the same length whose values are put in place of this one's, for `.patching`.
    /// - `rows`: of how many rows, the explained one among them and the last of them, logits are kept; nil: all.
    /// - `mayGoOn`: called before each pass of long work; what it throws ends the work.
    ///
    /// Cost: one pass forward and backward; `.integrated` takes 64 more, `.ablation` a forward pass per head, `.patching`
    /// one per head and per token and block. Memory: every value of a pass.
    /// - Throws: `HeedError` naming what of the input or the target the model cannot take.
    public init(
        _ model: Model, _ input: ExplainedInput, target wanted: Int? = nil, against other: ExplainedInput? = nil,
        readings: Set<Reading> = Set(Reading.allCases), rows: Int? = nil, runtime: Runtime,
        mayGoOn: () throws -> Void = {}
    ) throws {
        let subject = try Subject(model, input, runtime: runtime)
        if wanted != nil { try subject.requireHead() }
        let end = subject.position + 1
        let kept = rows.map { max(0, end - max($0, 1))..<end } ?? 0..<subject.answering.ids.count
        whole = try WholePass(subject, rows: Array(kept), lens: readings.contains(.lens))
        streams = subject.streams
        position = subject.position
        self.readings = readings
        let answer = whole.answer
        if let wanted, !answer.indices.contains(wanted) {
            throw HeedError(
                .badInput, "the target is none of the model's answers", expected: "0 ..< \(answer.count)",
                got: "\(wanted)")
        }
        target = wanted ?? answer.indices.max { answer[$0] < answer[$1] }
        guard let target else { return }
        whole.backward(from: target)
        if readings.contains(.gradients) { gradientTimesInput = try whole.gradientTimesInput() }
        if readings.contains(.attribution) { attribution = try whole.logitAttribution(of: target) }
        if readings.contains(.integrated) {
            integratedGradients = try subject.integratedGradients(
                whole.places, target: target, midpoints: 64, mayGoOn: mayGoOn)
        }
        if readings.contains(.ablation) {
            headAblation = try subject.headAblation(whole.places, target: target, mayGoOn: mayGoOn)
        }
        if readings.contains(.patching), let other {
            let source = try Subject(model, other, runtime: runtime)
            patching = try subject.patching(from: source, whole.places, target: target, mayGoOn: mayGoOn)
        }
    }

    /// The explained row's logits; empty without a head.
    public var logits: [Float] { whole.answer }

    /// The likeliest answers, best first.
    public func candidates(_ count: Int) throws -> [Candidate] {
        try whole.answer.withUnsafeBufferPointer { try Explanation.candidates($0, count) }
    }

    /// The likeliest answers at each depth: the stream before each block, read out as the answer is, for one of
    /// `answerRows` (by its place among them).
    public func lens(row: Int? = nil, count: Int) throws -> [[Candidate]] {
        try lens(rows: [row ?? whole.answerRow], count: count).map { $0[0] }
    }

    /// The same for several rows: by depth and row.
    func lens(rows: [Int], count: Int) throws -> [[[Candidate]]] {
        let lens = whole.pass.outputs.lens
        let all = try whole.subject.runtime.team.map(
            lens.count * rows.count,
            throwing: { index in
                try whole.pass[lens[index / rows.count]].withRow(rows[index % rows.count]) {
                    try Explanation.candidates($0, count)
                }
            })
        return lens.indices.map { Array(all[$0 * rows.count..<($0 + 1) * rows.count]) }
    }

    /// The probability of `id` at each depth for the explained row.
    public func lensProbabilities(of id: Int) throws -> [Double] {
        try whole.pass.outputs.lens.map { kept in
            try whole.pass[kept].withRow(whole.answerRow) { row in
                row.indices.contains(id) ? try SoftmaxNormaliser(row).probability(of: row[id]) : 0
            }
        }
    }

    /// The attention maps of every layer.
    public func attentionMaps() -> [AttentionMap] { whole.attentionMaps() }

    /// The roll-outs of attention.
    public func rollouts() -> [AttentionRollout] { whole.rollouts() }

    /// The likeliest of some logits, best first; on a tie the lower id comes first.
    ///
    /// Cost: two looks at each logit, nothing kept but the answer.
    static func candidates(_ logits: UnsafeBufferPointer<Float>, _ count: Int) throws -> [Candidate] {
        var ranked: [Int] = []
        for id in logits.indices {
            if ranked.count == count, let last = ranked.last, logits[id] <= logits[last] { continue }
            var place = ranked.count
            while place > 0, logits[id] > logits[ranked[place - 1]] { place -= 1 }
            ranked.insert(id, at: place)
            if ranked.count > count { ranked.removeLast() }
        }
        let normaliser = try SoftmaxNormaliser(logits)
        return ranked.map {
            Candidate(id: $0, logit: logits[$0], probability: normaliser.probability(of: logits[$0]))
        }
    }
}
