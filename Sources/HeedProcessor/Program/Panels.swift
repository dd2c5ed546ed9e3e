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
    init(_ numbers: ParameterNumbers, precision: Precision, kernels: Kernels, team: Team) throws {
        weight = numbers.parameter
        self.precision = precision
        self.kernels = kernels
        let (out, width) = Panels.extents(weight)
        byteCount = Int(heed_panel_bytes(Int64(width), Int64(out), kernels.code(precision)))
        memory = try AlignedMemory(byteCount: byteCount)
        let isFilled = try numbers.forStoredRows(by: Panels.height) { fill($1, from: $0, team: team) }
        // Reading the numbers also says which of them is not finite.
        if !isFilled { try numbers.withRows { fill(from: $0, team: team) } }
    }

    /// Arranges `rows`, the matrix row by row.
    func fill(from rows: UnsafeBufferPointer<Float>, team: Team) {
        let (out, width) = Panels.extents(weight)
        team.share(
            PanelWork(0..<(out + Panels.height - 1) / Panels.height) { index in
                let first = index * Panels.height
                self.pack(rows.baseAddress.map { $0 + first * width }, min(Panels.height, out - first), into: index)
                return true
            })
    }

    /// Arranges some rows where a file has them. Returns false where they are no finite 32-bit floats.
    private func fill(_ rows: Range<Int>, from stored: StoredRows, team: Team) -> Bool {
        let width = Panels.extents(weight).width
        let work = PanelWork(ofRows: rows) { index in
            let range = index * Panels.height..<min((index + 1) * Panels.height, rows.upperBound)
            return stored.withNumbers(range, width: width) { self.pack($0, range.count, into: index) } != nil
        }
        team.share(work)
        return work.succeeded
    }

    /// Packs rows that lie one after the other into one panel.
    private func pack(_ rows: UnsafePointer<Float>?, _ count: Int, into panel: Int) {
        let width = Panels.extents(weight).width
        let bytes = Int(heed_panel_bytes(Int64(width), Int64(Panels.height), kernels.code(precision)))
        var call = heed_pack(
            weight: rows, panels: memory.base + panel * bytes, in: Int32(width), out: Int32(count),
            precision: kernels.code(precision))
        kernels.table.pointee.pack(&call, 0, 1)
    }

    private static func extents(_ weight: Parameter) -> (out: Int, width: Int) {
        (weight.shape.first ?? 0, weight.shape.dropFirst().reduce(1, *))
    }

    static let height = Int(HEED_PANEL)
}
