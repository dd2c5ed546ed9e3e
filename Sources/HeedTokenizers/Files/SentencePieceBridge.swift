import HeedSupport

extension StageReader {
    /// The normaliser of a `precompiled_charsmap` in base64.
    func precompiled(_ text: String) throws -> any NormalizerStage {
        var text = text
        var blob: [UInt8] = []
        let isWhole = text.withUTF8 { decodeBase64($0, into: &blob) }
        guard isWhole else {
            throw HeedError(.badInput, "\"precompiled_charsmap\" is not base64", in: place)
        }
        if blob.isEmpty { return SequenceNormalizer([]) }
        return PrecompiledNormalizer(map: try PrecompiledCharactersMap(blob, in: place), source: text)
    }
}

extension ModelReader {
    /// A unigram model: an array of `[text, score]`.
    func unigram(_ view: JSONView) throws -> any TokenModel {
        guard let vocab = view["vocab"], vocab.kind == .array, vocab.count > 0 else {
            throw HeedError(.badInput, "the model has no vocabulary", in: place, expected: "an array of [text, score]")
        }
        // Scores tie in long runs of one character, and the last bit decides: they are read as the library reads them.
        var builder = Vocabulary.Builder(capacity: vocab.count, in: place)
        var scores: [Double] = []
        scores.reserveCapacity(vocab.count)
        try vocab.forEachElement { entry in
            guard let (piece, number) = entry.pair, piece.kind == .string, let score = number.twiceRoundedDouble
            else {
                throw HeedError(
                    .badInput, "entry \(grouped(scores.count + 1)) of the vocabulary is broken", in: place,
                    expected: "[text, score]")
            }
            try builder.add(piece.text, id: scores.count)
            scores.append(score)
        }
        return try UnigramModel(
            vocabulary: builder.build(), scores: scores, unknownID: view["unk_id"]?.integer,
            byteFallback: view["byte_fallback"]?.bool ?? false, in: place)
    }
}

/// SentencePiece's compiled rules as the Hugging Face library applies them: to short user-perceived characters as a
/// whole, to others scalar by scalar, each time by the shortest rule that fits.
struct PrecompiledNormalizer: NormalizerStage {
    let map: PrecompiledCharactersMap
    /// The rules in base64, for saving.
    let source: String

    func normalize(_ text: inout NormalizedText) {
        var changes: [NormalizedText.Change] = []
        changes.reserveCapacity(text.bytes.count)
        var isModified = false
        func replace(_ old: UnsafeBufferPointer<UInt8>) -> Bool {
            guard let new = map.firstRule(old) else { return false }
            isModified = true
            var added: Int32 = 0
            var at = 0
            while at < new.count {
                let (scalar, length) = decodeScalar(new, at)
                changes.append(.init(scalar, 0))
                added += 1
                at += length
            }
            var difference = added
            at = 0
            while at < old.count {
                at += scalarLength(old, at)
                difference -= 1
            }
            if difference > 0 {
                for index in changes.indices.suffix(Int(difference)) { changes[index].shift = 1 }
            } else if difference < 0, !changes.isEmpty {
                changes[changes.count - 1].shift += difference
            }
            return true
        }
        text.bytes.withUnsafeBufferPointer { bytes in
            var at = 0
            for length in PrecompiledNormalizer.graphemeLengths(bytes) {
                let grapheme = UnsafeBufferPointer(rebasing: bytes[at..<at + length])
                at += length
                if length < 6, replace(grapheme) { continue }
                var inner = 0
                while inner < length {
                    let (scalar, width) = decodeScalar(grapheme, inner)
                    if !replace(UnsafeBufferPointer(rebasing: grapheme[inner..<inner + width])) {
                        changes.append(.init(scalar, 0))
                    }
                    inner += width
                }
            }
        }
        if isModified { text.transform(changes) }
    }

    /// The lengths in bytes of the user-perceived characters (extended grapheme clusters, UAX 29).
    private static func graphemeLengths(_ bytes: UnsafeBufferPointer<UInt8>) -> [Int] {
        if !bytes.contains(where: { $0 >= 0x80 || $0 == 0x0D }) { return [Int](repeating: 1, count: bytes.count) }
        // The standard library repairs bytes that are no UTF-8, which would change lengths.
        if firstBadByte(bytes) != nil {
            var lengths: [Int] = []
            var at = 0
            while at < bytes.count {
                lengths.append(scalarLength(bytes, at))
                at += lengths[lengths.count - 1]
            }
            return lengths
        }
        return String(decoding: bytes, as: UTF8.self).map(\.utf8.count)
    }

    func json() -> JSON? { ["type": "Precompiled", "precompiled_charsmap": .string(source)] }
}

/// SentencePiece's own way from ids to text.
struct SentencePieceIDDecoder: IDDecoder {
    let decoder: SentencePieceDecoder

    func decode(_ ids: [TokenID]) -> [UInt8] { decoder.decode(ids) }

    func openCount(_ text: [UInt8]) -> Int { decoder.rewritesText ? text.count : 0 }

    func json() -> JSON? { nil }
}

extension Tokenizer {
    /// Reads a SentencePiece `.model` or `.spm` alone: the ids of its own library, nothing around a text.
    public init(sentencePiece path: String) throws {
        try self.init(sentencePiece: SentencePieceFile(path: path), in: path)
    }

    /// Reads llama2.c's `tokenizer.bin`.
    public init(llamaTokenizer path: String) throws {
        try self.init(sentencePiece: SentencePieceFile(llamaTokenizer: path), in: path)
    }

    /// A tokenizer of the content of a SentencePiece file; control pieces are special tokens.
    public init(sentencePiece file: SentencePieceFile, in path: String) throws {
        let parts = try SentencePieceTokenizer(file, in: path)
        var special: [AddedToken] = []
        for (id, piece) in file.pieces.enumerated() where piece.role == .control {
            special.append(AddedToken(String(decoding: piece.text, as: UTF8.self), id: TokenID(id)))
        }
        self.init(
            model: parts.model, normalizer: parts.normalizer,
            decoding: .ids(SentencePieceIDDecoder(decoder: parts.decoder)), addedTokens: special,
            recognisesSpecialTokens: false, kind: "SentencePiece \(file.algorithm)")
    }
}
