import CHeedKernels
import HeedSupport
import HeedTensor

/// The instruction set whose kernels run.
public enum InstructionSet: String, CaseIterable, Sendable {
    /// Vectors as the compiler makes them for any processor, NEON among them.
    case portable
    /// AVX2 with fused multiply-add.
    case avx2
    /// AVX-512 (F, BW, VL, DQ).
    case avx512
    /// AVX-512, with bf16 products by the tile unit of AMX. Chosen by name only.
    case amx
    /// The best of the others, with bf16 products by a model of the tile unit: the bits of `amx` on any processor, slowly.
    case amxModel = "amx-model"

    fileprivate var isa: heed_isa {
        switch self {
        case .portable: HEED_PORTABLE
        case .avx2: HEED_AVX2
        case .avx512: HEED_AVX512
        case .amx: HEED_AMX
        case .amxModel: HEED_AMX_MODEL
        }
    }

    /// The best this processor has.
    public static var best: InstructionSet {
        switch heed_best_isa() {
        case HEED_AVX512: .avx512
        case HEED_AVX2: .avx2
        default: .portable
        }
    }

    /// Whether this processor and this build have it.
    public var isAvailable: Bool { heed_kernels_for(isa) != nil }
}

/// The table of kernels of one instruction set, chosen once.
public struct Kernels: @unchecked Sendable {
    // Sendable: points to a constant table of functions.
    let table: UnsafePointer<heed_kernels>
    /// Whose kernels these are.
    public let instructionSet: InstructionSet

    /// The kernels of `set`, by default the best of this processor.
    ///
    /// - Throws: `HeedError` (`unsupported`) when the processor lacks the instruction set.
    public init(_ set: InstructionSet = .best) throws {
        guard let table = heed_kernels_for(set.isa) else {
            let there = InstructionSet.allCases.filter(\.isAvailable).map(\.rawValue).joined(separator: ", ")
            throw HeedError(
                .unsupported, "this processor has no \(set.rawValue) instructions", expected: "one of \(there)",
                advice: "Choose another instruction set, or none to get the best.")
        }
        self.table = table
        instructionSet = set
    }
}

extension Kernels {
    /// The outputs of a panel, in which matrices are arranged for inference.
    public static var panelRows: Int { Int(HEED_PANEL) }

    /// The kernels' number for a precision: bf16 products are not the same on every unit.
    func code(_ precision: Precision) -> Int32 { table.pointee.code(precision) }
}

extension heed_kernels {
    /// The kernels' number for a precision.
    func code(_ precision: Precision) -> Int32 { Int32((precision == .float32 ? HEED_F32 : bf16).rawValue) }
}

extension NormKind {
    /// The kernels' number for it.
    var code: Int32 { Int32((self == .layer ? HEED_LAYER_NORM : HEED_RMS_NORM).rawValue) }
}

extension Activation {
    /// The kernels' number for it.
    var code: Int32 {
        let value: heed_activation =
            switch self {
            case .identity: HEED_IDENTITY
            case .relu: HEED_RELU
            case .gelu: HEED_GELU_ERF
            case .geluTanh: HEED_GELU_TANH
            case .quickGelu: HEED_QUICK_GELU
            case .silu: HEED_SILU
            case .tanh: HEED_TANH
            case .sigmoid: HEED_SIGMOID
            case .reluSquared: HEED_RELU_SQUARED
            case .softplus: HEED_SOFTPLUS
            }
        return Int32(value.rawValue)
    }
}
