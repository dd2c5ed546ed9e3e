/// Things that wait, by owner: owners take turns, and of one owner's the lowest priority number goes first, then the
/// first that came.
struct FairQueue<Element> {
    private struct Waiting {
        let element: Element
        let priority: Int
    }

    /// Whose turn it is comes first.
    private var owners: [Int] = []
    private var waiting: [Int: [Waiting]] = [:]

    /// Whether nothing waits.
    var isEmpty: Bool { owners.isEmpty }

    /// Adds an element behind those of its owner that are as urgent.
    mutating func append(_ element: Element, owner: Int, priority: Int) {
        if waiting[owner] == nil { owners.append(owner) }
        let list = waiting[owner, default: []]
        let place = list.firstIndex { $0.priority > priority } ?? list.count
        waiting[owner, default: []].insert(Waiting(element: element, priority: priority), at: place)
    }

    /// The element whose turn it is.
    var first: Element? { owners.first.flatMap { waiting[$0]?.first?.element } }

    /// The turn of the owner that was first is over; its first element goes if it is `done`.
    mutating func rotate(done: Bool) {
        guard let owner = owners.first else { return }
        owners.removeFirst()
        if done { waiting[owner]?.removeFirst() }
        if waiting[owner]?.isEmpty ?? true { waiting[owner] = nil } else { owners.append(owner) }
    }

    /// Takes out what a condition holds for.
    mutating func removeAll(where isOut: (Element) -> Bool) {
        for owner in owners {
            waiting[owner]?.removeAll { isOut($0.element) }
            if waiting[owner]?.isEmpty ?? true { waiting[owner] = nil }
        }
        owners.removeAll { waiting[$0] == nil }
    }
}
