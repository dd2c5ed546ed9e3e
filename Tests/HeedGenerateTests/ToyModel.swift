import HeedGenerate
import HeedSupport

/// A model without weights: the logits of the next id are a fixed scramble of the ids in the slot.
///
/// Slots hold their ids, so that mistakes in `fork`, `truncate` and `add` change what is generated.
final class ToyModel: NextTokenModel {
    let vocabulary: Int
    let contextLength: Int
    let promptChunk: Int
    /// How often a slot had to forget its ids.
    private(set) var replacements = 0
    /// The most ids that one pass read.
    private(set) var largestPass = 0
    private var slots: [(ids: [Int32], source: [Int32], capacity: Int)?] = []
    private var added = 0
    private var outputs: [(ids: [Int32], source: [Int32])] = []
    private var rows: [[Float]] = []

    init(vocabulary: Int, contextLength: Int = .max, promptChunk: Int = .max) {
        self.vocabulary = vocabulary
        self.contextLength = contextLength
        self.promptChunk = promptChunk
    }

    /// How many slots are open.
    var openSlots: Int { slots.count { $0 != nil } }

    /// The logits after `ids`.
    static func logits(after ids: [Int32], source: [Int32] = [], vocabulary: Int) -> [Float] {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        for id in source + [-1] + ids {
            state = (state ^ UInt64(bitPattern: Int64(id) &+ 1_000)) &* 0xBF58_476D_1CE4_E5B9
            state ^= state >> 29
        }
        return (0..<vocabulary).map { id in
            var x = state &+ UInt64(id) &* 0x94D0_49BB_1331_11EB
            x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
            x ^= x >> 27
            return Float(x >> 40) / Float(1 << 24) * 4 - 2
        }
    }

    func open(source: [Int32]?, capacity: Int) throws -> Int {
        slots.append(([], source ?? [], capacity))
        return slots.count - 1
    }

    func fork(_ slot: Int) throws -> Int {
        slots.append(slots[slot])
        return slots.count - 1
    }

    func close(_ slot: Int) throws { slots[slot] = nil }

    func truncate(_ slot: Int, to count: Int) throws {
        let held = slots[slot]?.ids.count ?? 0
        slots[slot]?.ids.removeLast(held - count)
        replacements += 1
    }

    func add(_ ids: UnsafeBufferPointer<Int32>, to slot: Int, outputs wanted: Int) throws -> Int {
        guard let there = slots[slot], there.ids.count + ids.count <= min(contextLength, there.capacity) else {
            throw HeedError(.badInput, "toy slot is closed or full")
        }
        let first = outputs.count
        for (index, id) in ids.enumerated() {
            slots[slot]?.ids.append(id)
            guard index >= ids.count - wanted else { continue }
            outputs.append(((slots[slot]?.ids ?? []), there.source))
        }
        added += ids.count
        return first
    }

    func run() throws {
        rows = outputs.map { ToyModel.logits(after: $0.ids, source: $0.source, vocabulary: vocabulary) }
        // Beyond the rows that are used: what a wrong number would read.
        rows.append([Float](repeating: .nan, count: vocabulary))
        largestPass = max(largestPass, added)
        outputs = []
        added = 0
    }

    func logits(_ number: Int) -> UnsafeBufferPointer<Float> {
        rows[number].withUnsafeBufferPointer { UnsafeBufferPointer(start: $0.baseAddress, count: vocabulary) }
    }
}

/// log softmax in double precision.
func logSoftmax(_ logits: [Float]) -> [Double] {
    let highest = Double(logits.max() ?? 0)
    let sum = logits.reduce(0.0) { $0 + ExactMathematics.exp(Double($1) - highest) }
    return logits.map { Double($0) - highest - ExactMathematics.log(sum) }
}
