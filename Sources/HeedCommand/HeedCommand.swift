import ArgumentParser

@main
struct HeedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "heed", abstract: "Train, run and explain transformers.")
}
