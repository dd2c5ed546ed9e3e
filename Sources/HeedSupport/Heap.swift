/// A binary heap in memory of the caller's: the element that comes before all others is first.
///
/// Cost: log n comparisons for `rise` and `sink`, n for `order`.
public enum Heap {
    /// Makes a heap of `elements`.
    @inlinable
    public static func order<Element>(
        _ elements: UnsafeMutableBufferPointer<Element>, before: (Element, Element) -> Bool
    ) {
        var parent = elements.count / 2 - 1
        while parent >= 0 {
            sink(elements, from: parent, before: before)
            parent -= 1
        }
    }

    /// Moves the element at `start` down until none of its children comes before it.
    @inlinable
    public static func sink<Element>(
        _ elements: UnsafeMutableBufferPointer<Element>, from start: Int = 0, before: (Element, Element) -> Bool
    ) {
        guard start < elements.count else { return }
        let moving = elements[start]
        var parent = start
        while true {
            var child = 2 * parent + 1
            if child >= elements.count { break }
            if child + 1 < elements.count, before(elements[child + 1], elements[child]) { child += 1 }
            if !before(elements[child], moving) { break }
            elements[parent] = elements[child]
            parent = child
        }
        elements[parent] = moving
    }

    /// Moves the last element up until its parent comes before it.
    @inlinable
    public static func rise<Element>(
        _ elements: UnsafeMutableBufferPointer<Element>, before: (Element, Element) -> Bool
    ) {
        guard var child = elements.indices.last else { return }
        let moving = elements[child]
        while child > 0 {
            let parent = (child - 1) / 2
            if !before(moving, elements[parent]) { break }
            elements[child] = elements[parent]
            child = parent
        }
        elements[child] = moving
    }
}
