import CHeedKernels
import HeedSupport
import HeedTensor

/// A matrix as products of an inference read it, arranged once and shared by every pass of the model.
enum ArrangedMatrix: Sendable {
    /// fp32, or pairs of bf16.
    case words(Panels)
    /// Fewer bits, which stand for fp32 numbers or are multiplied as integers.
    case stored(StoredPanels)

    /// Arranges `weight` in the form of the model's weights.
    ///
    /// - Parameter keepsBytes: whether int4 is to be int8 here.
    /// - Throws: `HeedError` naming file and tensor; (`io`) when memory is refused.
    static func of(
        _ weight: Parameter, _ weights: Weights, precision: Precision, keepsBytes: Bool, kernels: Kernels, team: Team
    ) throws -> ArrangedMatrix {
        let form = weights.form == .int4 && keepsBytes ? WeightForm.int8 : weights.form
        if form == .bfloat16 || precision == .bfloat16 {
            return try words(weight, weights, .bfloat16, kernels, team)
        }
        return try weights.arranged(weight, kind: "panels \(form)") { numbers in
            switch form {
            case .float32, .bfloat16: break
            case .float16: return .stored(try .rounded(numbers, to: .float16, team: team))
            case .int8: return .stored(try .rounded(numbers, to: .q8_0, team: team))
            case .int4: return .stored(try .rounded(numbers, to: .q4_0, team: team))
            case .stored: if let panels = try StoredPanels.asStored(numbers, team: team) { return .stored(panels) }
            }
            return try .words(Panels(numbers, precision: .float32, kernels: kernels, team: team))
        }
    }

    private static func words(
        _ weight: Parameter, _ weights: Weights, _ precision: Precision, _ kernels: Kernels, _ team: Team
    ) throws -> ArrangedMatrix {
        // Words of bf16 are not the same for every unit, and a model may run on several.
        try weights.arranged(weight, kind: "panels \(kernels.code(precision))") {
            .words(try Panels($0, precision: precision, kernels: kernels, team: team))
        }
    }

    /// Bytes of the arrangement.
    var byteCount: Int {
        switch self {
        case .words(let panels): panels.byteCount
        case .stored(let panels): panels.byteCount
        }
    }

    /// Arranges rows that a training run has moved.
    func fill(from rows: UnsafeBufferPointer<Float>, form: WeightForm, team: Team) throws {
        switch self {
        case .words(let panels): panels.fill(from: rows, team: team)
        case .stored(let panels):
            // What a file had of old numbers is no form for new ones.
            if form == .stored { try panels.becomeFloat32() }
            panels.fill(from: rows, team: team)
        }
    }
}

/// Where a product finds its matrix: in exactly one of these places.
struct MatrixAddresses {
    var rows: UnsafePointer<Float>?
    var panels: UnsafeRawPointer?
    var stored: UnsafePointer<heed_stored>?
}

/// The matrices that a program reads in panels: it keeps them, and fills them again when a training run moves their
/// numbers.
final class PanelsInUse {
    let precision: Precision
    private let kernels: Kernels
    private let team: Team
    private var matrices: [Int: (parameter: Parameter, matrix: ArrangedMatrix)] = [:]
    private var changes: Int

    init(_ weights: Weights, precision: Precision, runtime: Runtime) {
        self.precision = precision
        kernels = runtime.kernels
        team = runtime.team
        changes = weights.changes
    }

    func addresses(_ parameter: Parameter, _ weights: Weights, keepsBytes: Bool) throws -> MatrixAddresses {
        let found =
            try matrices[parameter.index]?.matrix
            ?? ArrangedMatrix.of(
                parameter, weights, precision: precision, keepsBytes: keepsBytes, kernels: kernels, team: team)
        matrices[parameter.index] = (parameter, found)
        switch found {
        case .words(let panels): return MatrixAddresses(panels: UnsafeRawPointer(panels.memory.base))
        case .stored(let panels): return MatrixAddresses(stored: UnsafePointer(panels.matrix))
        }
    }

    /// Bytes of all of them.
    var byteCount: Int { matrices.values.reduce(0) { $0 + $1.matrix.byteCount } }

    /// Fills the panels again where the numbers may have moved since. Cost: nothing where they have not.
    func refresh(from weights: Weights) {
        guard weights.changes != changes || weights.isChanging else { return }
        changes = weights.changes
        for (parameter, matrix) in matrices.values {
            // Whoever changed the numbers has read them all.
            guard let rows = try? weights.rows(parameter) else { continue }
            try? matrix.fill(from: UnsafeBufferPointer(rows), form: weights.form, team: team)
        }
    }
}
