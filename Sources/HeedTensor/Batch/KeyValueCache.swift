import CHeedKernels
import HeedSupport

/// Keys and values of earlier tokens, in pages of 64 tokens that hold all layers.
///
/// A page holds, layer by layer, keys [heads][4][width][16] in panels of 16 and values [heads][64][width], in single
/// precision: the tiles that attention streams. Which page stands where in which slot is a table that is read at run
/// time, so pages may be added, shared by several slots and moved between passes while plans stay as they are.
/// Bytes: 2 · layers · heads · width · 64 · 4 per page. Memory is mapped by `reserve` and costs nothing until a token
/// is written.
public final class KeyValueCache: @unchecked Sendable {
    // Sendable: one pass at a time writes it, as with every buffer of a plan.

    /// Tokens of a page.
    public static let pageTokens = Int(HEED_KEY_TILE)
    /// Blocks of the model.
    public let layers: Int
    /// The bytes of one page.
    public let pageBytes: Int
    /// How many pages there are.
    public private(set) var pageCount = 0

    private let heads: Int
    private let width: Int
    /// Read by the kernels; its address is part of every plan.
    private let table: UnsafeMutablePointer<heed_page_table>
    private var slots = 0
    private var pagesPerSlot = 0
    private var blocks: [AlignedMemory] = []
    private var addresses: [UnsafeMutableRawPointer] = []

    /// A cache without pages.
    public init(layers: Int, heads: Int, width: Int) {
        self.layers = layers
        self.heads = heads
        self.width = width
        pageBytes = 2 * layers * heads * width * KeyValueCache.pageTokens * MemoryLayout<Float>.size
        table = .allocate(capacity: 1)
        table.initialize(to: heed_page_table())
    }

    /// `slots` sequences of `tokens` tokens, each in pages of its own.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public convenience init(layers: Int, slots: Int, tokens: Int, heads: Int, width: Int) throws {
        self.init(layers: layers, heads: heads, width: width)
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

    func layout(layer: Int) -> heed_cache_layout {
        let half = Int64(heads * width * KeyValueCache.pageTokens * MemoryLayout<Float>.size)
        return heed_cache_layout(
            table: table, keys: 2 * Int64(layer) * half, values: (2 * Int64(layer) + 1) * half,
            kv_heads: Int32(heads), width: Int32(width))
    }

    /// Copies `tokens` (by their place in a page) of page `from` to the same places of page `to`, in every layer.
    ///
    /// Keys of the whole panels in which the tokens lie are copied.
    public func copy(tokens: Range<Int>, from: Int, to: Int) {
        guard from != to, !tokens.isEmpty else { return }
        let panels = tokens.lowerBound / 16 * 16..<(tokens.upperBound + 15) / 16 * 16
        let line = KeyValueCache.pageTokens * width
        let old = addresses[from].assumingMemoryBound(to: Float.self)
        let new = addresses[to].assumingMemoryBound(to: Float.self)
        func move(_ range: Range<Int>, at line: Int) {
            let first = line + range.lowerBound * width
            (new + first).update(from: old + first, count: range.count * width)
        }
        for layer in 0..<layers {
            for head in 0..<heads {
                move(panels, at: (2 * layer * heads + head) * line)
                move(tokens, at: ((2 * layer + 1) * heads + head) * line)
            }
        }
    }
}
