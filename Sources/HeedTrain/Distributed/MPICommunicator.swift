import HeedSupport

/// The ranks that a launcher of MPI started: `mpirun -n 4 heed train …`, `srun heed train …`.
public final class MPICommunicator: Communicator {
    public let rank: Int
    public let size: Int
    private let library: MPILibrary
    /// Lengths stand in 32 bits.
    private static let most = 1 << 30

    /// Whether a launcher started this process as one of several.
    package static var isOneOfSeveral: Bool { MPILibrary.isLaunched }

    /// The ranks of this job; nil where no launcher started this process as one of several.
    ///
    /// - Throws: `HeedError` when there is no MPI library, or it cannot start.
    public static func ofThisJob() throws -> MPICommunicator? {
        guard MPILibrary.isLaunched else { return nil }
        return try MPICommunicator(MPILibrary())
    }

    private init(_ library: MPILibrary) throws {
        self.library = library
        (rank, size) = try library.start()
    }

    public func exchange(
        with partner: Int, send: UnsafeRawBufferPointer, receive: UnsafeMutableRawBufferPointer
    ) throws {
        let most = MPICommunicator.most
        let longest = max(send.count, receive.count)
        for start in stride(from: 0, to: longest, by: most) {
            let out = min(start, send.count)..<min(start + most, send.count)
            let into = min(start, receive.count)..<min(start + most, receive.count)
            try library.exchange(
                with: partner, UnsafeRawBufferPointer(rebasing: send[out]),
                UnsafeMutableRawBufferPointer(rebasing: receive[into]))
        }
    }

    public func gather(_ block: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        guard block.count <= MPICommunicator.most, all.count >= block.count * size else {
            throw HeedError(.usage, "the blocks of all ranks do not fit", got: "\(block.count) × \(size) bytes")
        }
        try library.gather(block, into: all)
    }

    /// Ends communicating, when all is done.
    public func finish() { library.finish() }

    /// Ends every rank of the job at once, because this one cannot go on.
    public func abort(code: Int32) { library.abort(code: code) }
}
