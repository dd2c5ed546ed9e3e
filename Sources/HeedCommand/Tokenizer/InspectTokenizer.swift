import ArgumentParser
import Heed
import HeedSupport

/// `heed tokenizer inspect`: what a tokenizer is made of.
struct InspectTokenizer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show the stages, size and special tokens of a tokenizer, and how it cuts a text.",
        discussion: "heed tokenizer inspect --tokenizer gpt2 --text \"The cat sat on\"")

    @OptionGroup var source: TokenizerOptions
    @Option(help: ArgumentHelp("A text to cut.", valueName: "text")) var text: String?
    @OptionGroup var output: JSONOption

    func run() throws {
        let tokenizer = try source.load()
        let special = tokenizer.addedTokens.tokens.filter(\.isSpecial)
        let pieces = try text.map { text in
            try tokenizer.encode(text, addingSpecialTokens: false).ids.map { (tokenizer.token(of: $0) ?? "", $0) }
        }
        if output.json {
            var object: JSONObject = [
                "kind": .string(tokenizer.kind), "vocabulary_size": .integer(tokenizer.vocabularySize),
                "normalizer": tokenizer.normalizer?.json() ?? .null,
                "pre_tokenizer": tokenizer.preTokenizer?.json() ?? .null,
                "post_processor": tokenizer.postProcessor?.json() ?? .null,
                "special_tokens": .array(
                    special.map { ["id": .integer(Int($0.id)), "content": .string($0.content)] }),
                "added_tokens": .integer(tokenizer.addedTokens.tokens.count),
            ]
            // Compiled rules are pages of base64 that tell a reader nothing.
            if object["normalizer"]?.serialised().utf8.count ?? 0 > 2000 { object["normalizer"] = "compiled rules" }
            if let pieces {
                object["tokens"] = .array(pieces.map { [.string($0.0), .integer(Int($0.1))] })
            }
            try StandardOutput.writeLine(.object(object))
            return
        }
        func line(_ name: String, _ value: String) throws {
            try StandardOutput.writeLine(columns((name, 18), (value, 0)))
        }
        func type(_ json: JSON?) -> String {
            guard let json else { return "none" }
            for key in ["normalizers", "pretokenizers", "processors"] {
                if let list = json[key]?.arrayValue { return list.map(type).joined(separator: ", ") }
            }
            return json["type"]?.stringValue ?? "its own"
        }
        try line("kind", tokenizer.kind)
        try line("vocabulary", "\(grouped(tokenizer.vocabularySize)) ids")
        try line("normaliser", tokenizer.normalizer == nil ? "none" : type(tokenizer.normalizer?.json() ?? "own"))
        try line("pre-tokenizer", type(tokenizer.preTokenizer?.json()))
        try line("post-processor", type(tokenizer.postProcessor?.json()))
        let shown = special.prefix(8).map { "\($0.content) \($0.id)" }.joined(separator: ", ")
        try line("special tokens", special.isEmpty ? "none" : shown + (special.count > 8 ? ", …" : ""))
        for (piece, id) in pieces ?? [] { try StandardOutput.writeLine(columns(("\(id)", 10), (piece, 0))) }
    }
}
