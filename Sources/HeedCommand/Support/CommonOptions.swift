import ArgumentParser
import HeedProcessor
import HeedTensor

/// How computing is done: for every command that computes.
struct ComputeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("How many threads compute; all cores where not given.", valueName: "n"))
    var threads: Int?

    @Option(
        help: ArgumentHelp(
            "Which vector instructions to use, the best of this processor where not given.",
            discussion: "The environment variable HEED_ISA does the same.", valueName: "set"))
    var instructionSet: InstructionSet?

    @Flag(name: .shortAndLong, help: "Tell errors only: no progress, no notes.")
    var quiet = false

    func validate() throws {
        if let threads { try check("--threads", threads, in: 1...1024) }
        if quiet { StandardError.isQuiet = true }
    }

    /// The kernels and threads that were chosen.
    ///
    /// - Throws: `HeedError` where this processor lacks the instructions.
    func runtime() throws -> Runtime {
        try Runtime(
            threads: RankedJob.threads(threads, isShared: LineShare.current != nil), instructionSet: instructionSet)
    }
}

extension InstructionSet: ExpressibleByArgument {}

/// The number formats that passes and training compute in.
enum ComputeType: String, ExpressibleByArgument, CaseIterable {
    case f32, bf16

    /// The format as the library names it.
    var precision: Precision { self == .f32 ? .float32 : .bfloat16 }
}

/// Whether results are for programs.
struct JSONOption: ParsableArguments {
    @Flag(help: "Print the result as JSON and nothing else on standard output.")
    var json = false
}

/// Throws unless an option's value is a number within a range; NaN is in none.
func check<Number: Comparable>(_ option: String, _ value: Number, in range: ClosedRange<Number>) throws {
    guard range.contains(value) else {
        throw ValidationError(
            "\(option): expected a value from \(range.lowerBound) to \(range.upperBound), got \(value).")
    }
}

/// Throws unless an option's value is at least `lowest`, and finite.
func check(_ option: String, _ value: Double, atLeast lowest: Double) throws {
    guard value >= lowest, value.isFinite else {
        throw ValidationError("\(option): expected a finite number of at least \(lowest), got \(value).")
    }
}

/// Throws unless an option's value is above `bound`, and finite.
func check(_ option: String, _ value: Double, above bound: Double) throws {
    guard value > bound, value.isFinite else {
        throw ValidationError("\(option): expected a finite number above \(bound), got \(value).")
    }
}

/// Throws unless an option's value is at least `lowest`.
func check(_ option: String, _ value: Int, atLeast lowest: Int) throws {
    guard value >= lowest else {
        throw ValidationError("\(option): expected an integer of at least \(lowest), got \(value).")
    }
}
