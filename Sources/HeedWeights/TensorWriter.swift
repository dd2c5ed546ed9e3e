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
    private let path: String
    private var scratch: [UInt8] = []
    /// Values that wait for the rest of their block.
    private var waiting: [Float] = []

    init(_ file: consuming FileWriter, _ tensor: TensorToWrite, path: String) {
        self.file = file
        type = tensor.type
        name = tensor.name
        self.path = path
    }

    consuming func finish() -> FileWriter { file }

    var count: Int { file.count }

    /// Appends values, rounded to the tensor's type: floats to nearest, ties to even, blocks as ggml rounds them.
    ///
    /// - Throws: `HeedError` of the file system, or naming the tensor where a value is beyond the type.
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
                if type == .f16 { try checkHalves(UnsafeBufferPointer(rebasing: values[start..<end])) }
                try file.write(scratch)
            }
        default:
            guard type.isBlock, type.canBeWritten else {
                throw HeedError(.usage, "floats cannot be written as \(type.rawValue), tensor \(quoted(name))")
            }
            try appendBlocks(values)
        }
    }

    /// Rounds whole blocks and keeps the rest until more values come.
    private mutating func appendBlocks(_ values: UnsafeBufferPointer<Float>) throws {
        guard firstNonFinite(values) == nil else {
            throw unfit("holds a NaN or an infinity, which no block can hold", advice: nil)
        }
        var start = 0
        if !waiting.isEmpty {
            start = min(type.blockLength - waiting.count, values.count)
            waiting += values[..<start]
            guard waiting.count == type.blockLength else { return }
            let block = waiting
            waiting.removeAll(keepingCapacity: true)
            try block.withUnsafeBufferPointer { try writeBlocks($0) }
        }
        // A few hundred blocks at a time, so that memory stays small.
        let piece = 64 * 256
        while values.count - start >= type.blockLength {
            let end = start + min(piece, (values.count - start) / type.blockLength * type.blockLength)
            try writeBlocks(UnsafeBufferPointer(rebasing: values[start..<end]))
            start = end
        }
        waiting += values[start...]
    }

    private mutating func writeBlocks(_ values: UnsafeBufferPointer<Float>) throws {
        guard let source = values.baseAddress else { return }
        let (type, blocks) = (type, values.count / type.blockLength)
        var fits = true
        scratch = [UInt8](unsafeUninitializedCapacity: blocks * type.blockByteCount) { target, count in
            guard let target = target.baseAddress else { return }
            fits = quantise(source, type, into: target, blocks: blocks)
            count = blocks * type.blockByteCount
        }
        guard fits else { throw unfit("holds numbers whose scale is beyond binary16", advice: "Choose f32 or bf16") }
        try file.write(scratch)
    }

    /// Throws where a finite number became infinite.
    private func checkHalves(_ values: UnsafeBufferPointer<Float>) throws {
        var largest: Float = 0
        for value in values { largest = max(largest, value.isFinite ? abs(value) : 0) }
        if largest >= 65_520 {
            throw unfit("holds \(largest), which is beyond F16", advice: "Choose bf16 or f32")
        }
    }

    private func unfit(_ what: String, advice: String?) -> HeedError {
        HeedError(.numeric, "the tensor \(quoted(name, limit: 200)) \(what)", in: path, advice: advice)
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

/// Writes one tensor's values and checks that they are as many as its shape asks for.
func write(_ tensor: TensorToWrite, to file: inout FileWriter, path: String) throws {
    let before = file.count
    var writer = TensorWriter(file, tensor, path: path)
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
