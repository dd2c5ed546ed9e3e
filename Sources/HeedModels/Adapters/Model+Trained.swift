import HeedSupport
import HeedTensor

// What training of a model saves: the adapter where there is one, else the model.
extension Model {
    /// The tensors that are saved, under published names.
    public var trainedTensors: [CheckpointTensor] { adapter?.checkpoint ?? checkpoint }

    /// The name of the file that holds them.
    public var trainedFile: String { adapter == nil ? "model.safetensors" : "adapter_model.safetensors" }

    /// Writes what says how to read them: `config.json` and `generation_config.json`, or `adapter_config.json`.
    public func saveTrainedConfiguration(folder: String) throws {
        guard let adapter else { return try saveConfiguration(folder: folder) }
        try adapter.saveConfiguration(folder: folder)
    }

    /// Writes them.
    public func writeTrained(path: String) throws {
        guard let adapter else { return try writeWeights(path: path) }
        try adapter.writeWeights(path: path, weights)
    }

    /// Writes everything that is saved into `folder`, each file by rename, the weights last.
    public func saveTrained(folder: String) throws {
        try createDirectory(folder)
        try saveTrainedConfiguration(folder: folder)
        try writeTrained(path: joinPath(folder, trainedFile))
    }
}
