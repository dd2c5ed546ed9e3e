import HeedSupport

/// Named tensors in one or several files, read as 32-bit floats.
///
/// A model asks by published name and does not know whether a single file, shards or another format answers.
public protocol TensorSource: Sendable {
    /// The file or index to name in messages.
    var place: String { get }

    /// What there is, in the order of the files.
    var tensors: [StoredTensor] { get }

    /// What the files say of a tensor, or nil where there is none of that name. Constant time.
    func tensor(named name: String) -> StoredTensor?

    /// Calls `body` with the raw bytes of a tensor.
    func withBytes<Result>(of tensor: StoredTensor, _ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result

    /// Calls `body` with the rows of a matrix's transpose, in their type, where a file has that and not the matrix.
    /// Returns nil, without calling it, where it has not.
    func withRowsOfTranspose<Result>(
        of tensor: StoredTensor, _ body: (ElementType, UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result?
}

extension TensorSource {
    public func withRowsOfTranspose<Result>(
        of tensor: StoredTensor, _ body: (ElementType, UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? { nil }

    /// What the files say of a tensor that must be there.
    ///
    /// - `shape`: the extents that it must have, or nil for any.
    /// - `reason`: where that shape comes from, for the message: `as config.json says`.
    /// - Throws: `HeedError` naming file and tensor.
    public func required(_ name: String, shape: [Int]? = nil, reason: String? = nil) throws -> StoredTensor {
        guard let tensor = tensor(named: name) else {
            let near = nearest(name, among: tensors.map(\.name))
            throw HeedError(
                .missing, "the tensor \(quoted(name, limit: 200)) is missing", in: place,
                advice: near.map { "The nearest name there is \(quoted($0, limit: 200))" })
        }
        if let shape, tensor.shape != shape {
            throw HeedError(
                .badInput, "the tensor \(quoted(name, limit: 200)) has another shape", in: tensor.file,
                expected: "\(shape)" + (reason.map { " \($0)" } ?? ""), got: "\(tensor.shape)")
        }
        return tensor
    }

    /// Reads weights into `destination`, converted to 32-bit floats.
    ///
    /// - Parameters:
    ///   - name: the name in the files.
    ///   - shape: the extents that the tensor must have as stored, or nil for any.
    ///   - transposed: for a matrix `[m, n]`: read it as `[n, m]`.
    ///   - rows: the part of the first axis (after transposing) to read, or nil for all.
    ///   - destination: exactly as many elements as are asked for.
    /// - Throws: `HeedError` where the tensor is missing, has another shape, holds integers, or holds a NaN or an
    ///   infinity; it names file, tensor and place.
    /// Cost: one pass over the elements.
    public func read(
        _ name: String, shape: [Int]? = nil, transposed: Bool = false, rows: Range<Int>? = nil,
        into destination: UnsafeMutableBufferPointer<Float>
    ) throws {
        let tensor = try required(name, shape: shape, reason: "as config.json says")
        guard tensor.type.isFloating else {
            throw HeedError(
                .badInput, "the tensor \(quoted(name, limit: 200)) holds integers where weights belong",
                in: tensor.file,
                expected: "a floating type", got: tensor.type.rawValue)
        }
        let matrix = try MatrixView(tensor, transposed: transposed, rows: rows)
        guard matrix.rows.count * matrix.columns == destination.count else {
            throw HeedError(
                .badInput, "the tensor \(quoted(name, limit: 200)) does not fit", in: tensor.file,
                expected: "\(destination.count) elements", got: "\(matrix.rows.count * matrix.columns)")
        }
        let elements = matrix.rows.lowerBound * matrix.columns..<matrix.rows.upperBound * matrix.columns
        let rows = { (type: ElementType, bytes: UnsafeRawBufferPointer) in
            convert(bytes, type, elements: elements, into: destination)
        }
        if try !transposed || withRowsOfTranspose(of: tensor, rows) == nil {
            try withView(of: tensor) { view in
                if transposed {
                    transpose(view.bytes, tensor.type, matrix, into: destination)
                } else {
                    rows(tensor.type, view.bytes)
                }
            }
        }
        if let index = firstNonFinite(UnsafeBufferPointer(destination)) {
            throw nonFinite(destination[index], tensor, matrix.storedIndex(of: index, transposed: transposed))
        }
    }

    /// Converts a stored matrix `[m, n]` to rows of its transpose, without a check for finiteness.
    func readTransposed(_ tensor: StoredTensor, into destination: UnsafeMutableBufferPointer<Float>) throws {
        let matrix = try MatrixView(tensor, transposed: true, rows: nil)
        try withView(of: tensor) { transpose($0.bytes, tensor.type, matrix, into: destination) }
    }

    /// The elements of a tensor of any type as 32-bit floats, without a check for finiteness.
    public func floats(_ name: String) throws -> [Float] {
        let tensor = try required(name)
        return try withView(of: tensor) { view in
            try [Float](unsafeUninitializedCapacity: tensor.count) { buffer, count in
                try view.read(elements: 0..<tensor.count, into: buffer)
                count = tensor.count
            }
        }
    }

    /// The elements of a tensor of any type as 64-bit floats: exact, but for integers beyond 2^53.
    public func doubles(_ name: String) throws -> [Double] {
        let tensor = try required(name)
        if tensor.type.isBlock { return try floats(name).map(Double.init) }
        return try withView(of: tensor) { view in
            let bytes = view.bytes
            return (0..<tensor.count).map { element(bytes, tensor.type, $0) }
        }
    }

    /// The elements of an integer tensor.
    ///
    /// - Throws: `HeedError` naming the tensor where it holds floats, or a number beyond 2^63 − 1.
    public func integers(_ name: String) throws -> [Int] {
        let tensor = try required(name)
        guard !tensor.type.isFloating else {
            throw HeedError(
                .badInput, "the tensor \(quoted(name)) holds floats", in: tensor.file,
                expected: "integers (I64)", got: tensor.type.rawValue)
        }
        return try withBytes(of: tensor) { bytes in
            try (0..<tensor.count).map { index in
                guard let value = integerElement(bytes, tensor.type, index) else {
                    throw HeedError(
                        .badInput, "the tensor \(quoted(name)) holds a number that is too large", in: tensor.file,
                        expected: "at most 9223372036854775807")
                }
                return value
            }
        }
    }

    /// Reads every floating tensor once and throws at the first NaN or infinity, naming file, tensor and place.
    public func checkFinite() throws {
        for tensor in tensors where tensor.type.isFloating { try checkFinite(tensor) }
    }

    /// Reads a floating tensor in pieces and throws at the first NaN or infinity, naming file, tensor and place.
    ///
    /// Cost: one pass over the elements, and memory of one piece.
    public func checkFinite(_ tensor: StoredTensor) throws {
        try forEachPiece(of: tensor) { values, start in
            if let index = firstNonFinite(values) { throw nonFinite(values[index], tensor, start + index) }
        }
    }

    private func nonFinite(_ value: Float, _ tensor: StoredTensor, _ flat: Int) -> HeedError {
        var place: [Int] = []
        var rest = flat
        for extent in tensor.shape.reversed() where extent > 0 {
            place.insert(rest % extent, at: 0)
            rest /= extent
        }
        return HeedError(
            .numeric,
            "the tensor \(quoted(tensor.name, limit: 200)) holds \(value.isNaN ? "a NaN" : "an infinity") at \(place)",
            in: tensor.file, expected: "finite numbers",
            advice: "These weights are damaged, or come from a run that diverged; take an earlier checkpoint")
    }
}

/// A part of a tensor as rows of equal length.
struct MatrixView {
    /// The rows that are read, of those after transposing.
    let rows: Range<Int>
    /// The length of a row after transposing.
    let columns: Int
    /// How many rows there are in all.
    let height: Int

    init(_ tensor: StoredTensor, transposed: Bool, rows: Range<Int>?) throws {
        if transposed {
            guard tensor.shape.count == 2 else {
                throw HeedError(
                    .badInput, "the tensor \(quoted(tensor.name, limit: 200)) is no matrix", in: tensor.file,
                    expected: "two dimensions", got: "\(tensor.shape)")
            }
            height = tensor.shape[1]
            columns = tensor.shape[0]
        } else {
            height = tensor.shape.first ?? 1
            columns = height > 0 ? tensor.count / height : 0
        }
        let chosen = rows ?? 0..<height
        guard chosen.lowerBound >= 0, chosen.upperBound <= height else {
            throw HeedError(
                .badInput, "the tensor \(quoted(tensor.name, limit: 200)) has no rows \(chosen)", in: tensor.file,
                expected: "rows within 0..<\(height)", got: "\(chosen)")
        }
        self.rows = chosen
    }

    /// The place in the stored tensor of element `index` of what was read, for a stored matrix or rows of one.
    func storedIndex(of index: Int, transposed: Bool) -> Int {
        guard columns > 0 else { return 0 }
        let row = rows.lowerBound + index / columns
        let column = index % columns
        return transposed ? column * height + row : row * columns + column
    }
}
