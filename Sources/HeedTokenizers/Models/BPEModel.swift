import HeedSupport

/// Byte-pair encoding: symbols of a piece are joined in the order of learnt merges.
///
/// One type for the forms in use: over bytes (GPT-2, RoBERTa, LLaMA 3), over characters with a mark at the end of a
/// word (CLIP) or between the parts of one, and over characters with a fall-back to bytes (LLaMA 2, Phi-3).
public struct BPEModel: TokenModel {
    /// How pieces become symbols.
    public struct Options: Sendable, Equatable {
        /// The token for characters outside the vocabulary.
        public var unknownToken: String?
        /// Put before every symbol of a piece but the first.
        public var continuingPrefix: String
        /// Put after the last symbol of a piece.
        public var endOfWordSuffix: String
        /// Whether neighbouring unknown characters become one token.
        public var fusesUnknown: Bool
        /// Whether an unknown character becomes the tokens `<0x00>`…`<0xFF>` of its bytes.
        public var fallsBackToBytes: Bool
        /// Whether a piece that is a token as a whole is that token, whatever the merges say.
        public var ignoresMerges: Bool

        /// Plain BPE without an unknown token.
        public init(
            unknownToken: String? = nil, continuingPrefix: String = "", endOfWordSuffix: String = "",
            fusesUnknown: Bool = false, fallsBackToBytes: Bool = false, ignoresMerges: Bool = false
        ) {
            self.unknownToken = unknownToken
            self.continuingPrefix = continuingPrefix
            self.endOfWordSuffix = endOfWordSuffix
            self.fusesUnknown = fusesUnknown
            self.fallsBackToBytes = fallsBackToBytes
            self.ignoresMerges = ignoresMerges
        }
    }

    /// How texts of the vocabulary spell bytes.
    enum Spelling: Sendable {
        /// Texts are text: pieces are cut into characters.
        case characters
        /// Texts are in GPT-2's alphabet: pieces are bytes.
        case alphabet
        /// Texts are bytes, and ids are ranks of merging (tiktoken).
        case ranks
    }

    /// The name in `tokenizer.json`.
    public let typeName = "BPE"
    /// Tokens and their ids.
    public let vocabulary: Vocabulary
    /// The id of what has no token; nil: it is left out.
    public let unknownID: TokenID?
    /// The options of the model.
    public let options: Options
    /// The merges in order, as pairs of ids.
    let merges: [(left: TokenID, right: TokenID, result: TokenID)]
    let spelling: Spelling
    let table: MergeTable
    /// The token of each byte, or −1: of the byte's own symbol, or of `<0x…>` for the fall-back.
    let byteIDs: FrozenBuffer<TokenID>
    /// Whether the model can make ids straight from bytes with no prefix, suffix or unknown token in the way.
    let isPlain: Bool

    /// Whether tokens are spelled in characters for bytes.
    public var isByteLevel: Bool { spelling != .characters }

    /// A model over characters or GPT-2's alphabet.
    ///
    /// - `merges`: pairs of ids with the id of the joined token, in the order of learning.
    /// - `isByteLevel`: whether texts are in GPT-2's alphabet and pieces are bytes.
    /// - `place`: the file named in errors.
    /// - Throws: `HeedError` where the unknown token is not in the vocabulary.
    public init(
        vocabulary: Vocabulary, merges: [(left: TokenID, right: TokenID, result: TokenID)], options: Options,
        isByteLevel: Bool, in place: String? = nil
    ) throws {
        self.vocabulary = vocabulary
        self.merges = merges
        self.options = options
        spelling = isByteLevel ? .alphabet : .characters
        table = MergeTable(merges)
        if let token = options.unknownToken {
            guard let id = vocabulary.id(of: token) else {
                throw HeedError(
                    .badInput, "the unknown token \(quoted(token)) is not in the vocabulary", in: place,
                    advice: "Add it to the vocabulary or set unk_token to null")
            }
            unknownID = id
        } else {
            unknownID = nil
        }
        var ids: [TokenID] = []
        for byte in 0..<256 {
            let text = isByteLevel ? String(ByteAlphabet.scalars[byte]) : BPEModel.byteToken(byte)
            ids.append(vocabulary.id(of: text) ?? -1)
        }
        byteIDs = FrozenBuffer(ids)
        isPlain =
            isByteLevel && !ids.contains(-1) && options.continuingPrefix.isEmpty && options.endOfWordSuffix.isEmpty
    }

    /// A model in the manner of tiktoken: the texts are bytes, and neighbours whose joined text has the lowest id are
    /// joined first.
    ///
    /// - Throws: `HeedError` where one of the 256 bytes has no token.
    public init(ranks vocabulary: Vocabulary, in place: String? = nil) throws {
        self.vocabulary = vocabulary
        merges = []
        options = Options(ignoresMerges: true)
        spelling = .ranks
        table = MergeTable([])
        unknownID = nil
        var ids: [TokenID] = []
        for byte in 0..<256 {
            guard let id = vocabulary.id(of: [UInt8(byte)]) else {
                throw HeedError(
                    .badInput, "the byte 0x\(String(byte, radix: 16)) has no token", in: place,
                    expected: "a token for each of the 256 bytes")
            }
            ids.append(id)
        }
        byteIDs = FrozenBuffer(ids)
        isPlain = true
    }

