import HeedSupport

/// One safetensors file, mapped into memory: opening costs reading the header.
public final class SafetensorsFile: TensorSource {
    /// The path of the file.
    public let place: String
    /// The tensors in the order of their bytes.
    public let tensors: [StoredTensor]
    /// The texts under `__metadata__`.
    public let metadata: [String: String]
    private let file: MappedFile
    private let positions: [String: Int]

    /// Opens a file and checks its header against its size.
    ///
    /// - Throws: `HeedError` naming the file and, where one is at fault, the tensor.
    public convenience init(path: String) throws {
        try self.init(MappedFile(path: path))
    }

    /// The same for a file that is mapped already.
    public init(_ file: MappedFile) throws {
        try refusePointer(file.bytes, file.path)
        let header = try SafetensorsHeader(file.bytes, file: file.path)
        self.file = file
        place = file.path
        tensors = header.tensors
        metadata = header.metadata
        positions = Dictionary(uniqueKeysWithValues: header.tensors.enumerated().map { ($1.name, $0) })
    }

    /// What the files say of a tensor, or nil where there is none of that name. Constant time.
    public func tensor(named name: String) -> StoredTensor? { positions[name].map { tensors[$0] } }

    /// Calls `body` with the mapped bytes of a tensor, which stay valid for the call.
    public func withBytes<Result>(
        of tensor: StoredTensor, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        guard tensor.byteRange.upperBound <= file.count, tensor.byteRange.lowerBound >= 0 else {
            throw HeedError(.usage, "the tensor \(quoted(tensor.name)) is not of this file", in: place)
        }
        return try file.withBytes(tensor.byteRange, body)
    }
}
