import HeedSupport

/// Token ids of one file: mapped from disk as 16-bit numbers, or in memory after tokenising a text.
public struct TokenSequence: Sendable {
    /// The file, for messages.
    public let place: String
    /// How many tokens there are.
    public let count: Int
    private let storage: Storage
    private let first: Int

    private enum Storage: Sendable {
        case mapped(MappedFile, byteOffset: Int)
        case memory([Int32])
    }

    /// Opens a file of little-endian 16-bit ids, as nanoGPT writes it, or a shard of llm.c with its header.
    ///
    /// - Parameter vocabulary: ids must be below it; nil skips the check, which is one pass over the file.
    /// - Throws: `HeedError` naming the file, and the position and id that is too large.
    public init(binaryPath path: String, vocabulary: Int?) throws {
        let file = try MappedFile(path: path)
        let shard = TokenSequence.shardHeader(file.bytes)
        let offset = shard == nil ? 0 : 1024
        let bytes = file.count - offset
        guard bytes % 2 == 0 else {
            throw HeedError(
                .badInput, "the number of bytes is odd", in: path, expected: "16-bit token ids", got: "\(bytes) bytes")
        }
        if let shard, shard != bytes / 2 {
            throw HeedError(
                .badInput, "the header and the size of the file disagree", in: path, expected: "\(shard) tokens",
                got: "\(bytes / 2)")
        }
        guard bytes > 0 else {
            throw HeedError(.badInput, "the file holds no token", in: path, expected: "16-bit token ids")
        }
        place = path
        count = bytes / 2
        storage = .mapped(file, byteOffset: offset)
        first = 0
        if let vocabulary { try check(vocabulary: vocabulary) }
    }

    /// Ids in memory.
    public init(_ ids: [Int32], place: String, vocabulary: Int?) throws {
        self.place = place
        count = ids.count
        storage = .memory(ids)
        first = 0
        if ids.isEmpty { throw HeedError(.badInput, "the file holds no token", in: place) }
        if let vocabulary { try check(vocabulary: vocabulary) }
    }

    private init(_ whole: TokenSequence, _ range: Range<Int>) {
        place = whole.place
        storage = whole.storage
        first = whole.first + range.lowerBound
        count = range.count
    }

    /// A part of the sequence, without a copy.
    public func part(_ range: Range<Int>) -> TokenSequence { TokenSequence(self, range.clamped(to: 0..<count)) }

    /// Copies `count` ids from `start` on.
    public func copy(from start: Int, count: Int, to target: UnsafeMutablePointer<Int32>) {
        precondition(start >= 0 && count >= 0 && start + count <= self.count, "a window beyond the tokens")
        switch storage {
        case .memory(let ids):
            for index in 0..<count { target[index] = ids[first + start + index] }
        case .mapped(let file, let offset):
            let bytes = file.bytes
            let base = offset + 2 * (first + start)
            for index in 0..<count {
                let word = bytes.loadUnaligned(fromByteOffset: base + 2 * index, as: UInt16.self)
                target[index] = Int32(UInt16(littleEndian: word))
            }
        }
    }

    /// The id at a position.
    public subscript(position: Int) -> Int32 {
        var id: Int32 = 0
        copy(from: position, count: 1, to: &id)
        return id
    }

    /// A number that changes when the tokens do: from their count and up to 65,536 of them, evenly spread.
    public var fingerprint: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func mix(_ value: UInt64) { hash = (hash ^ value) &* 0x0000_0100_0000_01B3 }
        mix(UInt64(count))
        let stride = max(1, count / 65_536)
        var position = 0
        while position < count {
            mix(UInt64(UInt32(bitPattern: self[position])))
            position += stride
        }
        return hash
    }

    /// llm.c's header: 256 little-endian 32-bit numbers, magic 20240520, version 1, number of tokens.
    private static func shardHeader(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= 1024 else { return nil }
        func word(_ index: Int) -> Int {
            Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self)))
        }
        return word(0) == 20_240_520 && word(1) == 1 ? word(2) : nil
    }

    private func check(vocabulary: Int) throws {
        var buffer = [Int32](repeating: 0, count: 4096)
        var start = 0
        while start < count {
            let length = min(4096, count - start)
            buffer.withUnsafeMutableBufferPointer { memory in
                if let base = memory.baseAddress { copy(from: start, count: length, to: base) }
            }
            for index in 0..<length where buffer[index] < 0 || Int(buffer[index]) >= vocabulary {
                throw HeedError(
                    .badInput, "a token is not in the model's vocabulary", in: "\(place), token \(start + index)",
                    expected: "ids from 0 to \(vocabulary - 1)", got: "\(buffer[index])",
                    advice: "Tokenise the text with the model's own tokenizer")
            }
            start += length
        }
    }
}
