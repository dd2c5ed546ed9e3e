import HeedSupport
import HeedWeights

extension Model {
    /// A new model of the shape that a `config.json` describes; its numbers begin as declared, from `seed`.
    ///
    /// - Throws: `HeedError` naming file and key.
    public static func new(configuration path: String, seed: UInt64) throws -> Model {
        let reader = try ConfigurationReader(path: path)
        let (family, configuration, _) = try Family.read(reader)
        return try Model(configuration, family: family, seed: seed)
    }
}
