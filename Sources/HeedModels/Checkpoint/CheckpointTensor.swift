import HeedSupport
import HeedTensor
import HeedWeights

/// One tensor of a published checkpoint and the part of a parameter that it is.
///
/// The mapping between published names and ours stands in one place per family, and serves loading, saving and the
/// names of gradients alike.
public struct CheckpointTensor: Sendable {
    /// The name as published.
    public let name: String
    /// The parameter that holds it.
    public let parameter: Parameter
    /// The rows of the parameter that it is; nil: all. Several projections lie in one parameter.
    public let rows: Range<Int>?
    /// Whether the file has it as [in, out].
    public let transposed: Bool
    /// Other names under which files have it.
    public let aliases: [String]
    /// Names that count before `name` where a file has several, even if they differ.
    public let overriding: [String]
    /// Whether a file may lack it, in which case the parameter keeps its initial values.
    public let optional: Bool

    /// A published name for (rows of) a parameter.
    public init(
        _ name: String, _ parameter: Parameter, rows: Range<Int>? = nil, transposed: Bool = false,
        aliases: [String] = [], overriding: [String] = [], optional: Bool = false
    ) {
        self.name = name
        self.parameter = parameter
        self.rows = rows
        self.transposed = transposed
        self.aliases = aliases
        self.overriding = overriding
        self.optional = optional
    }

    /// The extents in memory.
    var extents: [Int] { rows.map { [$0.count] + parameter.shape.dropFirst() } ?? parameter.shape }

    /// The extents in the file.
    public var storedShape: [Int] { transposed ? extents.reversed() : extents }

    /// The elements of it in `buffer`.
    public func values(in buffer: ParameterBuffer) -> UnsafeMutableBufferPointer<Float> {
        let whole = buffer[parameter]
        guard let rows else { return whole }
        let width = parameter.shape.dropFirst().reduce(1, *)
        return UnsafeMutableBufferPointer(rebasing: whole[rows.lowerBound * width..<rows.upperBound * width])
    }

    /// The elements in the order of the file.
    public func stored(in buffer: ParameterBuffer) -> [Float] {
        let values = values(in: buffer)
        guard transposed, extents.count == 2 else { return Array(values) }
        let (rows, columns) = (extents[0], extents[1])
        var result = [Float](repeating: 0, count: values.count)
        for row in 0..<rows {
            for column in 0..<columns { result[column * rows + row] = values[row * columns + column] }
        }
        return result
    }

    /// Every name under which files may have it, those first that count.
    var names: [String] { overriding + [name] + aliases }

    /// The name under which `source` has it, or nil.
    func name(in source: any TensorSource) -> String? { names.first { source.tensor(named: $0) != nil } }

    func write(from buffer: ParameterBuffer, as type: ElementType = .f32) -> TensorToWrite {
        TensorToWrite(name, type, shape: storedShape) { writer in
            let values = UnsafeBufferPointer(self.values(in: buffer))
            if transposed, extents.count == 2 {
                try writer.append(transposeOf: values, rows: extents[0], columns: extents[1])
            } else {
                try writer.append(values)
            }
        }
    }
}

extension [CheckpointTensor] {
    /// Checks that `source` has every tensor in its shape, under one value, and nothing that is not known.
    ///
    /// Reads values only where a tensor is there under several names. Returns a sentence about tensors that are left
    /// out, or nil.
    func check(_ source: any TensorSource) throws -> String? {
        for tensor in self {
            let name = tensor.name(in: source) ?? tensor.name
            if tensor.optional, source.tensor(named: name) == nil { continue }
            let stored = try source.required(name, shape: tensor.storedShape, reason: "as config.json says")
            guard stored.type.isFloating else {
                throw HeedError(
                    .badInput, "the tensor \(quoted(name, limit: 200)) holds integers where weights belong",
                    in: stored.file, expected: "F32, F16, BF16 or F64", got: stored.type.rawValue)
            }
            guard !tensor.overriding.contains(name) else { continue }
            for other in tensor.aliases where try other != name && source.differ([name], [other]) {
                throw HeedError(
                    .badInput,
                    "the tensors \(quoted(name, limit: 200)) and \(quoted(other, limit: 200)) are one parameter of the "
                        + "model, but differ", in: stored.file)
            }
        }
        return try UnreadTensors(source, known: Set(flatMap(\.names))).warning(source.place)
    }

    /// Reads every tensor into `buffer`.
    func read(_ source: any TensorSource, into buffer: ParameterBuffer) throws {
        for tensor in self {
            guard let name = tensor.name(in: source) else { continue }
            try source.read(
                name, shape: tensor.storedShape, transposed: tensor.transposed, into: tensor.values(in: buffer))
        }
    }
}
