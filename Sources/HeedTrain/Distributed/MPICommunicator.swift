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

    public func begin(
        with partner: Int, number: Int, send: UnsafeRawBufferPointer, receive: UnsafeMutableRawBufferPointer
    ) throws -> any PendingExchange {
        guard max(send.count, receive.count) <= MPICommunicator.most else {
            throw HeedError(.usage, "a message is too long", got: "\(max(send.count, receive.count)) bytes")
        }
        return try MPIExchange(library, with: partner, number: number, send, receive)
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

/// Two requests of the library, which moves their bytes whenever it is asked about any.
private final class MPIExchange: PendingExchange {
    private let library: MPILibrary
    /// What the library knows the requests by: addresses in OpenMPI, numbers of 32 bits in MPICH.
    private let requests = UnsafeMutablePointer<MPILibrary.Handle>.allocate(capacity: 2)
    /// Which of them are under way.
    private var open: [Int] = []

    init(
        _ library: MPILibrary, with partner: Int, number: Int, _ send: UnsafeRawBufferPointer,
        _ receive: UnsafeMutableRawBufferPointer
    ) throws {
        self.library = library
        requests.initialize(repeating: 0, count: 2)
        if !receive.isEmpty {
            try library.receive(receive, from: partner, number: number, request: requests)
            open.append(0)
        }
        if !send.isEmpty {
            try library.send(send, to: partner, number: number, request: requests + 1)
            open.append(1)
        }
    }

    deinit { requests.deallocate() }

    func isDone(waiting: Bool) throws -> Bool {
        try open.removeAll { try library.isDone(requests + $0, waiting: waiting) }
        return open.isEmpty
    }
}
