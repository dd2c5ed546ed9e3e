/// The shape of a value: rows, known at run time and bounded when planned, by columns.
public struct Shape: Sendable, Equatable, CustomStringConvertible {
    /// The number of rows; two values have the same rows when they share this counter.
    public let rows: RowCount
    /// The length of the last axis.
    public let columns: Int

    /// `rows` by `columns`.
    public init(_ rows: RowCount, _ columns: Int) {
        self.rows = rows
        self.columns = columns
    }

    public static func == (a: Shape, b: Shape) -> Bool { a.rows === b.rows && a.columns == b.columns }

    /// `[≤ 512 rows, 768]`.
    public var description: String { "[≤ \(rows.capacity) rows, \(columns)]" }

    /// The numbers of a value at capacity.
    public var capacity: Int { rows.capacity * columns }
}

/// What an operation objects to in its inputs or parameters.
public struct ShapeMismatch: Error, Equatable {
    /// What does not fit: `input 0`, `the weight`.
    public let what: String
    /// The extents that would fit.
    public let expected: String
    /// The extents that came.
    public let got: String

    /// An objection to `what`.
    public init(_ what: String, expected: String, got: String) {
        self.what = what
        self.expected = expected
        self.got = got
    }
}

extension [Shape] {
    /// Checks that there are `count` inputs.
    public func require(count: Int) throws(ShapeMismatch) {
        guard self.count == count else {
            throw ShapeMismatch("the number of inputs", expected: "\(count)", got: "\(self.count)")
        }
    }

    /// Checks that input `place` has `columns` columns and, unless they are left open, the rows of `rows`.
    public func require(_ place: Int, columns: Int, rows: RowCount? = nil) throws(ShapeMismatch) {
        guard indices.contains(place) else {
            throw ShapeMismatch("the number of inputs", expected: "more than \(place)", got: "\(count)")
        }
        guard self[place].columns == columns else {
            throw ShapeMismatch("input \(place)", expected: "\(columns) columns", got: "\(self[place].columns)")
        }
        if let rows, self[place].rows !== rows {
            throw ShapeMismatch(
                "the rows of input \(place)", expected: "those of the batch that the operation reads",
                got: "others (at most \(self[place].rows.capacity))")
        }
    }
}

extension Parameter {
    /// The extents as a matrix [rows, columns].
    ///
    /// - Throws: `ShapeMismatch` when there are not two of them.
    public func matrix(_ what: String) throws(ShapeMismatch) -> (rows: Int, columns: Int) {
        guard shape.count == 2 else {
            throw ShapeMismatch("\(what) \(name)", expected: "a matrix [out, in]", got: "\(shape)")
        }
        return (shape[0], shape[1])
    }

    /// Checks that there are `count` numbers, as an offset or gain of so many columns has.
    public func requireCount(_ count: Int, _ what: String) throws(ShapeMismatch) {
        guard self.count == count else {
            throw ShapeMismatch("\(what) \(name)", expected: "[\(count)]", got: "\(shape)")
        }
    }
}
