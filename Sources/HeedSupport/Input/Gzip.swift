/// gzip files (RFC 1952): one or more compressed members, one after another.
public enum Gzip {
    /// The most bytes that compressed input may expand to where nothing else is said: 4 GiB.
    public static let usualLimit = 1 << 32

    /// Whether bytes begin as a gzip file does.
    public static func begins(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B
    }

    /// The content of all members, one after another. Zeros after the last are padding and left out.
    ///
    /// - `place`: the file to name in errors.
    /// - `limit`: the most bytes that may come out.
    /// - Throws: `HeedError` (`badInput`) naming the place: cut short, damaged, of a wrong checksum, or too large.
    /// Cost: one pass; memory for the content.
    public static func decompress(
        _ bytes: UnsafeRawBufferPointer, in place: String?, limit: Int = usualLimit
    ) throws -> [UInt8] {
        var output: [UInt8] = []
        var at = 0
        var member = 1
        repeat {
            let body = try endOfHeader(bytes, from: at, member, place)
            let start = output.count
            var inflater = Inflater(bytes, from: body, appendingTo: output, limit: limit)
            // The inflater holds the only copy while it grows.
            output = []
            do { try inflater.run() } catch { throw failure(error, member, place, limit) }
            output = inflater.output
            at = inflater.end
            guard bytes.count - at >= 8 else { throw failure(.endsEarly, member, place, limit) }
            let (sum, size) = (word(bytes, at), word(bytes, at + 4))
            at += 8
            guard size == UInt32(truncatingIfNeeded: output.count - start) else {
                throw failure(.broken("its length is not the one recorded"), member, place, limit)
            }
            guard sum == output.withUnsafeBytes({ CRC32.of(UnsafeRawBufferPointer(rebasing: $0[start...])) }) else {
                throw failure(.broken("its checksum (CRC-32) is not the one recorded"), member, place, limit)
            }
            member += 1
        } while try hasAnother(bytes, at, place)
        return output
    }

    /// Whether a member follows; the end and padding with zeros are none.
    private static func hasAnother(_ bytes: UnsafeRawBufferPointer, _ at: Int, _ place: String?) throws -> Bool {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[at...])
        if begins(rest) { return true }
        guard rest.allSatisfy({ $0 == 0 }) else {
            throw HeedError(
                .badInput, "something that is not compressed follows the compressed data", in: place,
                expected: "the end of the file, or another gzip member", got: "\(grouped(rest.count)) more bytes")
        }
        return false
    }

    /// The place where the compressed data of the member at `start` begin.
    private static func endOfHeader(
        _ bytes: UnsafeRawBufferPointer, from start: Int, _ member: Int, _ place: String?
    ) throws -> Int {
        func cutShort() -> HeedError { failure(.endsEarly, member, place, 0) }
        guard bytes.count - start >= 10 else { throw cutShort() }
        let flags = bytes[start + 3]
        guard bytes[start] == 0x1F, bytes[start + 1] == 0x8B, bytes[start + 2] == 8, flags & 0xE0 == 0 else {
            throw HeedError(
                .badInput, "the compressed data are of an unknown kind", in: place,
                expected: "gzip with DEFLATE, RFC 1952")
        }
        var at = start + 10
        if flags & 4 != 0 {
            guard bytes.count - at >= 2 else { throw cutShort() }
            at += 2 + Int(bytes[at]) + Int(bytes[at + 1]) << 8
        }
        // A name and a comment end with a zero.
        for flag: UInt8 in [8, 16] where flags & flag != 0 {
            guard at < bytes.count, let end = bytes[at...].firstIndex(of: 0) else { throw cutShort() }
            at = end + 1
        }
        if flags & 2 != 0 {
            guard at <= bytes.count - 2 else { throw cutShort() }
            let sum = CRC32.of(UnsafeRawBufferPointer(rebasing: bytes[start..<at])) & 0xFFFF
            guard sum == UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 else {
                throw failure(.broken("the checksum of its header is not the one recorded"), member, place, 0)
            }
            at += 2
        }
        guard at <= bytes.count else { throw cutShort() }
        return at
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
    }

    private static func failure(_ fault: DeflateFault, _ member: Int, _ place: String?, _ limit: Int) -> HeedError {
        let whole = member == 1 ? "the compressed data" : "member \(member) of the compressed data"
        switch fault {
        case .endsEarly:
            return HeedError(.badInput, "\(whole) end too early", in: place, advice: "The file was cut short")
        case .tooLarge:
            return HeedError(
                .badInput, "the compressed data expand to more than allowed", in: place,
                expected: "at most \(grouped(limit)) bytes", advice: "Take the file apart with gunzip first")
        case .broken(let what):
            return HeedError(.badInput, "\(whole) are damaged: \(what)", in: place)
        }
    }
}

/// The checksum of gzip (ISO 3309, polynomial 0x04C11DB7, bits reversed).
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
    }

    /// The checksum of all bytes.
    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var sum: UInt32 = 0xFFFF_FFFF
        table.withUnsafeBufferPointer { table in
            for byte in bytes { sum = table[Int((sum ^ UInt32(byte)) & 0xFF)] ^ sum >> 8 }
        }
        return ~sum
    }
}
