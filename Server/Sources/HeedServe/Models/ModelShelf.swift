import Heed
import Synchronization

/// The models that the server offers, by name.
public final class ModelShelf: Sendable {
    /// The engine that computes them.
    public let engine: Engine
    private let loaders: [@Sendable (Engine) throws -> ServedModel]
    private let models: Mutex<[ServedModel]>

    /// Loads models.
    ///
    /// - Parameter loaders: what loads each of them, also again for `reload`.
    /// - Throws: `HeedError` where one cannot be loaded, or two have one name.
    public init(engine: Engine, loaders: [@Sendable (Engine) throws -> ServedModel]) throws {
        self.engine = engine
        self.loaders = loaders
        let loaded = try ModelShelf.load(loaders, engine)
        models = Mutex(loaded)
        for model in loaded { model.open(in: engine) }
    }

    private static func load(
        _ loaders: [@Sendable (Engine) throws -> ServedModel], _ engine: Engine
    ) throws -> [ServedModel] {
        var loaded: [ServedModel] = []
        for loader in loaders {
            let model = try loader(engine)
            if loaded.contains(where: { $0.id == model.id }) {
                throw HeedError(
                    .usage, "two models have the name '\(model.id)'", in: model.path,
                    advice: "Give one of them another name, NAME=PATH")
            }
            loaded.append(model)
        }
        return loaded
    }

    /// The models in the order in which they were given.
    public var all: [ServedModel] { models.withLock { $0 } }

    /// Loads all models anew. Requests that came before are answered by the models that they began with.
    ///
    /// - Throws: `HeedError` where one cannot be loaded; then the old ones stay.
    public func reload() throws {
        let loaded = try ModelShelf.load(loaders, engine)
        for model in loaded { model.open(in: engine) }
        let old = models.withLock { models in
            defer { models = loaded }
            return models
        }
        for model in old { model.retire(from: engine) }
    }

    /// The model of a name; without a name the only one.
    func model(_ name: String?) throws -> ServedModel {
        let all = all
        guard let name else {
            if all.count == 1, let only = all.first { return only }
            throw APIError(400, "You must provide a model parameter.", param: "model")
        }
        guard let model = all.first(where: { $0.id == name }) else {
            throw APIError(
                404, "The model '\(name)' does not exist. Models: \(all.map(\.id).joined(separator: ", ")).",
                param: "model", code: "model_not_found")
        }
        return model
    }
}
