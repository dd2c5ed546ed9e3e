import HeedSupport
import HeedTensor
import HeedWeights

/// Rows of ids made elsewhere: a safetensors file with `input_ids [rows, T]`, and `labels` and `attention_mask` where
/// they apply.
///
/// The state of column t predicts the label of column t + 1, as in Hugging Face; −100 counts nowhere. Without labels
/// the ids are the labels. Columns that the mask excludes are not computed. In sequential order the rows are taken as
/// they lie, and from the first again after the last; shuffled, in a random order in every epoch.
public final class RowSource: BatchSource {
    /// The file.
    public let name: String
    /// T.
    public let columns: Int
    /// The number of rows.
    public let count: Int
    /// In which order rows are taken.
    public let order: WindowOrder
    /// A fingerprint of ids, labels and masks.
    public let fingerprint: UInt64
    private let table: RowTable
    private let range: Range<Int>
    private let seed: UInt64
    private let rows: Int
    private let parts: Int

    /// Takes the rows of `range` of a table, `batch` at a time.
    public init(
        _ table: RowTable, range: Range<Int>, batch: Int, accumulate: Int, order: WindowOrder, seed: UInt64
    ) {
        self.table = table
        self.range = range
        self.order = order
        self.seed = seed
        name = table.name
        columns = table.columns
        count = range.count
        fingerprint = table.fingerprint
        rows = batch
        parts = accumulate
    }

    public func fill(_ batch: TokenBatch, step: Int, part: Int) throws {
        batch.clear()
        let first = ((step - 1) * parts + part) * rows
        for row in 0..<rows {
            let index = first + row
            var place = index % count
            if order == .shuffled {
                place = Permutation(count: count, seed: seed, epoch: index / count)[place]
            }
            try table.append(row: range.lowerBound + place, to: batch)
        }
    }
}

/// The rows of a file, checked and packed: what the mask excludes is gone.
public final class RowTable: Sendable {
    /// What messages call it.
    public let name: String
    /// The length of a row, padding included.
    public let columns: Int
    /// How many rows.
    public let rows: Int
    /// A number that differs when the contents do.
    public let fingerprint: UInt64
    private let ids: [Int32]
    private let positions: [Int32]
    private let targets: [Int32]
    private let offsets: [Int]

    /// - Throws: `HeedError` naming file and tensor: missing, of another shape, an id out of range, a row without ids.
    public init(path: String, vocabulary: Int) throws {
        let file = try TensorFile(path: path)
        let given = try file.matrix("input_ids")
        let shape = [given.rows, given.columns]
        let mask = try file.optionalMatrix("attention_mask", shape: shape)?.values
        let labels = try file.optionalMatrix("labels", shape: shape)?.values
        // Everything is checked, also what a mask excludes.
        try RowTable.check(given.values, "input_ids", columns: given.columns, vocabulary, path)
        if let labels {
            try RowTable.check(labels, "labels", columns: given.columns, vocabulary, path, ignores: true)
        }
        var (ids, positions, targets, offsets) = ([Int32](), [Int32](), [Int32](), [0])
        func visible(_ index: Int) -> Bool { mask.map { $0[index] != 0 } ?? true }
        for row in 0..<given.rows {
            for column in 0..<given.columns {
                let index = row * given.columns + column
                guard visible(index) else { continue }
                ids.append(Int32(given.values[index]))
                positions.append(Int32(column))
                var target = TokenBatch.ignored
                if column + 1 < given.columns {
                    if let labels {
                        target = Int32(labels[index + 1])
                    } else if visible(index + 1) {
                        target = Int32(given.values[index + 1])
                    }
                }
                targets.append(target)
            }
            guard ids.count > offsets[row] else {
                throw HeedError(.badInput, "the tensor attention_mask excludes all of row \(row)", in: path)
            }
            offsets.append(ids.count)
        }
        var hash: UInt64 = UInt64(given.columns)
        for list in [ids, positions, targets] {
            for id in list {
                hash = (hash ^ UInt64(UInt32(bitPattern: id))) &* 0x9E37_79B9_7F4A_7C15
                hash ^= hash >> 29
            }
        }
        name = path
        rows = given.rows
        columns = given.columns
        fingerprint = hash
        (self.ids, self.positions, self.targets, self.offsets) = (ids, positions, targets, offsets)
    }

    /// Appends a row to a batch. Allocates nothing.
    public func append(row: Int, to batch: TokenBatch) throws {
        let (start, end) = (offsets[row], offsets[row + 1])
        let base = batch.rows.current
        try ids.withUnsafeBufferPointer { try batch.append(UnsafeBufferPointer(rebasing: $0[start..<end])) }
        for index in start..<end {
            batch.positions[base + index - start] = positions[index]
            batch.targets[base + index - start] = targets[index]
        }
    }

    private static func check(
        _ values: [Int64], _ tensor: String, columns: Int, _ vocabulary: Int, _ path: String, ignores: Bool = false
    ) throws {
        for (index, value) in values.enumerated() where value < 0 || value >= vocabulary {
            if ignores, value == Int64(TokenBatch.ignored) { continue }
            throw HeedError(
                .badInput,
                "the tensor \(tensor) holds an id outside the vocabulary at [\(index / columns), \(index % columns)]",
                in: path, expected: "0 ..< \(vocabulary)" + (ignores ? ", or -100 to ignore" : ""), got: "\(value)")
        }
    }
}
