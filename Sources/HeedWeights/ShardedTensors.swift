import HeedSupport

/// A checkpoint in several files, each of which is a source of its own.
///
/// An index such as `model.safetensors.index.json` maps every tensor's name to a file beside it; a path that leads
/// elsewhere is refused.
public final class ShardedTensors: TensorSource {
    /// The path of the index, or of the first file where there is none.
    public let place: String
    /// The tensors in the order of files and bytes.
    public let tensors: [StoredTensor]
    private let shards: [String: any TensorSource]
    private let positions: [String: Int]

    /// Joins sources that are open already.
    ///
    /// - Throws: `HeedError` naming a tensor that two of them have.
    public convenience init(_ sources: [any TensorSource], place: String) throws {
        try self.init(sources, place: place) { _, _ in true }
    }

    private init(
        _ sources: [any TensorSource], place: String, where isWanted: (StoredTensor, any TensorSource) -> Bool
    ) throws {
        var tensors: [StoredTensor] = []
        var positions: [String: Int] = [:]
        for source in sources {
            for tensor in source.tensors where isWanted(tensor, source) {
                guard positions.updateValue(tensors.count, forKey: tensor.name) == nil else {
                    throw HeedError(
                        .badInput, "the tensor \(quoted(tensor.name, limit: 200)) is in another file too",
                        in: tensor.file)
                }
                tensors.append(tensor)
            }
        }
        self.place = place
        self.tensors = tensors
        self.positions = positions
        shards = Dictionary(sources.map { ($0.place, $0) }) { first, _ in first }
    }

    /// Opens the index and every file that it names.
    ///
    /// - `open`: opens one file.
    /// - Throws: `HeedError` naming the index, file or tensor at fault.
    public convenience init(indexPath: String, open: (String) throws -> any TensorSource) throws {
        let json = try JSON.load(path: indexPath, maximumDepth: 16, duplicateKeys: .refuse)
        guard let map = json["weight_map"]?.objectValue else {
            throw HeedError(
                .badInput, "is no index of a sharded checkpoint", in: indexPath,
                expected: "an object weight_map from tensor names to files",
                got: json["weight_map"]?.kindName ?? json.kindName)
        }
        let folder = parentPath(indexPath)
        var shards: [String: any TensorSource] = [:]
        for (name, value) in map {
            guard let shard = value.stringValue else {
                throw HeedError(
                    .badInput, "the file of the tensor \(quoted(name, limit: 200)) is of the wrong kind", in: indexPath,
                    expected: "a text", got: value.kindName)
            }
            if shards[shard] == nil {
                try ShardedTensors.checkInside(shard, indexPath)
                let path = joinPath(folder, shard)
                guard fileExists(path) else {
                    throw HeedError(
                        .missing, "the shard \(quoted(shard, limit: 200)) is missing, which the index names",
                        in: indexPath,
                        expected: path, advice: "Download the whole folder")
                }
                shards[shard] = try open(path)
            }
            if let source = shards[shard], source.tensor(named: name) == nil {
                throw HeedError(
                    .missing, "the tensor \(quoted(name, limit: 200)) is missing, which the index places here",
                    in: source.place)
            }
        }
        // A tensor that the index does not name, or names for another shard, does not count.
        try self.init(shards.sorted { $0.key < $1.key }.map(\.value), place: indexPath) { tensor, source in
            map[tensor.name]?.stringValue.map { joinPath(folder, $0) } == source.place
        }
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
