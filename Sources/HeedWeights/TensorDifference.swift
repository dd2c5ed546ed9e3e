import HeedSupport

/// How far two tensors of one name are apart.
public struct TensorDifference: Sendable {
    /// The name.
    public let name: String
    /// The extents in both sources.
    public let shapes: (first: [Int], second: [Int])
    /// The types in both sources.
    public let types: (first: ElementType, second: ElementType)
    /// The largest absolute difference of two elements; infinite where one is finite and the other is not. Nil where the
    /// shapes differ.
    public private(set) var largest: Double?
    /// The mean absolute difference of the elements. Nil where the shapes differ.
    public private(set) var mean: Double?
    /// How many elements differ.
    public private(set) var differing = 0

    /// Compares element by element, in pieces: memory of two pieces. Two NaN count as equal.
    ///
    /// - Throws: `HeedError` where bytes cannot be read, and what `elementsDone` throws.
    public init(
        _ name: String, _ first: any TensorSource, _ second: any TensorSource,
        elementsDone: (Int) throws -> Void = { _ in }
    ) throws {
        let (a, b) = (try first.required(name), try second.required(name))
        self.name = name
        shapes = (a.shape, b.shape)
        types = (a.type, b.type)
        guard a.shape == b.shape else { return }
        let exact = TensorDifference.isExact(a.type) && TensorDifference.isExact(b.type)
        var (top, sum, count) = (0.0, 0.0, 0)
        try first.withView(of: a) { left in
            try second.withView(of: b) { right in
                if a.type == b.type, left.bytes.elementsEqual(right.bytes) { return }
                let piece = 1 << 16
                var scratch = [Float](repeating: 0, count: exact ? 2 * piece : 0)
                for start in stride(from: 0, to: a.count, by: piece) {
                    let end = min(start + piece, a.count)
                    func add(_ x: Double, _ y: Double) {
                        guard x != y, !(x.isNaN && y.isNaN) else { return }
                        let difference = abs(x - y)
                        top = max(top, difference.isNaN ? .infinity : difference)
                        sum += difference.isNaN ? .infinity : difference
                        count += 1
                    }
                    if exact {
                        try scratch.withUnsafeMutableBufferPointer { buffer in
                            let (x, y) = (
                                UnsafeMutableBufferPointer(rebasing: buffer[..<piece]),
                                UnsafeMutableBufferPointer(rebasing: buffer[piece...])
                            )
                            try left.read(elements: start..<end, into: x)
                            try right.read(elements: start..<end, into: y)
                            for index in 0..<end - start { add(Double(x[index]), Double(y[index])) }
                        }
                    } else {
                        let (x, y) = (try left.doubles(start..<end), try right.doubles(start..<end))
                        for index in 0..<end - start { add(x[index], y[index]) }
                    }
                    try elementsDone(end)
                }
            }
        }
        largest = top
        mean = a.count == 0 ? 0 : sum / Double(a.count)
        differing = count
    }

    /// Whether a 32-bit float holds every value of the type.
    private static func isExact(_ type: ElementType) -> Bool {
        switch type {
        case .f64, .i64, .i32, .u64, .u32: false
        default: true
        }
    }

    /// Whether shapes and all elements are equal.
    public var isEqual: Bool { shapes.first == shapes.second && differing == 0 }
}

extension TensorView {
    /// Some elements as 64-bit floats: exact, but for integers beyond 2^53.
    func doubles(_ elements: Range<Int>) throws -> [Double] {
        if tensor.type.isBlock {
            var values = [Float](repeating: 0, count: elements.count)
            try values.withUnsafeMutableBufferPointer { try read(elements: elements, into: $0) }
            return values.map(Double.init)
        }
        return elements.map { element(bytes, tensor.type, $0) }
    }
}
