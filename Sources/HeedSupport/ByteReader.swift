/// Reads little-endian numbers and texts from bytes, and never beyond their end.
public struct ByteReader {
    /// What is read from.
    public let bytes: UnsafeRawBufferPointer
    /// The file to name in messages.
    public let file: String
    /// The place of the next byte.
    public private(set) var position: Int

    /// Starts at a place within the bytes.
    public init(_ bytes: UnsafeRawBufferPointer, file: String, at position: Int = 0) {
        self.bytes = bytes
        self.file = file
        self.position = position
    }

    /// How many bytes are left.
    public var left: Int { bytes.count - position }

    /// An integer. `what` names it where the file ends before it: "the number of tensors".
    public mutating func integer<Number: FixedWidthInteger>(_ what: @autoclosure () -> String) throws -> Number {
        let start = try take(MemoryLayout<Number>.size, what())
        return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: Number.self))
    }

    /// A number of things of which each takes at least `unit` bytes: more than there is room for is refused.
    public mutating func count(of unit: Int, _ what: @autoclosure () -> String) throws -> Int {
        let number: UInt64 = try integer(what())
        guard number <= UInt64(left / max(unit, 1)) else {
            throw HeedError(
                .badInput, "\(what()) is more than the file has room for, which is cut short or broken", in: file,
                expected: "at most \(grouped(left / max(unit, 1)))", got: "\(number)")
        }
        return Int(number)
    }

    /// The next `count` bytes.
    public mutating func take(_ count: Int, _ what: @autoclosure () -> String) throws -> Int {
        guard count >= 0, count <= left else {
            throw HeedError(
                .badInput, "the file ends within \(what())", in: file, expected: "\(grouped(count)) more bytes",
                got: "\(grouped(left))", advice: "Download or save the file again")
        }
        defer { position += count }
        return position
    }

    /// Text in UTF-8 of the next `count` bytes.
    public mutating func text(_ count: Int, _ what: @autoclosure () -> String) throws -> String {
        let start = try take(count, what())
        guard let text = String(validating: bytes[start..<start + count], as: UTF8.self) else {
            throw HeedError(.badInput, "\(what()) is not UTF-8", in: file)
        }
        return text
    }
}
