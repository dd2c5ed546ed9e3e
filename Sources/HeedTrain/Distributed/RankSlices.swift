import HeedSupport

/// Which part of a long vector each of 2ⁿ ranks holds when it is added up by halving.
///
/// In round l rank r meets rank r ⊕ 2ˡ; each keeps a half of what it has and adds the partner's. Sums are then those of a
/// fixed binary tree over the ranks, ((0 + 1) + (2 + 3)) + …, whatever the vector's length, and each rank ends with one
/// slice of them. Going back, the slices become the whole vector on every rank. Cost: each rank sends and receives the
/// vector about twice (Thakur et al. 2005, "Optimization of Collective Communication Operations in MPICH").
/// `GradientExchange` adds up, `collect` goes back.
struct RankSlices {
    /// How many units the vector has; a unit is never cut.
    let units: Int
    let communicator: any Communicator

    /// Rounds of halving.
    var rounds: Int { communicator.size.trailingZeroBitCount }

    /// The units that `rank` holds after `rounds` rounds.
    func slice(of rank: Int, after rounds: Int) -> Range<Int> {
        var range = 0..<units
        for round in 0..<rounds {
            let middle = range.lowerBound + (range.count + 1) / 2
            range = rank >> round & 1 == 0 ? range.lowerBound..<middle : middle..<range.upperBound
        }
        return range
    }

    /// The units that this rank ends with.
    var own: Range<Int> { slice(of: communicator.rank, after: rounds) }

    /// The ranks in the order of their slices, none of which is empty.
    var owners: [(rank: Int, units: Range<Int>)] {
        (0..<communicator.size).map { ($0, slice(of: $0, after: rounds)) }.filter { !$0.units.isEmpty }
            .sorted { $0.units.lowerBound < $1.units.lowerBound }
    }

    /// Gives every rank the slices of all.
    ///
    /// - Parameters:
    ///   - bytes: the vector.
    ///   - unit: bytes of a unit; the last one may be shorter.
    func collect(_ bytes: UnsafeMutableRawBufferPointer, unit: Int) throws {
        func part(_ units: Range<Int>) -> UnsafeMutableRawBufferPointer {
            let range = min(units.lowerBound * unit, bytes.count)..<min(units.upperBound * unit, bytes.count)
            return UnsafeMutableRawBufferPointer(rebasing: bytes[range])
        }
        for round in (0..<rounds).reversed() {
            let partner = communicator.rank ^ (1 << round)
            try communicator.exchange(
                with: partner, send: UnsafeRawBufferPointer(part(slice(of: communicator.rank, after: round + 1))),
                receive: part(slice(of: partner, after: round + 1)))
        }
    }
}
