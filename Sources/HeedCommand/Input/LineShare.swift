import ArgumentParser
import Heed
import HeedSupport
import Synchronization

/// The lines of a file that are this rank's, where a launcher started several ranks: a part of the file, so that what the
/// ranks write, one behind the other, is what one would have written.
struct LineShare: Sendable {
    let rank: Int
    let size: Int

    private static let shared = Mutex<LineShare?>(nil)

    /// Nil where this process is alone.
    static var current: LineShare? { shared.withLock { $0 } }

    /// The numbers of this rank's lines, from 1, of a file with `total`.
    func lines(of total: Int) -> Range<Int> { 1 + total * rank / size..<1 + total * (rank + 1) / size }

    /// Runs a command that reads `file` line by line and writes lines to standard output. Rank 0 writes what all have.
    ///
    /// - Parameter obstacles: options that need all lines in one place.
    /// - Throws: what `body` throws; the exit code of the first rank that could not use a line.
    static func run(_ file: String?, obstacles: [String?] = [], _ body: () throws -> Void) throws {
        var code: ExitCode?
        try RankedJob.run { job in
            guard let ranks = job.ranks, ranks > 1 else { return try body() }
            if let option = obstacles.compactMap({ $0 }).first {
                throw HeedError(
                    .usage, "\(option) needs all lines in one place", in: "\(ranks) ranks", expected: "one process")
            }
            guard let file, file != "-" else {
                throw HeedError(
                    .usage, "several ranks share the lines of a file", in: "\(ranks) ranks", expected: "--input FILE")
            }
            shared.withLock { $0 = LineShare(rank: job.communicator.rank, size: ranks) }
            StandardOutput.isHeld = true
            do { try body() } catch let exit as ExitCode { code = exit }
            try StandardOutput.merge(job.communicator)
            if try job.communicator.isTrueAnywhere(code != nil) { code = code ?? ExitCode(1) }
        }
        if let code { throw code }
    }
}
