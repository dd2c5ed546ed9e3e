import HeedSupport

/// A file that `torch.save` wrote (`pytorch_model.bin`, `.pt`, `.pth`), mapped into memory and read without running
/// anything: a zip archive of a pickle and raw storages, or the form before PyTorch 1.6, pickles followed by storages.
///
/// The tensors of nested dictionaries are named with dots between the keys. Where the file holds a dictionary
/// `state_dict`, `model_state_dict` or `model` beside other things (a training checkpoint), its tensors are the file's.
public final class PyTorchFile: TensorSource {
    /// The path of the file.
    public let place: String
    /// The tensors in the order of the dictionary.
    public let tensors: [StoredTensor]
    /// The names of entries beside the tensors, which are passed over.
    public let passedOver: [String]
    private let file: MappedFile
    private let positions: [String: Int]
    /// Offset and strides in elements of tensors whose elements do not follow each other in the file.
    private let views: [String: StridedView]

    /// Opens a file and reads what it says of its tensors.
    ///
    /// - Throws: `HeedError` naming the file, and what in it is broken or refused.
    public convenience init(path: String) throws {
        try self.init(MappedFile(path: path))
    }

    /// The same for a file that is mapped already.
    public init(_ file: MappedFile) throws {
        try refusePointer(file.bytes, file.path)
        let content =
            ZipArchive.begins(file.bytes)
            ? try PyTorchContent(archive: file.bytes, file: file.path)
            : try PyTorchContent(oldForm: file.bytes, file: file.path)
        var list = StateList(content, file: file)
        try list.collect()
        self.file = file
        place = file.path
        tensors = list.tensors
        views = list.views
        passedOver = list.passedOver
        positions = Dictionary(uniqueKeysWithValues: list.tensors.enumerated().map { ($1.name, $0) })
    }

    /// Whether bytes begin as one of the two forms does.
    static func begins(_ bytes: UnsafeRawBufferPointer) -> Bool {
        ZipArchive.begins(bytes) || bytes.starts(with: PyTorchContent.oldStart)
    }

    /// What the files say of a tensor, or nil where there is none of that name. Constant time.
    public func tensor(named name: String) -> StoredTensor? { positions[name].map { tensors[$0] } }

    /// Calls `body` with the bytes of a tensor, which stay valid for the call; those of a view whose elements do not
    /// follow each other are gathered first.
    public func withBytes<Result>(
        of tensor: StoredTensor, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        guard positions[tensor.name].map({ tensors[$0] }) == tensor else {
            throw HeedError(.usage, "the tensor \(quoted(tensor.name)) is not of this file", in: place)
        }
        return try file.withBytes(tensor.byteRange) { bytes in
            guard let view = views[tensor.name] else { return try body(bytes) }
            return try view.gathered(bytes, tensor).withUnsafeBytes(body)
        }
    }
}

/// Where the elements of a tensor lie in its storage.
struct StridedView {
    let offset: Int
    let strides: [Int]

    /// Whether the elements of `shape` follow each other.
    func isContiguous(_ shape: [Int]) -> Bool {
        var expected = 1
        for (extent, stride) in zip(shape, strides).reversed() where extent != 1 {
            if stride != expected { return false }
            expected *= extent
        }
        return true
    }

    /// The element after the last that `shape` reaches, or nil where that is beyond `Int`.
    func end(_ shape: [Int]) -> Int? {
        if shape.contains(0) { return offset }
        var last = offset
        for (extent, stride) in zip(shape, strides) {
            let (step, overflow) = (extent - 1).multipliedReportingOverflow(by: stride)
            let (sum, beyond) = last.addingReportingOverflow(step)
            if overflow || beyond { return nil }
            last = sum
        }
        return last == .max ? nil : last + 1
    }

    /// The elements one after the other.
    func gathered(_ bytes: UnsafeRawBufferPointer, _ tensor: StoredTensor) -> [UInt8] {
        let size = tensor.type.blockByteCount
        let count = tensor.count
        return [UInt8](unsafeUninitializedCapacity: count * size) { target, filled in
            var place = [Int](repeating: 0, count: tensor.shape.count)
            var at = offset
            for index in 0..<count {
                for byte in 0..<size { target[index * size + byte] = bytes[at * size + byte] }
                var axis = tensor.shape.count - 1
                while axis >= 0 {
                    place[axis] += 1
                    at += strides[axis]
                    if place[axis] < tensor.shape[axis] { break }
                    at -= strides[axis] * tensor.shape[axis]
                    place[axis] = 0
                    axis -= 1
                }
            }
            filled = count * size
        }
    }
}
