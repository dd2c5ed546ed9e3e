import ArgumentParser

/// The root of the command line: `heed COMMAND …`.
@main
struct HeedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "heed",
        abstract: "Train, run and explain transformers.",
        discussion: """
            Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 1 the work \
            failed, 2 wrong usage, 130 and 143 ended by Ctrl-C and SIGTERM. A MODEL is a folder in the Hugging Face \
            layout, a .gguf file, or the name of a model in the local Hugging Face cache. Where a command takes a file, \
            - is standard input; gzip and zstd are unpacked.

            heed demo
            heed train --data novel.txt
            heed generate novel-model --prompt "It was" --sample
            """,
        version: Version.text,
        groupedSubcommands: [
            CommandGroup(name: "Start", subcommands: [Demo.self]),
            CommandGroup(
                name: "Run",
                subcommands: [
                    Train.self, Generate.self, Chat.self, Translate.self, Classify.self, FillMask.self, Embed.self,
                    Search.self, Pass.self, Serve.self, Replay.self,
                ]),
            CommandGroup(
                name: "Understand",
                subcommands: [
                    Explain.self, Check.self, Report.self, Inspect.self, Verify.self, PlanCommand.self, Example.self,
                ]),
            CommandGroup(name: "Files", subcommands: [Convert.self, Diff.self, DataCommand.self]),
            CommandGroup(name: "Text", subcommands: [TokenizerCommand.self, ChatTemplateCommand.self]),
            CommandGroup(name: "Measure", subcommands: [Bench.self, Evaluate.self]),
            CommandGroup(name: "Set up", subcommands: [Completions.self, ManualCommand.self]),
        ])

    static func main() {
        CommandRunner.exitProcess(with: CommandRunner(root: HeedCommand.self).run(CommandLine.arguments.dropFirst()))
    }
}

/// The version of the program.
enum Version {
    static let text = "0.1.0"
}
