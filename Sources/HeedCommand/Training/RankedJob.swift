#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import Heed
import HeedProcessor
import HeedSupport

/// Work that several processes share where `mpirun` or `srun` started them.
struct RankedJob {
    /// What the ranks talk through.
    let communicator: any Communicator
    /// How many there are; nil where no launcher started this process.
    let ranks: Int?

    /// Runs `body` on every rank, of which rank 0 alone speaks.
    ///
    /// A rank that fails ends the whole job, because the others would wait for it for ever.
    static func run(_ body: (RankedJob) throws -> Void) throws {
        guard let ranks = try MPICommunicator.ofThisJob() else {
            return try body(RankedJob(communicator: SingleRank(), ranks: nil))
        }
        if ranks.rank > 0 { StandardError.isQuiet = true }
        do {
            try body(RankedJob(communicator: ranks, ranks: ranks.size))
            ranks.finish()
        } catch let error as HeedError where error.kind == .interrupted {
            // All ranks stopped together, after a save.
            ranks.finish()
            throw error
        } catch {
            // What fails everywhere is told once: rank 0 ends the job before the others speak.
            if ranks.rank > 0 { usleep(1_000_000) }
            StandardError.write("heed, rank \(ranks.rank) of \(ranks.size): \(error)\n")
            ranks.abort(code: 1)
            throw error
        }
    }

    /// The threads of a rank where none are asked for: the machine's cores divided among the ranks on it, unless the
    /// launcher gave each rank its own.
    static func threads(_ asked: Int?, isShared: Bool) -> Int? {
        guard asked == nil, isShared else { return asked }
        let names = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE"]
        let here = names.lazy.compactMap { (name: String) in getenv(name).flatMap { Int(String(cString: $0)) } }.first
        guard let here, here > 1, Runtime.coreCount == sysconf(Int32(_SC_NPROCESSORS_ONLN)) else { return nil }
        return max(1, Runtime.coreCount / here)
    }
}
