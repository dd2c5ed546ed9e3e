import CHeedKernels
import HeedSupport

/// The instruction set whose kernels run.
public enum InstructionSet: String, CaseIterable, Sendable {
    case portable, avx2, avx512

    fileprivate var isa: heed_isa {
        switch self {
        case .portable: HEED_PORTABLE
        case .avx2: HEED_AVX2
        case .avx512: HEED_AVX512
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

/// The number format of the operands of matrix products; sums are always fp32.
public enum Precision: Sendable, Equatable {
    /// 32-bit floats throughout.
    case float32
    /// Operands of products rounded to bfloat16 (nearest, ties to even), everything else fp32.
    case bfloat16

    var code: Int32 { self == .float32 ? Int32(HEED_F32.rawValue) : Int32(HEED_BF16.rawValue) }
}
