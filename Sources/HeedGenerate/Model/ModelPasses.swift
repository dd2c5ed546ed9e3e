import HeedModels
import HeedSupport
import HeedTensor

/// The passes that generation runs: the one place where a model becomes plans.
struct ModelPasses {
    /// A plan and where its logits appear.
    struct Continuation {
        let plan: Plan
        /// [outputs, V] of the last pass.
        let logits: UnsafePointer<Float>
    }

    let model: Model
    let runtime: Runtime
    let precision: Precision
    private let packed: PackedWeights

    init(_ model: Model, runtime: Runtime, precision: Precision) {
        self.model = model
        self.runtime = runtime
        self.precision = precision
        packed = PackedWeights(model.parameters, kernels: runtime.kernels)
    }

    /// Ids of `batch` → logits of its outputs, with earlier ids in `cache`; for sequences of up to `longest` ids.
    func continuation(of batch: TokenBatch, cache: KeyValueCache?, longest: Int) throws -> Continuation {
        let decoder = try model.decoder
        let trace = Trace(for: .inference, maximumLength: longest, precision: precision, cache: cache)
        decoder.logits(decoder(batch, in: trace).outputs(of: batch)).observed(as: "logits")
        return try continuation(trace)
    }

    /// The same while reading sources whose keys and values are in `memory`, as `readers` says.
    func continuation(
        of batch: TokenBatch, cache: KeyValueCache?, longest: Int, reading memory: KeyValueCache, readers: TokenBatch
    ) throws -> Continuation {
        let layers = try model.encoderDecoder
        let trace = Trace(for: .inference, maximumLength: longest, precision: precision, cache: cache)
        let states = layers.decode(batch, cached: memory, of: readers, in: trace)
        layers.logits(states.outputs(of: batch)).observed(as: "logits")
        return try continuation(trace)
    }

    /// Sources of `batch` → keys and values of every decoder layer, in `memory`.
    func reading(_ batch: TokenBatch, into memory: KeyValueCache, longest: Int) throws -> Plan {
        let layers = try model.encoderDecoder
        let trace = Trace(for: .inference, maximumLength: longest, precision: precision)
        layers.store(layers.encode(batch, in: trace), in: memory, batch: batch)
        return try plan(trace)
    }

    /// Both sides of pairs → the weights [rows, heads, longest] with which a decoder layer looks at the source.
    func alignment(
        source: TokenBatch, target: TokenBatch, longest: Int, layer: Int
    ) throws -> (plan: Plan, weights: UnsafePointer<Float>) {
        let layers = try model.encoderDecoder
        let trace = Trace(
            for: .inference, maximumLength: longest, precision: precision, keepsAttentionWeights: true)
        let memory = layers.encode(source, in: trace)
        _ = layers.decode(target, reading: memory, of: source, in: trace, observing: true)
        let plan = try plan(trace)
        guard let observed = plan.observation("cross_attentions.\(layer)") else {
            throw HeedError(.unsupported, "the plan keeps no attention to the source")
        }
        return (plan, UnsafePointer(observed.values))
    }

    private func continuation(_ trace: Trace) throws -> Continuation {
        let plan = try plan(trace)
        guard let observed = plan.observation("logits") else {
            throw HeedError(.unsupported, "the plan has no logits")
        }
        return Continuation(plan: plan, logits: UnsafePointer(observed.values))
    }

    private func plan(_ trace: Trace) throws -> Plan {
        try Plan(
            trace, parameters: model.parameters, packed: packed, kernels: runtime.kernels, team: runtime.team)
    }
}
