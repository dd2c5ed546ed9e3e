import Heed

extension Model {
    /// The prompt as this model takes it: to be continued, or as the source of a target.
    func prompt(_ given: GivenPrompt) -> GivenPrompt {
        guard case .encoderDecoder(let layers) = architecture else { return given }
        return given.asSource(start: layers.configuration.start, end: specials.ends.first)
    }
}
