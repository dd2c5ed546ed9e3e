import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// One pass of a subject with every value kept, forward and, from a chosen logit, backward.
final class WholePass {
    /// What can be read of the pass beside the values by place.
    struct Ends {
        let logits: KeptTensor?
        let seed: GradientSeed?
        /// The logits of the input of each block; the last are those of the stack's answer.
        let lens: [KeptTensor]
    }

    let subject: Subject
    let places: Places
    let pass: Pass<Ends>
    /// The rows whose logits were asked for.
    let wantedRows: [Int]
    /// The rows that logits are of; empty where they are of the whole sequence.
    let rows: [Int]
    /// The row of the logits that is explained.
    let answerRow: Int
    /// The logit from which the way back starts.
    private(set) var target: Int?

    /// Runs forward. `rows` are those whose logits are wanted, the explained one among them.
    init(_ subject: Subject, rows wanted: [Int], lens: Bool) throws {
        self.subject = subject
        places = try Places(subject)
        let isOfTokens = subject.answerRows == .tokens
        wantedRows = wanted
        rows = isOfTokens ? wanted : []
        answerRow = isOfTokens ? wanted.firstIndex(of: subject.position) ?? 0 : 0
        let stream = subject.answering
        pass = try subject.pass(
            for: .explaining, rows: wanted, keepsAttentionWeights: true,
            following: WholePass.observing
        ) { recorded, trace in
            let logits = recorded.logits(recorded.states)
            trace.following = nil
            let seed = logits?.seeded()
            var kept: [KeptTensor] = []
            for layer in 0...stream.layers where lens && logits != nil {
                // The last state has been through the norm already.
                guard let state = trace.observedTensor("\(stream.states).\(layer)") else { continue }
                let normed = layer == stream.layers ? state : recorded.stack.normed(state)
                if let logits = recorded.logits(normed) { kept.append(logits.kept()) }
            }
            return Ends(logits: logits?.kept(), seed: seed, lens: kept)
        }
        pass.forward()
    }

    /// Keeps the value and the gradient of each operation readable, by its place.
    static func observing(_ place: Int, _ node: Trace.Node, _ output: Tensor) -> Tensor {
        (keepsGradient(node.operation) ? output : output.scaled(by: 1)).observed(as: name(place))
    }

    static func name(_ place: Int) -> String { "place \(place)" }

    /// Whether the gradient of the operation's output is there after its way back. Others turn it into that of their
    /// input, so that what is looked at is a copy of their output.
    private static func keepsGradient(_ operation: any TensorOperation) -> Bool {
        switch operation {
        case let linear as LinearOperation: linear.activation == .identity
        case is AttendOperation, is CombineOperation, is EmbedOperation, is NormaliseOperation: true
        default: false
        }
    }

    /// Runs backward from the logit `target` of the explained row.
    func backward(from target: Int) {
        pass.outputs.seed?.choose(row: answerRow, column: target)
        pass.backward()
        self.target = target
    }

    /// The values that the operation at `place` made.
    func values(_ place: Int) -> PassValues? { pass.observation(WholePass.name(place)) }

    /// The logits of the rows, where the model has a head.
    var logits: PassValues? { pass.outputs.logits.map { pass[$0] } }

    /// The logits of the explained row; empty without a head.
    var answer: [Float] { logits?.withRow(answerRow) { Array($0) } ?? [] }

    /// The attention weights of one layer: [queries, heads · stride].
    func weights(_ attention: Places.Attention) -> PassValues? {
        pass.observation("\(attention.name).\(attention.layer)")
    }

    /// The room for keys in a row of weights.
    var stride: Int { pass.trace.maximumLength }
}
