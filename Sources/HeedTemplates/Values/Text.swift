import HeedSupport

/// A string of a template: UTF-8 bytes that are counted and indexed by scalars, as Python's strings are.
final class Text {
    /// Well-formed UTF-8.
    let bytes: [UInt8]
    /// The number of Unicode scalars: Python's `len`.
    let count: Int
    /// Whether the text is HTML that needs no escaping (`|safe`, `|escape`): adding to it escapes what is added.
    let isMarkup: Bool
    private let meter: Meter?

    /// Takes bytes that are well-formed UTF-8.
    init(_ bytes: [UInt8], count: Int, isMarkup: Bool = false, meter: Meter? = nil) {
        self.bytes = bytes
        self.count = count
        self.isMarkup = isMarkup
        self.meter = meter
        meter?.hold(bytes.count + Text.overhead)
    }

    /// A text that no rendering owns: a constant, a variable.
    convenience init(_ text: String) {
        let bytes = Array(text.utf8)
        self.init(bytes, count: scalarCount(bytes))
    }

    deinit { meter?.release(bytes.count + Text.overhead) }

    /// What an object costs beside its bytes.
    static let overhead = 64
    /// The text without a character. It belongs to no rendering and never changes.
    nonisolated(unsafe) static let empty = Text("")

    var isASCII: Bool { bytes.count == count }
    var isEmpty: Bool { bytes.isEmpty }
    var string: String { String(decoding: bytes, as: UTF8.self) }

    /// The scalars, decoded.
    var scalars: [Unicode.Scalar] { decodeScalars(bytes) }

    /// Where the scalar of that number starts; `index` is in 0...count.
    func offset(of index: Int) -> Int {
        if isASCII { return index }
        var left = index
        var at = 0
        while left > 0, at < bytes.count {
            at += scalarLength(bytes[at])
            left -= 1
        }
        return at
    }

    /// The number of the scalar that starts at `offset`.
    func index(of offset: Int) -> Int {
        isASCII ? offset : scalarCount(bytes[..<offset])
    }

    static func == (left: Text, right: Text) -> Bool { left === right || left.bytes == right.bytes }
}

/// The length in bytes of the scalar that starts with `byte`, in well-formed UTF-8.
@inline(__always)
func scalarLength(_ byte: UInt8) -> Int {
    byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
}

/// The number of scalars in well-formed UTF-8.
func scalarCount(_ bytes: some Collection<UInt8>) -> Int {
    var count = 0
    for byte in bytes where byte & 0xC0 != 0x80 { count += 1 }
    return count
}

/// The scalars of well-formed UTF-8.
func decodeScalars(_ bytes: some Collection<UInt8>) -> [Unicode.Scalar] {
    var scalars: [Unicode.Scalar] = []
    scalars.reserveCapacity(bytes.count)
    var value: UInt32 = 0
    var left = 0
    for byte in bytes {
        if byte < 0x80 {
            value = UInt32(byte)
            left = 0
        } else if byte & 0xC0 == 0x80 {
            value = value << 6 | UInt32(byte & 0x3F)
            left -= 1
        } else {
            left = scalarLength(byte) - 1
            value = UInt32(byte) & (left == 1 ? 0x1F : left == 2 ? 0x0F : 0x07)
        }
        if left == 0 { scalars.append(Unicode.Scalar(value) ?? "\u{FFFD}") }
    }
    return scalars
}

/// Appends a scalar in UTF-8.
@inline(__always)
func append(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
    if scalar.value < 0x80 {
        bytes.append(UInt8(scalar.value))
    } else {
        bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }
}

/// Scalars as UTF-8.
func encodeScalars(_ scalars: some Sequence<Unicode.Scalar>) -> [UInt8] {
    var bytes: [UInt8] = []
    for scalar in scalars { append(scalar, to: &bytes) }
    return bytes
}

extension Text {
    /// The scalar that starts at `at`.
    func scalar(at offset: Int) -> Unicode.Scalar {
        let first = bytes[offset]
        if first < 0x80 { return Unicode.Scalar(first) }
        return decodeScalars(bytes[offset..<offset + scalarLength(first)]).first ?? "\u{FFFD}"
    }
}
