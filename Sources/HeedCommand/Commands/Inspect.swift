import ArgumentParser
import Heed
import HeedSupport

/// `heed inspect`: what a model folder holds.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what a model folder holds: family, shape, parameters, tensors, tokenizer.",
        discussion: "Reads the configuration and the headers of the weights only, so it takes no time.")

    @Argument(help: ArgumentHelp("The model: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @OptionGroup var output: JSONOption

    func run() throws {
        let description = try ModelDescription(folder: model)
        if output.json {
            try StandardOutput.writeLine(description.json)
            return
        }
        let terminal = Terminal.output
        func heading(_ text: String) throws { try StandardOutput.writeLine("\n" + terminal.styled(text, .bold)) }
        try StandardOutput.writeLine(
            terminal.styled(lastPathComponent(model), .bold)
                + "  \(description.family.rawValue), \(grouped(description.parameterCount)) parameters, "
                + "\(byteText(description.byteCount)) in \(description.tensors.count) tensors")
        try heading("Shape")
        for (name, value) in description.configuration.shapeDocument {
            try StandardOutput.writeLine("  " + columns((name, 22), (value.stringValue ?? value.serialised(), 0)))
        }
        try heading("Parameters")
        for (name, count) in description.parts {
            let share = 100 * Double(count) / Double(max(description.parameterCount, 1))
            try StandardOutput.writeLine("  " + columns((name, 22), (grouped(count), 16), (fixed(share, 1) + " %", 0)))
        }
        try heading("Tensors")
        for tensor in description.tensors {
            try StandardOutput.writeLine(
                "  " + columns((tensor.name, 44), (tensor.type.rawValue, 6), ("\(tensor.shape)", 0)))
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
