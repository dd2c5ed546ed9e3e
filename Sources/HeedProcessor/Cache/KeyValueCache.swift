import CHeedKernels
import HeedSupport
import HeedTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Keys and values of earlier tokens, in pages of 64 tokens that hold all layers.
///
/// A page holds, layer by layer, keys [heads][4][width][16] in panels of 16 and values [heads][64][width] in the cache's
/// form, those of int8 followed by their scales [heads][64]: the tiles that attention streams. Which page stands where in which slot is a table that is read at run
/// time, so pages may be added, shared by several slots and moved between passes while plans stay as they are.
/// Bytes: layers · 64 · `CacheForm.bytesPerToken` per page. Memory is mapped by `reserve` and costs nothing until a token
/// is written.
public final class KeyValueCache: KeyValueStore, @unchecked Sendable {
    // Sendable: one pass at a time writes it, as with every buffer of a plan.

    /// Tokens of a page.
    public static let pageTokens = Int(HEED_KEY_TILE)
    /// Blocks of the model.
    public let layers: Int
    /// How keys and values are stored.
    public let form: CacheForm
    /// The bytes of one page.
    public let pageBytes: Int
    /// How many pages there are.
    public private(set) var pageCount = 0

    private let heads: Int
    private let width: Int
    /// Bytes of the keys, or of the values, of one layer of a page.
    private let half: Int
    /// By layer: where it lies in a page. Layers with windows come last, so that their part can be given back.
    private let places: [Int]
    /// How many layers have no window.
    private let unlimited: Int
    /// Read by the kernels; its address is part of every plan.
    private let table: UnsafeMutablePointer<heed_page_table>
    private var slots = 0
    private var pagesPerSlot = 0
    private var blocks: [AlignedMemory] = []
    private var addresses: [UnsafeMutableRawPointer] = []

    /// A cache without pages.
    ///
    /// - `windowed`: which layers look only so far back; none where not given.
    public init(layers: Int, heads: Int, width: Int, form: CacheForm = .float32, windowed: [Bool] = []) {
        self.layers = layers
        let isWindowed = (0..<layers).map { windowed.indices.contains($0) && windowed[$0] }
        let order = (0..<layers).filter { !isWindowed[$0] } + (0..<layers).filter { isWindowed[$0] }
        var places = [Int](repeating: 0, count: layers)
        for (place, layer) in order.enumerated() { places[layer] = place }
        self.places = places
        unlimited = isWindowed.count { !$0 }
        self.heads = heads
        self.width = width
        self.form = form
        half = Int(heed_cache_half(Int32(heads), Int32(width), form.code))
        pageBytes = 2 * layers * half
        table = .allocate(capacity: 1)
        table.initialize(to: heed_page_table())
    }

    /// `slots` sequences of `tokens` tokens, each in pages of its own.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public convenience init(
        layers: Int, slots: Int, tokens: Int, heads: Int, width: Int, form: CacheForm = .float32
    ) throws {
        self.init(layers: layers, heads: heads, width: width, form: form)
        let each = KeyValueCache.pages(of: tokens)
        try reserve(pages: slots * each)
        reserve(slots: slots, tokens: tokens)
        for page in 0..<(slots * each) { place(page: page, slot: page / each, index: page % each) }
    }

    deinit {
        table.pointee.pages.map { UnsafeMutablePointer(mutating: $0).deallocate() }
        table.deallocate()
    }

    /// The pages that so many tokens take, at least one.
    public static func pages(of tokens: Int) -> Int { max(1, (tokens + pageTokens - 1) / pageTokens) }

    /// The bytes of all pages.
    public var byteCount: Int { pageCount * pageBytes }

    /// Makes at least `pages` pages.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public func reserve(pages: Int) throws {
        guard pages > pageCount else { return }
        let new = pages - pageCount
        let (bytes, overflow) = new.multipliedReportingOverflow(by: pageBytes)
        if overflow {
            throw HeedError(
                .io, "the key-value cache would be larger than any memory",
                advice: "Use fewer sequences or a shorter context.")
        }
        let memory = try AlignedMemory(byteCount: bytes)
        blocks.append(memory)
        for page in 0..<new { addresses.append(memory.base + page * pageBytes) }
        pageCount = pages
    }

    /// Makes room in the table for at least `slots` slots of `tokens` tokens.
    public func reserve(slots: Int, tokens: Int) {
        let each = KeyValueCache.pages(of: tokens)
        guard slots > self.slots || each > pagesPerSlot else { return }
        let (rows, columns) = (max(slots, self.slots), max(each, pagesPerSlot))
        let grown = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: rows * columns)
        grown.initialize(repeating: nil, count: rows * columns)
        if let old = table.pointee.pages {
            for slot in 0..<self.slots {
                (grown + slot * columns).update(
                    from: UnsafeMutablePointer(mutating: old) + slot * pagesPerSlot, count: pagesPerSlot)
            }
            UnsafeMutablePointer(mutating: old).deallocate()
        }
        self.slots = rows
        pagesPerSlot = columns
        table.pointee = heed_page_table(pages: grown, stride: Int64(columns))
    }

    /// Says that tokens 64 · index ... of `slot` stand in `page`.
    public func place(page: Int, slot: Int, index: Int) {
        guard slot < slots, index < pagesPerSlot, page < pageCount, let pages = table.pointee.pages else { return }
        UnsafeMutablePointer(mutating: pages)[slot * pagesPerSlot + index] = addresses[page]
    }

    /// Gives back the memory that layers with windows have in `page`; what they held is lost.
    public func pass(page: Int) {
        let start = UInt(bitPattern: addresses[page])
        let unit = KeyValueCache.systemPage
        let first = (start + UInt(2 * unlimited * half) + unit - 1) / unit * unit
        let last = (start + UInt(pageBytes)) / unit * unit
        guard first < last, let address = UnsafeMutableRawPointer(bitPattern: first) else { return }
        #if os(Linux)
            madvise(address, Int(last - first), MADV_DONTNEED)
        #else
            madvise(address, Int(last - first), MADV_FREE)
        #endif
    }

    /// Bytes of the largest page of the systems that Heed runs on, large pages apart.
    private static let systemPage: UInt = 1 << 14

    func layout(layer: Int) -> heed_cache_layout {
        heed_cache_layout(
            table: table, keys: Int64(2 * places[layer] * half), values: Int64((2 * places[layer] + 1) * half),
            kv_heads: Int32(heads), width: Int32(width), form: form.code)
    }

    /// Copies `tokens` (by their place in a page) of page `from` to the same places of page `to`, in every layer.
    ///
    /// Keys of the whole panels in which the tokens lie are copied.
    public func copy(tokens: Range<Int>, from: Int, to: Int) {
        guard from != to, !tokens.isEmpty else { return }
        let panels = tokens.lowerBound / 16 * 16..<(tokens.upperBound + 15) / 16 * 16
        let size = width * form.bytesPerNumber
        let line = KeyValueCache.pageTokens * size
        let scale = MemoryLayout<Float>.size
        func move(_ range: Range<Int>, at start: Int, size: Int) {
            let first = start + range.lowerBound * size
            (addresses[to] + first).copyMemory(from: addresses[from] + first, byteCount: range.count * size)
        }
        for part in 0..<2 * layers {
            for head in 0..<heads {
                move(part % 2 == 0 ? panels : tokens, at: part * half + head * line, size: size)
                guard form == .int8 else { continue }
                move(tokens, at: part * half + heads * line + head * KeyValueCache.pageTokens * scale, size: scale)
            }
        }
    }
}
