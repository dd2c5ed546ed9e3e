import HeedGenerate
import HeedSupport

/// A model without a model: the logits of the next id are a fixed scramble of the ids in the row.
///
/// Rows hold their ids, so that mistakes in `select`, `replace` and `advance` change what is generated.
final class ToySource: NextTokenSource {
    let vocabulary: Int
    let contextLength: Int
    private(set) var held: [[Int32]] = []
    private(set) var replacements = 0
    private var sources: [[Int32]] = []
    private let row: UnsafeMutableBufferPointer<Float>

    init(vocabulary: Int, contextLength: Int = .max) {
        self.vocabulary = vocabulary
        self.contextLength = contextLength
        row = .allocate(capacity: vocabulary)
        row.initialize(repeating: 0)
    }

    deinit { row.deallocate() }

    var rows: Int { held.count }

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

    func begin(_ prompts: [GenerationPrompt], rows: Int, capacity: Int) throws {
        held = prompts.map(\.ids)
        sources = prompts.map { $0.source ?? [] }
        for ids in held where ids.isEmpty || ids.count > contextLength {
            throw HeedError(.badInput, "toy prompt of \(ids.count)")
        }
    }

    func logits(row index: Int) -> UnsafeBufferPointer<Float> {
        let values = ToySource.logits(after: held[index], source: sources[index], vocabulary: vocabulary)
        _ = row.update(fromContentsOf: values)
        return UnsafeBufferPointer(row)
    }

    func select(_ parents: UnsafeBufferPointer<Int32>) throws {
        held = parents.map { held[Int($0)] }
        sources = parents.map { sources[Int($0)] }
    }

    func advance(_ ids: UnsafeBufferPointer<Int32>) throws {
        guard ids.count == held.count else { throw HeedError(.badInput, "toy got \(ids.count) ids") }
        for (index, id) in ids.enumerated() {
            held[index].append(id)
            if held[index].count > contextLength { throw HeedError(.badInput, "toy row too long") }
        }
    }

    func replace(row: Int, ids: UnsafeBufferPointer<Int32>) throws {
        held[row] = Array(ids)
        replacements += 1
    }
}

/// log softmax in double precision.
func logSoftmax(_ logits: [Float]) -> [Double] {
    let highest = Double(logits.max() ?? 0)
    let sum = logits.reduce(0.0) { $0 + ExactMathematics.exp(Double($1) - highest) }
    return logits.map { Double($0) - highest - ExactMathematics.log(sum) }
}
