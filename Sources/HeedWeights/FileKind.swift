import HeedSupport

/// Throws where a file is a git-lfs pointer: three lines of text that say where the real file may be fetched.
///
/// Source: the git-lfs specification, version 1, "The Pointer".
func refusePointer(_ bytes: UnsafeRawBufferPointer, _ file: String) throws {
    let start = Array("version https://git-lfs.github.com/spec/".utf8)
    guard bytes.count >= start.count, bytes.prefix(start.count).elementsEqual(start) else { return }
    throw HeedError(
        .missing, "is a git-lfs pointer of \(bytes.count) bytes, not the weights themselves", in: file,
        advice: "Fetch the file: run git lfs pull in its folder, or download it from where the model is published")
}

/// Reads little-endian numbers and texts from bytes, and never beyond their end.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    /// The file to name in messages.
    let file: String
    /// The place of the next byte.
    private(set) var position: Int

    init(_ bytes: UnsafeRawBufferPointer, file: String, at position: Int = 0) {
        self.bytes = bytes
        self.file = file
        self.position = position
    }

    /// How many bytes are left.
    var left: Int { bytes.count - position }

    /// An integer. `what` names it where the file ends before it: "the number of tensors".
    mutating func integer<Number: FixedWidthInteger>(_ what: @autoclosure () -> String) throws -> Number {
        let start = try take(MemoryLayout<Number>.size, what())
        return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: Number.self))
    }

    /// A number of things of which each takes at least `unit` bytes: more than there is room for is refused.
    mutating func count(of unit: Int, _ what: @autoclosure () -> String) throws -> Int {
        let number: UInt64 = try integer(what())
        guard number <= UInt64(left / max(unit, 1)) else {
            throw HeedError(
                .badInput, "\(what()) is more than the file has room for, which is cut short or broken", in: file,
                expected: "at most \(grouped(left / max(unit, 1)))", got: "\(number)")
        }
        return Int(number)
    }

    /// The next `count` bytes.
    mutating func take(_ count: Int, _ what: @autoclosure () -> String) throws -> Int {
        guard count >= 0, count <= left else {
            throw HeedError(
                .badInput, "the file ends within \(what())", in: file, expected: "\(grouped(count)) more bytes",
                got: "\(grouped(left))", advice: "Download or save the file again")
        }
        defer { position += count }
        return position
    }

    /// Text in UTF-8 of the next `count` bytes.
    mutating func text(_ count: Int, _ what: @autoclosure () -> String) throws -> String {
        let start = try take(count, what())
        guard let text = String(validating: bytes[start..<start + count], as: UTF8.self) else {
            throw HeedError(.badInput, "\(what()) is not UTF-8", in: file)
        }
        return text
    }
}
