/// Memory that is filled once and then only read, freely shared between threads.
///
/// Hot loops take `pointer` once; there are no bounds or uniqueness checks behind it.
final class FrozenBuffer<Element>: @unchecked Sendable {
    /// Where the elements lie.
    let pointer: UnsafeMutablePointer<Element>
    /// How many there are.
    let count: Int

    /// Copies the elements of an array of plain values.
    init(_ elements: [Element]) {
        count = elements.count
        pointer = UnsafeMutablePointer<Element>.allocate(capacity: max(elements.count, 1))
        elements.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { pointer.initialize(from: base, count: source.count) }
        }
    }

    /// `count` copies of a value.
    init(repeating value: Element, count: Int) {
        self.count = count
        pointer = UnsafeMutablePointer<Element>.allocate(capacity: max(count, 1))
        pointer.initialize(repeating: value, count: count)
    }

    /// All elements.
    var buffer: UnsafeBufferPointer<Element> { UnsafeBufferPointer(start: pointer, count: count) }

    deinit {
        pointer.deinitialize(count: count)
        pointer.deallocate()
    }
}
