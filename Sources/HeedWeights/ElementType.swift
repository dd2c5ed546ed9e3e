/// How the elements of a stored tensor are written: the types of safetensors by their names in it, and the quantised
/// blocks of GGUF by theirs.
///
/// A plain type stores one element after the other. A block type stores `blockLength` neighbours of a row together in
/// `blockByteCount` bytes, with scales that they share; its rows are whole blocks.
public enum ElementType: String, Sendable, CaseIterable {
    case f64 = "F64"
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    /// Four bits of exponent, three of fraction, no infinity (OCP E4M3, PyTorch's `float8_e4m3fn`).
    case f8e4m3 = "F8_E4M3"
    /// Five bits of exponent, two of fraction: the upper half of a binary16.
    case f8e5m2 = "F8_E5M2"
    case i64 = "I64"
    case i32 = "I32"
    case i16 = "I16"
    case i8 = "I8"
    case u64 = "U64"
    case u32 = "U32"
    case u16 = "U16"
    case u8 = "U8"
    case bool = "BOOL"
    case q4_0 = "Q4_0"
    case q4_1 = "Q4_1"
    case q5_0 = "Q5_0"
    case q5_1 = "Q5_1"
    case q8_0 = "Q8_0"
    case q2K = "Q2_K"
    case q3K = "Q3_K"
    case q4K = "Q4_K"
    case q5K = "Q5_K"
    case q6K = "Q6_K"
    case iq4NL = "IQ4_NL"
    case iq4XS = "IQ4_XS"
    case mxfp4 = "MXFP4"

    /// The types that a safetensors file may have.
    static let ofSafetensors = allCases.filter { !$0.isBlock }

    /// Elements that are stored together: 1 for plain types.
    public var blockLength: Int {
        switch self {
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4NL, .mxfp4: 32
        case .q2K, .q3K, .q4K, .q5K, .q6K, .iq4XS: 256
        default: 1
        }
    }

    /// Bytes of `blockLength` elements.
    public var blockByteCount: Int {
        switch self {
        case .f64, .i64, .u64: 8
        case .f32, .i32, .u32: 4
        case .f16, .bf16, .i16, .u16: 2
        case .f8e4m3, .f8e5m2, .i8, .u8, .bool: 1
        case .q4_0, .iq4NL: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q2K: 84
        case .q3K: 110
        case .q4K: 144
        case .q5K: 176
        case .q6K: 210
        case .iq4XS: 136
        case .mxfp4: 17
        }
    }

    /// Whether several elements share scales.
    public var isBlock: Bool { blockLength > 1 }

    /// Whether elements are binary fractions; weights must be.
    public var isFloating: Bool {
        switch self {
        case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool: false
        default: true
        }
    }

    /// Bytes of `count` elements, which fill whole blocks. The count is one that a reader has checked.
    public func byteCount(of count: Int) -> Int { count / blockLength * blockByteCount }

    /// Bytes of a tensor of this shape, or nil where that is no size in memory, or rows are no whole blocks.
    public func byteCount(shape: [Int]) -> Int? {
        guard let count = elementCount(shape), !isBlock || shape.last.map({ $0 % blockLength == 0 }) == true else {
            return nil
        }
        let (bytes, overflow) = (count / blockLength).multipliedReportingOverflow(by: blockByteCount)
        return overflow ? nil : bytes
    }
}

/// The product of extents, or nil where one is negative or the product is beyond `Int`.
package func elementCount(_ shape: some Collection<Int>) -> Int? {
    // A zero among the extents makes the product zero, whatever the others are.
    if shape.contains(where: { $0 < 0 }) { return nil }
    if shape.contains(0) { return 0 }
    var product = 1
    for extent in shape {
        let (next, overflow) = product.multipliedReportingOverflow(by: extent)
        if overflow { return nil }
        product = next
    }
    return product
}

/// What a file says of one tensor.
public struct StoredTensor: Sendable, Equatable {
    /// The name in the file.
    public let name: String
    /// The type of one element.
    public let type: ElementType
    /// The extents, outermost first; empty for a single number.
    public let shape: [Int]
    /// The file that holds the bytes.
    public let file: String
    /// Where the bytes lie in the file.
    public let byteRange: Range<Int>

    /// The product of the extents.
    public var count: Int { elementCount(shape) ?? 0 }

    /// The length of a row: the last extent.
    public var rowLength: Int { shape.last ?? 1 }

    /// The number of rows: the product of the other extents.
    public var rowCount: Int { elementCount(shape.dropLast()) ?? 0 }

    /// Describes one tensor of a file.
    public init(name: String, type: ElementType, shape: [Int], file: String, byteRange: Range<Int>) {
        self.name = name
        self.type = type
        self.shape = shape
        self.file = file
        self.byteRange = byteRange
    }
}
