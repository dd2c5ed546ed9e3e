import HeedSupport

/// A copy of all tensors of a source into a file of one format, each in the type that suits it.
///
/// Where the type stays, bytes are copied; where it changes, pieces of 65,536 elements go through 32-bit floats, so that
/// memory stays that of one piece however large the file is.
public struct TensorCopy {
    /// The formats that are written.
    public enum Format: Sendable {
        case safetensors, gguf
    }

    /// One tensor and the type that it is written in.
    public struct Item: Sendable {
        /// The tensor as it is stored now.
        public let tensor: StoredTensor
        /// The type that it will have.
        public let type: ElementType
        /// Whether the wanted type does not fit the tensor's rows.
        public let isFallback: Bool
    }

    /// What is written, in the order of the source.
    public let items: [Item]
    /// The format of the file that is written.
    public let format: Format
    private let source: any TensorSource

    /// Chooses the types.
    ///
    /// - `type`: what floating tensors become; nil: what they are, or the nearest type of the format that holds
    ///   every value. In GGUF vectors stay F32 under types narrower than that, as llama.cpp wants them; rows that are no
    ///   whole blocks become Q8_0 where they are whole blocks of that, else F16.
    /// - Throws: `HeedError` naming a tensor that the format has no type for.
    public init(_ source: any TensorSource, to format: Format, type: ElementType?) throws {
        if format == .safetensors, let type, type.isBlock {
            throw HeedError(
                .usage, "\(type.rawValue) blocks stand in GGUF files only", in: source.place,
                advice: "Choose f32, f16 or bf16, or a path that ends in .gguf")
        }
        self.source = source
        self.format = format
        items = try source.tensors.map { tensor in
            let (chosen, isFallback) = TensorCopy.type(of: tensor, in: format, wanted: type)
            guard let chosen else {
                throw HeedError(
                    .unsupported, "a GGUF file has no type for the tensor \(quoted(tensor.name, limit: 200))",
                    in: tensor.file, got: tensor.type.rawValue)
            }
            return Item(tensor: tensor, type: chosen, isFallback: isFallback)
        }
    }

    /// The number of elements in all, which `elementsDone` of `tensors` counts up to.
    public var elementCount: Int { items.reduce(0) { $0 + $1.tensor.count } }

    private static func type(
        of tensor: StoredTensor, in format: Format, wanted: ElementType?
    ) -> (ElementType?, isFallback: Bool) {
        guard tensor.type.isFloating else {
            return (format == .safetensors || tensor.type.ggml != nil ? tensor.type : nil, false)
        }
        guard let wanted else {
            switch format {
            case .safetensors: return (tensor.type.isBlock ? .f32 : tensor.type, false)
            // Every eight-bit float is a binary16.
            case .gguf: return (tensor.type.ggml == nil ? .f16 : tensor.type, false)
            }
        }
        guard format == .gguf, wanted != .f32 else { return (wanted, false) }
        if tensor.shape.count < 2 { return (.f32, false) }
        if tensor.rowLength % wanted.blockLength == 0 { return (wanted, false) }
        return (tensor.rowLength % ElementType.q8_0.blockLength == 0 ? .q8_0 : .f16, true)
    }

    /// The tensors for a writer.
    ///
    /// - Parameter elementsDone: called after each piece with the number of elements that are done in all; what it
    ///   throws ends the work.
    public func tensors(elementsDone: @escaping (Int) throws -> Void) -> [TensorToWrite] {
        var before = 0
        return items.map { item in
            let start = before
            before += item.tensor.count
            return TensorToWrite(item.tensor.name, item.type, shape: item.tensor.shape) { writer in
                if item.type == item.tensor.type {
                    try source.withView(of: item.tensor) { view in
                        let piece = 1 << 20
                        for at in stride(from: 0, to: view.bytes.count, by: piece) {
                            let end = min(at + piece, view.bytes.count)
                            try writer.append(raw: UnsafeRawBufferPointer(rebasing: view.bytes[at..<end]))
                            try elementsDone(start + end / item.type.blockByteCount * item.type.blockLength)
                        }
                    }
                } else {
                    try source.forEachPiece(of: item.tensor) { values, at in
                        try writer.append(values)
                        try elementsDone(start + at + values.count)
                    }
                }
            }
        }
    }
}
