import HeedSupport

/// A tensor to be written: its place in the header and the values, which are asked for one tensor after the other.
public struct TensorToWrite {
    /// The name in the file.
    public let name: String
    /// The type that the values are stored as.
    public let type: ElementType
    /// The extents, outermost first.
    public let shape: [Int]
    /// Hands the values over, in order.
    let body: (inout TensorWriter) throws -> Void

    /// A tensor whose values `body` writes when their turn comes, so that no copy of a whole model is made.
    public init(
        _ name: String, _ type: ElementType = .f32, shape: [Int], _ body: @escaping (inout TensorWriter) throws -> Void
    ) {
        self.name = name
        self.type = type
        self.shape = shape
        self.body = body
    }

    /// A tensor of 32-bit floats, or of another floating type that they are rounded to.
    public init(_ name: String, _ type: ElementType = .f32, shape: [Int], _ values: [Float]) {
        self.init(name, type, shape: shape) { writer in
            try values.withUnsafeBufferPointer { try writer.append($0) }
        }
    }

    /// A tensor of 64-bit integers.
    public init(_ name: String, shape: [Int], integers values: [Int64]) {
        self.init(name, .i64, shape: shape) { writer in
            try values.withUnsafeBytes { try writer.append(raw: $0) }
        }
    }

    /// The bytes that the values take, or nil where that is no size in memory.
    var byteCount: Int? { type.byteCount(shape: shape) }
}

/// Receives the values of one tensor and stores them in its type.
public struct TensorWriter: ~Copyable {
    private var file: FileWriter
    private let type: ElementType
    private let name: String
    private var scratch: [UInt8] = []

    init(_ file: consuming FileWriter, _ tensor: TensorToWrite) {
        self.file = file
        type = tensor.type
        name = tensor.name
    }

    consuming func finish() -> FileWriter { file }

    var count: Int { file.count }

    /// Appends values, rounded to the tensor's type (to nearest, ties to even).
    public mutating func append(_ values: UnsafeBufferPointer<Float>) throws {
        switch type {
        case .f32:
            try file.write(UnsafeRawBufferPointer(values))
        case .f16, .bf16, .f64:
            let chunk = 16_384
            for start in stride(from: 0, to: values.count, by: chunk) {
                let end = min(start + chunk, values.count)
                scratch.removeAll(keepingCapacity: true)
                for index in start..<end { appendScratch(values[index]) }
                try file.write(scratch)
            }
        default:
            throw HeedError(.usage, "floats cannot be written as \(type.rawValue), tensor \(quoted(name))")
        }
    }

    /// Appends the transpose of a matrix `[rows, columns]`, that is `columns` rows of `rows` values.
    public mutating func append(transposeOf values: UnsafeBufferPointer<Float>, rows: Int, columns: Int) throws {
        guard rows >= 0, columns >= 0, rows * columns == values.count else {
            throw HeedError(.usage, "a matrix of another size was given, tensor \(quoted(name))")
        }
        var line = [Float](repeating: 0, count: rows)
        for column in 0..<columns {
            for row in 0..<rows { line[row] = values[row * columns + column] }
            try line.withUnsafeBufferPointer { try append($0) }
        }
    }

    /// Appends bytes that already have the tensor's type.
    public mutating func append(raw bytes: UnsafeRawBufferPointer) throws {
        try file.write(bytes)
    }

    private mutating func appendScratch(_ value: Float) {
        switch type {
        case .f16: append16(NumberFormats.binary16(value))
        case .bf16: append16(NumberFormats.bfloat16(value))
        default:
            withUnsafeBytes(of: Double(value).bitPattern.littleEndian) { scratch.append(contentsOf: $0) }
        }
    }

    private mutating func append16(_ bits: UInt16) {
        scratch.append(UInt8(truncatingIfNeeded: bits))
        scratch.append(UInt8(truncatingIfNeeded: bits >> 8))
    }
}

/// Writes a safetensors file atomically, one tensor at a time.
///
/// The header is padded with spaces so that the data start at a multiple of 8.
/// - Parameter metadata: texts for `__metadata__`; `{"format": "pt"}` is what `transformers` looks for.
/// - Throws: `HeedError` of the file system, what a tensor's body throws, or where a body wrote more or fewer values
///   than its shape asks for. No file is left then.
public func writeSafetensors(
    path: String, _ tensors: [TensorToWrite], metadata: [String: String] = ["format": "pt"]
) throws {
    var header = JSONObject()
    header.reserveCapacity(tensors.count + 1)
    if !metadata.isEmpty {
        var texts = JSONObject()
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { texts[key] = .string(value) }
        header["__metadata__"] = .object(texts)
    }
    var offset = 0
    for tensor in tensors {
        guard let count = tensor.byteCount, header[tensor.name] == nil else {
            throw HeedError(
                .usage, "the tensor \(quoted(tensor.name)) is named twice or has an impossible shape", in: path,
                got: "\(tensor.shape)")
        }
        header[tensor.name] = [
            "dtype": .string(tensor.type.rawValue),
            "shape": .array(tensor.shape.map { .integer($0) }),
            "data_offsets": [.integer(offset), .integer(offset + count)],
        ]
        offset += count
    }
    var text = JSON.object(header).serialisedBytes()
    text.append(contentsOf: repeatElement(0x20, count: (8 - text.count % 8) % 8))
    try writeAtomically(path: path) { file in
        try withUnsafeBytes(of: UInt64(text.count).littleEndian) { try file.write($0) }
        try file.write(text)
        for tensor in tensors { try write(tensor, to: &file, path: path) }
    }
}

private func write(_ tensor: TensorToWrite, to file: inout FileWriter, path: String) throws {
    let before = file.count
    var writer = TensorWriter(file, tensor)
    // The file is lent to the writer and must come back on every way out.
    var failure: (any Error)?
    do { try tensor.body(&writer) } catch { failure = error }
    file = writer.finish()
    if let failure { throw failure }
    guard file.count - before == tensor.byteCount else {
        throw HeedError(
            .usage, "the tensor \(quoted(tensor.name)) was given another number of values than its shape asks for",
            in: path, expected: "\(tensor.byteCount ?? 0) bytes for \(tensor.shape)", got: "\(file.count - before)")
    }
}
