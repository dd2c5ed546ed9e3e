import HeedSupport

/// Ids of a text in their order: a mapped file of 16-bit ids or memory of our own, or a part of one.
///
/// A value of a few words; copies share the ids. Reading is a widening copy.
public struct TokenStream: Sendable {
    /// The file that the ids came from, for messages.
    public let name: String
    /// The number of ids.
    public let count: Int
    private let storage: TokenStorage
    private let offset: Int

    /// Opens a file of little-endian ids: 16 bits each, as nanoGPT writes them, or behind the header of llm.c's shards 16 or
    /// 32 bits. Nothing is read before it is asked for.
    ///
    /// - Throws: `HeedError` naming the file: missing, empty, an odd number of bytes, a header of another length.
    public init(binary path: String) throws {
        let file = try InputFile.open(path)
        if let header = try TokenShardHeader(file) {
            self.init(
                name: file.name, count: header.count,
                storage: TokenStorage(file, from: TokenShardHeader.byteCount, isWide: header.isWide), offset: 0)
            return
        }
        guard file.count > 0 else {
            throw HeedError(
                .badInput, "the token file is empty", in: file.name, expected: "16-bit token ids, two bytes each")
        }
        guard file.count % 2 == 0 else {
            throw HeedError(
                .badInput, "the token file ends within a token", in: file.name,
                expected: "16-bit token ids: an even number of bytes", got: "\(grouped(file.count)) bytes")
        }
        self.init(name: file.name, count: file.count / 2, storage: TokenStorage(file), offset: 0)
    }

    /// Keeps ids in memory, two bytes each where all are below 65,536.
    public init(_ ids: [Int32], name: String) {
        self.init(name: name, count: ids.count, storage: TokenStorage(ids), offset: 0)
    }

    private init(name: String, count: Int, storage: TokenStorage, offset: Int) {
        self.name = name
        self.count = count
        self.storage = storage
        self.offset = offset
    }

    /// The ids of `range`, sharing the memory.
    public subscript(range: Range<Int>) -> TokenStream {
        TokenStream(name: name, count: range.count, storage: storage, offset: offset + range.lowerBound)
    }

    /// All ids as an array. Cost: four bytes each.
    public var ids: [Int32] {
        [Int32](unsafeUninitializedCapacity: count) { buffer, filled in
            guard let base = buffer.baseAddress else { return }
            copy(from: 0, count: count, to: base)
            filled = count
        }
    }

    /// Copies ids `start ..< start + count` to `target`. Allocates nothing.
    @inline(__always)
    func copy(from start: Int, count: Int, to target: UnsafeMutablePointer<Int32>) {
        storage.copy(from: offset + start, count: count, to: target)
    }

    /// Reads every id once: throws at one that the vocabulary lacks, and returns a fingerprint of all.
    ///
    /// - Throws: `HeedError` naming file, id and place.
    /// Cost: one pass at memory speed.
    @discardableResult
    public func check(vocabulary: Int) throws -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        let wrong = storage.scan(from: offset, count: count, limit: vocabulary, &hash)
        if let wrong {
            var id: Int32 = 0
            copy(from: wrong, count: 1, to: &id)
            throw HeedError(
                .badInput, "the token \(id) at place \(grouped(wrong)) is beyond the model's vocabulary", in: name,
                expected: "0 ..< \(vocabulary)", got: "\(id)",
                advice: "The file belongs to another tokenizer or is no token file.")
        }
        return hash
    }
}

/// What llm.c's shards begin with: 256 words of 32 bits, of which the first are a mark, a version and the number of ids.
struct TokenShardHeader {
    static let byteCount = 1024
    /// How many ids follow.
    let count: Int
    /// Whether an id has 32 bits.
    let isWide: Bool

    /// The header of a file, or nil where it begins otherwise.
    ///
    /// - Throws: `HeedError` when the file is not as long as the header says.
    init?(_ file: InputFile) throws {
        guard file.count >= TokenShardHeader.byteCount else { return nil }
        func word(_ index: Int) -> Int {
            Int(Int32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self)))
        }
        switch (word(0), word(1)) {
        case (20_240_520, 1): isWide = false
        case (20_240_801, 7): isWide = true
        default: return nil
        }
        count = word(2)
        let expected = TokenShardHeader.byteCount + count * (isWide ? 4 : 2)
        guard count > 0, file.count == expected else {
            throw HeedError(
                .badInput, "the shard's header names another number of tokens than the file holds", in: file.name,
                expected: "\(grouped(expected)) bytes for \(grouped(count)) tokens", got: "\(grouped(file.count)) bytes"
            )
        }
    }
}

/// Where ids lie: 2 or 4 bytes each.
private final class TokenStorage: Sendable {
    private let file: InputFile?
    /// Address of the first id; an integer because addresses are not `Sendable`. The memory never changes.
    private let address: UInt
    private let isWide: Bool

    init(_ file: InputFile, from start: Int = 0, isWide: Bool = false) {
        self.file = file
        address = UInt(bitPattern: file.bytes.baseAddress) + UInt(start)
        self.isWide = isWide
    }

    init(_ ids: [Int32]) {
        file = nil
        isWide = ids.contains { $0 < 0 || $0 > Int32(UInt16.max) }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(ids.count, 1) * (isWide ? 4 : 2), alignment: 16)
        address = UInt(bitPattern: memory)
        for (index, id) in ids.enumerated() {
            if isWide {
                memory.storeBytes(of: id, toByteOffset: 4 * index, as: Int32.self)
            } else {
                memory.storeBytes(of: UInt16(id).littleEndian, toByteOffset: 2 * index, as: UInt16.self)
            }
        }
    }

    deinit {
        if file == nil { UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
    }

    @inline(__always)
    private func withIds<Result>(
        _ narrow: (UnsafePointer<UInt16>) -> Result, _ wide: (UnsafePointer<Int32>) -> Result, _ none: Result
    ) -> Result {
        defer { withExtendedLifetime(self) {} }
        if isWide {
            guard let base = UnsafePointer<Int32>(bitPattern: address) else { return none }
            return wide(base)
        }
        guard let base = UnsafePointer<UInt16>(bitPattern: address) else { return none }
        return narrow(base)
    }

    func copy(from start: Int, count: Int, to target: UnsafeMutablePointer<Int32>) {
        withIds(
            { ids in for i in 0..<count { target[i] = Int32(UInt16(littleEndian: ids[start + i])) } },
            { ids in for i in 0..<count { target[i] = ids[start + i] } }, ())
    }

    /// The place of the first id that is not below `limit`, or nil; continues `hash` over all ids before it.
    func scan(from start: Int, count: Int, limit: Int, _ hash: inout UInt64) -> Int? {
        var state = hash
        defer { hash = state }
        @inline(__always) func mix(_ id: UInt64) {
            state = (state ^ id) &* 0x9E37_79B9_7F4A_7C15
            state ^= state >> 29
        }
        return withIds(
            { ids in
                for i in 0..<count {
                    let id = UInt16(littleEndian: ids[start + i])
                    if Int(id) >= limit { return i }
                    mix(UInt64(id))
                }
                return nil
            },
            { ids in
                for i in 0..<count {
                    let id = ids[start + i]
                    if id < 0 || Int(id) >= limit { return i }
                    mix(UInt64(id))
                }
                return nil
            }, nil)
    }
}
