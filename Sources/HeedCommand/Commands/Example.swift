import ArgumentParser
import Heed

/// `heed example`: worked examples, recomputed and checked.
struct Example: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Work through a small transformer by hand.",
        discussion: """
            heed example cat-sleeps
            heed example batch --json

            Every value, its formula and shape, its gradient, and a check of the gradient by differences, in numbers \
            small enough for a page.
            """,
        subcommands: [CatSleepsExample.self, BatchExample.self])
}

/// `heed example cat-sleeps`.
struct CatSleepsExample: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cat-sleeps",
        abstract: "One attention head over three tokens, forward and backward.",
        discussion: """
            heed example cat-sleeps
            heed example cat-sleeps --input numbers.safetensors --json

            Also says which figures of the document that the example comes from are wrong.
            """)

    @Option(
        help: ArgumentHelp(
            "Compute with other numbers: a safetensors file with X, W_Q, W_K, W_V, W_FFN1, W_FFN2 and y.",
            valueName: "file"))
    var input: String?

    @OptionGroup var output: JSONOption

    func run() throws {
        let example = try input.map { try CatSleeps(path: $0) } ?? .document
        let report = try CatSleepsReport(example)
        if output.json { try StandardOutput.writeLine(report.json) } else { try StandardOutput.write(report.text) }
    }
}

/// `heed example batch`.
struct BatchExample: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "batch",
        abstract: "A batch of two sentences through one layer of two heads: every shape.",
        discussion: "heed example batch --json")

    @Flag(help: "Do not divide scores by √dₖ, as the document has it.")
    var unscaled = false

    @OptionGroup var output: JSONOption

    func run() throws {
        let report = try BatchReport(.document(isScaled: !unscaled))
        if output.json { try StandardOutput.writeLine(report.json) } else { try StandardOutput.write(report.text) }
    }
}
