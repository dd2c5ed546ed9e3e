import HeedSupport

/// What a thread needs to choose ids from rows of `[V]` logits: rows of any number of sequences, one after the other.
///
/// All of it is allocated by `init`; pages of it that no rule and no filter touches take no memory.
public final class ChoosingMemory {
    /// A copy of the logits `[V]`, which rules change.
    let row: UnsafeMutableBufferPointer<Float>
    /// The ids that filters have left.
    var candidates: CandidateSet
    let exponential = ExponentialKernel()
    /// Zeros `[V]`; who counts here leaves zeros behind.
    let counts: UnsafeMutableBufferPointer<Int32>
    /// Ids whose stamp is the current one are marked.
    private let stamps: UnsafeMutableBufferPointer<UInt32>
    private var stamp: UInt32 = 0
    private let memory: ZeroedLines

    /// Makes room for rows of `vocabulary` logits.
    public init(vocabulary: Int) {
        let size = vocabulary * MemoryLayout<Float>.stride
        memory = ZeroedLines(byteCount: 3 * size)
        row = memory.values(of: Float.self, at: 0, count: vocabulary)
        counts = memory.values(of: Int32.self, at: size, count: vocabulary)
        stamps = memory.values(of: UInt32.self, at: 2 * size, count: vocabulary)
        candidates = CandidateSet(vocabulary: vocabulary)
    }

    /// Clears all marks.
    func clearMarks() {
        stamp &+= 1
        if stamp == 0 {  // after 2³² rows the old stamps would be mistaken for new ones
            stamps.update(repeating: 0)
            stamp = 1
        }
    }

    /// Marks an id of the vocabulary; false where it was marked.
    func mark(_ id: Int32) -> Bool {
        if stamps[Int(id)] == stamp { return false }
        stamps[Int(id)] = stamp
        return true
    }
}
