import Heed

extension Model {
    /// The prompt as this model takes it: to be continued, or as the source of a target.
    func prompt(_ given: GivenPrompt) -> GivenPrompt {
        let prompt = generationPrompt(given.ids, isText: given.isText)
        guard let source = prompt.source else { return given }
        var given = given
        (given.ids, given.target) = (source, prompt.ids)
        return given
    }
}
