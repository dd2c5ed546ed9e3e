import HeedModels
import HeedSupport
import HeedTensor
import HeedWeights

/// Rows of ids with their masks and positions, checked against a model.
struct PassInput {
    let side: PassSide
    let ids: [Int64]
    /// By row and column, also of columns that the mask excludes.
    var positions: [Int64]
    /// Whether the positions came with the ids.
    let hasOwnPositions: Bool
    private let file: TensorFile
    private let name: String

    var rows: Int { side.rows }
    var columns: Int { side.columns }
    /// One more than the largest position, and no less than the columns.
    var length: Int { max(columns, (positions.max().map { Int($0) } ?? 0) + 1) }

    /// Reads the ids called `name` with `mask`, and `position_ids` where the model takes them.
    ///
    /// - Throws: `HeedError` naming the tensor: missing, of another type or shape, out of range.
    init(
        _ file: TensorFile, _ name: String = "input_ids", mask: String = "attention_mask", vocabulary: Int,
        context: Int, takesPositions: Bool = true
    ) throws {
        let matrix = try file.matrix(name)
        try self.init(
            file, name, (matrix.rows, matrix.columns, matrix.values), mask: mask, vocabulary: vocabulary,
            context: context, takesPositions: takesPositions)
    }

    /// The same with ids that were made and not read.
    init(
        _ file: TensorFile, _ name: String, _ matrix: (rows: Int, columns: Int, values: [Int64]), mask: String,
        vocabulary: Int, context: Int, takesPositions: Bool = true
    ) throws {
        self.file = file
        self.name = name
        let (rows, columns) = (matrix.rows, matrix.columns)
        ids = matrix.values
        try PassInput.check(ids, name, below: vocabulary, "the vocabulary", file)
        let mask = try file.optionalMatrix(mask, shape: [rows, columns])?.values
        side = PassSide(
            rows: rows, columns: columns,
            visible: (0..<rows).map { row in
                (0..<columns).filter { column in mask.map { $0[row * columns + column] != 0 } ?? true }
            })
        let given = takesPositions ? try file.optionalMatrix("position_ids", shape: nil) : nil
        hasOwnPositions = given != nil
        if let given {
            guard given.columns == columns, given.rows == rows || given.rows == 1 else {
                throw HeedError(
                    .badInput, "the tensor position_ids has another shape than the ids", in: file.place,
                    expected: "[\(rows), \(columns)]", got: "[\(given.rows), \(given.columns)]")
            }
            try PassInput.check(given.values, "position_ids", below: context, "the context", file)
            positions = given.rows == rows ? given.values : (0..<rows).flatMap { _ in given.values }
        } else {
            guard columns <= context else {
                throw HeedError(
                    .badInput, "\(name) has more columns than the model has positions", in: file.place,
                    expected: "at most \(context)", got: "\(columns)")
            }
            positions = (0..<rows).flatMap { _ in (0..<Int64(columns)) }
        }
    }

    /// The ids as labels: what the mask excludes counts nowhere.
    var visibleIds: [Int64] {
        var labels = [Int64](repeating: Int64(TokenBatch.ignored), count: ids.count)
        for row in 0..<rows {
            for column in side.visible[row] { labels[row * columns + column] = ids[row * columns + column] }
        }
        return labels
    }

    /// Room for these tokens, filled with them; `types` by row and column.
    func batch(types: [Int64]? = nil) throws -> TokenBatch {
        let batch = TokenBatch(rowCapacity: max(side.count, 1), sequenceCapacity: rows)
        for row in 0..<rows {
            let columns = side.visible[row]
            let start = row * self.columns
            let first = batch.rows.current
            try batch.append(
                columns.map { Int32(ids[start + $0]) }, positions: columns.map { Int32(positions[start + $0]) })
            guard let types else { continue }
            for (index, column) in columns.enumerated() { batch.types[first + index] = Int32(types[start + column]) }
        }
        return batch
    }

    /// Sets the targets of `batch`, the target of a column being the label `ahead` columns on, and counts them.
    ///
    /// - Throws: `HeedError` when none counts.
    func setTargets(_ labels: [Int64], ahead: Int, in batch: TokenBatch) throws -> Int {
        var counted = 0
        var packed = 0
        for row in 0..<rows {
            for column in side.visible[row] {
                let label = column + ahead < columns ? labels[row * columns + column + ahead] : -100
                batch.targets[packed] = label == -100 ? TokenBatch.ignored : Int32(label)
                if label != -100 { counted += 1 }
                packed += 1
            }
        }
        guard counted > 0 else {
            throw HeedError(
                .badInput, "no element of labels counts", in: file.place,
                expected: "at least one label that is not -100" + (ahead > 0 ? " behind the first column" : ""))
        }
        return counted
    }

    /// The labels of `file` by row and column, −100 being ignored, or nil where it has none.
    static func labels(_ file: TensorFile, shape: [Int]?, vocabulary: Int) throws -> (
        rows: Int, columns: Int, values: [Int64]
    )? {
        guard let labels = try file.optionalMatrix("labels", shape: shape) else { return nil }
        for (index, label) in labels.values.enumerated() where label != -100 {
            guard label >= 0, label < vocabulary else {
                throw HeedError(
                    .badInput,
                    "the tensor labels holds an id out of range at [\(index / labels.columns), \(index % labels.columns)]",
                    in: file.place, expected: "0 ..< \(vocabulary), or -100 to ignore", got: "\(label)")
            }
        }
        return labels
    }

    /// - Throws: `HeedError` naming the first of `values` that is not in `0 ..< limit`.
    static func check(
        _ values: [Int64], _ name: String, below limit: Int, _ what: String, _ file: TensorFile
    ) throws {
        for (index, value) in values.enumerated() where value < 0 || value >= limit {
            throw HeedError(
                .badInput, "the tensor \(name) holds a number outside \(what) at element \(index)", in: file.place,
                expected: "0 ..< \(limit)", got: "\(value)")
        }
    }
}

extension PassInput {
    /// Positions count the ids of a row that are not `padding`, which has position −1.
    mutating func countPositions(skipping padding: Int) {
        for row in 0..<rows {
            var count: Int64 = 0
            for index in row * columns..<(row + 1) * columns {
                let isPadding = ids[index] == Int64(padding)
                positions[index] = isPadding ? -1 : count
                if !isPadding { count += 1 }
            }
        }
    }
}
