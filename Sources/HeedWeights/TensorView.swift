import HeedSupport

/// The stored bytes of one tensor, lent for the duration of a call: as they are, or as 32-bit floats row by row.
///
/// A row is a run along the last axis; rows of a tensor of more than two dimensions follow each other.
public struct TensorView {
    /// What the file says of the tensor.
    public let tensor: StoredTensor
    /// All bytes, in the tensor's type; they are not aligned.
    public let bytes: UnsafeRawBufferPointer

    /// Bytes of one row.
    public var rowByteCount: Int { tensor.type.byteCount(of: tensor.rowLength) }

    /// The stored bytes of some rows.
    ///
    /// - Throws: `HeedError` where the tensor has no such rows.
    public func bytes(ofRows rows: Range<Int>) throws -> UnsafeRawBufferPointer {
        try check(rows, within: tensor.rowCount, "rows")
        return UnsafeRawBufferPointer(rebasing: bytes[rows.lowerBound * rowByteCount..<rows.upperBound * rowByteCount])
    }

    /// Converts some rows to 32-bit floats, without a check for finiteness.
    ///
    /// - `destination`: at least `rows.count · rowLength` elements.
    /// - Throws: `HeedError` where the tensor has no such rows or `destination` is too small.
    public func read(rows: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws {
        try check(rows, within: tensor.rowCount, "rows")
        let length = tensor.rowLength
        try read(elements: rows.lowerBound * length..<rows.upperBound * length, into: destination)
    }

    /// Converts some elements, counted row by row, to 32-bit floats, without a check for finiteness.
    ///
    /// - Throws: `HeedError` where the tensor has no such elements or `destination` is too small.
    public func read(elements: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws {
        try check(elements, within: tensor.count, "elements")
        guard destination.count >= elements.count else {
            throw HeedError(
                .usage, "the room for a part of the tensor \(quoted(tensor.name)) is too small", in: tensor.file,
                expected: "\(elements.count) elements", got: "\(destination.count)")
        }
        convert(
            bytes, tensor.type, elements: elements,
            into: UnsafeMutableBufferPointer(rebasing: destination[..<elements.count]))
    }

    private func check(_ range: Range<Int>, within count: Int, _ what: String) throws {
        guard range.lowerBound >= 0, range.upperBound <= count else {
            throw HeedError(
                .usage, "the tensor \(quoted(tensor.name)) has no \(what) \(range)", in: tensor.file,
                expected: "\(what) within 0..<\(count)", got: "\(range)")
        }
    }
}

extension TensorSource {
    /// Lends a tensor's bytes and the means to convert parts of them: many small reads cost one look-up.
    public func withView<Result>(of tensor: StoredTensor, _ body: (TensorView) throws -> Result) throws -> Result {
        try withBytes(of: tensor) { bytes in
            guard bytes.count >= tensor.type.byteCount(of: tensor.count) else {
                throw HeedError(.usage, "the tensor \(quoted(tensor.name)) is not of this file", in: place)
            }
            return try body(TensorView(tensor: tensor, bytes: bytes))
        }
    }

    /// Hands a tensor over in pieces of at most 65,536 elements, as 32-bit floats: memory of one piece, whatever the
    /// size. Pieces of block types are whole blocks.
    public func forEachPiece(of tensor: StoredTensor, _ body: (UnsafeBufferPointer<Float>, Int) throws -> Void) throws {
        let piece = 1 << 16
        var scratch = [Float](repeating: 0, count: min(piece, tensor.count))
        try withView(of: tensor) { view in
            for start in stride(from: 0, to: tensor.count, by: piece) {
                let end = min(start + piece, tensor.count)
                try scratch.withUnsafeMutableBufferPointer { buffer in
                    try view.read(elements: start..<end, into: buffer)
                    try body(UnsafeBufferPointer(rebasing: buffer[..<(end - start)]), start)
                }
            }
        }
    }
}
