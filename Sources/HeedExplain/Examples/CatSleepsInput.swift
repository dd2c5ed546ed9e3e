import HeedSupport
import HeedWeights

extension CatSleeps {
    /// Reads the example with other numbers from a safetensors file.
    ///
    /// The file holds `X [n, d]`, `W_Q`, `W_K` and `W_V` `[d, k]`, `W_FFN1 [k, m]`, `W_FFN2 [m, 1]` and `y [n]`, in any
    /// type of number.
    /// - Throws: `HeedError` naming file and tensor where one is missing, has no such shape or is not finite.
    public init(path: String) throws {
        let file = try SafetensorsFile(path: path)
        let X = try CatSleeps.matrix(file, "X", rows: nil, columns: nil)
        let query = try CatSleeps.matrix(file, "W_Q", rows: X.columns, columns: nil)
        let key = try CatSleeps.matrix(file, "W_K", rows: X.columns, columns: query.columns)
        let value = try CatSleeps.matrix(file, "W_V", rows: X.columns, columns: query.columns)
        let feedForward1 = try CatSleeps.matrix(file, "W_FFN1", rows: value.columns, columns: nil)
        let feedForward2 = try CatSleeps.matrix(file, "W_FFN2", rows: feedForward1.columns, columns: 1)
        let labels = try CatSleeps.finite(file, try file.required("y"))
        guard labels.count == X.rows else {
            throw HeedError(
                .badInput, "the tensor y does not fit X", in: path, expected: "\(X.rows) labels", got: "\(labels.count)"
            )
        }
        self.init(
            X: X, query: query, key: key, value: value, feedForward1: feedForward1, feedForward2: feedForward2,
            labels: labels)
    }

    /// The largest extent that is taken: this is arithmetic to be read, not to be fast.
    private static let largestExtent = 256

    private static func matrix(_ file: SafetensorsFile, _ name: String, rows: Int?, columns: Int?) throws -> NumberTable
    {
        let tensor = try file.required(name)
        func allowed(_ extent: Int, _ wanted: Int?) -> Bool {
            wanted.map { $0 == extent } ?? (1...largestExtent).contains(extent)
        }
        guard tensor.shape.count == 2, allowed(tensor.shape[0], rows), allowed(tensor.shape[1], columns) else {
            let wanted = [rows, columns].map { $0.map(String.init) ?? "1…\(largestExtent)" }.joined(separator: ", ")
            throw HeedError(
                .badInput, "the tensor \(name) does not fit the example", in: file.place, expected: "[\(wanted)]",
                got: "\(tensor.shape)")
        }
        let values = try finite(file, tensor)
        return NumberTable(rows: tensor.shape[0], columns: tensor.shape[1]) { values[$0 * tensor.shape[1] + $1] }
    }

    private static func finite(_ file: SafetensorsFile, _ tensor: StoredTensor) throws -> [Double] {
        let values = try file.doubles(tensor.name)
        guard values.allSatisfy(\.isFinite) else {
            throw HeedError(.numeric, "the tensor \(tensor.name) holds a NaN or an infinity", in: file.place)
        }
        return values
    }
}
