/// Takes apart a DEFLATE stream (RFC 1951) that lies in memory.
///
/// Every length, distance and code is checked before use; what comes out never exceeds `limit`.
/// Cost: one table look-up per symbol, one pass over the output.
struct Inflater {
    private var bits: BitReader
    /// What has come out so far, earlier streams included.
    private(set) var output: [UInt8]
    private let limit: Int
    /// Where this stream's output begins: copies reach no further back.
    private let origin: Int

    /// Reads from `start` on and appends to `output`, which may grow to `limit` bytes.
    init(_ bytes: UnsafeRawBufferPointer, from start: Int, appendingTo output: [UInt8], limit: Int) {
        bits = BitReader(bytes, from: start)
        self.output = output
        self.limit = limit
        origin = output.count
    }

    /// The place of the first byte after the stream, once it has been read.
    var end: Int { bits.position }

    /// Reads all blocks.
    mutating func run() throws(DeflateFault) {
        var isLast = false
        while !isLast {
            isLast = try bits.take(1) == 1
            switch try bits.take(2) {
            case 0: try copyStored()
            case 1: try decode(Self.fixedLiterals, Self.fixedDistances)
            case 2:
                let (literals, distances) = try readCodes()
                try decode(literals, distances)
            default: throw .broken("a block is of an unknown kind")
            }
        }
        bits.alignToByte()
    }

    private mutating func copyStored() throws(DeflateFault) {
        bits.alignToByte()
        let count = try bits.take(16)
        let check = try bits.take(16)
        guard count == ~check & 0xFFFF else { throw .broken("the length of a stored block contradicts itself") }
        guard limit - output.count >= count else { throw .tooLarge }
        output.append(contentsOf: try bits.takeBytes(count))
    }

    private mutating func decode(_ literals: PrefixCode, _ distances: PrefixCode) throws(DeflateFault) {
        while true {
            let symbol = try bits.symbol(literals)
            if symbol < 256 {
                guard output.count < limit else { throw .tooLarge }
                output.append(UInt8(symbol))
                continue
            }
            if symbol == 256 { return }
            guard symbol - 257 < Self.lengthBases.count else { throw .broken("a length is of an unknown kind") }
            let length = Self.lengthBases[symbol - 257] + (try bits.take(Self.lengthExtras[symbol - 257]))
            let code = try bits.symbol(distances)
            guard code < Self.distanceBases.count else { throw .broken("a distance is of an unknown kind") }
            let distance = Self.distanceBases[code] + (try bits.take(Self.distanceExtras[code]))
            guard distance <= output.count - origin else {
                throw .broken("a copy reaches back before the beginning")
            }
            guard limit - output.count >= length else { throw .tooLarge }
            // The copy may overlap what it writes: byte by byte.
            let start = output.count - distance
            for place in start..<start + length { output.append(output[place]) }
        }
    }

    /// The two codes at the beginning of a block with codes of its own (RFC 1951, section 3.2.7).
    private mutating func readCodes() throws(DeflateFault) -> (PrefixCode, PrefixCode) {
        let literalCount = try bits.take(5) + 257
        let distanceCount = try bits.take(5) + 1
        let lengthCount = try bits.take(4) + 4
        guard literalCount <= 286, distanceCount <= 30 else { throw .broken("a block has too many codes") }
        var lengths = [UInt8](repeating: 0, count: 19)
        for index in 0..<lengthCount { lengths[Self.order[index]] = UInt8(try bits.take(3)) }
        let lengthCode = try PrefixCode(lengths, mayBeIncomplete: false)
        var all: [UInt8] = []
        let count = literalCount + distanceCount
        while all.count < count {
            let symbol = try bits.symbol(lengthCode)
            var (value, times) = (UInt8(truncatingIfNeeded: symbol), 1)
            switch symbol {
            case 0...15: break
            case 16:
                guard let last = all.last else { throw .broken("the first code length repeats another") }
                (value, times) = (last, 3 + (try bits.take(2)))
            case 17: (value, times) = (0, 3 + (try bits.take(3)))
            default: (value, times) = (0, 11 + (try bits.take(7)))
            }
            guard count - all.count >= times else { throw .broken("code lengths run past their number") }
            for _ in 0..<times { all.append(value) }
        }
        guard all[256] > 0 else { throw .broken("a block has no code for its end") }
        return (
            try PrefixCode(Array(all[..<literalCount]), mayBeIncomplete: true),
            try PrefixCode(Array(all[literalCount...]), mayBeIncomplete: true)
        )
    }

