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
    /// The rows of the parameter that it is, in the order of the file; nil: all. Several projections lie in one
    /// parameter, and some files mix the rows of several.
    public let rows: [Range<Int>]?
    /// What is added to the file's numbers: 1 for gains that a file keeps less 1.
    public let shift: Float
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
        _ name: String, _ parameter: Parameter, rows: [Range<Int>]? = nil, transposed: Bool = false, shift: Float = 0,
        aliases: [String] = [], overriding: [String] = [], optional: Bool = false
    ) {
        self.name = name
        self.parameter = parameter
        self.rows = rows
        self.transposed = transposed
        self.shift = shift
        self.aliases = aliases
        self.overriding = overriding
        self.optional = optional
    }

    /// The extents in memory.
    var extents: [Int] {
        rows.map { [$0.reduce(0) { $0 + $1.count }] + parameter.shape.dropFirst() } ?? parameter.shape
    }

    /// The extents in the file.
    public var storedShape: [Int] { transposed ? extents.reversed() : extents }

    /// The elements of it among those of its parameter, in the order of the file (of the file's transpose).
    private var places: [Range<Int>] {
        guard let rows else { return [0..<parameter.count] }
        let width = parameter.shape.dropFirst().reduce(1, *)
        return rows.map { $0.lowerBound * width..<$0.upperBound * width }
    }

    /// Writes `values`, in the order of the file's transpose, into `buffer`: numbers, gradients or moments.
    public func set(_ values: [Float], in buffer: ParameterBuffer) {
        let whole = buffer[parameter]
        var next = 0
        for place in places {
            for index in place where next < values.count {
                whole[index] = values[next]
                next += 1
            }
        }
    }

    /// The elements in the order of the file: numbers as the model has them, gradients or moments.
    public func stored(in buffer: ParameterBuffer) -> [Float] {
        let whole = buffer[parameter]
        let values = places.flatMap { whole[$0] }
        guard transposed, extents.count == 2 else { return values }
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
            let whole = UnsafeBufferPointer(buffer[parameter])
            guard shift == 0, rows.map({ $0.count == 1 }) ?? true, let place = places.first else {
                let values = stored(in: buffer).map { $0 - shift }
                return try values.withUnsafeBufferPointer { try writer.append($0) }
            }
            let values = UnsafeBufferPointer(rebasing: whole[place])
            if transposed, extents.count == 2 {
                try writer.append(transposeOf: values, rows: extents[0], columns: extents[1])
            } else {
                try writer.append(values)
            }
        }
    }

    /// Says in `rows` where the rows of its parameter begin in its bytes. Returns false where rows are no whole blocks.
    fileprivate func add(
        _ bytes: UnsafeRawBufferPointer, _ type: ElementType, columns: Int, to rows: inout StoredRows
    ) -> Bool {
        guard columns > 0, columns % type.blockLength == 0, let base = bytes.baseAddress else { return false }
        let form = type.rowForm
        let size = type.byteCount(of: columns)
        var address = base.assumingMemoryBound(to: UInt8.self)
        let places = self.rows ?? [0..<(parameter.shape.first ?? 0)]
        guard places.reduce(0, { $0 + $1.count }) * size <= bytes.count else { return false }
        for place in places {
            for row in place {
                if let form {
                    rows.forms[row] = form
                    rows.addresses[row] = address
                }
                address += size
            }
        }
        return true
    }

    /// Reads it from `source` into its parameter's numbers.
    func read(
        _ source: any TensorSource, _ name: String, into values: UnsafeMutableBufferPointer<Float>
    ) throws {
        let places = places
        if places.count == 1, let place = places.first {
            let part = UnsafeMutableBufferPointer(rebasing: values[place])
            try source.read(name, shape: storedShape, transposed: transposed, into: part)
        } else {
            var whole = [Float](repeating: 0, count: extents.reduce(1, *))
            try whole.withUnsafeMutableBufferPointer {
                try source.read(name, shape: storedShape, transposed: transposed, into: $0)
            }
            var next = 0
            for place in places {
                for index in place {
                    values[index] = whole[next]
                    next += 1
                }
            }
        }
        guard shift != 0 else { return }
        for place in places { for index in place { values[index] += shift } }
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
}

/// The numbers of a model in files: each parameter is read from the tensors that hold its rows.
struct CheckpointSource: WeightSource {
    private let source: any TensorSource
    /// The tensors of each parameter, by its place in the layout.
    private let tensors: [Int: [CheckpointTensor]]

    init(_ source: any TensorSource, _ checkpoint: [CheckpointTensor]) {
        self.source = source
        tensors = Dictionary(grouping: checkpoint, by: \.parameter.index)
    }

    func read(_ parameter: Parameter, into values: UnsafeMutableBufferPointer<Float>) throws {
        for tensor in tensors[parameter.index] ?? [] {
            guard let name = tensor.name(in: source) else { continue }
            try tensor.read(source, name, into: values)
        }
    }

    /// Whether a file has numbers of the parameter.
    func has(_ parameter: Parameter) -> Bool {
        (tensors[parameter.index] ?? []).contains { $0.name(in: source) != nil }
    }

    func numberForm(of parameter: Parameter) -> RowForm? {
        let types = (tensors[parameter.index] ?? []).map { tensor in
            tensor.name(in: source).flatMap { source.tensor(named: $0)?.type }
        }
        guard let first = types.first, let type = first, types.allSatisfy({ $0 == type }) else { return nil }
        return type == .f16 ? .float16 : type == .bf16 ? .bfloat16 : nil
    }

    func withStoredRows<Result>(
        of parameter: Parameter, _ body: (StoredRows) throws -> Result
    ) throws -> Result? {
        guard let parts = tensors[parameter.index], parameter.shape.count == 2, let height = parameter.shape.first
        else { return nil }
        var rows = StoredRows(count: height)
        return try lend(parts[...], columns: parameter.shape[1], &rows, body)
    }

    /// Adds the rows of one tensor after the other, each lent for what follows.
    private func lend<Result>(
        _ parts: ArraySlice<CheckpointTensor>, columns: Int, _ rows: inout StoredRows,
        _ body: (StoredRows) throws -> Result
    ) throws -> Result? {
        guard let part = parts.first else { return try body(rows) }
        guard part.shift == 0, let name = part.name(in: source) else { return nil }
        let tensor = try source.required(name, shape: part.storedShape, reason: "as config.json says")
        var lent = rows
        let rest = parts.dropFirst()
        if part.transposed {
            return try source.withRowsOfTranspose(of: tensor) { type, bytes in
                guard part.add(bytes, type, columns: columns, to: &lent) else { return nil }
                return try lend(rest, columns: columns, &lent, body)
            } ?? nil
        }
        return try source.withBytes(of: tensor) { bytes in
            guard part.add(bytes, tensor.type, columns: columns, to: &lent) else { return nil }
            return try lend(rest, columns: columns, &lent, body)
        }
    }
}

extension ElementType {
    /// The form that products read without turning it into fp32 first; nil for other types.
    var rowForm: RowForm? {
        switch self {
        case .f32: .float32
        case .f16: .float16
        case .bf16: .bfloat16
        case .q8_0: .q8_0
        case .q4_0: .q4_0
        case .q4K: .q4K
        case .q5K: .q5K
        case .q6K: .q6K
        default: nil
        }
    }
}
