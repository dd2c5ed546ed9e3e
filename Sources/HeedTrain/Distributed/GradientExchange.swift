import HeedSupport

/// Adds up the gradients of all ranks in the tree of `RankSlices`, part after part, while the backward pass computes others.
///
/// The tree is per number, so the bits do not depend on how the vector is cut. All is done by the thread that computes:
/// messages move when it asks about them between two operations, so a library without support for threads is enough.
final class GradientExchange {
    /// Units that are complete after so many events of the backward pass.
    struct Group: Equatable {
        let events: Int
        let parts: [Range<Int>]
    }

    /// A part under way: which round of halving it is in.
    private struct Part {
        let units: Range<Int>
        let number: Int
        var round = 0
        var pending: (any PendingExchange)?
    }

    /// What is sent off together, in the order of the backward pass.
    let groups: [Group]
    /// Seconds that this rank gave to messages since `begin`, in which it computed nothing.
    private(set) var seconds = 0.0
    private let slices: RankSlices
    private let values: UnsafeMutablePointer<Float>
    private let scratch: UnsafeMutablePointer<Float>
    private let count: Int
    private let unit: Int
    private var nextGroup = 0
    private var nextNumber = 0
    private var open: [Part] = []

    /// Numbers of a part at most; at least a sixteenth of the vector is sent off together.
    private static let longest = 1 << 22
    private static let share = 16

    /// - Parameters:
    ///   - values: `count` numbers, a unit being `unit` of them, the last perhaps fewer.
    ///   - scratch: as many again.
    ///   - completions: of each unit, after how many events it is complete; `Int.max`: not before `finish`.
    init(
        _ slices: RankSlices, values: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>, count: Int,
        unit: Int, completions: [Int]
    ) {
        (self.slices, self.values, self.scratch, self.count, self.unit) = (slices, values, scratch, count, unit)
        groups = GradientExchange.groups(
            completions, atLeast: max(1, completions.count / GradientExchange.share),
            atMost: max(1, GradientExchange.longest / unit))
    }

    /// Cuts units into groups of `atLeast` or more, and these into parts of neighbours, `atMost` each.
    static func groups(_ completions: [Int], atLeast: Int, atMost: Int) -> [Group] {
        var groups: [Group] = []
        var waiting: [Int] = []
        let byEvent = Dictionary(grouping: completions.indices) { completions[$0] }
        let events = byEvent.keys.sorted()
        for event in events {
            waiting += byEvent[event] ?? []
            // What is complete only at the end has no company that could go before.
            let isOver =
                event == events.last || (event != .max && events.last == .max && event == events.dropLast().last)
            guard waiting.count >= atLeast || isOver else { continue }
            var parts: [Range<Int>] = []
            for unit in waiting.sorted() {
                if let last = parts.last, last.upperBound == unit, last.count < atMost {
                    parts[parts.count - 1] = last.lowerBound..<unit + 1
                } else {
                    parts.append(unit..<unit + 1)
                }
            }
            groups.append(Group(events: event, parts: parts))
            waiting = []
        }
        return groups
    }

    /// Before a backward pass.
    func begin() { (nextGroup, nextNumber, seconds) = (0, 0, 0) }

    /// Sends off what is complete after `events` events, each part made ready by `prepare`, and lets messages move.
    func advance(_ events: Int, prepare: (Range<Int>) -> Void) throws {
        while nextGroup < groups.count, groups[nextGroup].events <= events {
            for units in groups[nextGroup].parts {
                prepare(elements(units))
                try spending {
                    var part = Part(units: units, number: nextNumber)
                    nextNumber += slices.rounds
                    try start(&part)
                    if part.pending != nil { open.append(part) }
                }
            }
            nextGroup += 1
        }
        if !open.isEmpty { try spending { try move(waiting: false) } }
    }

    /// Sends off the rest and waits for all; then each rank holds its own slice of the sum, and anything beside it.
    func finish(prepare: (Range<Int>) -> Void) throws {
        try advance(.max, prepare: prepare)
        try spending { while !open.isEmpty { try move(waiting: true) } }
    }

    /// Adds what has come to what is here and goes on to the next round; `waiting`: for the first part at least.
    private func move(waiting: Bool) throws {
        var first = waiting
        for index in open.indices {
            guard let pending = open[index].pending, try pending.isDone(waiting: first) else { continue }
            first = false
            for element in elements(mine(open[index])) { values[element] += scratch[element] }
            open[index].round += 1
            try start(&open[index])
        }
        open.removeAll { $0.pending == nil }
    }

    /// Begins the next round in which there is something to say.
    private func start(_ part: inout Part) throws {
        part.pending = nil
        while part.round < slices.rounds {
            let partner = slices.communicator.rank ^ (1 << part.round)
            let theirs = elements(slices.slice(of: partner, after: part.round + 1).clamped(to: part.units))
            let mine = elements(mine(part))
            guard mine.isEmpty && theirs.isEmpty else {
                part.pending = try slices.communicator.begin(
                    with: partner, number: part.number + part.round,
                    send: UnsafeRawBufferPointer(
                        UnsafeBufferPointer(start: values + theirs.lowerBound, count: theirs.count)),
                    receive: UnsafeMutableRawBufferPointer(
                        UnsafeMutableBufferPointer(start: scratch + mine.lowerBound, count: mine.count)))
                return
            }
            part.round += 1
        }
    }

    /// The units of a part that this rank keeps in its round.
    private func mine(_ part: Part) -> Range<Int> {
        slices.slice(of: slices.communicator.rank, after: part.round + 1).clamped(to: part.units)
    }

    private func elements(_ units: Range<Int>) -> Range<Int> {
        min(units.lowerBound * unit, count)..<min(units.upperBound * unit, count)
    }

    private func spending(_ body: () throws -> Void) rethrows {
        let clock = ContinuousClock()
        let began = clock.now
        try body()
        seconds += (clock.now - began).inSeconds
    }
}
