import HeedSupport

/// Which pages every sequence of a cache holds, and which ids' keys and values stand in every page.
///
/// A slot is the place of one sequence: a chain of pages of `pageTokens` ids. Slots share pages by count: `fork` copies
/// nothing, and the first of the owners that writes into a shared page gets a copy of it. What a page holds for an id
/// depends on the ids before it only (and on what the chain's root stands for), so a copy goes to a free page that holds
/// most of it already: beams of one source mostly have their last ids in common. Nothing is allocated by `append` and
/// `fork` where slots and pages were reserved.
struct SlotTable {
    /// What must be done before the next pass: the ids `tokens` (by their places) of page `from` copied to page `to`.
    struct Copy: Equatable {
        let from: Int
        let to: Int
        let tokens: Range<Int>
    }

    /// A page that has come to stand at a place of a slot.
    struct Placement: Equatable {
        let page: Int
        let slot: Int
        let index: Int
    }

    private struct Page {
        var owners = 0
        /// Which content stands before this page: the serial of the page before, or the chain's root.
        var previous = 0
        /// The number of this page's content, given when it is begun.
        var serial = 0
        var ids: [Int32] = []
        /// Whether the layers that look only so far back hold nothing of it any more.
        var isPassed = false
    }

    private struct Slot {
        var isOpen = false
        var root = 0
        var pages: [Int] = []
        /// How many pages are set aside for it.
        var reserved = 0
        var count = 0
        /// How many of its first pages windows have passed.
        var passed = 0
    }

    /// Ids per page.
    let pageTokens: Int
    /// The copies that earlier calls ask for.
    private(set) var copies: [Copy] = []
    /// The placements that earlier calls ask for.
    private(set) var placements: [Placement] = []
    /// Pages that windows have passed: the memory that layers with windows have in them is not needed any more.
    private(set) var passedPages: [Int] = []
    /// How many pages there must be.
    private(set) var pageCount = 0
    /// How many ids the largest slot can hold.
    private(set) var longestSlot = 0

    private var pages: [Page] = []
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    /// The page that was let go last comes last.
    private var freePages: [Int] = []
    private var reserved = 0
    private var serial = 0

    /// How many free pages `append` looks through for one that holds the same ids.
    private static let candidates = 128

    /// A table without slots.
    init(pageTokens: Int) { self.pageTokens = pageTokens }

    /// How many slots there have been at once.
    var slotCount: Int { slots.count }

    /// How many ids a slot holds.
    func count(_ slot: Int) -> Int { slots[slot].count }

    /// The ids of a slot, in order.
    func ids(_ slot: Int) -> [Int32] { slots[slot].pages.flatMap { pages[$0].ids } }

    /// Forgets the copies and placements, which have been made.
    mutating func clearWork() {
        copies.removeAll(keepingCapacity: true)
        placements.removeAll(keepingCapacity: true)
        passedPages.removeAll(keepingCapacity: true)
    }

    /// Says that no layer with a window looks at the first `tokens` ids of a slot any more. Pages that several slots hold
    /// wait until one is left.
    mutating func pass(_ slot: Int, tokens: Int) {
        while slots[slot].passed < min(tokens / pageTokens, slots[slot].pages.count) {
            let page = slots[slot].pages[slots[slot].passed]
            guard pages[page].owners == 1 || pages[page].isPassed else { return }
            if !pages[page].isPassed { passedPages.append(page) }
            pages[page].isPassed = true
            slots[slot].passed += 1
        }
    }

    /// How many of the first ids of a slot layers with windows hold nothing of.
    func passedTokens(_ slot: Int) -> Int { slots[slot].passed * pageTokens }

