/// The form in which products read the matrices of a model.
///
/// Vectors, and tables that no product reads, stay fp32. What a form costs in accuracy is held by tests: on the trained
/// models that they know, perplexity moves by less than 0.1 % in bf16 and f16, 0.5 % in int8 and 3 % in int4.
public enum WeightForm: String, Sendable, CaseIterable {
    /// As the file has them, 16-bit numbers and quantised blocks alike: products turn them into the fp32 numbers that
    /// they stand for on their way into the registers, so that results have the bits of `float32`.
    case stored
    /// 32-bit floats.
    case float32 = "f32"
    /// bfloat16; what products multiply them with is rounded to bfloat16 too.
    case bfloat16 = "bf16"
    /// binary16, multiplied in fp32.
    case float16 = "f16"
    /// Bytes in blocks of 32 with a binary16 scale; what they are multiplied with is rounded to bytes in blocks of 32,
    /// and a block's products are summed in integers.
    case int8
    /// Half bytes in blocks of 32 with a binary16 scale, multiplied as `int8` is; tables, output matrices and matrices of
    /// fewer than 256 columns stay `int8`.
    case int4

    /// Bytes of a number in a matrix, scales included; of `stored` in fp32 files.
    public var bytesPerNumber: Double {
        switch self {
        case .stored, .float32: 4
        case .bfloat16, .float16: 2
        case .int8: 34.0 / 32
        case .int4: 18.0 / 32
        }
    }

    /// Whether products read the numbers of the file, none of them rounded.
    public var isExact: Bool { self == .stored || self == .float32 }

    /// Whether products are computed in integers.
    public var isInteger: Bool { self == .int8 || self == .int4 }
}

extension Trace {
    /// Whether a matrix of a product stays `int8` in `int4`: where ids are chosen (it has a row for every id of a table),
    /// half bytes would cost the most; and where rows are short, as in small models, they cost more than they save.
    public func keepsBytes(rows: Int, columns: Int) -> Bool {
        columns < 256 || nodes.contains { ($0.operation as? EmbedOperation)?.vocabulary == rows }
    }

    /// Bytes of the numbers of `layout` in a form of weights: matrices that products of this trace read, in panels of
    /// `height` rows and blocks of 32 columns; all other numbers as 32-bit floats.
    public func weightBytes(_ form: WeightForm, of layout: ParameterLayout, height: Int) -> Int {
        var matrices: [Int: (parameter: Parameter, keepsBytes: Bool)] = [:]
        func add(_ parameter: Parameter, keepsBytes: Bool) { matrices[parameter.index] = (parameter, keepsBytes) }
        for node in nodes {
            switch node.operation {
            case let linear as LinearOperation:
                add(linear.weight, keepsBytes: keepsBytes(rows: linear.outColumns, columns: linear.inColumns))
            case let linear as ExpertLinearOperation:
                for weight in linear.weights { add(weight, keepsBytes: linear.inColumns < 256) }
            case let loss as CrossEntropyOperation: add(loss.weight, keepsBytes: true)
            default: break
            }
        }
        var bytes = 4 * layout.trainedCount
        for (parameter, keepsBytes) in matrices.values {
            let rows = parameter.shape.first ?? 0
            let columns = parameter.shape.dropFirst().reduce(1, *)
            // Look-ups do not read pairs of bf16: a table that is also a matrix keeps its rows beside them.
            let isTable = nodes.contains { ($0.operation as? EmbedOperation)?.table.index == parameter.index }
            let taken = form == .int4 && keepsBytes ? .int8 : form
            let padded = (rows + height - 1) / height * height * (taken.isInteger ? (columns + 31) / 32 * 32 : columns)
            bytes += Int(Double(padded) * taken.bytesPerNumber)
            if !(isTable && form == .bfloat16) { bytes -= 4 * parameter.count }
        }
        return bytes
    }
}

/// How one row of a matrix is stored in a file: the types that need no turning into fp32 before a product reads them.
public enum RowForm: UInt8, Sendable {
    // The kernels' numbers.
    case float32 = 0
    case float16, bfloat16
    case q8_0, q4_0, q4K, q5K, q6K

    /// About how many bytes a number takes.
    var bytesPerNumber: Int {
        switch self {
        case .float32: 4
        case .float16, .bfloat16: 2
        case .q8_0, .q4_0, .q4K, .q5K, .q6K: 1
        }
    }
}

/// The rows of a matrix as a file has them.
public struct StoredRows {
    /// By row: its form.
    public var forms: [RowForm]
    /// By row: where its bytes begin, valid for the call that lends them; nil for rows in a form of another kind, which
    /// are read as numbers.
    public var addresses: [UnsafePointer<UInt8>?]

    /// `count` rows that are to be read as numbers.
    public init(count: Int) {
        forms = Array(repeating: .float32, count: count)
        addresses = Array(repeating: nil, count: count)
    }

    /// Calls `body` with some rows of `width` numbers, one after the other; returns nil, without calling it, where they
    /// are no finite 32-bit floats.
    package func withNumbers<Result>(
        _ rows: Range<Int>, width: Int, _ body: (UnsafePointer<Float>) -> Result
    ) -> Result? {
        let addresses = addresses[rows].compactMap { $0 }
        let size = width * MemoryLayout<Float>.stride
        guard let first = addresses.first, addresses.count == rows.count,
            forms[rows].allSatisfy({ $0 == .float32 })
        else { return nil }
        let isOnePiece = addresses.enumerated().allSatisfy { $1 == first + $0 * size }
        if isOnePiece, UInt(bitPattern: first) % UInt(MemoryLayout<Float>.alignment) == 0 {
            return StoredRows.withFinite(UnsafeRawPointer(first), count: rows.count * width, body)
        }
        return withUnsafeTemporaryAllocation(
            byteCount: rows.count * size, alignment: MemoryLayout<Float>.alignment
        ) { room in
            guard let base = room.baseAddress else { return nil }
            for (row, address) in addresses.enumerated() {
                (base + row * size).copyMemory(from: address, byteCount: size)
            }
            return StoredRows.withFinite(base, count: rows.count * width, body)
        }
    }

    private static func withFinite<Result>(
        _ bytes: UnsafeRawPointer, count: Int, _ body: (UnsafePointer<Float>) -> Result
    ) -> Result? {
        let words = bytes.assumingMemoryBound(to: UInt32.self)
        var isFinite: UInt32 = 1
        for index in 0..<count { isFinite &= words[index] & 0x7F80_0000 == 0x7F80_0000 ? 0 : 1 }
        return isFinite == 1 ? body(bytes.assumingMemoryBound(to: Float.self)) : nil
    }
}
