/// What stands at the start of a GGUF file before the table of tensors: magic, version and the named values.
///
/// Every number of things is held against the bytes left before it is used.
/// Source: ggml's `docs/gguf.md`, versions 2 and 3.
public struct GGUFPreamble {
    /// The named values.
    public private(set) var metadata: GGUFMetadata
    /// The number of tensors, for each of which there is room in the file.
    public let tensorCount: Int
    /// A reader at the table of tensors.
    public private(set) var reader: ByteReader

    /// How deep arrays may lie in each other.
    private static let maximumDepth = 4

    /// Reads and checks the start of a file.
    ///
    /// - Throws: `HeedError` naming the file and, where one is at fault, the key.
    public init(_ file: MappedFile) throws {
        metadata = GGUFMetadata(place: file.path)
        try refusePointer(file.bytes, file.path)
        reader = ByteReader(file.bytes, file: file.path)
        guard reader.left >= 4, try reader.integer("the magic") == UInt32(0x4655_4747) else {
            throw HeedError(
                .badInput, "is no GGUF file", in: file.path, expected: "a file that begins with GGUF",
                advice: "Download or save the file again")
        }
        let version: UInt32 = try reader.integer("the version")
        guard version == 2 || version == 3 else {
            let isTurned = version.byteSwapped == 2 || version.byteSwapped == 3
            throw HeedError(
                .unsupported,
                isTurned
                    ? "the numbers are stored with their highest byte first"
                    : "the version of the GGUF file is not known",
                in: file.path, expected: "version 2 or 3, lowest byte first", got: "\(version)",
                advice: "Convert the model anew with llama.cpp's tools")
        }
        // A tensor takes at least 24 bytes of the table, a value at least 13.
        tensorCount = try reader.count(of: 24, "the number of tensors")
        let valueCount = try reader.count(of: 13, "the number of values")
        for _ in 0..<valueCount {
            let key = try GGUFPreamble.text(&reader, "a key of the metadata")
            guard metadata[key] == nil else {
                throw HeedError(.badInput, "the key \(quoted(key, limit: 200)) is there twice", in: file.path)
            }
            metadata[key] = try GGUFPreamble.value(&reader, file, key)
        }
    }

    /// A text behind its length.
    public static func text(_ reader: inout ByteReader, _ what: String) throws -> String {
        let length = try reader.count(of: 1, "the length of \(what)")
        return try reader.text(length, what)
    }

    // MARK: Values

    private static func value(_ reader: inout ByteReader, _ file: MappedFile, _ key: String) throws -> GGUFValue {
        let what = "the value of \(quoted(key, limit: 200))"
        switch try kind(&reader, what) {
        case .uint8: return .uint8(try reader.integer(what))
        case .int8: return .int8(try reader.integer(what))
        case .uint16: return .uint16(try reader.integer(what))
        case .int16: return .int16(try reader.integer(what))
        case .uint32: return .uint32(try reader.integer(what))
        case .int32: return .int32(try reader.integer(what))
        case .float32: return .float32(Float(bitPattern: try reader.integer(what)))
        case .bool: return .bool(try reader.integer(what) != UInt8(0))
        case .string: return .string(try text(&reader, what))
        case .uint64: return .uint64(try reader.integer(what))
        case .int64: return .int64(try reader.integer(what))
        case .float64: return .float64(Double(bitPattern: try reader.integer(what)))
        case .array:
            let (kind, count) = try array(&reader, what)
            let start = reader.position
            try skip(&reader, kind, count, depth: 1, what)
            return .array(GGUFArray(kind: kind, count: count, file, start..<reader.position))
        }
    }

    private static func kind(_ reader: inout ByteReader, _ what: String) throws -> GGUFValue.Kind {
        let code: UInt32 = try reader.integer(what)
        guard let kind = GGUFValue.Kind(rawValue: code) else {
            throw HeedError(
                .badInput, "the type of \(what) is not known", in: reader.file, expected: "a type from 0 to 12",
                got: "\(code)")
        }
        return kind
    }

    /// The type and number of an array's elements; each element takes at least its size, a text 8 bytes, an array 12.
    private static func array(_ reader: inout ByteReader, _ what: String) throws -> (GGUFValue.Kind, Int) {
        let kind = try kind(&reader, what)
        let least = kind.byteCount ?? (kind == .string ? 8 : 12)
        return (kind, try reader.count(of: least, "the length of \(what)"))
    }

    /// Passes over the elements of an array and checks every length on the way.
    private static func skip(
        _ reader: inout ByteReader, _ kind: GGUFValue.Kind, _ count: Int, depth: Int, _ what: String
    ) throws {
        if let size = kind.byteCount {
            _ = try reader.take(count * size, what)
            return
        }
        for _ in 0..<count {
            if kind == .string {
                _ = try reader.take(try reader.count(of: 1, "the length of a text of \(what)"), what)
            } else {
                guard depth < maximumDepth else {
                    throw HeedError(
                        .badInput, "the arrays of \(what) lie too deep in each other", in: reader.file,
                        expected: "at most \(maximumDepth)")
                }
                let (inner, count) = try array(&reader, what)
                try skip(&reader, inner, count, depth: depth + 1, what)
            }
        }
    }
}
