import ArgumentParser
import HeedGenerate
import HeedSupport
import HeedTokenizers

/// What the generated text must be like.
struct ConstraintOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The new text matches this regular expression as a whole.", valueName: "expression"))
    var regex: String?

    @Option(
        help: ArgumentHelp("The new text is JSON that this schema describes; {} for any.", valueName: "schema|file"))
    var jsonSchema: String?

    @Option(help: ArgumentHelp("The new text follows this grammar, in llama.cpp's notation.", valueName: "file"))
    var grammar: String?

    func validate() throws {
        if [regex, jsonSchema, grammar].count(where: { $0 != nil }) > 1 {
            throw ValidationError("--regex, --json-schema and --grammar: expected one of them.")
        }
    }

    /// The constraint over a tokenizer's vocabulary; nil where none is asked for.
    func constraint(_ tokenizer: Result<Tokenizer, HeedError>, vocabulary: Int) throws -> TokenConstraint? {
        guard regex != nil || jsonSchema != nil || grammar != nil else { return nil }
        let tokens = try tokenizer.get().tokenBytes(count: vocabulary)
        if let regex {
            return try placed("--regex") { try TokenConstraint(regularExpression: regex, tokens: tokens) }
        }
        if let jsonSchema {
            let isText = jsonSchema.hasPrefix("{") || jsonSchema == "true"
            let schema =
                isText
                ? try JSON.parse(Array(jsonSchema.utf8), in: "--json-schema") : try JSON.load(path: jsonSchema)
            return try placed("--json-schema") { try TokenConstraint(jsonSchema: schema, tokens: tokens) }
        }
        guard let grammar else { return nil }
        let bytes = try readFile(grammar)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw HeedError(.badInput, "the grammar is not UTF-8", in: grammar)
        }
        return try placed(grammar) { try TokenConstraint(gbnf: text, tokens: tokens) }
    }

    private func placed<Value>(_ place: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as HeedError {
            throw HeedError(
                error.kind, error.what, in: [place, error.place].compactMap { $0 }.joined(separator: ", "),
                expected: error.expected, got: error.got, advice: error.advice)
        }
    }
}
