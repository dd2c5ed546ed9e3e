import HeedSupport

/// How text becomes ids: a closure of whoever has a tokenizer, so that training knows only ids.
public struct TextEncoding: Sendable {
    /// The ids of a text in UTF-8, special tokens not added.
    public let encode: @Sendable (UnsafeBufferPointer<UInt8>) throws -> [Int32]
    /// The id that ends a document, put behind every one of several.
    public let documentEnd: Int32?
    /// How files of text are written.
    public var format = InputFormat.auto
    /// Told of a line that cannot be used, which is then left out; nil: such a line ends the reading.
    public var skip: (@Sendable (HeedError) -> Void)?

    /// A way from UTF-8 to ids, `documentEnd` following every document.
    public init(documentEnd: Int32? = nil, encode: @escaping @Sendable (UnsafeBufferPointer<UInt8>) throws -> [Int32]) {
        self.encode = encode
        self.documentEnd = documentEnd
    }
}

/// What a data file holds, told by its name or, for standard input and pipes, by its first line.
public enum DataKind: Sendable, Equatable {
    /// `.bin`: 16-bit ids.
    case tokens
    /// `.safetensors`: rows of ids.
    case rows
    /// `.jsonl`: a JSON string or an object with a field `text` per line; each is a document. Records of a `.csv` or `.tsv`
    /// with a heading are such objects.
    case jsonLines
    /// Anything else: one text in UTF-8.
    case text

    /// The kind of what `path` names; `.gz` at the end of a name counts for nothing.
    public init(path: String, format: InputFormat = .auto) {
        var name = lastPathComponent(path).lowercased()
        if name.hasSuffix(".gz") { name.removeLast(3) }
        if name.hasSuffix(".bin") {
            self = .tokens
        } else if name.hasSuffix(".safetensors") {
            self = .rows
        } else if format != .auto {
            self = format == .json ? .jsonLines : .text
        } else if InputLines.hasNameOfLines(path) || InputLines.hasNameOfTable(path) || InputFile.pipeBeginsAsJSON(path)
        {
            self = .jsonLines
        } else {
            self = .text
        }
    }

    /// Whether a tokenizer is needed.
    public var isText: Bool { self == .jsonLines || self == .text }
}

/// Ids and the bytes of text behind them.
public struct ReadText: Sendable {
    /// The ids.
    public let tokens: TokenStream
    /// Bytes of the text; nil for files of ids.
    public let bytes: Int?
}

/// Reads a token file or tokenises a text file, once.
///
/// - Throws: `HeedError` naming the file: missing, empty, not UTF-8, a line without text, no tokenizer.
package func readText(_ path: String, encoding: TextEncoding?) throws -> ReadText {
    let kind = DataKind(path: path, format: encoding?.format ?? .auto)
    if kind == .tokens { return ReadText(tokens: try TokenStream(binary: path), bytes: nil) }
    guard kind.isText else {
        throw HeedError(.usage, "rows of ids are no text", in: path, expected: "a text, .jsonl or .bin file")
    }
    let file = try InputFile.open(path)
    guard file.count > 0 else { throw HeedError(.badInput, "the file is empty", in: file.name, expected: "some text") }
    guard let encoding else {
        throw HeedError(
            .usage, "this is text, and there is no tokenizer to make ids of it", in: file.name,
            advice: "Give `tokenizer` PATH or `tokenizerKind` KIND, or a file of token ids ending in .bin.")
    }
    if kind == .text {
        let bytes = file.bytes.assumingMemoryBound(to: UInt8.self)
        defer { withExtendedLifetime(file) {} }
        try requireUTF8(bytes, place: file.name)
        return ReadText(tokens: TokenStream(try encoding.encode(bytes), name: file.name), bytes: bytes.count)
    }
    var ids: [Int32] = []
    var textBytes: Int? = 0
    try forEachDocument(path, skip: encoding.skip) { document in
        switch document {
        case .text(var text):
            textBytes? += text.utf8.count
            ids += try text.withUTF8 { try encoding.encode($0) }
        case .ids(let list):
            textBytes = nil
            ids += list
        }
        if let end = encoding.documentEnd { ids.append(end) }
    }
    return ReadText(tokens: TokenStream(ids, name: file.name), bytes: textBytes)
}

/// What a line of a JSONL file gives to learn from.
enum Document {
    case text(String)
    case ids([Int32])

    /// - Throws: `HeedError` when the line has neither text nor ids.
    init(_ value: JSON, place: String) throws {
        if let text = (value["text"] ?? value["prompt"])?.stringValue {
            self = .text(text)
        } else if let list = (value["ids"] ?? value).arrayValue, !list.isEmpty {
            self = .ids(
                try list.map { item in
                    guard let id = item.intValue.flatMap({ Int32(exactly: $0) }), id >= 0 else {
                        throw HeedError(
                            .badInput, "an id is not a number of a token", in: place,
                            expected: "integers from 0", got: item.serialised())
                    }
                    return id
                })
        } else {
            throw HeedError(
                .badInput, "the line has no text", in: place, expected: "an object with a field \"text\" or \"ids\"",
                got: value.kindName)
        }
    }
}

/// Calls `body` with what every line holds; blank lines hold nothing.
///
/// - Parameter skip: told of a line that cannot be used, which is then left out; nil: such a line is an error.
/// - Throws: `HeedError` naming file and line.
func forEachDocument(
    _ path: String, skip: ((HeedError) -> Void)? = nil, _ body: (Document) throws -> Void
) throws {
    try InputLines(path, format: .json).read { line in
        let document: Document
        do {
            switch try line.content.get() {
            case .blank: return true
            case .text(let text): document = .text(text)
            case .value(let value): document = try Document(value, place: line.place)
            }
        } catch let error as HeedError {
            guard let skip else { throw error }
            skip(error)
            return true
        }
        try body(document)
        return true
    }
}

private func requireUTF8(_ bytes: UnsafeBufferPointer<UInt8>, place: String) throws {
    var at = 0
    while at < bytes.count {
        let length = utf8SequenceLength(bytes, at)
        guard length > 0 else {
            throw HeedError(
                .badInput, "the text is not UTF-8 at byte \(grouped(at))", in: place,
                advice: "Files of token ids end in .bin, rows of ids in .safetensors.")
        }
        at += length
    }
}
