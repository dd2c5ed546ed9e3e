import ArgumentParser
import Heed
import HeedSupport

/// A larger model that a smaller one learns from.
struct TeacherOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Learn what this model says of every next token, beside the tokens themselves (distillation): a decoder with "
                + "the same tokenizer.", valueName: "model"))
    var teacher: String?

    @Option(
        help: ArgumentHelp("The share of the loss that is the teacher's. (default: 0.5)", valueName: "x"))
    var distillationWeight: Double?

    @Option(
        help: ArgumentHelp(
            "Divides the logits of both before they are compared: above 1 unlikely tokens count for more. (default: 2)",
            valueName: "T"))
    var temperature: Double?

    func validate() throws {
        if let distillationWeight { try check("--distillation-weight", distillationWeight, in: 0...1) }
        if let temperature { try check("--temperature", temperature, above: 0) }
        for (option, value) in [("--distillation-weight", distillationWeight), ("--temperature", temperature)]
        where value != nil && teacher == nil {
            throw ValidationError("\(option): expected --teacher beside it.")
        }
    }

    /// The teacher, where one is given.
    ///
    /// - Throws: `HeedError` when it cannot be loaded or has other tokens than `tokenizer`.
    func loaded(for tokenizer: Tokenizer?) throws -> Teacher? {
        guard let teacher else { return nil }
        if let tokenizer, let other = try? Tokenizer.load(path: teacher) {
            let size = max(tokenizer.vocabularySize, other.vocabularySize)
            if let id = (0..<TokenID(size)).first(where: { tokenizer.token(of: $0) != other.token(of: $0) }) {
                throw HeedError(
                    .usage, "--teacher has another tokenizer", in: teacher,
                    expected: "\(quoted(tokenizer.token(of: id) ?? "nothing")) as token \(id)",
                    got: quoted(other.token(of: id) ?? "nothing"),
                    advice: "Train the model with --tokenizer \(teacher)")
            }
        }
        return try Teacher(folder: teacher, share: distillationWeight ?? 0.5, temperature: temperature ?? 2)
    }
}
