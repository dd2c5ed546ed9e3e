import HeedSupport

/// Opens the weights of a model folder: `model.safetensors`, `pytorch_model.bin`, or shards of either through their
/// index, in that order.
///
/// - Throws: `HeedError` naming the file that is missing or broken.
public func openWeights(folder: String) throws -> any TensorSource {
    func file(_ name: String) -> String? {
        let path = joinPath(folder, name)
        return fileExists(path) ? path : nil
    }
    if let path = file("model.safetensors") { return try SafetensorsFile(path: path) }
    if let path = file("model.safetensors.index.json") {
        return try ShardedTensors(indexPath: path) { try SafetensorsFile(path: $0) }
    }
    if let path = file("pytorch_model.bin") { return try PyTorchFile(path: path) }
    if let path = file("pytorch_model.bin.index.json") {
        return try ShardedTensors(indexPath: path) { try PyTorchFile(path: $0) }
    }
    guard isDirectory(folder) else { throw HeedError(.missing, "there is no such folder", in: folder) }
    throw HeedError(
        .missing, "there are no weights in this folder", in: folder,
        expected: "model.safetensors or pytorch_model.bin, or model.safetensors.index.json or "
            + "pytorch_model.bin.index.json with their shards")
}
