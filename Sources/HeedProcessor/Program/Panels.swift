import CHeedKernels
import HeedTensor

/// A matrix [out, in] rearranged for inference, so that products of few rows read it at memory speed: panels of 48
/// outputs, [in][48] each, of fp32 or of pairs of bf16. Cost: one pass over the matrix, once.
final class Panels: @unchecked Sendable {
    // Sendable: written by whoever arranges the matrix, read by passes.
    let memory: AlignedMemory
    /// Bytes of the panels.
    let byteCount: Int
    private let weight: Parameter
    private let precision: Precision
    private let kernels: Kernels

    /// The panels of a matrix.
    ///
    /// - Throws: `HeedError` naming file and tensor; (`io`) when memory is refused.
    init(_ numbers: ParameterNumbers, precision: Precision, kernels: Kernels) throws {
        weight = numbers.parameter
        self.precision = precision
        self.kernels = kernels
        let (out, width) = Panels.extents(weight)
        byteCount = Int(heed_panel_bytes(width, out, kernels.code(precision)))
        memory = try AlignedMemory(byteCount: byteCount)
        try numbers.withRows { fill(from: $0) }
    }

    /// Arranges `rows`, the matrix row by row.
    func fill(from rows: UnsafeBufferPointer<Float>) {
        let (out, width) = Panels.extents(weight)
        var call = heed_pack(
            weight: rows.baseAddress, panels: memory.base, in: Int32(width), out: Int32(out),
            precision: kernels.code(precision))
        kernels.table.pointee.pack(&call, 0, 1)
    }

    private static func extents(_ weight: Parameter) -> (out: Int64, width: Int64) {
        (Int64(weight.shape.first ?? 0), Int64(weight.shape.dropFirst().reduce(1, *)))
    }
}
