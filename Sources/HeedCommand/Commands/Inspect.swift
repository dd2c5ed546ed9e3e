import ArgumentParser
import Heed
import HeedSupport

/// `heed inspect`: what a model folder holds.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what a model folder holds: family, shape, parameters, tensors, tokenizer.",
        discussion: """
            heed inspect model
            heed inspect model --tensors
            heed inspect --preset gpt2 --json

            Reads the configuration and the headers of the weights only, so it takes no time.
            """)

    @Argument(help: ArgumentHelp("A folder in the Hugging Face layout; or use --preset.", valueName: "model"))
    var model: String?

    @Option(help: ArgumentHelp("A shape known by name.", valueName: "name"))
    var preset: String?

    @Flag(help: "List every tensor with its type and shape; --json lists them in any case.")
    var tensors = false

    @OptionGroup var output: JSONOption

    func validate() throws {
        guard (model == nil) != (preset == nil) else {
            throw ValidationError("expected either a model folder or --preset NAME.")
        }
    }

    func run() throws {
        let description =
            try model.map { try ModelDescription.readTelling(folder: $0) }
            ?? ModelDescription(Preset.named(preset ?? ""))
        if output.json {
            try StandardOutput.writeLine(description.json)
            return
        }
        let terminal = Terminal.output
        func heading(_ text: String) throws { try StandardOutput.writeLine("\n" + terminal.styled(text, .bold)) }
        try StandardOutput.writeLine(
            terminal.styled(lastPathComponent(description.folder), .bold)
                + "  \(description.family.name), \(grouped(description.parameterCount)) parameters"
                + (model == nil
                    ? "" : ", \(byteText(description.byteCount)) in \(counted(description.tensors.count, "tensor"))"))
        try heading("Shape")
        for (name, value) in description.configuration.shapeDocument {
            try StandardOutput.writeLine("  " + columns((name, 22), (value.stringValue ?? value.serialised(), 0)))
        }
        try heading("Parameters")
        for (name, count) in description.parts {
            let share = 100 * Double(count) / Double(max(description.parameterCount, 1))
            try StandardOutput.writeLine("  " + columns((name, 26), (grouped(count), 16), (fixed(share, 1) + " %", 0)))
        }
        guard model != nil else { return }
        if tensors {
            try heading("Tensors")
            for tensor in description.tensors {
                try StandardOutput.writeLine(
                    "  " + columns((tensor.name, 44), (tensor.type.rawValue, 6), ("\(tensor.shape)", 0)))
            }
        }
        try heading("Text")
        try StandardOutput.writeLine("  tokenizer: \(description.tokenizer ?? "none in this folder")")
        let specials = description.specials
        let ends = specials.ends.isEmpty ? "none" : specials.ends.map(String.init).joined(separator: ", ")
        try StandardOutput.writeLine(
            "  begin id: \(specials.begin.map(String.init) ?? "none"), end ids: \(ends), "
                + "padding id: \(specials.padding.map(String.init) ?? "none")")
    }
}
