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
    private let isPlain: Bool

    /// The hash of nothing yet.
    public init() { self.init(isPlain: false) }

    /// - `isPlain`: whether to do without the processor's instructions for it; for tests.
    package init(isPlain: Bool) {
        self.isPlain = isPlain
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

    /// Takes whole blocks of 64 bytes.
    private mutating func blocks(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        withUnsafeMutableBytes(of: &state) {
            guard let words = $0.assumingMemoryBound(to: UInt32.self).baseAddress else { return }
            heed_sha256_blocks(
                words, start.assumingMemoryBound(to: UInt8.self), Int64(bytes.count / 64), isPlain ? 1 : 0)
        }
    }
}

extension [UInt8] {
    /// Two lower-case digits a byte.
    public var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
