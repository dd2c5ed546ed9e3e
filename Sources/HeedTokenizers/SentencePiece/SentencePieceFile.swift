import HeedSupport

/// The content of a SentencePiece model file (`.model`, `.spm`): pieces with scores, and how text is normalised.
///
/// The format is the message `ModelProto` of SentencePiece's `sentencepiece_model.proto` (Kudo and Richardson 2018).
/// Of the trainer's own settings only those that matter to encoding and decoding are kept.
public struct SentencePieceFile: Sendable, Equatable {
    /// The algorithm that segments text.
    public enum Algorithm: Int, Sendable, CaseIterable {
        /// The most probable segmentation under a unigram language model (Kudo 2018).
        case unigram = 1
        /// Merging of adjacent pieces by score (Sennrich et al. 2016).
        case bpe = 2
        /// Whole words between spaces.
        case word = 3
        /// Single characters.
        case character = 4
    }

    /// A unit of text with its place in the model.
    public struct Piece: Sendable, Equatable {
        /// What a piece is for.
        public enum Role: Int, Sendable {
            /// Ordinary text.
            case normal = 1
            /// Text that no piece covers.
            case unknown = 2
            /// A mark such as `<s>`, which no text gives.
            case control = 3
            /// Text that is always one piece.
            case userDefined = 4
            /// A piece that encoding must not use.
            case unused = 5
            /// One byte of text that no piece covers, spelled `<0x0A>`.
            case byte = 6
        }

        /// The text in UTF-8, spaces as U+2581 where the model escapes them.
        public var text: [UInt8]
        /// The score: a natural logarithm of probability (unigram) or minus the rank of the merge (BPE).
        public var score: Float
        /// What the piece is for.
        public var role: Role

        /// A piece in UTF-8 with its score.
        public init(text: [UInt8], score: Float, role: Role = .normal) {
            self.text = text
            self.score = score
            self.role = role
        }
    }

    /// How text is made uniform before segmentation.
    public struct Normalization: Sendable, Equatable {
        /// The name of the rules, such as `nmt_nfkc` or `identity`.
        public var name = "identity"
        /// The rules: a double array from character sequences to replacements; empty for none.
        public var charactersMap: [UInt8] = []
        /// Puts a space before the text (after it if white space is a suffix).
        public var addsDummyPrefix = true
        /// Drops spaces at both ends and repeated ones.
        public var removesExtraWhitespaces = true
        /// Writes spaces as U+2581.
        public var escapesWhitespaces = true

        /// SentencePiece's defaults.
        public init() {}
    }

    /// The algorithm.
    public var algorithm = Algorithm.unigram
    /// The pieces in order of their ids.
    public var pieces: [Piece] = []
    /// How text is normalised.
    public var normalization = Normalization()
    /// How decoded text is rewritten; empty rules for not at all.
    public var denormalization: [UInt8] = []
    /// Whether characters without a piece become bytes.
    public var hasByteFallback = false
    /// Whether white space ends pieces instead of beginning them.
    public var treatsWhitespaceAsSuffix = false
    /// What an unknown piece decodes to.
    public var unknownSurface = Array(" \u{2047} ".utf8)
    /// The ids of begin, end and padding; −1 where the model has none.
    public var beginID = 1
    /// The id that ends a text; −1: none.
    public var endID = 2
    /// The id that fills up; −1: none.
    public var paddingID = -1

    /// A model without pieces, with SentencePiece's defaults.
    public init() {}

    /// Reads a model file.
    ///
    /// Hostile content gives an error, never a trap or memory beyond a small multiple of the file's size.
    /// - Throws: `HeedError` naming the file.
    public init(path: String) throws {
        let file = try MappedFile(path: path)
        try self.init(file.bytes, in: path)
    }

    /// Reads a model from memory; `place` names it in messages.
    public init(_ bytes: UnsafeRawBufferPointer, in place: String) throws {
        guard !bytes.isEmpty else {
            throw HeedError(
                .badInput, "the file is empty", in: place, expected: "a SentencePiece model",
                advice: "Fetch the file again")
        }
        var reader = ProtobufReader(bytes, in: place)
        while let (number, value) = try reader.next() {
            guard let message = value.bytes else { continue }
            switch number {
            case 1: pieces.append(try Self.piece(reader.nested(message), index: pieces.count))
            case 2: try readTrainer(reader.nested(message))
            case 3: normalization = try Self.normalization(reader.nested(message))
            case 5: denormalization = try Self.normalization(reader.nested(message)).charactersMap
            default: break
            }
        }
        try validate(in: place)
    }

