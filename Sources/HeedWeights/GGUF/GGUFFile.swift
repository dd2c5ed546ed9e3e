import HeedSupport

/// A model in the format of llama.cpp, mapped into memory: one file, or parts named `NAME-00001-of-00003.gguf`.
///
/// Opening costs reading the table; arrays of the metadata stay in the file until they are asked for.
public final class GGUFFile: TensorSource {
    /// The path of the (first) file.
    public let place: String
    /// The tensors in the order of the table, part by part.
    public let tensors: [StoredTensor]
    /// The named values, of the first part where there are several.
    public let metadata: GGUFMetadata
    private let files: [String: MappedFile]
    private let positions: [String: Int]

    /// Opens a file, and the other parts where it is one of several.
    ///
    /// - Throws: `HeedError` naming the file and, where one is at fault, the key or tensor.
    public convenience init(path: String) throws {
        try self.init(GGUFFile.parts(path))
    }

    private static func parts(_ path: String) throws -> [MappedFile] {
        let file = try MappedFile(path: path)
        let count = try GGUFHeader(file).metadata.integer("split.count", in: 0...99_999) ?? 1
        guard count > 1 else { return [file] }
        guard let parts = GGUFFile.partPaths(path, count: count) else {
            throw HeedError(
                .badInput, "is one of \(count) parts, but is not named as one", in: path,
                expected: "a name that ends in -00001-of-\(five(count)).gguf")
        }
        for part in parts where !fileExists(part) {
            throw HeedError(
                .missing, "is one of \(count) parts, and \(lastPathComponent(part)) is missing", in: path,
                expected: part, advice: "Download all parts into one folder")
        }
        return try parts.map { try MappedFile(path: $0) }
    }

    /// The same for parts that are mapped already, in their order.
    public init(_ parts: [MappedFile]) throws {
        let headers = try parts.map { try GGUFHeader($0) }
        guard let first = headers.first else { throw HeedError(.usage, "a model of no files was opened") }
        var tensors: [StoredTensor] = []
        var positions: [String: Int] = [:]
        for (index, header) in headers.enumerated() {
            if headers.count > 1, try header.metadata.integer("split.no") != index {
                throw HeedError(
                    .badInput, "is not part \(index) of the model", in: header.metadata.place,
                    expected: "split.no \(index)")
            }
            for tensor in header.tensors {
                guard positions.updateValue(tensors.count, forKey: tensor.name) == nil else {
                    throw HeedError(
                        .badInput, "the tensor \(quoted(tensor.name, limit: 200)) is there twice", in: tensor.file)
                }
                tensors.append(tensor)
            }
        }
        if headers.count > 1, let wanted = try first.metadata.integer("split.tensors.count"), wanted != tensors.count {
            throw HeedError(
                .badInput, "the parts do not hold all tensors", in: first.metadata.place,
                expected: "\(wanted) tensors", got: "\(tensors.count)")
        }
        place = first.metadata.place
        metadata = first.metadata
        self.tensors = tensors
        self.positions = positions
        files = Dictionary(parts.map { ($0.path, $0) }) { first, _ in first }
    }

    /// Whether bytes begin as a GGUF file does.
    static func begins(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.starts(with: "GGUF".utf8) }

    /// The paths of all parts, from that of any of them: `NAME-00002-of-00003.gguf`; nil for another form of name.
    static func partPaths(_ path: String, count: Int) -> [String]? {
        let end = "-of-\(five(count)).gguf"
        guard path.hasSuffix(end) else { return nil }
        let rest = path.dropLast(end.count)
        let number = rest.suffix(6)
        guard number.first == "-", number.dropFirst().allSatisfy({ $0.isASCII && $0.isNumber }), number.count == 6
        else { return nil }
        return (1...count).map { "\(rest.dropLast(6))-\(five($0))\(end)" }
    }

    private static func five(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(5 - digits.count, 0)) + digits
    }

    /// What the files say of a tensor, or nil where there is none of that name. Constant time.
    public func tensor(named name: String) -> StoredTensor? { positions[name].map { tensors[$0] } }

    /// Calls `body` with the mapped bytes of a tensor, which stay valid for the call.
    public func withBytes<Result>(
        of tensor: StoredTensor, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        guard let file = files[tensor.file], self.tensor(named: tensor.name) == tensor else {
            throw HeedError(.usage, "the tensor \(quoted(tensor.name)) is not of this file", in: place)
        }
        return try file.withBytes(tensor.byteRange, body)
    }
}
