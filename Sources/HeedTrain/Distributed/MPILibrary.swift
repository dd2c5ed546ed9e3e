#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// The functions of an MPI library of this machine, found when the program runs, so that it needs none to be built or to
/// run alone.
///
/// OpenMPI's handles are addresses, MPICH's (and its relatives') are numbers; both fit a word, and both take it in the
/// same register on the processors that Heed runs on.
struct MPILibrary: @unchecked Sendable {
    // Sendable: addresses of functions and constants that never change.

    typealias Handle = UInt
    private typealias Initialise = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Int32
    private typealias Ask = @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> Int32
    private typealias Abort = @convention(c) (Handle, Int32) -> Int32
    private typealias Nothing = @convention(c) () -> Int32
    private typealias SendReceive =
        @convention(c) (
            UnsafeRawPointer?, Int32, Handle, Int32, Int32, UnsafeMutableRawPointer?, Int32, Handle, Int32, Int32,
            Handle,
            Handle
        ) -> Int32
    private typealias Begin =
        @convention(c) (
            UnsafeMutableRawPointer?, Int32, Handle, Int32, Int32, Handle, UnsafeMutablePointer<Handle>
        ) -> Int32
    private typealias Test =
        @convention(c) (UnsafeMutablePointer<Handle>, UnsafeMutablePointer<Int32>, Handle) -> Int32
    private typealias Wait = @convention(c) (UnsafeMutablePointer<Handle>, Handle) -> Int32
    private typealias AllGather =
        @convention(c) (
            UnsafeRawPointer?, Int32, Handle, UnsafeMutableRawPointer?, Int32, Handle, Handle
        ) -> Int32

    private let world: Handle
    private let byte: Handle
    private let ignoredStatus: Handle
    private let initialise: Initialise
    private let askRank: Ask
    private let askSize: Ask
    private let sendReceive: SendReceive
    private let beginSend: Begin
    private let beginReceive: Begin
    private let test: Test
    private let wait: Wait
    private let allGather: AllGather
    private let abortAll: Abort
    private let finaliseAll: Nothing

    /// The mark of messages that are waited for at once; those under way have higher ones.
    private static let tag: Int32 = 7

    /// What launchers of MPI's programs leave in the environment of every rank.
    private static let marks = [
        "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_RANK",
    ]

    /// Whether a launcher started this process as one of several.
    static var isLaunched: Bool { marks.contains { getenv($0) != nil } }

    /// Opens the library that `HEED_MPI` names, or the first of the usual ones that is there.
    ///
    /// - Throws: `HeedError` (`missing`) when there is none.
    init() throws {
        let openMPI = ["libmpi.so.40", "libmpi.so.20", "libmpi.40.dylib"]
        let mpich = ["libmpich.so.12", "libmpi.so.12", "libmpi.12.dylib"]
        // The launcher says which of both it belongs to.
        var names =
            getenv("OMPI_COMM_WORLD_RANK") == nil && getenv("PMI_RANK") != nil ? mpich + openMPI : openMPI + mpich
        names += ["libmpi.so", "libmpi.dylib"]
        guard let library = SystemLibrary(names, variable: "HEED_MPI", isGlobal: true) else {
            throw HeedError(
                .missing, "a launcher started this process as one of several, but there is no MPI library",
                expected: "one of " + names.joined(separator: ", "),
                advice: "Install OpenMPI or MPICH, or name its library in HEED_MPI")
        }
        func symbol<Function>(_ name: String, as type: Function.Type) throws -> Function {
            guard let found = library.function(name, as: type) else {
                throw HeedError(.unsupported, "the MPI library has no \(name)")
            }
            return found
        }
        initialise = try symbol("MPI_Init", as: Initialise.self)
        askRank = try symbol("MPI_Comm_rank", as: Ask.self)
        askSize = try symbol("MPI_Comm_size", as: Ask.self)
        sendReceive = try symbol("MPI_Sendrecv", as: SendReceive.self)
        beginSend = try symbol("MPI_Isend", as: Begin.self)
        beginReceive = try symbol("MPI_Irecv", as: Begin.self)
        test = try symbol("MPI_Test", as: Test.self)
        wait = try symbol("MPI_Wait", as: Wait.self)
        allGather = try symbol("MPI_Allgather", as: AllGather.self)
        abortAll = try symbol("MPI_Abort", as: Abort.self)
        finaliseAll = try symbol("MPI_Finalize", as: Nothing.self)
        if let world = library.address(of: "ompi_mpi_comm_world"), let byte = library.address(of: "ompi_mpi_byte") {
            (self.world, self.byte, ignoredStatus) = (UInt(bitPattern: world), UInt(bitPattern: byte), 0)
        } else {
            // MPICH's numbers, fixed by its binary interface since 2013.
            (world, byte, ignoredStatus) = (0x4400_0000, 0x4c00_010d, 1)
        }
    }

    /// Starts communicating; returns rank and size.
    func start() throws -> (rank: Int, size: Int) {
        try check(initialise(nil, nil), "MPI_Init")
        var (rank, size): (Int32, Int32) = (0, 1)
        try check(askRank(world, &rank), "MPI_Comm_rank")
        try check(askSize(world, &size), "MPI_Comm_size")
        return (Int(rank), Int(size))
    }

    func exchange(
        with partner: Int, _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer
    ) throws {
        try check(
            sendReceive(
                send.baseAddress, Int32(send.count), byte, Int32(partner), MPILibrary.tag, receive.baseAddress,
                Int32(receive.count), byte, Int32(partner), MPILibrary.tag, world, ignoredStatus), "MPI_Sendrecv")
    }

    /// Begins to send; `request` is what the library knows that by.
    func send(
        _ bytes: UnsafeRawBufferPointer, to partner: Int, number: Int, request: UnsafeMutablePointer<Handle>
    ) throws {
        // The library only reads them.
        let start = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
        try check(
            beginSend(start, Int32(bytes.count), byte, Int32(partner), mark(number), world, request), "MPI_Isend")
    }

    /// Begins to receive.
    func receive(
        _ bytes: UnsafeMutableRawBufferPointer, from partner: Int, number: Int, request: UnsafeMutablePointer<Handle>
    ) throws {
        try check(
            beginReceive(bytes.baseAddress, Int32(bytes.count), byte, Int32(partner), mark(number), world, request),
            "MPI_Irecv")
    }

    /// Whether a request is done; the library lets every message move meanwhile. `waiting`: not before it is.
    func isDone(_ request: UnsafeMutablePointer<Handle>, waiting: Bool) throws -> Bool {
        if waiting {
            try check(wait(request, ignoredStatus), "MPI_Wait")
            return true
        }
        var flag: Int32 = 0
        try check(test(request, &flag, ignoredStatus), "MPI_Test")
        return flag != 0
    }

    /// Every library has marks up to 32,767.
    private func mark(_ number: Int) -> Int32 { MPILibrary.tag + 1 + Int32(number % 32_000) }

    func gather(_ block: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        try check(
            allGather(
                block.baseAddress, Int32(block.count), byte, all.baseAddress, Int32(block.count), byte, world),
            "MPI_Allgather")
    }

    func finish() { _ = finaliseAll() }

    func abort(code: Int32) { _ = abortAll(world, code) }

    private func check(_ code: Int32, _ function: String) throws {
        guard code == 0 else { throw HeedError(.io, "\(function) failed", got: "the code \(code)") }
    }
}
