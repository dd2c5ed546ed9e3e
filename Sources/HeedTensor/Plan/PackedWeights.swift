import CHeedKernels

/// Matrices rearranged once for inference, so that products of few rows read them at memory speed.
///
/// Panels of 48 outputs, [in][48] each. Plans of one model share them. Cost: one pass over each matrix.
public final class PackedWeights {
    private let parameters: ParameterBuffer
    private let kernels: Kernels
    private var packed: [Int: AlignedMemory] = [:]

    /// Matrices of `parameters`, packed when a plan first asks for them.
    public init(_ parameters: ParameterBuffer, kernels: Kernels) {
        self.parameters = parameters
        self.kernels = kernels
    }

    /// The numbers that were packed.
    var source: ParameterBuffer { parameters }

    /// The bytes of all panels so far.
    public var byteCount: Int { packed.values.reduce(0) { $0 + $1.byteCount } }

    func panels(of weight: Parameter, precision: Precision) throws -> UnsafeRawPointer {
        let key = weight.index * 2 + (precision == .float32 ? 0 : 1)
        if let there = packed[key] { return UnsafeRawPointer(there.base) }
        let out = weight.shape.first ?? 0
        let width = weight.shape.dropFirst().reduce(1, *)
        let memory = try AlignedMemory(
            byteCount: Int(heed_panel_bytes(Int64(width), Int64(out), precision.code)))
        var call = heed_pack(
            weight: parameters[weight].baseAddress, panels: memory.base, in: Int32(width), out: Int32(out),
            precision: precision.code)
        kernels.table.pointee.pack?(&call, 0, 1)
        packed[key] = memory
        return UnsafeRawPointer(memory.base)
    }
}
