import HeedSupport

/// The table at the start of a GGUF file: magic, version, metadata, tensor infos.
///
/// Everything is held against the size of the file before it is used: numbers of things against the bytes left, shapes
/// against overflow, tensors against the end of the file and each other.
/// Source: ggml's `docs/gguf.md`, versions 2 and 3.
struct GGUFHeader {
    /// The named values.
    let metadata: GGUFMetadata
    /// The tensors in the order of the table.
    private(set) var tensors: [StoredTensor] = []

    /// The most extents of a tensor.
    static let maximumRank = 8

    /// Reads and checks the table of a file.
    ///
    /// - Throws: `HeedError` naming the file and, where one is at fault, the key or tensor.
    init(_ file: MappedFile) throws {
        let preamble = try GGUFPreamble(file)
        metadata = preamble.metadata
        var reader = preamble.reader
        let alignment = try metadata.integer("general.alignment", in: 1...1 << 20) ?? 32
        guard alignment.nonzeroBitCount == 1 else {
            throw HeedError(
                .badInput, "general.alignment is no power of two", in: file.path, got: "\(alignment)")
        }
        var infos: [(tensor: StoredTensor, offset: UInt64)] = []
        for _ in 0..<preamble.tensorCount { infos.append(try GGUFHeader.info(&reader, file)) }
        let dataStart = (reader.position + alignment - 1) / alignment * alignment
        tensors = try infos.map { info in
            let bytes = info.tensor.byteRange.count
            guard info.offset <= UInt64(Int.max / 2), dataStart <= Int.max / 2 - bytes,
                dataStart + Int(info.offset) + bytes <= file.count
            else {
                throw GGUFHeader.failure(
                    "leads beyond the end of the file, which is cut short or broken", info.tensor.name, file.path,
                    expected: "at most \(grouped(file.count)) bytes in all",
                    got: "\(bytes) bytes from \(info.offset) of the data")
            }
            let start = dataStart + Int(info.offset)
            return StoredTensor(
                name: info.tensor.name, type: info.tensor.type, shape: info.tensor.shape, file: file.path,
                byteRange: start..<start + bytes)
        }
        try checkOverlaps(file.path)
        // Long lists of tokens are passed over here, and read again by who wants them.
        file.giveBack(0..<min(dataStart, file.count))
    }

    // MARK: Tensors

    /// One line of the table; the range of the tensor still starts at 0.
    private static func info(_ reader: inout ByteReader, _ file: MappedFile) throws -> (StoredTensor, UInt64) {
        let name = try GGUFPreamble.text(&reader, "the name of a tensor")
        let rank: UInt32 = try reader.integer("the table of tensors")
        guard rank <= maximumRank else {
            throw failure(
                "has an impossible number of extents", name, file.path, expected: "at most \(maximumRank)",
                got: "\(rank)")
        }
        var shape: [Int] = []
        for _ in 0..<rank {
            let extent: UInt64 = try reader.integer("the table of tensors")
            // The file has the innermost extent first.
            shape.insert(Int(clamping: extent), at: 0)
        }
        let code: UInt32 = try reader.integer("the table of tensors")
        let offset: UInt64 = try reader.integer("the table of tensors")
        guard let type = ElementType(ggml: code) else {
            let name = ElementType.unreadNames[code].map { "\($0) (\(code))" } ?? "\(code)"
            throw failure(
                "has a type that is not read", name, file.path,
                expected:
                    "one of \(ElementType.allCases.filter { $0.ggml != nil }.map(\.rawValue).joined(separator: ", "))",
                got: name)
        }
        guard let bytes = type.byteCount(shape: shape) else {
            throw failure(
                "has an impossible shape", name, file.path,
                expected: type.isBlock
                    ? "rows of whole blocks of \(type.blockLength) and a size in memory" : "a size in memory",
                got: "\(shape)")
        }
        return (StoredTensor(name: name, type: type, shape: shape, file: file.path, byteRange: 0..<bytes), offset)
    }

    private func checkOverlaps(_ file: String) throws {
        let sorted = tensors.filter { !$0.byteRange.isEmpty }.sorted {
            $0.byteRange.lowerBound < $1.byteRange.lowerBound
        }
        for (first, second) in zip(sorted, sorted.dropFirst())
        where second.byteRange.lowerBound < first.byteRange.upperBound {
            throw GGUFHeader.failure("overlaps \(quoted(first.name, limit: 200))", second.name, file)
        }
    }

    private static func failure(
        _ what: String, _ name: String, _ file: String, expected: String? = nil, got: String? = nil
    ) -> HeedError {
        HeedError(
            .badInput, "the tensor \(quoted(name, limit: 200)) \(what)", in: file, expected: expected, got: got)
    }
}

extension ElementType {
    private static let ggmlCodes: [(UInt32, ElementType)] = [
        (0, .f32), (1, .f16), (2, .q4_0), (3, .q4_1), (6, .q5_0), (7, .q5_1), (8, .q8_0), (10, .q2K), (11, .q3K),
        (12, .q4K), (13, .q5K), (14, .q6K), (20, .iq4NL), (23, .iq4XS), (24, .i8), (25, .i16), (26, .i32), (27, .i64),
        (28, .f64), (30, .bf16), (39, .mxfp4),
    ]

    /// Types of ggml that are not read, for messages.
    static let unreadNames: [UInt32: String] = [
        4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
        21: "IQ3_S", 22: "IQ2_S", 29: "IQ1_M", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 34: "TQ1_0",
        35: "TQ2_0", 40: "NVFP4", 41: "Q1_0",
    ]

    /// The type of a number in a GGUF file, or nil for those that are not read.
    init?(ggml code: UInt32) {
        guard let found = ElementType.ggmlCodes.first(where: { $0.0 == code }) else { return nil }
        self = found.1
    }

    /// The number in a GGUF file, or nil where such a file cannot hold the type.
    public var ggml: UInt32? { ElementType.ggmlCodes.first { $0.1 == self }?.0 }
}
