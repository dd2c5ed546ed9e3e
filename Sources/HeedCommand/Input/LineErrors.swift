import ArgumentParser
import HeedSupport

/// What happens after a line that cannot be used.
enum LineErrorPolicy: String, ExpressibleByArgument, CaseIterable {
    /// The work ends there; what came before is done.
    case stop
    /// The line is left out, and the work counts as done.
    case skip
}

/// Lines that cannot be used or had to be cut: told as they are found, counted at the end, none costing another.
final class LineErrors {
    private let policy: LineErrorPolicy?
    private var failure: HeedError?
    private var failed = 0
    private var cut = 0
    /// How many of a kind are told one by one.
    private static let told = 20

    init(_ policy: LineErrorPolicy?) { self.policy = policy }

    /// Whether no further line should be read.
    var isOver: Bool { policy == .stop && failure != nil }

    /// Takes note of a line that cannot be used.
    func report(_ error: HeedError) {
        failed += 1
        if failure == nil { failure = error }
        // What ends the work is told at the end, behind what was done.
        if policy != .stop, failed <= LineErrors.told { StandardError.writeLine("heed: \(error.description)") }
    }

    /// Takes note of a line of which only the first `kept` of its tokens are used.
    func reportCut(_ place: String, tokens: Int, kept: Int) {
        cut += 1
        if cut > LineErrors.told { return }
        StandardError.writeNote("\(place): cut from \(grouped(tokens)) tokens to the \(grouped(kept)) that fit.")
    }

    /// Says what was left out; the way to end a command that reads lines.
    ///
    /// - Throws: the error of the line that ended the work, or the exit code 1 where lines were left out unasked.
    func finish(of total: Int) throws {
        if cut > LineErrors.told { StandardError.writeNote("\(counted(cut, "line")) were cut in all.") }
        guard let failure, failed > 0 else { return }
        if policy == .stop { throw failure }
        StandardError.writeLine(
            "heed: \(grouped(failed)) of \(counted(total, "line")) could not be used; the others are done.")
        if policy == nil { throw ExitCode(1) }
    }
}

/// `1 line`, `2,001 lines`.
func counted(_ number: Int, _ noun: String) -> String {
    "\(grouped(number)) \(noun)\(number == 1 ? "" : "s")"
}
