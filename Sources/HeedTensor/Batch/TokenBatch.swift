import HeedSupport

/// A number of rows that is known at run time and bounded at plan time.
public final class RowCount: @unchecked Sendable {
    // Sendable: an address; written between passes by the owner of the plan, read by its steps.

    /// The largest number of rows.
    public let capacity: Int
    package let pointer: UnsafeMutablePointer<Int32>
    // Filled while a pass is recorded, read while it runs: a check of every access would cost more than the access.
    @exclusivity(unchecked) private var multiples: [(count: RowCount, factor: Int)] = []

    package init(capacity: Int) {
        self.capacity = capacity
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: 0)
    }

    deinit { pointer.deallocate() }

    /// The number of rows of the next pass.
    public var current: Int {
        get { Int(pointer.pointee) }
        set {
            pointer.pointee = Int32(newValue)
            if !multiples.isEmpty { setMultiples(of: newValue) }
        }
    }

    private func setMultiples(of rows: Int) {
        for (count, factor) in multiples { count.current = factor * rows }
    }

    /// `factor` times as many rows, always.
    ///
    /// It changes with this count, before a pass: threads decide by the number of rows whether they share a step, so no
    /// number of rows may change while they run.
    package func times(_ factor: Int) -> RowCount {
        let count = RowCount(capacity: factor * capacity)
        count.current = factor * current
        multiples.append((count, factor))
        return count
    }
}

/// A ragged batch: sequences of different lengths laid end to end, without padding.
///
/// Row r of every activation belongs to token r of the batch. What a pass reads at run time stands here at fixed
/// addresses, so one plan serves every batch that fits its capacity.
public final class TokenBatch: @unchecked Sendable {
    // Sendable: addresses only; written between passes by the owner of the plan, read by its steps.

    /// Tokens of all sequences.
    public let rows: RowCount
    /// Rows picked by `outputRows`, for a head that needs only some.
    public let outputs: RowCount
    /// Sequences; at most `sequenceCapacity`.
    public let sequences: RowCount
    /// Token ids [rows].
    public let ids: UnsafeMutablePointer<Int32>
    /// Positions [rows].
    public let positions: UnsafeMutablePointer<Int32>
    /// Token types [rows], 0 unless set.
    public let types: UnsafeMutablePointer<Int32>
    /// Target ids [rows or outputs]; `ignored` counts nowhere.
    public let targets: UnsafeMutablePointer<Int32>
    /// Target classes of sequences [sequences], `ignored` unless set.
    public let sequenceTargets: UnsafeMutablePointer<Int32>
    /// Where each sequence begins [sequences + 1].
    public let offsets: UnsafeMutablePointer<Int32>
    /// The cache slot of each sequence.
    public let slots: UnsafeMutablePointer<Int32>
    /// Keys in the cache before this pass, by sequence.
    public let past: UnsafeMutablePointer<Int32>
    /// Keys visible after this pass, by sequence: past + new.
    public let lengths: UnsafeMutablePointer<Int32>
    /// Tokens of each whole sequence, of which the pass may read a part; 0: what its positions say. Counts where a model
    /// turns positions by the length of their sequence.
    public let wholeLengths: UnsafeMutablePointer<Int32>
    /// Rows that go to the head [outputs], ascending.
    public let outputRows: UnsafeMutablePointer<Int32>

    /// The target that counts nowhere.
    public static let ignored: Int32 = -100

    /// Room for `rowCapacity` tokens in `sequenceCapacity` sequences, `outputCapacity` of which (all, by default) may be
    /// outputs.
    public init(rowCapacity: Int, sequenceCapacity: Int, outputCapacity: Int? = nil) {
        rows = RowCount(capacity: rowCapacity)
        outputs = RowCount(capacity: outputCapacity ?? rowCapacity)
        sequences = RowCount(capacity: sequenceCapacity)
        func zeros(_ count: Int) -> UnsafeMutablePointer<Int32> {
            let memory = UnsafeMutablePointer<Int32>.allocate(capacity: max(count, 1))
            memory.initialize(repeating: 0, count: max(count, 1))
            return memory
        }
        ids = zeros(rowCapacity)
        positions = zeros(rowCapacity)
        types = zeros(rowCapacity)
        targets = zeros(rowCapacity)
        outputRows = zeros(rowCapacity)
        offsets = zeros(sequenceCapacity + 1)
        sequenceTargets = zeros(sequenceCapacity)
        slots = zeros(sequenceCapacity)
        past = zeros(sequenceCapacity)
        lengths = zeros(sequenceCapacity)
        wholeLengths = zeros(sequenceCapacity)
    }

    deinit {
        for pointer in [
            ids, positions, types, targets, sequenceTargets, outputRows, offsets, slots, past, lengths,
            wholeLengths,
        ] {
            pointer.deallocate()
        }
    }

    /// Empties the batch.
    public func clear() {
        rows.current = 0
        outputs.current = 0
        sequences.current = 0
        offsets[0] = 0
    }

    /// Appends a sequence of new tokens at `slot`, `past` tokens of which are in the cache already.
    ///
    /// Positions count from `past` unless given. All its rows become outputs, or only the last when `lastOnly`. `whole` is
    /// the length of the sequence where later passes read more of it that counts already.
    /// - Throws: `HeedError` (`badInput`) when the batch has no room.
    public func append(
        _ tokens: some Collection<Int32>, slot: Int = 0, past cached: Int = 0, positions given: [Int32]? = nil,
        whole: Int = 0, lastOnly: Bool = false
    ) throws {
        let first = rows.current
        let sequence = sequences.current
        guard first + tokens.count <= rows.capacity, sequence < sequences.capacity else {
            throw HeedError(
                .badInput, "the batch is full",
                expected: "at most \(rows.capacity) tokens in \(sequences.capacity) sequences",
                got: "\(first + tokens.count) tokens in \(sequence + 1)")
        }
        let newOutputs = lastOnly ? min(tokens.count, 1) : tokens.count
        guard outputs.current + newOutputs <= outputs.capacity else {
            throw HeedError(
                .badInput, "the batch has no room for more outputs", expected: "at most \(outputs.capacity)",
                got: "\(outputs.current + newOutputs)")
        }
        for (index, token) in tokens.enumerated() {
            ids[first + index] = token
            positions[first + index] = given?[index] ?? Int32(cached + index)
            types[first + index] = 0
            targets[first + index] = TokenBatch.ignored
            if !lastOnly || index == tokens.count - 1 {
                outputRows[outputs.current] = Int32(first + index)
                outputs.current += 1
            }
        }
        rows.current = first + tokens.count
        sequences.current = sequence + 1
        offsets[sequence + 1] = Int32(rows.current)
        sequenceTargets[sequence] = TokenBatch.ignored
        slots[sequence] = Int32(slot)
        past[sequence] = Int32(cached)
        lengths[sequence] = Int32(cached + tokens.count)
        wholeLengths[sequence] = Int32(whole)
    }
}
