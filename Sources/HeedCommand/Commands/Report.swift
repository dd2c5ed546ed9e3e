import ArgumentParser
import Heed
import HeedSupport

/// `heed report`: the curves of training runs as a page.
struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show training runs as a page: curves, settings, alarms.",
        discussion: """
            heed report novel-model --html run.html
            heed report first.jsonl second.jsonl --html both.html

            RUN is a folder that heed train writes with --log, or the log itself. Several runs are laid over each \
            other. A run with --log-layers also shows the norms of its gradients by layer. Alarms name what somebody \
            should look at: jumps, what is not finite, a validation loss that rises, a loss that falls no more.
            """)

    @Argument(help: ArgumentHelp("Folders of runs, or their logs.", valueName: "run"))
    var runs: [String]

    @Option(help: ArgumentHelp("The page to write.", valueName: "file"))
    var html: String

    @OptionGroup var overwriting: OverwriteOption

    func run() throws {
        try overwriting.check(page: html)
        let page = Page(runs: try runs.map { try Report.record($0) })
        try writeAtomically(path: html, bytes: page.html)
    }

    /// What a run wrote down: the log that its options name, or the file itself.
    private static func record(_ run: String) throws -> TrainingRecord {
        let name = lastPathComponent(run)
        guard isDirectory(run) else { return try TrainingRecord(name: name, log: run) }
        let stored = try StoredOptions(folder: run, of: CommandDescription(of: Train.self))
        guard let log = stored?["--log"]?.first else {
            throw HeedError(
                .missing, "the run kept no log", in: run, expected: "a folder whose training had --log FILE",
                advice: "Give the log itself, or train with --log.")
        }
        let settings = stored?.entries.map { ($0.name, $0.values.isEmpty ? "yes" : $0.values.joined(separator: " ")) }
        return try TrainingRecord(name: name, log: log, settings: settings ?? [])
    }
}
