import HeedSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// How often the tests of damaged inputs repeat: `few` times, or `HEED_FUZZ` times where that is set.
public func fuzzCount(_ few: Int) -> Int { getenv("HEED_FUZZ").flatMap { Int(String(cString: $0)) } ?? few }

/// Writes a file without waiting for the disk: tests of damaged files write thousands of them.
public func overwrite(_ path: String, _ bytes: [UInt8]) throws {
    guard let file = fopen(path, "w") else { throw HeedError(.io, "cannot open", in: path) }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
}

/// A small generator of random numbers with a seed, so that a failure can be repeated (Steele et al. 2014, SplitMix64).
public struct SplitMix: RandomNumberGenerator, Sendable {
    public var state: UInt64

    public init(state: UInt64) { self.state = state }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// A copy with one to four faults: flipped bits, other bytes, extreme numbers, pieces lost, doubled or moved.
public func damaged(_ sound: [UInt8], using random: inout SplitMix) -> [UInt8] {
    var bytes = sound
    for _ in 0...Int.random(in: 0..<4, using: &random) where bytes.count > 16 {
        // Half of the faults in the first kilobyte, where the tables are.
        let end = Bool.random(using: &random) ? min(bytes.count, 1024) : bytes.count
        let at = Int.random(in: 0..<end, using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[at] = .random(in: 0...255, using: &random)
        case 2:
            let extreme: UInt64 =
                [0, 1, .max, 1 << 31, 1 << 32, 1 << 60, 1 << 62, 1 << 63].randomElement(using: &random) ?? 0
            for (index, byte) in withUnsafeBytes(of: extreme, Array.init).prefix(bytes.count - at).enumerated() {
                bytes[at + index] = byte
            }
        case 3: bytes.removeSubrange(at..<min(at + Int.random(in: 1...12, using: &random), bytes.count))
        case 4: bytes.removeLast(min(bytes.count / 2, Int.random(in: 1...40, using: &random)))
        default:
            let from = Int.random(in: 0..<bytes.count - 8, using: &random)
            let piece = bytes[from..<from + Int.random(in: 1...8, using: &random)]
            bytes.insert(contentsOf: piece, at: at)
        }
    }
    return bytes
}
