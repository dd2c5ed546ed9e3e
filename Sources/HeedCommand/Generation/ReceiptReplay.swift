import ArgumentParser
import Heed
import HeedProcessor
import HeedSupport
import HeedTensor

/// An answer of `heed serve`, computed again from its receipt.
struct ReceiptReplay {
    /// The receipt, or an answer that holds one.
    let file: String
    let model: String
    let adapter: AdapterOption
    /// Where a page that explains the first answer is written; nil: none is.
    let page: String?
    let json: Bool

    func run(_ runtime: Runtime) throws {
        StandardInput.prepare(file)
        let file = try InputFile.open(file)
        let given = try Receipt(try JSON.parse(file.bytes, in: file.name), in: file.name)
        let path = try locateModel(model)
        let hash = try ModelFiles.hash(path, adapter: adapter.adapter)
        let isSameModel = hash == given.modelHash
        if !isSameModel {
            StandardError.writeLine("The model's files are not those of the receipt: \(hash), not \(given.modelHash)")
        }
        guard let weights = WeightForm(rawValue: given.computation.numbers) else {
            throw HeedError(
                .badInput, "a numeric form that this program does not know", in: file.name,
                expected: WeightForm.allCases.map(\.rawValue).joined(separator: ", "), got: given.computation.numbers)
        }
        let loaded = try adapter.load(path, weights: weights)
        var computing = DecodingModelOptions()
        computing.cache = given.computation.cache
        let running = try DecodingModel(loaded, runtime: runtime, options: computing)
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
        if let page { try explain(given, path, to: page) }
        if same < count || !isSameModel { throw ExitCode(1) }
    }

    /// Writes the page of `heed explain` for the first answer: what the model saw when it chose the last id.
    private func explain(_ receipt: Receipt, _ path: String, to page: String) throws {
        guard let choice = receipt.choices.first else { return }
        let prompt = receipt.prompts[choice.prompt]
        let list = { (ids: [Int32]) in ids.map { "\($0)" }.joined(separator: ",") }
        let answer = prompt.ids + choice.ids.dropLast()
        var words = [path, "--html", page]
        words += prompt.source.map { ["--ids", list($0), "--decoder-ids", list(answer)] } ?? ["--ids", list(answer)]
        if let adapter = adapter.adapter { words += ["--adapter", adapter] }
        try Explain.parse(words).run()
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
