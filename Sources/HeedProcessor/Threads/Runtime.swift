import CHeedKernels
import HeedSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What computes: the kernels of an instruction set and a team of threads.
public struct Runtime: Sendable {
    /// The functions of the instruction set.
    public let kernels: Kernels
    /// The threads.
    public let team: Team

    /// The kernels of `instructionSet` (by default `HEED_ISA` from the environment, or the best of this processor) and
    /// `threads` threads (by default one per core).
    ///
    /// - Throws: `HeedError` when the processor lacks the instruction set or the system the threads.
    public init(threads: Int? = nil, instructionSet: InstructionSet? = nil) throws {
        kernels = try Kernels(instructionSet ?? Runtime.environmentChoice() ?? .best)
        team = try Team(count: threads ?? Runtime.coreCount)
    }

    /// The processors that this process may use.
    public static var coreCount: Int { max(1, min(Int(heed_core_count()), 1024)) }

    private static func environmentChoice() throws -> InstructionSet? {
        guard let raw = getenv("HEED_ISA") else { return nil }
        let name = String(cString: raw)
        if name.isEmpty { return nil }
        guard let set = InstructionSet(rawValue: name) else {
            throw HeedError(
                .usage, "the environment variable HEED_ISA names no instruction set",
                expected: InstructionSet.allCases.map(\.rawValue).joined(separator: ", "), got: quoted(name))
        }
        return set
    }
}