    /// Opens a slot for up to `capacity` ids. Slots with one `root` and the same ids hold the same.
    mutating func open(capacity: Int, root: Int) -> Int {
        let need = max(1, (capacity + pageTokens - 1) / pageTokens)
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = slots.count
            slots.append(Slot())
            freeSlots.reserveCapacity(slots.count)
        }
        slots[slot].isOpen = true
        slots[slot].root = root
        slots[slot].reserved = need
        slots[slot].pages.reserveCapacity(need)
        reserved += need
        if pages.count < reserved {
            freePages.insert(contentsOf: (pages.count..<reserved).reversed(), at: 0)
            for _ in pages.count..<reserved {
                pages.append(Page())
                pages[pages.count - 1].ids.reserveCapacity(pageTokens)
            }
        }
        freePages.reserveCapacity(pages.count)
        copies.reserveCapacity(slots.count)
        placements.reserveCapacity(2 * slots.count)
        passedPages.reserveCapacity(pages.count)
        pageCount = pages.count
        longestSlot = max(longestSlot, need * pageTokens)
        return slot
    }

    /// Closes a slot: pages that nobody else holds are free again. No copy may be left to make.
    mutating func close(_ slot: Int) {
        guard slots[slot].isOpen else { return }
        truncate(slot, to: 0)
        reserved -= slots[slot].reserved
        slots[slot].isOpen = false
        freeSlots.append(slot)
    }

    /// Opens a slot that holds what `slot` holds.
    mutating func fork(_ slot: Int) -> Int {
        let new = open(capacity: slots[slot].reserved * pageTokens, root: slots[slot].root)
        for (index, page) in slots[slot].pages.enumerated() {
            pages[page].owners += 1
            slots[new].pages.append(page)
            placements.append(Placement(page: page, slot: new, index: index))
        }
        slots[new].count = slots[slot].count
        slots[new].passed = slots[slot].passed
        return new
    }

    /// Opens a slot for up to `capacity` ids that shares the whole pages of the first `count` ids of `slot`.
    ///
    /// Whole pages are never written again, so nothing is ever copied for it.
    mutating func open(sharing slot: Int, first count: Int, capacity: Int) -> Int {
        let shared = min(count, slots[slot].count) / pageTokens
        let new = open(capacity: max(capacity, shared * pageTokens), root: slots[slot].root)
        for (index, page) in slots[slot].pages.prefix(shared).enumerated() {
            pages[page].owners += 1
            slots[new].pages.append(page)
            placements.append(Placement(page: page, slot: new, index: index))
        }
        slots[new].count = shared * pageTokens
        return new
    }

    /// A slot holds only its first `count` ids any more.
    mutating func truncate(_ slot: Int, to count: Int) {
        guard count < slots[slot].count else { return }
        let kept = (count + pageTokens - 1) / pageTokens
        while slots[slot].pages.count > kept, let page = slots[slot].pages.popLast() { release(page) }
        slots[slot].count = count
        slots[slot].passed = min(slots[slot].passed, kept)
        guard let last = slots[slot].pages.last, kept * pageTokens > count else { return }
        if pages[last].owners > 1 {
            // The others keep it as it is.
            let copy = copyOfLast(slot, count: count - (kept - 1) * pageTokens)
            slots[slot].pages[kept - 1] = copy
            placements.append(Placement(page: copy, slot: slot, index: kept - 1))
            return
        }
        if pages[last].ids.count == pageTokens {
            // What was written behind the full page does not belong to what it becomes.
            serial += 1
            pages[last].serial = serial
        }
        pages[last].ids.removeLast(pages[last].ids.count - (count - (kept - 1) * pageTokens))
    }

    /// An empty slot stands for something else from now on.
    mutating func become(_ root: Int, _ slot: Int) { slots[slot].root = root }

    /// A slot holds one id more; its keys and values are those of the next pass.
    ///
    /// - Throws: `HeedError` when the slot is full.
    mutating func append(_ id: Int32, _ slot: Int) throws {
        let index = slots[slot].count / pageTokens
        if index == slots[slot].pages.count {
            guard index < slots[slot].reserved, let page = freePages.popLast() else {
                throw HeedError(
                    .usage, "a sequence is longer than was announced",
                    expected: "at most \(slots[slot].reserved * pageTokens) ids")
            }
            begin(page, after: slots[slot].pages.last.map { pages[$0].serial } ?? slots[slot].root)
            slots[slot].pages.append(page)
            placements.append(Placement(page: page, slot: slot, index: index))
        } else if pages[slots[slot].pages[index]].owners > 1 {
            let copy = copyOfLast(slot, count: slots[slot].count - index * pageTokens)
            slots[slot].pages[index] = copy
            placements.append(Placement(page: copy, slot: slot, index: index))
        }
        pages[slots[slot].pages[index]].ids.append(id)
        slots[slot].count += 1
    }

    // MARK: - Parts

    /// Lets go the last page of a slot for a page of its own that holds the first `count` ids of it.
    private mutating func copyOfLast(_ slot: Int, count: Int) -> Int {
        let old = slots[slot].pages[slots[slot].pages.count - 1]
        let (place, same) = bestFree(for: old, count: count)
        let new = freePages.remove(at: place)
        begin(new, after: pages[old].previous)
        for index in 0..<count { pages[new].ids.append(pages[old].ids[index]) }
        if same < count { copies.append(Copy(from: old, to: new, tokens: same..<count)) }
        release(old)
        return new
    }

    private mutating func begin(_ page: Int, after previous: Int) {
        serial += 1
        pages[page].owners = 1
        pages[page].previous = previous
        pages[page].serial = serial
        pages[page].ids.removeAll(keepingCapacity: true)
        pages[page].isPassed = false
    }

    private mutating func release(_ page: Int) {
        pages[page].owners -= 1
        if pages[page].owners == 0 { freePages.append(page) }
    }

    /// The free page, by its place in the list, that begins with most of the first `count` ids of `page`.
    private func bestFree(for page: Int, count: Int) -> (place: Int, same: Int) {
        var best = freePages.count - 1
        var most = 0
        for place in freePages.indices.suffix(SlotTable.candidates).reversed() {
            let candidate = freePages[place]
            guard pages[candidate].previous == pages[page].previous, !pages[candidate].isPassed else { continue }
            let limit = min(pages[candidate].ids.count, count)
            var same = 0
            while same < limit, pages[candidate].ids[same] == pages[page].ids[same] { same += 1 }
            if same > most {
                most = same
                best = place
            }
        }
        return (best, most)
    }
}
