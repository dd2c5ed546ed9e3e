/// Numbers in rows, as a worked example starts from them and prints them.
public struct NumberTable: Sendable, Equatable {
    /// The number of rows.
    public let rows: Int
    /// The number of columns.
    public let columns: Int
    /// The numbers, row by row.
    public var values: [Double]

    /// A table whose number in row i and column j is `element(i, j)`.
    public init(rows: Int, columns: Int, _ element: (Int, Int) -> Double) {
        self.rows = rows
        self.columns = columns
        values = (0..<rows * columns).map { element($0 / columns, $0 % columns) }
    }

    /// A table with the given rows; rows that are shorter than the first are filled with zeros.
    public init(_ rows: [[Double]]) {
        self.init(rows: rows.count, columns: rows.first?.count ?? 0) { i, j in j < rows[i].count ? rows[i][j] : 0 }
    }

    /// The number in row i and column j.
    public subscript(i: Int, j: Int) -> Double { values[i * columns + j] }

    /// The rows as lists.
    public var lists: [[Double]] { (0..<rows).map { Array(values[$0 * columns..<($0 + 1) * columns]) } }

    /// The transpose.
    public var transposed: NumberTable { NumberTable(rows: columns, columns: rows) { self[$1, $0] } }

    /// The largest magnitude.
    public var largest: Double { values.reduce(0) { max($0, abs($1)) } }

    /// The largest difference from a table of the same extents; infinite where the extents differ.
    public func difference(from other: NumberTable) -> Double {
        guard rows == other.rows, columns == other.columns else { return .infinity }
        return zip(values, other.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
    }

    /// Some columns.
    func columns(_ range: Range<Int>) -> NumberTable {
        NumberTable(rows: rows, columns: range.count) { self[$0, range.lowerBound + $1] }
    }

    /// Some rows.
    func rows(_ range: Range<Int>) -> NumberTable {
        NumberTable(rows: range.count, columns: columns) { self[range.lowerBound + $0, $1] }
    }

    /// The rows of all tables, one below the other; all have the same columns.
    static func stacked(_ tables: [NumberTable]) -> NumberTable { NumberTable(tables.flatMap(\.lists)) }
}
