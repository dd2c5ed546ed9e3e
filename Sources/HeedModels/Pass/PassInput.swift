import HeedSupport
import HeedTensor
import HeedWeights

/// Rows of ids with their masks, positions and labels, checked against a model.
struct PassInput {
    let rows: Int
    let columns: Int
    let ids: [Int64]
    /// The columns of each row that the mask lets in, ascending.
    let visible: [[Int]]
    let positions: [Int64]
    /// Labels as given, −100 being ignored.
    let labels: [Int64]?

    /// - Throws: `HeedError` naming the tensor: missing, of another type or shape, out of range.
    init(_ file: TensorFile, _ configuration: DecoderConfiguration) throws {
        let matrix = try file.matrix("input_ids")
        let shape = [matrix.rows, matrix.columns]
        (rows, columns, ids) = (matrix.rows, matrix.columns, matrix.values)
        let columns = columns
        try PassInput.check(ids, "input_ids", below: configuration.vocabulary, "the vocabulary", file)
        let mask = try file.optionalMatrix("attention_mask", shape: shape)?.values
        visible = (0..<rows).map { row in
            (0..<columns).filter { column in mask.map { $0[row * columns + column] != 0 } ?? true }
        }
        if let given = try file.optionalMatrix("position_ids", shape: nil) {
            guard given.columns == columns, given.rows == rows || given.rows == 1 else {
                throw HeedError(
                    .badInput, "the tensor position_ids has another shape than the ids", in: file.place,
                    expected: "\(shape)", got: "[\(given.rows), \(given.columns)]")
            }
            try PassInput.check(given.values, "position_ids", below: configuration.context, "the context", file)
            positions =
                given.rows == rows ? given.values : (0..<rows).flatMap { _ in given.values }
        } else {
            guard columns <= configuration.context else {
                throw HeedError(
                    .badInput, "input_ids has more columns than the model has positions", in: file.place,
                    expected: "at most \(configuration.context)", got: "\(columns)")
            }
            positions = (0..<rows).flatMap { _ in (0..<Int64(columns)) }
        }
        labels = try file.optionalMatrix("labels", shape: shape)?.values
        if let labels {
            for (index, label) in labels.enumerated() where label != -100 {
                guard label >= 0, label < configuration.vocabulary else {
                    throw HeedError(
                        .badInput,
                        "the tensor labels holds an id out of range at [\(index / columns), \(index % columns)]",
                        in: file.place, expected: "0 ..< \(configuration.vocabulary), or -100 to ignore",
                        got: "\(label)")
                }
            }
        }
    }

    private static func check(
        _ values: [Int64], _ name: String, below limit: Int, _ what: String, _ file: TensorFile
    ) throws {
        for (index, value) in values.enumerated() where value < 0 || value >= limit {
            throw HeedError(
                .badInput, "the tensor \(name) holds a number outside \(what) at element \(index)", in: file.place,
                expected: "0 ..< \(limit)", got: "\(value)")
        }
    }
}
