import HeedProcessor
import HeedSupport
import HeedTensor

/// One pass of a decoding model and what it reads at run time.
final class DecodingPass {
    /// How much fits.
    struct Size: Equatable {
        /// New ids of all sequences.
        var rows: Int
        var sequences: Int
        /// Rows of logits.
        var outputs: Int
        /// Ids of the longest sequence.
        var longest: Int
        /// Rows of logits that are kept when sequences are computed one after the other.
        var kept: Int

        func holds(_ other: Size) -> Bool {
            rows >= other.rows && sequences >= other.sequences && outputs >= other.outputs && longest >= other.longest
                && kept >= other.kept
        }

        /// At least this and `old`; twice `old` where this is more.
        func grown(from old: Size) -> Size {
            func grown(_ path: KeyPath<Size, Int>) -> Int {
                self[keyPath: path] > old[keyPath: path]
                    ? max(self[keyPath: path], 2 * old[keyPath: path]) : old[keyPath: path]
            }
            return Size(
                rows: grown(\.rows), sequences: grown(\.sequences), outputs: grown(\.outputs),
                longest: grown(\.longest), kept: grown(\.kept))
        }
    }

    let size: Size
    let pass: Pass<ModelPasses.Readouts>
    /// [outputs, V]; when logits are kept, those that were.
    let logits: UnsafePointer<Float>
    /// [rows, C] and C, where states are kept.
    let states: (numbers: UnsafePointer<Float>, width: Int)?
    private let passLogits: UnsafePointer<Float>
    private let vocabulary: Int
    private let batch: TokenBatch
    /// Which rows of `batch` read which source: neighbours that read the same one are one sequence here.
    private let readers: TokenBatch?
    private let keptLogits: UnsafeMutableBufferPointer<Float>?

    init(_ passes: ModelPasses, size: Size, cache: KeyValueCache?, memory: KeyValueCache?) throws {
        self.size = size
        vocabulary = passes.model.architecture.vocabulary
        // One output more than is used: a sequence is added with its last row as an output, asked for or not.
        batch = TokenBatch(
            rowCapacity: size.rows, sequenceCapacity: size.sequences, outputCapacity: size.outputs + 1)
        if let memory {
            let readers = TokenBatch(rowCapacity: 1, sequenceCapacity: size.sequences)
            self.readers = readers
            pass = try passes.continuation(
                of: batch, cache: cache, longest: size.longest, reading: memory, readers: readers)
        } else {
            readers = nil
            pass = try passes.continuation(of: batch, cache: cache, longest: size.longest)
        }
        passLogits = pass[pass.outputs.logits].numbers
        states = pass.outputs.states.map { [pass] in (pass[$0].numbers, pass[$0].columns) }
        keptLogits = size.kept > 0 ? .allocate(capacity: size.kept * vocabulary) : nil
        keptLogits?.initialize(repeating: 0)
        logits = keptLogits?.baseAddress.map { UnsafePointer($0) } ?? passLogits
    }

    deinit { keptLogits?.deallocate() }

    /// Empties the batch.
    func clear() {
        batch.clear()
        readers?.clear()
    }

    /// Adds new ids of a slot that holds `past` already, and takes the logits after the last `outputs`; in all the
    /// sequence has `whole` ids.
    func append(
        _ ids: UnsafeBufferPointer<Int32>, slot: Int, past: Int, whole: Int, outputs: Int,
        source: SourceReader.Source?
    ) throws {
        let first = batch.outputs.current
        try batch.append(ids, slot: slot, past: past, whole: whole, lastOnly: true)
        for output in 0..<outputs {
            batch.outputRows[first + output] = Int32(batch.rows.current - outputs + output)
        }
        batch.outputs.current = first + outputs
        guard let readers, let source else { return }
        var sequence = readers.sequences.current
        if sequence == 0 || readers.slots[sequence - 1] != Int32(source.slot) {
            readers.slots[sequence] = Int32(source.slot)
            readers.lengths[sequence] = Int32(source.count)
            readers.offsets[sequence + 1] = readers.offsets[sequence]
            sequence += 1
            readers.sequences.current = sequence
        }
        readers.offsets[sequence] += Int32(ids.count)
    }

    /// Keeps the first `count` rows of logits at row `place`, while the pass computes another sequence.
    func keep(_ count: Int, at place: Int) {
        guard let kept = keptLogits?.baseAddress else { return }
        (kept + place * vocabulary).update(from: passLogits, count: count * vocabulary)
    }
}
