import HeedSupport

extension SentencePieceFile {
    /// Reads llama2.c's `tokenizer.bin`: the longest length as int32, then for each token its score as float32, its
    /// length as int32 and its bytes, all little-endian, up to the end of the file.
    ///
    /// The layout says neither roles nor algorithm. It is always LLaMA's: BPE with byte fallback, no normalisation, a
    /// dummy prefix, spaces written plainly; token 0 is unknown, 1 and 2 begin and end the text, 3 to 258 are bytes.
    /// - Throws: `HeedError` naming the file.
    public init(llamaTokenizer path: String) throws {
        let file = try MappedFile(path: path)
        try self.init(llamaTokenizer: file.bytes, in: path)
    }

    /// Reads the layout from memory; `place` names it in messages.
    public init(llamaTokenizer bytes: UnsafeRawBufferPointer, in place: String) throws {
        self.init()
        func broken(_ what: String, expected: String? = nil, got: String? = nil) -> HeedError {
            HeedError(
                .badInput, "this is no sound llama2.c tokenizer: \(what)", in: place, expected: expected, got: got,
                advice: "Fetch the file again")
        }
        algorithm = .bpe
        hasByteFallback = true
        normalization.removesExtraWhitespaces = false
        guard bytes.count >= 4 else { throw broken("it is cut short", expected: "at least 4 bytes") }
        var position = 4
        while position < bytes.count {
            let id = pieces.count
            guard bytes.count - position >= 8 else { throw broken("it ends inside token \(id)") }
            let bits = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
            let length = Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: position + 4, as: Int32.self)))
            position += 8
            guard length > 0, length <= bytes.count - position else {
                throw broken(
                    "token \(id) claims \(length) bytes",
                    expected: "at least 1 and no more than the \(grouped(bytes.count - position)) that are left")
            }
            let text = Array(bytes[position..<position + length])
            position += length
            pieces.append(Self.llamaPiece(text, score: Float(bitPattern: bits), id: id))
        }
        try validate(in: place)
    }

    private static func llamaPiece(_ text: [UInt8], score: Float, id: Int) -> Piece {
        switch id {
        case 0: return Piece(text: text, score: score, role: .unknown)
        // llama2.c's exporter puts line ends around these two marks.
        case 1, 2: return Piece(text: text.filter { $0 != 10 }, score: score, role: .control)
        default: break
        }
        if id < 259, byte(of: text) != nil { return Piece(text: text, score: score, role: .byte) }
        var escaped: [UInt8] = []
        for byte in text { if byte == 0x20 { escaped += spaceSymbol } else { escaped.append(byte) } }
        return Piece(text: escaped, score: score)
    }

    /// U+2581, the visible space.
    static let spaceSymbol: [UInt8] = [0xE2, 0x96, 0x81]
}