    private static let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    private static let lengthBases = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    private static let lengthExtras = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    private static let distanceBases = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145, 8193, 12289, 16385, 24577,
    ]
    private static let distanceExtras = [
        0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
    ]
    private static let fixedLiterals = PrefixCode(
        complete: (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 })
    private static let fixedDistances = PrefixCode(complete: [UInt8](repeating: 5, count: 32))
}

/// Why a DEFLATE stream cannot be taken apart.
enum DeflateFault: Error, Equatable {
    /// The data end within the stream.
    case endsEarly
    /// More comes out than was allowed.
    case tooLarge
    /// The stream contradicts itself.
    case broken(String)
}

/// A prefix code as a table over its longest code: symbol and length by the next bits.
struct PrefixCode {
    /// `symbol << 4 | length`; 0 where no code begins so.
    fileprivate let table: [UInt16]
    /// Bits of the longest code.
    fileprivate let bits: Int

    /// The code in which symbol i has `lengths[i]` bits (0: none), shorter codes first (RFC 1951, section 3.2.2).
    ///
    /// - Parameter mayBeIncomplete: whether a single code of one bit, or none at all, is allowed.
    init(_ lengths: [UInt8], mayBeIncomplete: Bool) throws(DeflateFault) {
        let longest = Int(lengths.max() ?? 0)
        var left = 1
        for length in 1...15 {
            left = left << 1 - lengths.count { Int($0) == length }
            if left < 0 { throw .broken("a block has more codes than fit") }
        }
        guard left == 0 || (mayBeIncomplete && longest <= 1) else { throw .broken("a block's codes are incomplete") }
        self.init(complete: lengths)
    }

    /// A code that is known to be sound.
    fileprivate init(complete lengths: [UInt8]) {
        let longest = max(Int(lengths.max() ?? 0), 1)
        bits = longest
        var table = [UInt16](repeating: 0, count: 1 << longest)
        var code = 0
        for length in 1...longest {
            for (symbol, own) in lengths.enumerated() where Int(own) == length {
                // Codes are sent from their first bit on, so the table is read with the bits reversed.
                var place = 0
                for bit in 0..<length where code >> bit & 1 == 1 { place |= 1 << (length - 1 - bit) }
                for index in stride(from: place, to: table.count, by: 1 << length) {
                    table[index] = UInt16(symbol << 4 | length)
                }
                code += 1
            }
            code <<= 1
        }
        self.table = table
    }
}

/// Bits of a byte sequence, lowest first.
private struct BitReader {
    private let bytes: UnsafeRawBufferPointer
    private var next: Int
    private var buffer: UInt64 = 0
    private var count = 0

    init(_ bytes: UnsafeRawBufferPointer, from start: Int) {
        self.bytes = bytes
        next = start
    }

    /// The place of the first byte that no bit was taken of.
    var position: Int { next - count / 8 }

    private mutating func fill() {
        while count <= 56, next < bytes.count {
            buffer |= UInt64(bytes[next]) << UInt64(count)
            next += 1
            count += 8
        }
    }

    /// The next `number` bits, at most 16.
    @inline(__always)
    mutating func take(_ number: Int) throws(DeflateFault) -> Int {
        if count < number {
            fill()
            guard count >= number else { throw .endsEarly }
        }
        let value = buffer & (1 << UInt64(number) - 1)
        buffer >>= UInt64(number)
        count -= number
        return Int(value)
    }

    /// The next symbol of a code.
    @inline(__always)
    mutating func symbol(_ code: PrefixCode) throws(DeflateFault) -> Int {
        if count < code.bits { fill() }
        let entry = Int(code.table[Int(buffer & (1 << UInt64(code.bits) - 1))])
        let length = entry & 15
        guard length > 0 else {
            throw count < code.bits ? .endsEarly : .broken("a code has no symbol")
        }
        guard length <= count else { throw .endsEarly }
        buffer >>= UInt64(length)
        count -= length
        return entry >> 4
    }

    mutating func alignToByte() {
        let rest = count % 8
        buffer >>= UInt64(rest)
        count -= rest
    }

    /// The next whole bytes; the reader must be at the beginning of one.
    mutating func takeBytes(_ number: Int) throws(DeflateFault) -> UnsafeRawBufferPointer {
        let start = position
        guard bytes.count - start >= number else { throw .endsEarly }
        next = start + number
        (buffer, count) = (0, 0)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<start + number])
    }
}
