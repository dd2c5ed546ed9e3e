import HeedTensor

/// Where in the recording of a model things are, found by reading its trace.
struct Places {
    /// Attention of one layer.
    struct Attention {
        let place: Int
        /// `attentions`, `encoder_attentions`, `decoder_attentions` or `cross_attentions`.
        let name: String
        let layer: Int
        let operation: AttendOperation
    }
    /// The look-up of a stream's ids.
    struct Embedding {
        let place: Int
        let stream: Int
        let operation: EmbedOperation
    }

    /// Every operation of the model, by place, head included.
    private(set) var nodes: [Trace.Node] = []
    /// The shape of each operation's output.
    private(set) var shapes: [Shape] = []
    private(set) var attentions: [Attention] = []
    private(set) var embeddings: [Embedding] = []
    /// By stream and layer: the place that makes the input of block N, the last the stack's answer.
    private(set) var states: [[Int]] = []

    /// The place that makes each value.
    private(set) var maker: [Int: Int] = [:]

    /// Reads the operations `nodes` of a trace that observes `names`, over `batches`.
    init(_ subject: Subject) throws {
        let batches = try subject.streams.map { try $0.batch(outputs: [subject.position]) }
        let trace = Trace(
            for: .inference, maximumLength: subject.length, updates: subject.model.weights.layout.updates)
        let recorded = subject.record(batches, in: trace)
        _ = recorded.logits(recorded.states)
        nodes = trace.nodes
        shapes = nodes.map { trace.values[$0.output] }
        var counts: [String: Int] = [:]
        for (place, node) in nodes.enumerated() {
            maker[node.output] = place
            switch node.operation {
            case let operation as EmbedOperation:
                guard let stream = batches.firstIndex(where: { $0 === operation.batch }) else { continue }
                embeddings.append(Embedding(place: place, stream: stream, operation: operation))
            case let operation as AttendOperation:
                let stream = batches.firstIndex { $0 === operation.batch } ?? 0
                var name = subject.streams[stream].prefix + "attentions"
                if case .memory = operation.keys { name = "cross_attentions" }
                attentions.append(
                    Attention(place: place, name: name, layer: counts[name, default: 0], operation: operation))
                counts[name, default: 0] += 1
            default: continue
            }
        }
        states = subject.streams.map { stream in
            (0...stream.layers).compactMap { layer in
                trace.observations.first { $0.name == "\(stream.states).\(layer)" }.flatMap { maker[$0.value] }
            }
        }
    }

    /// The names of kinds of attention, in the order of recording.
    var attentionNames: [String] {
        attentions.reduce(into: []) { if !$0.contains($1.name) { $0.append($1.name) } }
    }

    /// The stream whose rows are the queries of the attention called `name`.
    func queryStream(_ name: String, of subject: Subject) -> ExplainedStream {
        if name == "cross_attentions" { return subject.answering }
        return subject.streams.first { $0.prefix + "attentions" == name } ?? subject.answering
    }

    /// The stream whose rows are its keys.
    func keyStream(_ name: String, of subject: Subject) -> ExplainedStream {
        name == "cross_attentions" ? subject.streams[0] : queryStream(name, of: subject)
    }
}
