import HeedSupport

/// Opens the weights of a model folder: `model.safetensors`, `pytorch_model.bin`, or shards of either through their
/// index, in that order.
///
/// - Throws: `HeedError` naming the file that is missing or broken.
package func openWeights(folder: String) throws -> any TensorSource {
    for name in ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"] {
        let path = joinPath(folder, name)
        if fileExists(path) { return try openTensors(path: path) }
    }
    let index = joinPath(folder, "pytorch_model.bin.index.json")
    if fileExists(index) { return try openTensors(path: index) }
    guard isDirectory(folder) else { throw HeedError(.missing, "there is no such folder", in: folder) }
    throw HeedError(
        .missing, "there are no weights in this folder", in: folder,
        expected: "model.safetensors or pytorch_model.bin, or model.safetensors.index.json or "
            + "pytorch_model.bin.index.json with their shards")
}

/// Opens a file of tensors, told by its first bytes: GGUF, PyTorch, llama2.c, or else safetensors; an index with its
/// shards, told by its name; or a model folder.
///
/// - Throws: `HeedError` naming the file that is missing or broken.
package func openTensors(path: String) throws -> any TensorSource {
    if isDirectory(path) { return try openWeights(folder: path) }
    if path.hasSuffix(".index.json") { return try ShardedTensors(indexPath: path) { try openFile($0) } }
    return try openFile(path)
}

private func openFile(_ path: String) throws -> any TensorSource {
    let file = try MappedFile(path: path)
    if GGUFFile.begins(file.bytes) { return try GGUFFile(path: path) }
    // A broken file is reported as what its name says it is.
    if PyTorchFile.begins(file.bytes) { return try PyTorchFile(file) }
    if path.hasSuffix(".safetensors") { return try SafetensorsFile(file) }
    if Llama2CFile.fits(file) { return try Llama2CFile(file) }
    if path.hasSuffix(".gguf") { return try GGUFFile(path: path) }
    if path.hasSuffix(".pt") || path.hasSuffix(".pth") || lastPathComponent(path).hasPrefix("pytorch_model") {
        return try PyTorchFile(file)
    }
    return try SafetensorsFile(file)
}
