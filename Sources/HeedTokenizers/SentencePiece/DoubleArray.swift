/// A trie over byte strings in one array of 32-bit units: Aoe's double array (1989) in the layout of Darts-clone,
/// which SentencePiece's files contain.
///
/// A unit of a node holds the byte that leads to it in bits 0–7, whether a key ends there in bit 8, and in the rest the
/// distance to its children (exclusive or). The unit of an end has bit 31 set and holds the key's value in bits 0–30.
/// One step costs one load, and every step checks its bounds, so that a hostile array cannot lead outside.
struct DoubleArray: Sendable {
    private let units: FrozenBuffer<UInt32>

    /// Wraps units read from a file.
    init(units: [UInt32]) { self.units = FrozenBuffer(units) }

    /// The number of units.
    var count: Int { units.count }

    /// The units in order, for writing them to a file.
    var buffer: UnsafeBufferPointer<UInt32> { units.buffer }

    /// Where a walk through the trie stands.
    struct Cursor {
        fileprivate var position: Int
    }

    /// A walk that starts with the first byte of a key.
    @inline(__always)
    var root: Cursor { Cursor(position: units.count > 0 ? Self.offset(units.pointer[0]) : 0) }

    /// What a step of a walk found.
    enum Step {
        /// No key goes on with this byte.
        case none
        /// Keys go on, none ends here.
        case inner
        /// A key with this value ends here.
        case key(Int)
    }

    /// Goes on by one byte.
    @inline(__always)
    func step(_ cursor: inout Cursor, _ byte: UInt8) -> Step {
        let position = cursor.position ^ Int(byte)
        guard byte != 0, position < units.count else { return .none }
        let unit = units.pointer[position]
        guard unit & 0x8000_00FF == UInt32(byte) else { return .none }
        cursor.position = position ^ Self.offset(unit)
        if unit & 0x100 == 0 { return .inner }
        guard cursor.position < units.count else { return .none }
        return .key(Int(units.pointer[cursor.position] & 0x7FFF_FFFF))
    }

    /// The longest key that the bytes from `start` begin with.
    @inline(__always)
    func longestPrefix(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> (length: Int, value: Int)? {
        var cursor = root
        var found: (length: Int, value: Int)?
        var at = start
        while at < bytes.count {
            switch step(&cursor, bytes[at]) {
            case .none: return found
            case .inner: break
            case .key(let value): found = (at + 1 - start, value)
            }
            at += 1
        }
        return found
    }

    /// The shortest key that the bytes begin with.
    func shortestPrefix(_ bytes: UnsafeBufferPointer<UInt8>) -> (length: Int, value: Int)? {
        var cursor = root
        for at in 0..<bytes.count {
            switch step(&cursor, bytes[at]) {
            case .none: return nil
            case .inner: break
            case .key(let value): return (at + 1, value)
            }
        }
        return nil
    }

    /// The value of a key, if it is there.
    func value(of key: UnsafeBufferPointer<UInt8>) -> Int? {
        guard let longest = longestPrefix(key, from: 0), longest.length == key.count else { return nil }
        return longest.value
    }

    @inline(__always)
    private static func offset(_ unit: UInt32) -> Int {
        Int(unit >> 10) << Int(unit >> 6 & 8)
    }
}
