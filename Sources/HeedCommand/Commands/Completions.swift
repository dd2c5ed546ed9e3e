import ArgumentParser
import HeedSupport

/// `heed completions`: what makes a shell complete the words of this program.
struct Completions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a script that completes commands and options in a shell.",
        discussion: """
            heed completions bash > ~/.local/share/bash-completion/completions/heed
            heed completions zsh > ~/.zsh/completions/_heed
            heed completions fish > ~/.config/fish/completions/heed.fish

            make install puts them where the shells look.
            """)

    /// The shells that can be completed in.
    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish
    }

    @Argument(help: ArgumentHelp("bash, zsh or fish.", valueName: "shell"))
    var shell: Shell

    func run() throws {
        let kind: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        try StandardOutput.writeLine(HeedCommand.completionScript(for: kind))
    }
}

/// `heed manual`: the manual page.
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual",
        abstract: "Print the manual page, of all commands and options.",
        discussion: """
            heed manual > heed.1

            man ./heed.1 shows it; make install puts it where man looks.
            """)

    func run() throws {
        let manual = Manual(root: try CommandDescription(of: HeedCommand.self), version: Version.text)
        try StandardOutput.write(manual.page)
    }
}
