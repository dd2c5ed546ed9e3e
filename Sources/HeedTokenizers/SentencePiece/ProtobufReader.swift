import HeedSupport

/// Reads the wire format of Protocol Buffers from memory: just what a SentencePiece model needs.
///
/// The format (Protocol Buffers documentation, "Encoding"): a message is a run of fields; a field is a varint key
/// `number << 3 | type` and a value. Type 0 is a varint, 1 eight bytes, 2 a varint length and that many bytes, 5 four
/// bytes. Unknown fields are skipped. Groups (types 3 and 4), which proto2 deprecates, are refused.
struct ProtobufReader {
    /// The value of one field.
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(UnsafeRawBufferPointer)
        case fixed32(UInt32)

        /// The value as a number of type int32, enum or bool.
        var integer: Int? {
            if case .varint(let bits) = self { Int(Int64(bitPattern: bits)) } else { nil }
        }

        var bool: Bool? { integer.map { $0 != 0 } }

        var float: Float? {
            if case .fixed32(let bits) = self { Float(bitPattern: bits) } else { nil }
        }

        var bytes: UnsafeRawBufferPointer? {
            if case .bytes(let bytes) = self { bytes } else { nil }
        }
    }

    private let data: UnsafeRawBufferPointer
    private var position = 0
    /// The file, for messages.
    let place: String
    /// Where `data` starts in the file.
    private let origin: Int

    init(_ data: UnsafeRawBufferPointer, in place: String, at origin: Int = 0) {
        self.data = data
        self.place = place
        self.origin = origin
    }

    /// A reader of a message inside this one.
    func nested(_ bytes: UnsafeRawBufferPointer) -> ProtobufReader {
        var offset = 0
        if let outer = data.baseAddress, let inner = bytes.baseAddress { offset = inner - outer }
        return ProtobufReader(bytes, in: place, at: origin + offset)
    }

    /// The next field, or nil at the end of the message.
    ///
    /// - Throws: `HeedError` of kind `badInput` for anything that is not a field.
    mutating func next() throws -> (number: Int, value: Value)? {
        guard position < data.count else { return nil }
        let key = try varint()
        let number = key >> 3
        guard number > 0, number <= 0x1FFF_FFFF else { throw broken("a field has the number \(number)") }
        switch key & 7 {
        case 0: return (Int(number), .varint(try varint()))
        case 1: return (Int(number), .fixed64(try fixed(UInt64.self)))
        case 2: return (Int(number), .bytes(try bytes(of: Int(number))))
        case 5: return (Int(number), .fixed32(try fixed(UInt32.self)))
        default: throw broken("field \(number) has the wire type \(key & 7)")
        }
    }

    private mutating func varint() throws -> UInt64 {
        var result: UInt64 = 0
        var shift: UInt64 = 0
        while position < data.count {
            let byte = data[position]
            position += 1
            if shift == 63, byte > 1 { throw broken("a number has more than 64 bits") }
            result |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return result }
            shift += 7
        }
        throw broken("the file ends inside a number")
    }

    private mutating func fixed<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type) throws -> Number {
        let size = MemoryLayout<Number>.size
        guard data.count - position >= size else { throw broken("the file ends inside a number") }
        defer { position += size }
        return Number(littleEndian: data.loadUnaligned(fromByteOffset: position, as: Number.self))
    }

    private mutating func bytes(of number: Int) throws -> UnsafeRawBufferPointer {
        let length = try varint()
        guard length <= UInt64(data.count - position) else {
            throw broken("field \(number) claims \(length) bytes where \(grouped(data.count - position)) are left")
        }
        defer { position += Int(length) }
        return UnsafeRawBufferPointer(rebasing: data[position..<position + Int(length)])
    }

    /// An error at the current place.
    func broken(_ what: String) -> HeedError {
        HeedError(
            .badInput, "this is no sound SentencePiece model: \(what), at byte \(grouped(origin + position))",
            in: place, advice: "Fetch the file again, or check that it is a SentencePiece .model file")
    }
}

/// Writes the wire format of Protocol Buffers.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ number: Int, varint value: Int) {
        key(number, 0)
        varint(UInt64(bitPattern: Int64(value)))
    }

    mutating func write(_ number: Int, bool value: Bool) { write(number, varint: value ? 1 : 0) }

    mutating func write(_ number: Int, float value: Float) {
        key(number, 5)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func write(_ number: Int, bytes value: some Collection<UInt8>) {
        key(number, 2)
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    mutating func write(_ number: Int, string value: String) { write(number, bytes: value.utf8) }

    private mutating func key(_ number: Int, _ type: Int) { varint(UInt64(number << 3 | type)) }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
