#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A small matrix of 64-bit floats, for worked examples that a person follows with a pencil.
///
/// Nothing here is fast; the arithmetic reads as in a textbook and serves as a reference for everything that is.
public struct Matrix: Sendable, Equatable {
    /// The number of rows.
    public let rows: Int
    /// The number of columns.
    public let columns: Int
    /// The elements, row by row.
    public var values: [Double]

    /// A matrix of zeros.
    public init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
        values = [Double](repeating: 0, count: rows * columns)
    }

    /// A matrix whose element in row i and column j is `element(i, j)`.
    public init(rows: Int, columns: Int, _ element: (Int, Int) -> Double) {
        self.init(rows: rows, columns: columns)
        for i in 0..<rows { for j in 0..<columns { self[i, j] = element(i, j) } }
    }

    /// A matrix with the given rows; rows that are shorter than the first are filled with zeros.
    public init(_ rows: [[Double]]) {
        let columns = rows.first?.count ?? 0
        self.init(rows: rows.count, columns: columns) { i, j in j < rows[i].count ? rows[i][j] : 0 }
    }

    /// The element in row i and column j.
    public subscript(i: Int, j: Int) -> Double {
        get { values[i * columns + j] }
        set { values[i * columns + j] = newValue }
    }

    /// The rows as lists.
    public var lists: [[Double]] { (0..<rows).map { i in (0..<columns).map { self[i, $0] } } }

    /// The transpose.
    public var transposed: Matrix { Matrix(rows: columns, columns: rows) { self[$1, $0] } }

    /// The largest magnitude among the elements.
    public var largest: Double { values.reduce(0) { max($0, abs($1)) } }

    /// The product `A · B`; A has as many columns as B has rows.
    public static func * (a: Matrix, b: Matrix) -> Matrix {
        precondition(a.columns == b.rows, "a product of matrices that do not fit")
        return Matrix(rows: a.rows, columns: b.columns) { i, j in
            (0..<a.columns).reduce(0) { $0 + a[i, $1] * b[$1, j] }
        }
    }

    /// Every element times a number.
    public static func * (factor: Double, a: Matrix) -> Matrix { a.map { factor * $0 } }

    /// The sum, element by element.
    public static func + (a: Matrix, b: Matrix) -> Matrix { a.combined(with: b, +) }

    /// The difference, element by element.
    public static func - (a: Matrix, b: Matrix) -> Matrix { a.combined(with: b, -) }

    /// Every element through a function.
    public func map(_ function: (Double) -> Double) -> Matrix {
        var result = self
        result.values = values.map(function)
        return result
    }

    /// The elements of two matrices of one shape through a function.
    public func combined(with other: Matrix, _ function: (Double, Double) -> Double) -> Matrix {
        precondition(rows == other.rows && columns == other.columns, "two matrices of different shapes")
        var result = self
        result.values = zip(values, other.values).map(function)
        return result
    }

    /// Every row plus the one row of `bias`.
    public func addingToRows(_ bias: Matrix) -> Matrix {
        Matrix(rows: rows, columns: columns) { self[$0, $1] + bias[0, $1] }
    }

    /// The sum of the rows, as one row: the gradient of a bias.
    public var sumOfRows: Matrix {
        Matrix(rows: 1, columns: columns) { _, j in (0..<rows).reduce(0) { $0 + self[$1, j] } }
    }

    /// `softmax(S)ᵢⱼ = exp(sᵢⱼ − maxᵢ) / Σⱼ exp(sᵢⱼ − maxᵢ)`: every row becomes positive and sums to one.
    public var softmaxOfRows: Matrix {
        var result = self
        for i in 0..<rows {
            let top = (0..<columns).reduce(-Double.infinity) { max($0, self[i, $1]) }
            let sum = (0..<columns).reduce(0) { $0 + exp(self[i, $1] - top) }
            for j in 0..<columns { result[i, j] = exp(self[i, j] - top) / sum }
        }
        return result
    }

    /// The gradient of the scores from that of the softmax `P` (self): `∂Sᵢⱼ = Pᵢⱼ · (∂Pᵢⱼ − Σₖ Pᵢₖ ∂Pᵢₖ)`.
    public func softmaxGradient(_ gradient: Matrix) -> Matrix {
        Matrix(rows: rows, columns: columns) { i, j in
            let mean = (0..<columns).reduce(0) { $0 + self[i, $1] * gradient[i, $1] }
            return self[i, j] * (gradient[i, j] - mean)
        }
    }

    /// `max(0, x)`, element by element.
    public var rectified: Matrix { map { max(0, $0) } }

    /// The gradient of `x` (self) from that of `max(0, x)`: passed on where x is positive.
    public func rectifiedGradient(_ gradient: Matrix) -> Matrix {
        combined(with: gradient) { $0 > 0 ? $1 : 0 }
    }
}
