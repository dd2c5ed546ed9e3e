import HeedSupport

/// A checkpoint in several safetensors files, found through `model.safetensors.index.json`.
///
/// The index maps every tensor's name to a file beside it; a path that leads elsewhere is refused.
public final class ShardedSafetensors: TensorSource {
    /// The path of the index.
    public let place: String
    /// The tensors in the order of files and bytes.
    public let tensors: [StoredTensor]
    private let shards: [String: SafetensorsFile]
    private let positions: [String: Int]

    /// Opens the index and every shard that it names.
    ///
    /// - Throws: `HeedError` naming the index, shard or tensor at fault.
    public init(indexPath: String) throws {
        let json = try JSON.load(path: indexPath, maximumDepth: 16, duplicateKeys: .refuse)
        guard let map = json["weight_map"]?.objectValue else {
            throw HeedError(
                .badInput, "is no index of a sharded checkpoint", in: indexPath,
                expected: "an object weight_map from tensor names to files",
                got: json["weight_map"]?.kindName ?? json.kindName)
        }
        let folder = parentPath(indexPath)
        var shards: [String: SafetensorsFile] = [:]
        var order: [String] = []
        for (name, value) in map {
            guard let shard = value.stringValue else {
                throw HeedError(
                    .badInput, "the file of the tensor \(quoted(name, limit: 200)) is of the wrong kind", in: indexPath,
                    expected: "a text", got: value.kindName)
            }
            if shards[shard] != nil { continue }
            try ShardedSafetensors.checkInside(shard, indexPath)
            let path = joinPath(folder, shard)
            guard fileExists(path) else {
                throw HeedError(
                    .missing, "the shard \(quoted(shard, limit: 200)) is missing, which the index names", in: indexPath,
                    expected: path, advice: "Download the whole folder")
            }
            shards[shard] = try SafetensorsFile(path: path)
            order.append(shard)
        }
        for (name, value) in map {
            guard let shard = value.stringValue, let file = shards[shard] else { continue }
            if file.tensor(named: name) == nil {
                throw HeedError(
                    .missing, "the tensor \(quoted(name, limit: 200)) is missing, which the index places here",
                    in: file.place)
            }
        }
        place = indexPath
        self.shards = Dictionary(uniqueKeysWithValues: shards.values.map { ($0.place, $0) })
        // A tensor that the index does not name, or names for another shard, does not count.
        tensors = order.sorted().flatMap { shard in
            (shards[shard]?.tensors ?? []).filter { map[$0.name]?.stringValue == shard }
        }
        positions = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
    }

    /// A shard lies in the folder of the index; anything else could read files that are no part of the model.
    private static func checkInside(_ shard: String, _ indexPath: String) throws {
        let parts = shard.split(separator: "/", omittingEmptySubsequences: false)
        let harmless =
            !shard.isEmpty && !parts.contains { $0.isEmpty || $0 == "." || $0 == ".." } && !shard.utf8.contains(0)
        guard harmless else {
            throw HeedError(
                .badInput, "the index leads outside its folder", in: indexPath,
                expected: "file names within the folder",
                got: quoted(shard, limit: 200), advice: "Do not use this model; its files are not what they claim to be"
            )
        }
    }

    /// What the files say of a tensor, or nil where there is none of that name. Constant time.
    public func tensor(named name: String) -> StoredTensor? { positions[name].map { tensors[$0] } }

    /// Calls `body` with the mapped bytes of a tensor, which stay valid for the call.
    public func withBytes<Result>(
        of tensor: StoredTensor, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        guard let shard = shards[tensor.file] else {
            throw HeedError(.usage, "the tensor \(quoted(tensor.name)) is not of this checkpoint", in: place)
        }
        return try shard.withBytes(of: tensor, body)
    }
}

/// Opens the weights of a model folder: `model.safetensors`, or shards through their index.
///
/// - Throws: `HeedError` naming the file that is missing or broken.
public func openWeights(folder: String) throws -> any TensorSource {
    let single = joinPath(folder, "model.safetensors")
    if fileExists(single) { return try SafetensorsFile(path: single) }
    let index = joinPath(folder, "model.safetensors.index.json")
    if fileExists(index) { return try ShardedSafetensors(indexPath: index) }
    guard isDirectory(folder) else { throw HeedError(.missing, "there is no such folder", in: folder) }
    if fileExists(joinPath(folder, "pytorch_model.bin")) {
        throw HeedError(
            .unsupported, "the weights are a Python pickle, which can run programs when it is read",
            in: joinPath(folder, "pytorch_model.bin"),
            expected: "model.safetensors", advice: "Save the model again with safe_serialization=True")
    }
    throw HeedError(
        .missing, "there are no weights in this folder", in: folder,
        expected: "model.safetensors or model.safetensors.index.json")
}
