#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Counts of distinct byte strings: an open-addressing hash table over one arena of bytes.
///
/// Holds about 48 bytes and the word itself per distinct word. Entries keep the order of their first appearance.
struct WordTable: ~Copyable {
    /// One distinct word: where its bytes lie, and how often it was seen.
    struct Entry {
        /// The word's first bytes (all of them up to 8), packed; decides most comparisons without touching the arena.
        var prefix: UInt64
        var offset: Int
        var length: Int32
        var hash: UInt32
        var count: Int64
    }

    private var slots: UnsafeMutablePointer<UInt64>
    private var slotMask: Int
    private var entries: UnsafeMutablePointer<Entry>
    private var entryCapacity: Int
    private var arena: UnsafeMutablePointer<UInt8>
    private var arenaCapacity: Int
    private var arenaCount = 0

    /// The number of distinct words.
    private(set) var count = 0

    init(minimumCapacity: Int = 1 << 12) {
        var capacity = 1 << 12
        while capacity < minimumCapacity { capacity <<= 1 }
        slotMask = capacity * 2 - 1
        slots = .allocate(capacity: capacity * 2)
        slots.initialize(repeating: 0, count: capacity * 2)
        entryCapacity = capacity
        entries = .allocate(capacity: capacity)
        arenaCapacity = capacity * 8
        arena = .allocate(capacity: arenaCapacity)
    }

    deinit {
        slots.deallocate()
        entries.deallocate()
        arena.deallocate()
    }

    subscript(index: Int) -> Entry { entries[index] }

    /// The bytes of word `index`; valid until the table changes.
    func bytes(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        let entry = entries[index]
        return UnsafeBufferPointer(start: arena + entry.offset, count: Int(entry.length))
    }

    /// Words longer than this are counted in parts: their lengths must fit 32 bits, and no text has such words.
    private static let longestWord = 1 << 30

    /// Adds `times` occurrences of a word.
    @inline(__always)
    mutating func add(_ word: UnsafeRawPointer, _ length: Int, times: Int64) {
        if length > Self.longestWord {
            addParts(word, length, times: times)
            return
        }
        let prefix = Self.prefix(word, length)
        add(word, length, prefix: prefix, hash: Self.hash(word, length, prefix), times: times)
    }

    @inline(never)
    private mutating func addParts(_ word: UnsafeRawPointer, _ length: Int, times: Int64) {
        var at = 0
        while at < length {
            let part = min(Self.longestWord, length - at)
            add(word + at, part, times: times)
            at += part
        }
    }

    /// Adds all the words of another table.
    mutating func add(_ other: borrowing WordTable) {
        for index in 0..<other.count {
            let entry = other.entries[index]
            add(
                other.arena + entry.offset, Int(entry.length), prefix: entry.prefix, hash: entry.hash,
                times: entry.count)
        }
    }

    @inline(__always)
    private mutating func add(
        _ word: UnsafeRawPointer, _ length: Int, prefix: UInt64, hash: UInt32, times: Int64
    ) {
        var slot = Int(hash) & slotMask
        while true {
            let held = slots[slot]
            if held == 0 { break }
            if UInt32(truncatingIfNeeded: held >> 32) == hash {
                let index = Int(UInt32(truncatingIfNeeded: held)) - 1
                let entry = entries[index]
                if entry.prefix == prefix, Int(entry.length) == length,
                    length <= 8 || memcmp(arena + entry.offset, word, length) == 0
                {
                    entries[index].count += times
                    return
                }
            }
            slot = (slot + 1) & slotMask
        }
        insert(word, length, prefix: prefix, hash: hash, times: times, slot: slot)
    }

    @inline(never)
    private mutating func insert(
        _ word: UnsafeRawPointer, _ length: Int, prefix: UInt64, hash: UInt32, times: Int64, slot: Int
    ) {
        var slot = slot
        if count == entryCapacity {
            growEntries()
            slot = Int(hash) & slotMask
            while slots[slot] != 0 { slot = (slot + 1) & slotMask }
        }
        if arenaCount + length > arenaCapacity { growArena(length) }
        memcpy(arena + arenaCount, word, length)
        (entries + count).initialize(
            to: Entry(prefix: prefix, offset: arenaCount, length: Int32(length), hash: hash, count: times))
        arenaCount += length
        count += 1
        slots[slot] = UInt64(hash) << 32 | UInt64(count)
    }

