import CHeedKernels

/// SHA-256 of bytes that come in pieces (FIPS 180-4).
///
/// For fingerprints of files and answers. Cost: some 0.6 ns a byte where the processor has instructions for it, else 5.
public struct SHA256 {
    private var state: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32) = (
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19
    )
    /// Bytes that do not fill a block yet.
    private var rest: [UInt8] = []
    private var count = 0
    private var words = [UInt32](repeating: 0, count: 64)
    private let usesInstructions: Bool

    /// The hash of nothing yet.
    public init() { self.init(usesInstructions: true) }

    /// For tests: without the processor's instructions for it.
    package init(usesInstructions: Bool) {
        self.usesInstructions = usesInstructions
        rest.reserveCapacity(64)
    }

    /// The hash of some bytes, in hexadecimal digits.
    public static func hex(_ bytes: some Sequence<UInt8>) -> String {
        var hash = SHA256()
        hash.update(Array(bytes))
        return hash.finish().hexadecimal
    }

    /// Takes more bytes.
    public mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    /// Takes more bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        count += bytes.count
        var at = 0
        if !rest.isEmpty {
            at = min(64 - rest.count, bytes.count)
            rest.append(contentsOf: bytes[..<at])
            guard rest.count == 64 else { return }
            rest.withUnsafeBytes { blocks($0) }
            rest.removeAll(keepingCapacity: true)
        }
        let whole = (bytes.count - at) & ~63
        blocks(UnsafeRawBufferPointer(rebasing: bytes[at..<at + whole]))
        rest.append(contentsOf: bytes[(at + whole)...])
    }

    /// Takes whole blocks of 64 bytes.
    private mutating func blocks(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        if usesInstructions {
            let isDone = withUnsafeMutableBytes(of: &state) {
                heed_sha256_blocks(
                    $0.assumingMemoryBound(to: UInt32.self).baseAddress,
                    start.assumingMemoryBound(to: UInt8.self), Int64(bytes.count / 64)) != 0
            }
            if isDone { return }
        }
        for at in stride(from: 0, to: bytes.count, by: 64) { block(bytes, at) }
    }

    /// The hash, 32 bytes.
    public mutating func finish() -> [UInt8] {
        let bits = UInt64(count) &* 8
        var padding: [UInt8] = [0x80]
        padding += [UInt8](repeating: 0, count: (119 - count % 64) % 64)
        for shift in stride(from: 56, through: 0, by: -8) { padding.append(UInt8(truncatingIfNeeded: bits >> shift)) }
        update(padding)
        let (a, b, c, d, e, f, g, h) = state
        return [a, b, c, d, e, f, g, h].flatMap { word in
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> $0) }
        }
    }

    private mutating func block(_ bytes: UnsafeRawBufferPointer, _ at: Int) {
        for place in 0..<16 {
            words[place] = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: at + 4 * place, as: UInt32.self))
        }
        for place in 16..<64 {
            let old = words[place - 15]
            let new = words[place - 2]
            let first = rotated(old, 7) ^ rotated(old, 18) ^ old >> 3
            let second = rotated(new, 17) ^ rotated(new, 19) ^ new >> 10
            words[place] = words[place - 16] &+ first &+ words[place - 7] &+ second
        }
        var (a, b, c, d, e, f, g, h) = state
        for place in 0..<64 {
            let sum = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)
            let choice = e & f ^ ~e & g
            let first = h &+ sum &+ choice &+ SHA256.constants[place] &+ words[place]
            let other = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)
            let majority = a & b ^ a & c ^ b & c
            (h, g, f, e, d, c, b, a) = (g, f, e, d &+ first, c, b, a, first &+ other &+ majority)
        }
        state = (
            state.0 &+ a, state.1 &+ b, state.2 &+ c, state.3 &+ d, state.4 &+ e, state.5 &+ f, state.6 &+ g,
            state.7 &+ h
        )
    }

    private func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 { word >> count | word << (32 - count) }

    private static let constants: [UInt32] = [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ]
}

extension [UInt8] {
    /// Two lower-case digits a byte.
    public var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
