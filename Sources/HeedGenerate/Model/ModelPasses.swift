import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// The passes that generation runs: the one place where a model becomes passes.
struct ModelPasses {
    let model: Model
    let runtime: Runtime
    let precision: Precision
    /// Whether the states before the output matrix stay readable.
    var keepsStates = false

    /// The keys to what can be read after a pass that continues sequences.
    struct Readouts {
        /// [outputs, V]
        let logits: KeptTensor
        /// [rows, C]
        let states: KeptTensor?
    }

    /// Ids of `batch` → logits of its outputs, with earlier ids in `cache`; for sequences of up to `longest` ids.
    func continuation(of batch: TokenBatch, cache: KeyValueCache?, longest: Int) throws -> Pass<Readouts> {
        let decoder = try model.decoder
        return try runtime.pass(
            model.weights, for: .inference, maximumLength: longest, precision: precision, store: cache
        ) { trace in
            let states = decoder(batch, in: trace)
            return Readouts(
                logits: decoder.logits(states.outputs(of: batch)).kept(), states: keepsStates ? states.kept() : nil)
        }
    }

    /// The same while reading sources whose keys and values are in `memory`, as `readers` says.
    func continuation(
        of batch: TokenBatch, cache: KeyValueCache?, longest: Int, reading memory: KeyValueCache, readers: TokenBatch
    ) throws -> Pass<Readouts> {
        let layers = try model.encoderDecoder
        return try runtime.pass(
            model.weights, for: .inference, maximumLength: longest, precision: precision, store: cache
        ) { trace in
            let states = layers.decode(batch, stored: memory, of: readers, in: trace)
            return Readouts(
                logits: layers.logits(states.outputs(of: batch)).kept(), states: keepsStates ? states.kept() : nil)
        }
    }

    /// Sources of `batch` → keys and values of every decoder layer, in `memory`.
    func reading(_ batch: TokenBatch, into memory: KeyValueCache, longest: Int) throws -> Pass<Void> {
        let layers = try model.encoderDecoder
        return try runtime.pass(
            model.weights, for: .inference, maximumLength: longest, precision: precision
        ) { trace in layers.keep(layers.encode(batch, in: trace), in: memory, batch: batch) }
    }

    /// Both sides of pairs → attention to the source, observed as `cross_attentions.N` [rows, heads · longest].
    func alignment(source: TokenBatch, target: TokenBatch, longest: Int) throws -> Pass<Void> {
        let layers = try model.encoderDecoder
        return try runtime.pass(
            model.weights, for: .inference, maximumLength: longest, precision: precision, keepsAttentionWeights: true
        ) { trace in
            let memory = layers.encode(source, in: trace)
            _ = layers.decode(target, reading: memory, of: source, in: trace, observing: true)
        }
    }
}
