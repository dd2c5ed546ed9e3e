/// One value of a GGUF file's metadata, in the exact type that the file has it in.
public enum GGUFValue: Sendable, Equatable {
    case uint8(UInt8)
    case int8(Int8)
    case uint16(UInt16)
    case int16(Int16)
    case uint32(UInt32)
    case int32(Int32)
    case float32(Float)
    case bool(Bool)
    case string(String)
    case array(GGUFArray)
    case uint64(UInt64)
    case int64(Int64)
    case float64(Double)

    /// The types of values by their numbers in a file.
    public enum Kind: UInt32, Sendable, CaseIterable {
        case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

        /// Bytes of one value, or nil where each has a length of its own.
        public var byteCount: Int? {
            switch self {
            case .uint8, .int8, .bool: 1
            case .uint16, .int16: 2
            case .uint32, .int32, .float32: 4
            case .uint64, .int64, .float64: 8
            case .string, .array: nil
            }
        }
    }

    /// The type.
    public var kind: Kind {
        switch self {
        case .uint8: .uint8
        case .int8: .int8
        case .uint16: .uint16
        case .int16: .int16
        case .uint32: .uint32
        case .int32: .int32
        case .float32: .float32
        case .bool: .bool
        case .string: .string
        case .array: .array
        case .uint64: .uint64
        case .int64: .int64
        case .float64: .float64
        }
    }

    /// The number, of any integer type that fits `Int`, or nil.
    public var integer: Int? {
        switch self {
        case .uint8(let value): Int(value)
        case .int8(let value): Int(value)
        case .uint16(let value): Int(value)
        case .int16(let value): Int(value)
        case .uint32(let value): Int(value)
        case .int32(let value): Int(value)
        case .uint64(let value): Int(exactly: value)
        case .int64(let value): Int(value)
        default: nil
        }
    }

    /// The number, of any number type, or nil.
    public var number: Double? {
        switch self {
        case .float32(let value): Double(value)
        case .float64(let value): value
        default: integer.map(Double.init)
        }
    }

    /// The text, or nil for any other type.
    public var string: String? { if case .string(let value) = self { value } else { nil } }

    /// The truth value, or nil for any other type.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The array, or nil for any other type.
    public var array: GGUFArray? { if case .array(let value) = self { value } else { nil } }
}

/// An array of a GGUF file's metadata: vocabularies have hundreds of thousands of elements, so the bytes stay where
/// they are and become values when they are asked for.
public struct GGUFArray: Sendable, Equatable {
    /// The type of the elements.
    public let kind: GGUFValue.Kind
    /// The number of elements.
    public let count: Int
    private let content: Content

    private enum Content: Sendable {
        case mapped(MappedFile, Range<Int>)
        case own([UInt8])
    }

    /// An array whose elements are bytes of a file, which a reader has checked.
    init(kind: GGUFValue.Kind, count: Int, _ file: MappedFile, _ range: Range<Int>) {
        self.kind = kind
        self.count = count
        content = .mapped(file, range)
    }

    /// An array of texts.
    public init(_ strings: [String]) { self.init(texts: strings.map { Array($0.utf8) }) }

    /// An array of texts as bytes, which need not be UTF-8.
    public init(texts: [[UInt8]]) {
        var bytes: [UInt8] = []
        for text in texts {
            GGUFArray.append(UInt64(text.count), to: &bytes)
            bytes += text
        }
        self.init(.string, texts.count, bytes)
    }

    /// An array of 32-bit floats.
    public init(_ floats: [Float]) {
        var bytes: [UInt8] = []
        for float in floats { GGUFArray.append(float.bitPattern, to: &bytes) }
        self.init(.float32, floats.count, bytes)
    }

    /// An array of 32-bit integers.
    public init(_ integers: [Int32]) {
        var bytes: [UInt8] = []
        for integer in integers { GGUFArray.append(integer, to: &bytes) }
        self.init(.int32, integers.count, bytes)
    }

    /// An array of unsigned 32-bit integers.
    public init(_ integers: [UInt32]) {
        var bytes: [UInt8] = []
        for integer in integers { GGUFArray.append(integer, to: &bytes) }
        self.init(.uint32, integers.count, bytes)
    }

    /// An array of truth values.
    public init(_ truths: [Bool]) { self.init(.bool, truths.count, truths.map { $0 ? 1 : 0 }) }

    /// An array of bytes.
    public init(bytes: [UInt8]) { self.init(.uint8, bytes.count, bytes) }

    private init(_ kind: GGUFValue.Kind, _ count: Int, _ bytes: [UInt8]) {
        self.kind = kind
        self.count = count
        content = .own(bytes)
    }

    private static func append<Number: FixedWidthInteger>(_ number: Number, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// The elements as a file has them.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        switch content {
        case .mapped(let file, let range): return try file.withBytes(range, body)
        case .own(let bytes): return try bytes.withUnsafeBytes(body)
        }
    }

    /// Calls `body` with the bytes of each element; returns false where they are no texts.
    public func forEachByteString(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows -> Bool {
        guard kind == .string || count == 0 else { return false }
        try withBytes { bytes in
            var at = 0
            // Every length was checked when the file was opened.
            for _ in 0..<count {
                let length = Int(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)))
                at += 8
                try body(UnsafeRawBufferPointer(rebasing: bytes[at..<at + length]))
                at += length
            }
        }
        return true
    }

    /// The bytes of the elements, or nil where they are no texts.
    public var byteStrings: [[UInt8]]? {
        var result: [[UInt8]] = []
        result.reserveCapacity(count)
        return forEachByteString { result.append(Array($0)) } ? result : nil
    }

    /// The elements, or nil where they are no texts.
    ///
    /// - Throws: `HeedError` for a text that is not UTF-8.
    public func strings(in place: String) throws -> [String]? {
        guard let elements = byteStrings else { return nil }
        return try elements.enumerated().map { index, bytes in
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw HeedError(.badInput, "text \(index) of an array is not UTF-8", in: place)
            }
            return text
        }
    }

    /// The elements as integers, or nil where they are no integers or truth values.
    public var integers: [Int]? {
        guard let size = kind.byteCount else { return nil }
        return withBytes { bytes in
            var result: [Int] = []
            result.reserveCapacity(count)
            for index in 0..<count {
                guard let value = GGUFArray.integer(bytes, kind, index * size) else { return nil }
                result.append(value)
            }
            return result
        }
    }

    /// The elements as 64-bit floats, or nil where they are no numbers.
    public var numbers: [Double]? {
        withBytes { bytes in
            switch kind {
            case .float32:
                (0..<count).map { Double(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)) }
            case .float64: (0..<count).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
            case .bool: nil
            default: integers?.map(Double.init)
            }
        }
    }

    private static func integer(_ bytes: UnsafeRawBufferPointer, _ kind: GGUFValue.Kind, _ offset: Int) -> Int? {
        switch kind {
        case .uint8: Int(bytes[offset])
        case .bool: bytes[offset] == 0 ? 0 : 1
        case .int8: Int(Int8(bitPattern: bytes[offset]))
        case .uint16: Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
        case .int16: Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self))
        case .uint32: Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        case .int32: Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
        case .uint64: Int(exactly: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        case .int64: Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
        case .float32, .float64, .string, .array: nil
        }
    }

    /// Equal where the bytes are.
    public static func == (left: GGUFArray, right: GGUFArray) -> Bool {
        left.kind == right.kind && left.count == right.count
            && left.withBytes { leftBytes in right.withBytes { leftBytes.elementsEqual($0) } }
    }
}
