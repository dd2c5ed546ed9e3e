import ArgumentParser
import Heed
import HeedProcessor
import HeedSupport

/// An answer of `heed serve`, computed again from its receipt.
struct ReceiptReplay {
    /// The receipt, or an answer that holds one.
    let file: String
    let model: String
    let json: Bool

    func run(_ runtime: Runtime) throws {
        StandardInput.prepare(file)
        let file = try InputFile.open(file)
        let given = try Receipt(try JSON.parse(file.bytes, in: file.name), in: file.name)
        let path = try locateModel(model)
        let hash = try ModelFiles.hash(path)
        let isSameModel = hash == given.modelHash
        if !isSameModel {
            StandardError.writeLine("The model's files are not those of the receipt: \(hash), not \(given.modelHash)")
        }
        let loaded = try Model.loadTelling(folder: path)
        var options = DecodingModelOptions()
        options.precision = given.numbers == "bf16" ? .bfloat16 : .float32
        let running = try DecodingModel(loaded, runtime: runtime, options: options)
        let tokenizer = Result { try Tokenizer.load(path: path) }
        let constraint = try given.form.map { form in
            let tokens = try tokenizer.get().tokenBytes(count: running.vocabulary)
            return switch form {
            case .jsonSchema(let text):
                try TokenConstraint(jsonSchema: try JSON.parse(text, in: "json_schema"), tokens: tokens)
            case .regularExpression(let text): try TokenConstraint(regularExpression: text, tokens: tokens)
            case .grammar(let text): try TokenConstraint(gbnf: text, tokens: tokens)
            }
        }
        var same = 0
        for (index, choice) in given.choices.enumerated() {
            let ids = try given.replay(choice, with: running, constraint: constraint)
            try Signals.check()
            if ids == choice.ids { same += 1 }
            try tell(index, choice, ids, tokenizer: try? tokenizer.get(), given)
        }
        let count = given.choices.count
        if !json {
            try StandardOutput.writeLine(
                same == count ? "The same: \(count) of \(count)." : "The same: \(same) of \(count); the others differ.")
        }
        if same < count || !isSameModel { throw ExitCode(1) }
    }

    private func tell(
        _ index: Int, _ choice: Receipt.Choice, _ ids: [Int32], tokenizer: Tokenizer?, _ receipt: Receipt
    ) throws {
        let isSame = ids == choice.ids
        let prompt = receipt.prompts[choice.prompt]
        let text = try tokenizer.map { try $0.continuation(of: prompt.source == nil ? prompt.ids : [], by: ids) }
        if json {
            let line: JSON = [
                "choice": .integer(index), "same": .bool(isSame), "ids": .array(ids.map { .integer(Int($0)) }),
                "text": text.map { .string($0) } ?? .null,
            ]
            return try StandardOutput.writeLine(line.serialised())
        }
        if receipt.choices.count > 1 { try StandardOutput.writeLine("\(index + 1).") }
        try StandardOutput.writeLine(text ?? ids.map { "\($0)" }.joined(separator: ","))
        if !isSame {
            let place = zip(ids, choice.ids).prefix { $0 == $1 }.count
            StandardError.writeLine("Sequence \(index + 1) differs from its id \(place + 1) on")
        }
    }
}
