import HeedSupport
import HeedTensor

extension Model {
    /// The same encoder with a new classifier of `labels` classes in place of its head: what fine-tuning starts from.
    ///
    /// `names` says what the classes are called, if they are. Parameters of the body keep their numbers; those of the head begin as declared, from `seed`.
    /// - Throws: `HeedError` when the model is no encoder or memory is refused.
    public func classifying(labels: Int, names: [String] = [], perToken: Bool = false, seed: UInt64) throws -> Model {
        var configuration = try encoder.configuration
        configuration.head = perToken ? .tokenClassifier(labels: labels) : .sequenceClassifier(labels: labels)
        configuration.labelNames = names
        family.definition.complete(&configuration)
        let model = try Model(.encoder(configuration), family: family, specials: specials, seed: seed)
        let own = parameters.layout.parameters
        for parameter in model.parameters.layout.parameters {
            guard let same = own.first(where: { $0.name == parameter.name && $0.shape == parameter.shape }) else {
                continue
            }
            _ = model.parameters[parameter].update(from: parameters[same])
        }
        return model
    }
}
