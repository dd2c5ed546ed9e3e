import Heed
import HeedProcessor

extension Model {
    /// The prompt as this model takes it: to be continued, or as the source of a target.
    func prompt(_ given: GivenPrompt) -> GivenPrompt {
        guard case .encoderDecoder(let layers) = architecture else { return given }
        return given.asSource(start: layers.configuration.start, end: specials.ends.first)
    }

    /// The ids that end a sequence, of those that the model can give.
    var usableEnds: [Int32] {
        specials.ends.filter { (0..<architecture.vocabulary).contains($0) }.map { Int32($0) }
    }
}
