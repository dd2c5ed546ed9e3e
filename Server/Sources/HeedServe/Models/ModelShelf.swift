import Heed
import NIOConcurrencyHelpers

/// The models that the server offers, by name.
public final class ModelShelf: Sendable {
    /// The engine that computes them.
    public let engine: Engine
    private let loader: @Sendable (Engine) throws -> [ServedModel]
    private let models: NIOLockedValueBox<[ServedModel]>

    /// Loads models.
    ///
    /// - Parameter loader: what loads them all, also again for `reload`.
    /// - Throws: `HeedError` where one cannot be loaded, or two have one name.
    public init(engine: Engine, loader: @escaping @Sendable (Engine) throws -> [ServedModel]) throws {
        self.engine = engine
        self.loader = loader
        let loaded = try ModelShelf.load(loader, engine)
        models = NIOLockedValueBox(loaded)
        for model in loaded { model.open(in: engine) }
    }

    private static func load(
        _ loader: (Engine) throws -> [ServedModel], _ engine: Engine
    ) throws -> [ServedModel] {
        let loaded = try loader(engine)
        var names: Set<String> = []
        for model in loaded where !names.insert(model.id).inserted {
            throw HeedError(
                .usage, "two models have the name '\(model.id)'", in: model.path,
                advice: "Give one of them another name, NAME=PATH")
        }
        return loaded
    }

    /// The models in the order in which they were given.
    public var all: [ServedModel] { models.withLockedValue { $0 } }

    /// Loads all models anew. Requests that came before are answered by the models that they began with.
    ///
    /// - Throws: `HeedError` where one cannot be loaded; then the old ones stay.
    public func reload() throws {
        let loaded = try ModelShelf.load(loader, engine)
        for model in loaded { model.open(in: engine) }
        let old = models.withLockedValue { models in
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
