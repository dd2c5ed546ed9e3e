/// GPT-2's alphabet: each of the 256 bytes as one printable character, so that any bytes can be spelled in a text file.
///
/// The printable bytes `!`…`~`, `¡`…`¬` and `®`…`ÿ` stand for themselves; the other 68 take the characters from
/// U+0100 on, in the order of their values: space is `Ġ`, line feed `Ċ`
/// (`encoder.py` of Radford et al. 2019, *Language Models are Unsupervised Multitask Learners*).
enum ByteAlphabet {
    /// The character of each byte.
    static let scalars: [Unicode.Scalar] = {
        var result: [Unicode.Scalar] = []
        var next: UInt32 = 0x100
        for byte in UInt32(0)...255 {
            let printable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
            result.append(Unicode.Scalar(printable ? byte : next) ?? "?")
            if !printable { next += 1 }
        }
        return result
    }()

    /// The byte of each character below U+0144, or −1.
    static let bytes: [Int16] = {
        var result = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { result[Int(scalar.value)] = Int16(byte) }
        return result
    }()

    /// The byte that a character spells, or nil.
    @inline(__always)
    static func byte(of scalar: Unicode.Scalar) -> UInt8? {
        guard scalar.value < 0x144 else { return nil }
        let byte = bytes[Int(scalar.value)]
        return byte < 0 ? nil : UInt8(truncatingIfNeeded: byte)
    }

    /// Spells bytes.
    static func spell(_ bytes: some Sequence<UInt8>) -> String {
        var result = String.UnicodeScalarView()
        for byte in bytes { result.append(scalars[Int(byte)]) }
        return String(result)
    }

    /// The bytes of a token's text: those that it spells, or the text itself where it is not in the alphabet.
    static func appendBytes(of text: UnsafeBufferPointer<UInt8>, to result: inout [UInt8]) {
        let start = result.count
        let isSpelled = bytes.withUnsafeBufferPointer { table in
            var at = 0
            while at < text.count {
                let first = text[at]
                if first < 0x80 {
                    let byte = table[Int(first)]
                    if byte < 0 { return false }
                    result.append(first)
                    at += 1
                } else {
                    // All spelled bytes lie below U+0144, so two bytes of UTF-8 are all there is to read.
                    guard first < 0xC6, at + 1 < text.count else { return false }
                    let value = Int(first & 0x1F) << 6 | Int(text[at + 1] & 0x3F)
                    guard value < table.count, table[value] >= 0 else { return false }
                    result.append(UInt8(truncatingIfNeeded: table[value]))
                    at += 2
                }
            }
            return true
        }
        if !isSpelled {
            result.removeSubrange(start...)
            result.append(contentsOf: text)
        }
    }
}
