import HeedSupport

/// A list of trivial values in memory of its own, for hot loops: no reference counting, no uniqueness checks.
struct GrowingBuffer<Element: BitwiseCopyable>: ~Copyable {
    private(set) var base: UnsafeMutablePointer<Element>
    private(set) var count = 0
    private var capacity: Int

    init(minimumCapacity: Int = 16) {
        capacity = max(16, minimumCapacity)
        base = .allocate(capacity: capacity)
    }

    deinit { base.deallocate() }

    @inline(__always)
    subscript(index: Int) -> Element {
        get { base[index] }
        set { base[index] = newValue }
    }

    @inline(__always)
    mutating func append(_ element: Element) {
        if count == capacity { reserve(count + 1) }
        (base + count).initialize(to: element)
        count += 1
    }

    /// Adds `extra` elements that the caller fills, and returns the index of the first.
    mutating func extend(by extra: Int, with element: Element) -> Int {
        if count + extra > capacity { reserve(count + extra) }
        (base + count).initialize(repeating: element, count: extra)
        count += extra
        return count - extra
    }

    mutating func removeAll() { count = 0 }

    mutating func removeLast() -> Element {
        count -= 1
        return base[count]
    }

    @inline(never)
    private mutating func reserve(_ needed: Int) {
        var larger = capacity * 2
        while larger < needed { larger *= 2 }
        let moved = UnsafeMutablePointer<Element>.allocate(capacity: larger)
        moved.moveInitialize(from: base, count: count)
        base.deallocate()
        base = moved
        capacity = larger
    }

    /// Adds an element to a heap whose first element comes before all others.
    @inline(__always)
    mutating func push(_ element: Element, before: (Element, Element) -> Bool) {
        append(element)
        Heap.rise(UnsafeMutableBufferPointer(start: base, count: count), before: before)
    }

    /// Takes the first element out of a heap.
    @inline(__always)
    mutating func pop(before: (Element, Element) -> Bool) -> Element? {
        guard count > 0 else { return nil }
        let first = base[0]
        base[0] = base[count - 1]
        count -= 1
        Heap.sink(UnsafeMutableBufferPointer(start: base, count: count), before: before)
        return first
    }
}
