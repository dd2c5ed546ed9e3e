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
            """)

    @OptionGroup var source: TokenizerOptions

    @Option(help: ArgumentHelp("A file with a JSON array of ids on each line.", valueName: "file"))
    var jsonl: String?

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
        guard (jsonl == nil) != (ids == nil) else { throw ValidationError("Give either --jsonl FILE or --ids 1,2,3.") }
    }

    func run() throws {
        let tokenizer = try source.load()
        if let ids {
            let parts = ids.split(separator: ",", omittingEmptySubsequences: false)
            try decode(
                try parts.map { part in
                    guard let id = Int(part.filter { $0 != " " }) else {
                        throw HeedError(
                            .usage, "\(quoted(String(part))) is no id", in: "--ids", expected: "integers and commas")
                    }
                    return .integer(id)
                }, tokenizer, "--ids")
            return
        }
        try LinesFile(path: jsonl ?? "").forEachValue { value, place in
            guard let list = value.arrayValue else {
                throw HeedError(.badInput, "a line is \(value.kindName)", in: place, expected: "an array of ids")
            }
            try decode(list, tokenizer, place)
        }
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
