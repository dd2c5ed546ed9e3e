import CHeedKernels
import HeedTensor

extension Weights {
    /// A matrix rearranged once for inference, so that products of few rows read it at memory speed: panels of 48
    /// outputs, [in][48] each. Cost: one pass over the matrix, once.
    func panels(of weight: Parameter, precision: Precision, kernels: Kernels) throws -> Panels {
        try arranged(weight, kind: "panels \(precision)") { rows in
            let panels = try Panels(of: weight, precision: precision, kernels: kernels)
            panels.fill(from: rows)
            return panels
        }
    }
}

/// A matrix [out, in] in panels.
final class Panels: @unchecked Sendable {
    // Sendable: written by whoever arranges the matrix, read by passes.
    let weight: Parameter
    let memory: AlignedMemory
    private let precision: Precision
    private let kernels: Kernels

    /// Memory for the panels of `weight`.
    init(of weight: Parameter, precision: Precision, kernels: Kernels) throws {
        self.weight = weight
        self.precision = precision
        self.kernels = kernels
        let (out, width) = Panels.extents(weight)
        memory = try AlignedMemory(byteCount: Int(heed_panel_bytes(width, out, precision.code)))
    }

    /// Arranges `rows`, the matrix row by row.
    func fill(from rows: UnsafeBufferPointer<Float>) {
        let (out, width) = Panels.extents(weight)
        var call = heed_pack(
            weight: rows.baseAddress, panels: memory.base, in: Int32(width), out: Int32(out),
            precision: precision.code)
        kernels.table.pointee.pack(&call, 0, 1)
    }

    private static func extents(_ weight: Parameter) -> (out: Int64, width: Int64) {
        (Int64(weight.shape.first ?? 0), Int64(weight.shape.dropFirst().reduce(1, *)))
    }
}
