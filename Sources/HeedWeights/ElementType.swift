/// The element types of a safetensors file, by their names in it.
public enum ElementType: String, Sendable, CaseIterable {
    case f64 = "F64"
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    case i64 = "I64"
    case i32 = "I32"
    case i16 = "I16"
    case i8 = "I8"
    case u64 = "U64"
    case u32 = "U32"
    case u16 = "U16"
    case u8 = "U8"
    case bool = "BOOL"

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .f64, .i64, .u64: 8
        case .f32, .i32, .u32: 4
        case .f16, .bf16, .i16, .u16: 2
        case .i8, .u8, .bool: 1
        }
    }

    /// Whether elements are binary fractions; weights must be.
    public var isFloating: Bool {
        switch self {
        case .f64, .f32, .f16, .bf16: true
        default: false
        }
    }
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
    public var count: Int { byteRange.count / type.byteCount }

    /// Describes one tensor of a file.
    public init(name: String, type: ElementType, shape: [Int], file: String, byteRange: Range<Int>) {
        self.name = name
        self.type = type
        self.shape = shape
        self.file = file
        self.byteRange = byteRange
    }
}
