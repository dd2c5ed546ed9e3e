import HeedSupport

/// How text becomes ids: a closure of whoever has a tokenizer, so that training knows only ids.
public struct TextEncoding: Sendable {
    /// The ids of a text in UTF-8, special tokens not added.
    public let encode: @Sendable (UnsafeBufferPointer<UInt8>) throws -> [Int32]
    /// The id that ends a document, put behind every one of several.
    public let documentEnd: Int32?

    /// A way from UTF-8 to ids, `documentEnd` following every document.
    public init(documentEnd: Int32? = nil, encode: @escaping @Sendable (UnsafeBufferPointer<UInt8>) throws -> [Int32]) {
        self.encode = encode
        self.documentEnd = documentEnd
    }
}

/// What a data file holds, told by the end of its name.
public enum DataKind: Sendable, Equatable {
    /// `.bin`: 16-bit ids.
    case tokens
    /// `.safetensors`: rows of ids.
    case rows
    /// `.jsonl`: an object with a field `text` per line; each is a document.
    case jsonLines
    /// Anything else: one text in UTF-8.
    case text

    /// The kind of the file at `path`, by the end of its name.
    public init(path: String) {
        let name = lastPathComponent(path).lowercased()
        if name.hasSuffix(".bin") {
            self = .tokens
        } else if name.hasSuffix(".safetensors") {
            self = .rows
        } else if name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson") {
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
public func readText(_ path: String, encoding: TextEncoding?) throws -> ReadText {
    let kind = DataKind(path: path)
    if kind == .tokens { return ReadText(tokens: try TokenStream(binary: path), bytes: nil) }
    guard kind.isText else {
        throw HeedError(.usage, "rows of ids are no text", in: path, expected: "a text, .jsonl or .bin file")
    }
    let file = try MappedFile(path: path)
    guard file.count > 0 else { throw HeedError(.badInput, "the file is empty", in: path, expected: "some text") }
    guard let encoding else {
        throw HeedError(
            .usage, "this is text, and there is no tokenizer to make ids of it", in: path,
            advice: "Give --tokenizer PATH or --tokenizer-kind KIND, or a file of token ids ending in .bin.")
    }
    let bytes = file.bytes.assumingMemoryBound(to: UInt8.self)
    defer { withExtendedLifetime(file) {} }
    if kind == .text {
        try requireUTF8(bytes, place: path)
        return ReadText(tokens: TokenStream(try encoding.encode(bytes), name: path), bytes: bytes.count)
    }
    var ids: [Int32] = []
    var textBytes = 0
    try forEachDocument(bytes, path: path) { text in
        var text = text
        textBytes += text.utf8.count
        ids += try text.withUTF8 { try encoding.encode($0) }
        if let end = encoding.documentEnd { ids.append(end) }
    }
    return ReadText(tokens: TokenStream(ids, name: path), bytes: textBytes)
}

/// Calls `body` with the field `text` of every line.
///
/// - Throws: `HeedError` naming file and line.
public func forEachDocument(
    _ bytes: UnsafeBufferPointer<UInt8>, path: String, _ body: (String) throws -> Void
) throws {
    var start = 0
    var line = 0
    while start < bytes.count {
        let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
        line += 1
        let content = UnsafeBufferPointer(rebasing: bytes[start..<end])
        start = end + 1
        if content.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
        let place = "\(path), line \(line)"
        let value = try JSON.parse(UnsafeRawBufferPointer(content), in: place)
        guard let text = value.stringValue ?? value["text"]?.stringValue else {
            throw HeedError(
                .badInput, "the line has no text", in: place, expected: "an object with a field \"text\"",
                got: value.kindName)
        }
        try body(text)
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