    private mutating func growArena(_ length: Int) {
        var capacity = arenaCapacity * 2
        while arenaCount + length > capacity { capacity *= 2 }
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        memcpy(larger, arena, arenaCount)
        arena.deallocate()
        arena = larger
        arenaCapacity = capacity
    }

    private mutating func growEntries() {
        let capacity = entryCapacity * 2
        let larger = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
        larger.moveInitialize(from: entries, count: count)
        entries.deallocate()
        entries = larger
        entryCapacity = capacity
        slots.deallocate()
        slots = .allocate(capacity: capacity * 2)
        slotMask = capacity * 2 - 1
        indexEntries()
    }

    private mutating func indexEntries() {
        slots.initialize(repeating: 0, count: slotMask + 1)
        for index in 0..<count {
            let hash = entries[index].hash
            var slot = Int(hash) & slotMask
            while slots[slot] != 0 { slot = (slot + 1) & slotMask }
            slots[slot] = UInt64(hash) << 32 | UInt64(index + 1)
        }
    }

    /// Forgets the rarest words until at most `limit` are left, whole counts at a time, and returns how many went.
    mutating func prune(to limit: Int) -> Int {
        guard count > limit else { return 0 }
        let before = count
        var floor: Int64 = 1
        var left = count
        while left > limit {
            floor += 1
            left = 0
            for index in 0..<count where entries[index].count >= floor { left += 1 }
        }
        var kept = 0
        var bytesKept = 0
        for index in 0..<count where entries[index].count >= floor {
            var entry = entries[index]
            memmove(arena + bytesKept, arena + entry.offset, Int(entry.length))
            entry.offset = bytesKept
            bytesKept += Int(entry.length)
            entries[kept] = entry
            kept += 1
        }
        count = kept
        arenaCount = bytesKept
        indexEntries()
        return before - kept
    }

    /// Puts the words in order of their bytes, so that what follows does not depend on the order of reading.
    mutating func sortByBytes() {
        var order = UnsafeMutableBufferPointer(start: entries, count: count)
        let arena = arena
        order.sort { left, right in
            let shared = Int(min(left.length, right.length))
            let compared = memcmp(arena + left.offset, arena + right.offset, shared)
            return compared != 0 ? compared < 0 : left.length < right.length
        }
        indexEntries()
    }

    /// The first 8 bytes (fewer, with zeros, when the word is shorter), without reading beyond the word.
    @inline(__always)
    private static func prefix(_ word: UnsafeRawPointer, _ length: Int) -> UInt64 {
        if length >= 8 { return word.loadUnaligned(as: UInt64.self) }
        if length >= 4 {
            let low = UInt64(word.loadUnaligned(as: UInt32.self))
            let high = UInt64(word.loadUnaligned(fromByteOffset: length - 4, as: UInt32.self))
            return low | high << 32
        }
        if length == 0 { return 0 }
        let first = UInt64(word.load(as: UInt8.self))
        let middle = UInt64(word.load(fromByteOffset: length >> 1, as: UInt8.self))
        let last = UInt64(word.load(fromByteOffset: length - 1, as: UInt8.self))
        return first | middle << 8 | last << 16
    }

    @inline(__always)
    private static func hash(_ word: UnsafeRawPointer, _ length: Int, _ prefix: UInt64) -> UInt32 {
        var state = mix(prefix ^ 0x9E37_79B9_7F4A_7C15, UInt64(length) &+ 0xD6E8_FEB8_6659_FD93)
        if length > 8 {
            var at = 8
            while at + 8 < length {
                state = mix(state ^ word.loadUnaligned(fromByteOffset: at, as: UInt64.self), 0xA076_1D64_78BD_642F)
                at += 8
            }
            let last = word.loadUnaligned(fromByteOffset: length - 8, as: UInt64.self)
            state = mix(state ^ last, 0xE703_7ED1_A0B4_28DB)
        }
        return UInt32(truncatingIfNeeded: state ^ state >> 32)
    }

    @inline(__always)
    private static func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}