    /// `<0x0A>`
    static func byteToken(_ byte: Int) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return byte < 16 ? "<0x0\(digits)>" : "<0x\(digits)>"
    }

    /// The bytes that a token stands for in a byte-level model.
    func appendBytes(of id: TokenID, to bytes: inout [UInt8]) {
        guard let text = vocabulary.bytes(of: id) else { return }
        if spelling == .alphabet {
            ByteAlphabet.appendBytes(of: text, to: &bytes)
        } else {
            bytes.append(contentsOf: text)
        }
    }

    /// The number of bytes that a token stands for in a byte-level model.
    func byteCount(of id: TokenID) -> Int {
        guard let text = vocabulary.bytes(of: id) else { return 0 }
        // In GPT-2's alphabet every character is a byte.
        return spelling == .alphabet ? text.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } : text.count
    }

    /// Joins the pieces of `piece` by rank. Cost: O(n log n) for n bytes, or one look-up where it was seen before.
    public func tokenize(_ piece: UnsafeBufferPointer<UInt8>, into tokens: inout TokenList) {
        var scratch = MergeScratch()
        tokenize(piece, into: &tokens, scratch: &scratch)
    }

    /// The token of a whole piece where the options allow to look for it, or nil.
    private func wholePiece(_ piece: UnsafeBufferPointer<UInt8>) -> TokenID? {
        guard options.ignoresMerges else { return nil }
        if spelling == .alphabet { return vocabulary.id(of: ByteAlphabet.spell(piece)) }
        return vocabulary.id(of: piece)
    }

    /// Tokenizes a piece with memory of the caller.
    func tokenize(
        _ piece: UnsafeBufferPointer<UInt8>, into tokens: inout TokenList, scratch: inout MergeScratch
    ) {
        join(piece, &scratch)
        tokens.unknownCharacters += scratch.dropped
        var at = 0
        for symbol in scratch.symbols {
            tokens.append(symbol.id, from: at, to: at + Int(symbol.length))
            at += Int(symbol.length)
        }
    }

    /// Leaves the tokens of a piece in `scratch.symbols`.
    func join(_ piece: UnsafeBufferPointer<UInt8>, _ scratch: inout MergeScratch) {
        scratch.symbols.removeAll(keepingCapacity: true)
        scratch.dropped = 0
        if piece.isEmpty { return }
        if let id = wholePiece(piece) {
            scratch.symbols.append(MergeSymbol(id: id, length: Int32(piece.count)))
            return
        }
        fillSymbols(of: piece, to: &scratch)
        if spelling == .ranks {
            scratch.merge(by: RankRule(vocabulary: vocabulary, piece: piece))
        } else if !merges.isEmpty {
            scratch.merge(by: TableRule(table: table))
        }
    }

    /// Cuts a piece into the symbols that merging starts from.
    func fillSymbols(of piece: UnsafeBufferPointer<UInt8>, to scratch: inout MergeScratch) {
        if isPlain {
            for byte in piece {
                scratch.symbols.append(MergeSymbol(id: byteIDs.pointer[Int(byte)], length: 1))
            }
        } else {
            appendSymbols(of: piece, to: &scratch)
        }
    }

    /// Cuts a piece into its first symbols: characters (bytes) with prefix and suffix, unknown ones replaced.
    private func appendSymbols(of piece: UnsafeBufferPointer<UInt8>, to scratch: inout MergeScratch) {
        var unknown: MergeSymbol?
        var text: [UInt8] = []
        var at = 0
        while at < piece.count {
            let length = spelling == .characters ? scalarLength(piece, at) : 1
            text.removeAll(keepingCapacity: true)
            if at > 0 { text.append(contentsOf: options.continuingPrefix.utf8) }
            if spelling == .characters {
                text.append(contentsOf: piece[at..<at + length])
            } else {
                appendScalar(ByteAlphabet.scalars[Int(piece[at])], to: &text)
            }
            at += length
            if at == piece.count { text.append(contentsOf: options.endOfWordSuffix.utf8) }
            if let id = vocabulary.id(of: text) {
                if let pending = unknown { scratch.symbols.append(pending) }
                unknown = nil
                scratch.symbols.append(MergeSymbol(id: id, length: Int32(length)))
                continue
            }
            if options.fallsBackToBytes, text.allSatisfy({ byteIDs.pointer[Int($0)] >= 0 }) {
                for byte in text {
                    scratch.symbols.append(MergeSymbol(id: byteIDs.pointer[Int(byte)], length: 1))
                }
                continue
            }
            guard let unknownID else {
                scratch.dropped += 1
                continue
            }
            if let pending = unknown, options.fusesUnknown {
                unknown = MergeSymbol(id: unknownID, length: pending.length + Int32(length))
            } else {
                if let pending = unknown { scratch.symbols.append(pending) }
                unknown = MergeSymbol(id: unknownID, length: Int32(length))
            }
        }
        if let pending = unknown { scratch.symbols.append(pending) }
    }
}

/// Joins by the table of merges.
struct TableRule: MergeRule {
    let table: MergeTable

    @inline(__always)
    func find(_ left: TokenID, _ right: TokenID, start: Int, count: Int) -> (rank: UInt32, result: TokenID) {
        table.find(left, right)
    }
}

/// Joins by the id of the joined text.
struct RankRule: MergeRule {
    let vocabulary: Vocabulary
    let piece: UnsafeBufferPointer<UInt8>

    @inline(__always)
    func find(_ left: TokenID, _ right: TokenID, start: Int, count: Int) -> (rank: UInt32, result: TokenID) {
        guard let id = vocabulary.id(of: UnsafeBufferPointer(rebasing: piece[start..<start + count])) else {
            return (MergeTable.noRank, 0)
        }
        return (UInt32(bitPattern: id), id)
    }
}
