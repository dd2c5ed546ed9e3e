import Heed
import HeedProcessor

extension Model {
    /// The prompt as this model takes it: to be continued, or as the source of a target.
    func prompt(_ given: GivenPrompt) -> GivenPrompt {
        guard case .encoderDecoder(let layers) = architecture else { return given }
        return given.asSource(start: layers.configuration.start, end: specials.ends.first)
    }

    /// What gives the logits of the next id.
    ///
    /// - Throws: `HeedError` for a model that generates nothing.
    func nextTokens(runtime: Runtime, options: SourceOptions) throws -> any NextTokenSource {
        if architecture.readsSource { return try EncoderDecoderSource(self, runtime: runtime, options: options) }
        return try DecoderSource(self, runtime: runtime, options: options)
    }
}
