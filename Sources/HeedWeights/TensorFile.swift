import HeedSupport

/// A set of named arrays in memory, read from and written to a safetensors file: the way numbers go in and out of
/// Heed (`heed pass`, `heed embed`, `heed generate --probabilities`).
public struct TensorFile: Sendable, Equatable {
    /// The elements of an array.
    public enum Values: Sendable, Equatable {
        /// Written as F32.
        case floats([Float])
        /// Written as F64.
        case doubles([Double])
        /// Written as I64.
        case integers([Int64])

        /// How many there are.
        public var count: Int {
            switch self {
            case .floats(let values): values.count
            case .doubles(let values): values.count
            case .integers(let values): values.count
            }
        }
    }

    /// One named array.
    public struct Entry: Sendable, Equatable {
        /// The name.
        public var name: String
        /// The extents, outermost first; empty for a single number.
        public var shape: [Int]
        /// The elements, row by row.
        public var values: Values

        /// A named array.
        public init(_ name: String, shape: [Int], _ values: Values) {
            self.name = name
            self.shape = shape
            self.values = values
        }
    }

    /// The file that the arrays came from, for messages.
    public let place: String
    /// The arrays in order.
    public private(set) var entries: [Entry] = []

    /// An empty set.
    public init(place: String = "memory") { self.place = place }

    /// Reads a file: F64 stays 64-bit, the other floats become 32-bit, every integer type becomes I64.
    ///
    /// - Throws: `HeedError` naming the file and tensor.
    public init(path: String) throws {
        let file = try SafetensorsFile(path: path)
        place = path
        for tensor in file.tensors {
            let values: Values
            if tensor.type == .f64 {
                values = .doubles(try file.doubles(tensor.name))
            } else if tensor.type.isFloating {
                values = .floats(try file.floats(tensor.name))
            } else {
                values = .integers(try file.integers(tensor.name).map { Int64($0) })
            }
            entries.append(Entry(tensor.name, shape: tensor.shape, values))
        }
    }

    /// The array of that name, or nil.
    public subscript(name: String) -> Entry? { entries.first { $0.name == name } }

    /// Puts other numbers in the place of an array that is there.
    public mutating func replace(_ name: String, shape: [Int], _ values: [Float]) {
        guard let place = entries.firstIndex(where: { $0.name == name }) else { return }
        entries[place] = Entry(name, shape: shape, .floats(values))
    }

    /// Appends an array.
    public mutating func append(_ name: String, shape: [Int], _ values: [Float]) {
        entries.append(Entry(name, shape: shape, .floats(values)))
    }

    /// Appends an array of integers.
    public mutating func append(_ name: String, shape: [Int], integers values: [Int64]) {
        entries.append(Entry(name, shape: shape, .integers(values)))
    }

    /// Writes the arrays atomically: floats as F32, doubles as F64, integers as I64.
    public func write(path: String) throws {
        let tensors = entries.map { entry in
            let type: ElementType =
                switch entry.values {
                case .floats: .f32
                case .doubles: .f64
                case .integers: .i64
                }
            return TensorToWrite(entry.name, type, shape: entry.shape) { writer in
                switch entry.values {
                case .floats(let values): try values.withUnsafeBytes { try writer.append(raw: $0) }
                case .doubles(let values): try values.withUnsafeBytes { try writer.append(raw: $0) }
                case .integers(let values): try values.withUnsafeBytes { try writer.append(raw: $0) }
                }
            }
        }
        try writeSafetensors(path: path, tensors, metadata: [:])
    }

    /// A matrix of integers that must be there, such as `input_ids [B, T]`.
    ///
    /// - `shape`: the extents that it must have, or nil for any two.
    /// - Throws: `HeedError` naming file and tensor where it is missing, holds floats, is no matrix, is empty or has
    ///   another shape.
    public func matrix(_ name: String, shape: [Int]? = nil) throws -> (rows: Int, columns: Int, values: [Int64]) {
        guard let matrix = try optionalMatrix(name, shape: shape) else {
            let there = entries.isEmpty ? "no tensor" : entries.map(\.name).joined(separator: ", ")
            throw HeedError(
                .missing, "the tensor \(name) is missing", in: place, expected: "\(name) I64 [B, T]", got: there)
        }
        return matrix
    }

    /// A matrix of integers, or nil where the file has none of that name.
    public func optionalMatrix(_ name: String, shape: [Int]? = nil) throws -> (
        rows: Int, columns: Int, values: [Int64]
    )? {
        guard let entry = self[name] else { return nil }
        guard case .integers(let values) = entry.values else {
            throw HeedError(
                .badInput, "the tensor \(name) holds floats", in: place, expected: "integers (I64)", got: "F32 or F64")
        }
        guard entry.shape.count == 2, entry.shape[0] > 0, entry.shape[1] > 0 else {
            throw HeedError(
                .badInput, "the tensor \(name) has no usable shape", in: place,
                expected: "[B, T] with B and T at least 1",
                got: "\(entry.shape)")
        }
        if let shape, entry.shape != shape {
            throw HeedError(
                .badInput, "the tensor \(name) has another shape than the ids", in: place, expected: "\(shape)",
                got: "\(entry.shape)")
        }
        return (entry.shape[0], entry.shape[1], values)
    }
}