    private static func piece(_ message: ProtobufReader, index: Int) throws -> Piece {
        var reader = message
        var piece = Piece(text: [], score: 0)
        while let (number, value) = try reader.next() {
            switch number {
            case 1: piece.text = value.bytes.map(Array.init) ?? []
            case 2: piece.score = value.float ?? 0
            case 3:
                guard let role = value.integer.flatMap(Piece.Role.init) else {
                    throw reader.broken("piece \(index) has an unknown type")
                }
                piece.role = role
            default: break
            }
        }
        return piece
    }

    private mutating func readTrainer(_ message: ProtobufReader) throws {
        var reader = message
        while let (number, value) = try reader.next() {
            switch number {
            case 3:
                guard let algorithm = value.integer.flatMap(Algorithm.init) else {
                    throw reader.broken("the model type is unknown")
                }
                self.algorithm = algorithm
            case 24: treatsWhitespaceAsSuffix = value.bool ?? false
            case 35: hasByteFallback = value.bool ?? false
            case 41: beginID = Self.identifier(value)
            case 42: endID = Self.identifier(value)
            case 43: paddingID = Self.identifier(value)
            case 44: unknownSurface = value.bytes.map(Array.init) ?? []
            default: break
            }
        }
    }

    /// An int32 that may be negative, which proto2 writes as ten bytes.
    private static func identifier(_ value: ProtobufReader.Value) -> Int {
        value.integer.map { Int(Int32(truncatingIfNeeded: $0)) } ?? -1
    }

    private static func normalization(_ message: ProtobufReader) throws -> Normalization {
        var reader = message
        var result = Normalization()
        result.name = ""
        while let (number, value) = try reader.next() {
            switch number {
            case 1: result.name = value.bytes.map { String(decoding: $0, as: UTF8.self) } ?? ""
            case 2: result.charactersMap = value.bytes.map(Array.init) ?? []
            case 3: result.addsDummyPrefix = value.bool ?? true
            case 4: result.removesExtraWhitespaces = value.bool ?? true
            case 5: result.escapesWhitespaces = value.bool ?? true
            default: break
            }
        }
        return result
    }

    /// The model as a file's bytes.
    public func serialised() -> [UInt8] {
        var file = ProtobufWriter()
        for piece in pieces {
            var message = ProtobufWriter()
            message.write(1, bytes: piece.text)
            message.write(2, float: piece.score)
            if piece.role != .normal { message.write(3, varint: piece.role.rawValue) }
            file.write(1, bytes: message.bytes)
        }
        file.write(2, bytes: trainerMessage())
        file.write(3, bytes: Self.message(normalization))
        if !denormalization.isEmpty {
            var denormalizer = Normalization()
            denormalizer.charactersMap = denormalization
            file.write(5, bytes: Self.message(denormalizer))
        }
        return file.bytes
    }

    private func trainerMessage() -> [UInt8] {
        var message = ProtobufWriter()
        message.write(3, varint: algorithm.rawValue)
        message.write(4, varint: pieces.count)
        if treatsWhitespaceAsSuffix { message.write(24, bool: true) }
        if hasByteFallback { message.write(35, bool: true) }
        let unknown = pieces.firstIndex { $0.role == .unknown } ?? 0
        message.write(40, varint: unknown)
        message.write(41, varint: beginID)
        message.write(42, varint: endID)
        message.write(43, varint: paddingID)
        message.write(44, bytes: unknownSurface)
        for (field, id) in [(45, unknown), (46, beginID), (47, endID), (48, paddingID)] where pieces.indices ~= id {
            message.write(field, bytes: pieces[id].text)
        }
        return message.bytes
    }

    private static func message(_ normalization: Normalization) -> [UInt8] {
        var message = ProtobufWriter()
        message.write(1, string: normalization.name)
        message.write(2, bytes: normalization.charactersMap)
        message.write(3, bool: normalization.addsDummyPrefix)
        message.write(4, bool: normalization.removesExtraWhitespaces)
        message.write(5, bool: normalization.escapesWhitespaces)
        return message.bytes
    }
}
