import HeedSupport

/// A model as it lies on disk, in whichever form: its configuration as a `config.json` has it, and its weights under
/// their published names.
public struct StoredModel: Sendable {
    /// The configuration.
    public let document: JSONObject
    /// The file that the configuration came from, for messages.
    public let file: String
    /// The folder or file, found.
    public let path: String
    /// The weights.
    public let weights: any TensorSource

    /// Opens a folder with `config.json` and weights, a GGUF file or a llama2.c checkpoint, named by path or by its name
    /// in the local cache.
    ///
    /// - Throws: `HeedError` naming what is missing or broken, or a file that holds weights and no configuration.
    public init(path: String) throws {
        let path = try locateModel(path)
        self.path = path
        if isDirectory(path) {
            file = joinPath(path, "config.json")
            let json = try JSON.load(path: file, maximumDepth: 64)
            guard let object = json.objectValue else {
                throw HeedError(
                    .badInput, "the configuration is of the wrong kind", in: file, expected: "a JSON object",
                    got: json.kindName)
            }
            document = object
            weights = try openWeights(folder: path)
            return
        }
        file = path
        switch try openTensors(path: path) {
        case let source as GGUFFile:
            let model = try GGUFModel(source)
            (document, weights) = (model.document, model)
        case let source as Llama2CFile: (document, weights) = (source.document, source)
        default:
            throw HeedError(
                .unsupported, "is a file of weights without a configuration", in: path,
                expected: "a model folder, a .gguf file or a llama2.c checkpoint",
                advice: "Give the folder that holds it and config.json")
        }
    }
}
