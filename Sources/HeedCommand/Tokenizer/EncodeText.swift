import ArgumentParser
import Heed
import HeedSupport

/// `heed tokenizer encode`: text to ids.
struct EncodeText: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encode",
        abstract: "Turn text into ids: one JSON array per text.",
        discussion: """
            heed tokenizer encode --tokenizer gpt2 --text "The cat sat on"
            heed tokenizer encode --tokenizer tokenizer.json --input strings.jsonl --json --max-length 128
            heed tokenizer encode --tokenizer spiece.model --text "Hello" --best 3

            Special tokens that the tokenizer's template names are put around each text. A text that --max-length cuts \
            gives its rest as "overflow" under --json, in windows that share --stride tokens.
            """)

    /// Which of two texts gives way.
    enum TruncationChoice: String, ExpressibleByArgument, CaseIterable {
        case none
        case longestFirst = "longest-first"
        case onlyFirst = "only-first"
        case onlySecond = "only-second"
    }

    /// How short texts are filled up.
    enum PaddingChoice: String, ExpressibleByArgument, CaseIterable {
        case none, longest
        case maximumLength = "max-length"
    }

    /// What offsets count.
    enum OffsetUnit: String, ExpressibleByArgument, CaseIterable {
        case bytes, characters
    }

    /// An end of the text.
    enum Side: String, ExpressibleByArgument, CaseIterable {
        case left, right
    }

    @OptionGroup var source: TokenizerOptions

    @Option(
        name: [.customLong("input"), .customLong("jsonl")],
        help: ArgumentHelp("A file with a text on each line.", valueName: "file"))
    var input: String?

    @OptionGroup(title: "Lines of a file") var lines: LineOptions

    @Option(help: ArgumentHelp("A text; may be given several times.", valueName: "text"))
    var text: [String] = []

    @Argument(help: ArgumentHelp("Plain text files, each one text.", valueName: "file"))
    var files: [String] = []

    @Flag(help: "Put no special tokens around the text.")
    var noSpecialTokens = false

    @Flag(help: "Each line is a JSON array of two strings; or two --text.")
    var pair = false

    @Flag(help: "Each line (or --text) is hexadecimal digits of raw bytes, as a JSON string or bare.")
    var hex = false

    @Option(help: ArgumentHelp("The most tokens, special ones included.", valueName: "n"))
    var maxLength: Int?

    @Option(
        help: ArgumentHelp(
            "What is cut from texts that are longer than --max-length. (default: longest-first)",
            valueName: TruncationChoice.allCases.map(\.rawValue).joined(separator: "|")))
    var truncation: TruncationChoice?

    @Option(help: ArgumentHelp("The end that is cut. (default: right)", valueName: "left|right"))
    var truncationSide: Side?

    @Option(help: ArgumentHelp("How many tokens the windows of a cut text share. (default: 0)", valueName: "n"))
    var stride: Int?

    @Option(
        help: ArgumentHelp(
            "What short texts are filled up to. (default: none)",
            valueName: PaddingChoice.allCases.map(\.rawValue).joined(separator: "|")))
    var padding: PaddingChoice?

    @Option(
        help: ArgumentHelp(
            "The end that is filled. (default: the tokenizer's own, else right)", valueName: "left|right"))
    var paddingSide: Side?

    @Option(help: ArgumentHelp("The token that fills. (default: the tokenizer's own)", valueName: "token"))
    var padToken: String?

    @Option(help: ArgumentHelp("Round padded lengths up to a multiple. (default: 1)", valueName: "n"))
    var padToMultipleOf: Int?

    @OptionGroup(title: "Other segmentations") var segmentation: SegmentationOptions

    @Option(help: ArgumentHelp("What the offsets of --json count.", valueName: "bytes|characters"))
    var offsets = OffsetUnit.bytes

    @Flag(help: "Print objects with ids, type_ids, mask and offsets.")
    var json = false

    func validate() throws {
        let sources = [input != nil, !text.isEmpty, !files.isEmpty].filter { $0 }.count
        guard sources == 1 else {
            throw ValidationError("Give the text in one way: --input FILE, --text TEXT or plain files.")
        }
        if pair, !files.isEmpty { throw ValidationError("--pair needs --input or two --text.") }
        if segmentation.isAsked, json || pair || maxLength != nil || padding != nil {
            throw ValidationError(
                "--best, --sample and --dropout go with none of --json, --pair, --max-length and --padding.")
        }
        if let maxLength { try check("--max-length", maxLength, in: 0...(1 << 30)) }
        if let stride { try check("--stride", stride, in: 0...(1 << 30)) }
        if let padToMultipleOf { try check("--pad-to-multiple-of", padToMultipleOf, in: 1...(1 << 20)) }
        if padding == .maximumLength, maxLength == nil {
            throw ValidationError("--padding max-length needs --max-length.")
        }
        if let truncation, truncation != .none, maxLength == nil {
            throw ValidationError("--truncation \(truncation.rawValue) needs --max-length.")
        }
    }

    func run() throws {
        try LineShare.run(
            input,
            obstacles: [
                padding == .longest ? "--padding longest" : nil, segmentation.isAsked ? "--best or --sample" : nil,
                lines.obstacle,
            ], encode)
    }

    private func encode() throws {
        var tokenizer = try source.load()
        let errors = LineErrors(lines.onError)
        if segmentation.isAsked {
            var generator = SeededGenerator(seed: segmentation.seed)
            let count = try forEachText(errors, nothing: { try StandardOutput.writeLine() }) { text, _ in
                try StandardOutput.writeLine(
                    segmentation.result(
                        of: text, tokenizer, addingSpecialTokens: !noSpecialTokens, using: &generator))
            }
            return try errors.finish(of: count)
        }
        try configure(&tokenizer)
        // A batch that is filled to its longest text has to be known as a whole; nil: a line without a text.
        var waiting: [Encoding] = []
        var sources: [[UInt8]?] = []
        var unknown = 0
        defer { EncodeText.tell(unknown: unknown) }
        let padding = tokenizer.padding
        let paddingTogether = padding?.target == .longest
        if paddingTogether { tokenizer.padding = nil }
        let plain =
            !json && !pair && noSpecialTokens && tokenizer.truncation == nil && padding == nil
            && tokenizer.coversAllText
        func nothing() throws { if paddingTogether { sources.append(nil) } else { try StandardOutput.writeLine() } }
        let count = try forEachText(errors, nothing: nothing) { first, second in
            if plain {
                try EncodeText.print(tokenizer.ids(of: first))
                return
            }
            let encoding = try tokenizer.encode(first, pair: second, addingSpecialTokens: !noSpecialTokens)
            unknown += encoding.unknownCharacters
            if paddingTogether {
                waiting.append(encoding)
                sources.append(first)
            } else {
                try print(encoding, first, second)
            }
        }
        if paddingTogether {
            tokenizer.padding = padding
            tokenizer.fill(&waiting)
            var rest = waiting[...]
            for text in sources {
                if let text, let encoding = rest.popFirst() {
                    try print(encoding, text, nil)
                } else {
                    try StandardOutput.writeLine()
                }
            }
        }
        try errors.finish(of: count)
    }

    private static func tell(unknown: Int) {
        if unknown == 0 { return }
        StandardError.write(
            "\(grouped(unknown)) character\(unknown == 1 ? " is" : "s are") not in the tokenizer's vocabulary.\n")
    }

    /// Ids are cut and filled up as the options say; what a file says of batches for training counts for nothing here.
    private func configure(_ tokenizer: inout Tokenizer) throws {
        if let maxLength {
            let choice = truncation ?? (padding == .maximumLength ? .none : .longestFirst)
            tokenizer.truncation = Truncation.Strategy(rawValue: choice.rawValue).map {
                Truncation(
                    maximumLength: maxLength, strategy: $0, stride: stride ?? 0, fromLeft: truncationSide == .left)
            }
        } else {
            tokenizer.truncation = nil
        }
        guard let padding, padding != .none else {
            tokenizer.padding = nil
            return
        }
        let target = padding == .longest ? Padding.Target.longest : .fixed(maxLength ?? 0)
        let (id, token) = try padID(tokenizer)
        tokenizer.padding = Padding(
            target: target, id: id, token: token, typeID: tokenizer.padding?.typeID ?? 0,
            onLeft: paddingSide.map { $0 == .left } ?? tokenizer.padding?.onLeft ?? false,
            multiple: padToMultipleOf ?? 0)
    }

    private func padID(_ tokenizer: Tokenizer) throws -> (TokenID, String) {
        if let padToken {
            guard let id = tokenizer.id(of: padToken) else {
                throw HeedError(.badInput, "the tokenizer has no token \(quoted(padToken))", in: "--pad-token")
            }
            return (id, padToken)
        }
        if let padding = tokenizer.padding { return (padding.id, padding.token) }
        for token in ["[PAD]", "<pad>", "<|pad|>", "<PAD>", "<|endoftext|>", "</s>"] {
            if let id = tokenizer.id(of: token) { return (id, token) }
        }
        throw HeedError(
            .badInput, "the tokenizer names no padding token", in: "--padding", advice: "Add --pad-token TOKEN")
    }

    /// Calls `body` with every text, or two, and `nothing` for a line that has none.
    ///
    /// - Returns: how many texts or lines there were.
    private func forEachText(
        _ errors: LineErrors, nothing: () throws -> Void, _ body: ([UInt8], [UInt8]?) throws -> Void
    ) throws -> Int {
        if let input {
            let source = try TextSource([], file: input, lines)
            return try source.visit(errors, nothing: nothing) { content, place in
                if pair {
                    guard case .value(let value) = content, let two = value.arrayValue, two.count == 2 else {
                        throw HeedError(
                            .badInput, "the line holds no pair", in: place, expected: "an array of two strings")
                    }
                    try body(try raw(two[0], place), try raw(two[1], place))
                } else {
                    try body(try raw(.string(content.text(in: place)), place), nil)
                }
            }
        }
        func placed(_ place: String, _ work: () throws -> Void) throws {
            do { try work() } catch let error as HeedError { throw error.placed(in: place) }
        }
        if pair {
            guard text.count == 2 else {
                throw HeedError(.usage, "--pair needs two texts", in: "--text", got: "\(text.count)")
            }
            try placed("--text") {
                try body(try raw(.string(text[0]), "--text"), try raw(.string(text[1]), "--text"))
            }
            return 1
        }
        for one in text { try placed("--text") { try body(try raw(.string(one), "--text"), nil) } }
        StandardInput.prepare(files)
        for path in files {
            let file = try InputFile.open(path)
            try placed(file.name) { try body(Array(file.bytes), nil) }
        }
        return text.count + files.count
    }

    private func raw(_ value: JSON, _ place: String) throws -> [UInt8] {
        let text = try EncodeText.string(value, place)
        return hex ? try EncodeText.bytes(hex: text, place) : text
    }

    private static func string(_ value: JSON, _ place: String) throws -> [UInt8] {
        guard let text = value.stringValue else {
            throw HeedError(.badInput, "a line is \(value.kindName)", in: place, expected: "a string")
        }
        return Array(text.utf8)
    }

    private static func bytes(hex: [UInt8], _ place: String) throws -> [UInt8] {
        let digits = hex.filter { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }
        func value(_ digit: UInt8) throws -> UInt8 {
            switch digit {
            case 0x30...0x39: return digit - 0x30
            case 0x41...0x46: return digit - 0x37
            case 0x61...0x66: return digit - 0x57
            default:
                throw HeedError(
                    .badInput, "the text is not hexadecimal", in: place, expected: "two digits 0-9a-f per byte")
            }
        }
        guard digits.count % 2 == 0 else {
            throw HeedError(.badInput, "the text has an odd number of hexadecimal digits", in: place)
        }
        return try Swift.stride(from: 0, to: digits.count, by: 2).map {
            try value(digits[$0]) << 4 | value(digits[$0 + 1])
        }
    }

    private static func print(_ ids: [TokenID]) throws {
        var line: [UInt8] = [UInt8(ascii: "[")]
        for (index, id) in ids.enumerated() {
            if index > 0 { line += [UInt8(ascii: ","), 0x20] }
            line += Array(String(id).utf8)
        }
        line += [UInt8(ascii: "]"), 0x0A]
        try StandardOutput.write(line)
    }

    private func print(_ encoding: Encoding, _ text: [UInt8], _ second: [UInt8]?) throws {
        if json {
            try StandardOutput.writeLine(
                form(encoding, OffsetCounter(text, offsets), second.map { OffsetCounter($0, offsets) }))
        } else {
            try EncodeText.print(encoding.ids)
        }
    }

    private func form(_ encoding: Encoding, _ first: OffsetCounter, _ second: OffsetCounter?) -> JSON {
        let spans: [JSON] = encoding.offsets.indices.map { index in
            let span = encoding.offsets[index]
            let counter = encoding.sequenceIDs[index] == 1 ? second ?? first : first
            return [.integer(counter.count(Int(span.start))), .integer(counter.count(Int(span.end)))]
        }
        var object: JSONObject = [
            "ids": .array(encoding.ids.map { .integer(Int($0)) }),
            "type_ids": .array(encoding.typeIDs.map { .integer(Int($0)) }),
            "mask": .array(encoding.attentionMask.map { .integer(Int($0)) }),
            "offsets": .array(spans),
        ]
        if encoding.unknownCharacters > 0 { object["unknown_characters"] = .integer(encoding.unknownCharacters) }
        if !encoding.overflow.isEmpty {
            object["overflow"] = .array(encoding.overflow.map { form($0, first, second) })
        }
        return .object(object)
    }
}

/// Turns places in bytes into places in what the user counts.
private struct OffsetCounter {
    /// The number of characters that start before each byte; empty where bytes are counted.
    private let characters: [Int32]

    init(_ text: [UInt8], _ unit: EncodeText.OffsetUnit) {
        guard unit == .characters else {
            characters = []
            return
        }
        var counts: [Int32] = [0]
        counts.reserveCapacity(text.count + 1)
        var count: Int32 = 0
        for (index, byte) in text.enumerated() {
            if byte & 0xC0 != 0x80 { count += 1 }
            // The place after a byte lies between characters only if the next byte starts one.
            let next = index + 1 < text.count ? text[index + 1] : 0
            counts.append(next & 0xC0 == 0x80 ? count - 1 : count)
        }
        characters = counts
    }

    func count(_ place: Int) -> Int {
        characters.isEmpty ? place : Int(characters[min(place, characters.count - 1)])
    }
}
