import Heed

/// Continues a text as it comes: `Writer MODEL TEXT`.
@main
struct Writer {
    static func main() async throws {
        let words = CommandLine.arguments.dropFirst()
        guard let model = words.first else { return print("usage: Writer MODEL TEXT") }
        let prompt = words.dropFirst().joined(separator: " ")

        let generator = try TextGenerator(model)
        var options = generator.options
        options.samples = true
        options.temperature = 0.8
        options.maxNewTokens = 60
        options.seed = .random(in: 0...UInt64.max)
        print(prompt, terminator: "")
        for try await piece in generator.stream(prompt, options: options) {
            print(piece, terminator: "")
        }
        print()
    }
}
