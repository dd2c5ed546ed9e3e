import ArgumentParser
import Heed
import HeedSupport

/// `heed tokenizer decode`: ids to text.
struct DecodeIDs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode",
        abstract: "Turn ids into text: one JSON string per array of ids.",
        discussion: """
            heed tokenizer decode --tokenizer gpt2 --ids 464,3797,3332,319
            heed tokenizer decode --tokenizer gpt2 --ids 8582,234,98 --stream
            heed tokenizer decode --tokenizer gpt2 --input ids.jsonl
            """)

    @OptionGroup var source: TokenizerOptions

    @Option(
        name: [.customLong("input"), .customLong("jsonl")],
        help: ArgumentHelp("A file with a JSON array of ids on each line.", valueName: "file"))
    var input: String?

    @OptionGroup(title: "Lines of a file") var lines: LineOptions

    @Option(help: ArgumentHelp("Ids with commas between them.", valueName: "1,2,3"))
    var ids: String?

    @Flag(help: "Keep special tokens in the text.")
    var keepSpecialTokens = false

    @Flag(help: "Print the raw bytes as hexadecimal digits.")
    var hex = false

    @Flag(
        help: ArgumentHelp(
            "Decode id by id, as a program that generates does.",
            discussion:
                "Prints an array of strings: what is certain after each id, and at the end the rest; never half "
                + "a character."))
    var stream = false

    func validate() throws {
        if stream, hex { throw ValidationError("--stream gives characters, --hex bytes: give one of them.") }
        guard (input == nil) != (ids == nil) else { throw ValidationError("Give either --input FILE or --ids 1,2,3.") }
    }

    func run() throws {
        let tokenizer = try source.load()
        if let ids {
            let parts = ids.split(separator: ",", omittingEmptySubsequences: false)
            try decode(
                try parts.map { part in
                    guard let id = Int(part.trimmingSpaces) else {
                        throw HeedError(
                            .usage, "\(quoted(String(part))) is no id", in: "--ids", expected: "integers and commas")
                    }
                    return .integer(id)
                }, tokenizer, "--ids")
            return
        }
        let errors = LineErrors(lines.onError)
        let source = try TextSource([], file: input, lines)
        let count = try source.visit(errors, nothing: { try StandardOutput.writeLine() }) { content, place in
            guard case .value(let value) = content, let list = (value["ids"] ?? value).arrayValue else {
                throw HeedError(.badInput, "the line holds no ids", in: place, expected: "an array of ids")
            }
            try decode(list, tokenizer, place)
        }
        try errors.finish(of: count)
    }

    private func decode(_ list: [JSON], _ tokenizer: Tokenizer, _ place: String) throws {
        let ids = try list.map { value -> TokenID in
            guard let id = value.intValue else {
                throw HeedError(.badInput, "an id is \(value.kindName)", in: place, expected: "an integer")
            }
            guard let exact = TokenID(exactly: id) else {
                throw HeedError(
                    .badInput, "there is no token with the id \(id)", in: place,
                    expected: "ids from 0 to \(tokenizer.vocabularySize - 1)")
            }
            return exact
        }
        do {
            if stream {
                var decoder = StreamDecoder(tokenizer, skippingSpecialTokens: !keepSpecialTokens)
                var parts: [JSON] = []
                for id in ids { parts.append(.string(try decoder.append(id))) }
                parts.append(.string(try decoder.finish()))
                try StandardOutput.writeLine(.array(parts))
                return
            }
            let bytes = try tokenizer.decodeBytes(ids, skippingSpecialTokens: !keepSpecialTokens)
            if hex {
                let digits = Array("0123456789abcdef".utf8)
                let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
                try StandardOutput.writeLine(.string(String(decoding: text, as: UTF8.self)))
            } else {
                try StandardOutput.writeLine(.string(String(decoding: bytes, as: UTF8.self)))
            }
        } catch let error as HeedError {
            throw error.placed(in: place)
        }
    }
}
