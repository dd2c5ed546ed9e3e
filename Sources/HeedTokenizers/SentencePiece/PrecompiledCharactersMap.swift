import HeedSupport

/// SentencePiece's compiled normalisation rules: character sequences and what replaces them.
///
/// The blob is the size of a double array as uint32, the array, and the replacements, each ended by a zero byte; the
/// array's values are places in them.
struct PrecompiledCharactersMap: Sendable {
    private let array: DoubleArray
    private let replacements: FrozenBuffer<UInt8>
    /// ASCII characters that stay as they are when another ASCII character (or nothing) follows.
    private let plain: FrozenBuffer<Bool>
    /// The blob itself, for saving.
    let blob: [UInt8]

    /// Reads a blob.
    ///
    /// - Throws: `HeedError` of kind `badInput` naming `place` when the sizes do not fit.
    init(_ blob: [UInt8], in place: String) throws {
        func broken(_ what: String) -> HeedError {
            HeedError(.badInput, "the precompiled normalisation rules are broken: \(what)", in: place)
        }
        guard blob.count > 4 else { throw broken("they have \(blob.count) bytes") }
        let size = blob.withUnsafeBytes { Int(UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self))) }
        guard size < blob.count - 4, size % 4 == 0 else {
            throw broken("the trie claims \(grouped(size)) of \(grouped(blob.count - 4)) bytes")
        }
        let units = blob.withUnsafeBytes { bytes in
            (0..<size / 4).map { index in
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 + 4 * index, as: UInt32.self))
            }
        }
        array = DoubleArray(units: units)
        replacements = FrozenBuffer(Array(blob[(4 + size)...]))
        self.blob = blob
        let array = array
        plain = FrozenBuffer(
            (UInt8.min...UInt8.max).map { first in
                guard first < 0x80 else { return false }
                var start = array.root
                switch array.step(&start, first) {
                case .none: return true
                case .key: return false
                case .inner: break
                }
                for second in UInt8(1)..<0x80 {
                    var cursor = start
                    if case .none = array.step(&cursor, second) { continue }
                    return false
                }
                return true
            })
    }

    /// Makes a map from rules; of equal sources the first counts.
    init(rules: [(source: [UInt8], replacement: [UInt8])]) throws {
        var texts: [UInt8] = []
        var places: [[UInt8]: Int] = [:]
        var keys: [(key: [UInt8], value: Int)] = []
        for (source, replacement) in rules {
            if let place = places[replacement] {
                keys.append((source, place))
                continue
            }
            places[replacement] = texts.count
            keys.append((source, texts.count))
            texts += replacement
            texts.append(0)
        }
        let array = DoubleArray(keys: keys, sharing: true)
        var blob: [UInt8] = []
        withUnsafeBytes(of: UInt32(array.count * 4).littleEndian) { blob += $0 }
        for unit in array.buffer { withUnsafeBytes(of: unit.littleEndian) { blob += $0 } }
        blob += texts
        try self.init(blob, in: "rules")
    }

    /// Whether the character at `at` stays as it is for certain.
    @inline(__always)
    func isPlain(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int) -> Bool {
        plain.pointer[Int(bytes[at])] && (at + 1 == bytes.count || bytes[at + 1] < 0x80)
    }

    /// The longest rule that fits at `at`: how many bytes it replaces, and by what (SentencePiece's choice).
    func longestRule(
        _ bytes: UnsafeBufferPointer<UInt8>, _ at: Int
    ) -> (length: Int, replacement: UnsafeBufferPointer<UInt8>)? {
        guard let found = array.longestPrefix(bytes, from: at), let text = replacement(found.value) else { return nil }
        return (found.length, text)
    }

    /// The replacement of the shortest rule that the bytes begin with (the choice of Hugging Face's library).
    func firstRule(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        array.shortestPrefix(bytes).flatMap { replacement($0.value) }
    }

    private func replacement(_ start: Int) -> UnsafeBufferPointer<UInt8>? {
        guard start < replacements.count else { return nil }
        var end = start
        while end < replacements.count, replacements.pointer[end] != 0 { end += 1 }
        return UnsafeBufferPointer(start: replacements.pointer + start, count: end - start)
    }
}
