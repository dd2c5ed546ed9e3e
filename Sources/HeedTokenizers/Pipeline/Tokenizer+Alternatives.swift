import HeedSupport

/// Other segmentations than the best one, for training that is robust against them (subword regularisation).
extension Tokenizer {
    /// A piece on its way to the model, or an added token.
    private enum Part {
        case token(TokenID)
        case piece([UInt8])
    }

    /// The `count` most probable segmentations of a text (at most 1,024), best first, with the sums of their scores.
    ///
    /// No special tokens are put around them. Pieces that the pre-tokenizer cuts are combined exactly.
    /// - Throws: `HeedError` of kind `unsupported` for a model that is not unigram.
    public func best(_ count: Int, of text: [UInt8]) throws -> [(ids: [TokenID], score: Double)] {
        let unigram = try unigram("Several segmentations")
        let limit = min(max(count, 1), 1024)
        var best: [(ids: [TokenID], score: Double)] = [([], 0)]
        for part in parts(of: text) {
            switch part {
            case .token(let id): for index in best.indices { best[index].ids.append(id) }
            case .piece(let piece):
                // One more than asked for, because a list of one has no score.
                let found = piece.withUnsafeBufferPointer { unigram.best(max(limit, 2), of: $0) }
                var combined: [(ids: [TokenID], score: Double)] = []
                for (rank, one) in best.enumerated() {
                    // The n-th best with the m-th best cannot be among the first `limit` where n · m is larger.
                    for (order, other) in found.enumerated() where (rank + 1) * (order + 1) <= limit {
                        combined.append((one.ids + other.tokens.ids, one.score + Double(other.score)))
                    }
                }
                let order = combined.indices.sorted {
                    combined[$0].score != combined[$1].score ? combined[$0].score > combined[$1].score : $0 < $1
                }
                best = order.prefix(limit).map { combined[$0] }
            }
        }
        return best
    }

    /// A random segmentation under a unigram model (Kudo 2018): with probability proportional to
    /// exp(sharpness · sum of scores).
    ///
    /// - Throws: `HeedError` of kind `unsupported` for a model that is not unigram.
    public func sample(
        _ text: [UInt8], sharpness: Float, using generator: inout some RandomNumberGenerator
    ) throws -> [TokenID] {
        let unigram = try unigram("Random segmentations")
        var ids: [TokenID] = []
        for part in parts(of: text) {
            switch part {
            case .token(let id): ids.append(id)
            case .piece(let piece):
                piece.withUnsafeBufferPointer {
                    ids += unigram.sample($0, sharpness: sharpness, using: &generator).ids
                }
            }
        }
        return ids
    }

    /// A random segmentation under byte-pair encoding: at every step each merge is left out with a probability
    /// (BPE dropout, Provilkov et al. 2020).
    ///
    /// - Throws: `HeedError` of kind `unsupported` for a model without merges.
    public func sample(
        _ text: [UInt8], dropout probability: Double, using generator: inout some RandomNumberGenerator
    ) throws -> [TokenID] {
        let dropout = MergeDropout(probability: probability)
        var ids: [TokenID] = []
        for part in parts(of: text) {
            switch part {
            case .token(let id): ids.append(id)
            case .piece(let piece):
                let found = piece.withUnsafeBufferPointer { piece -> [TokenID]? in
                    if let bpe = model as? BPEModel { return bpe.tokens(of: piece, under: dropout, using: &generator) }
                    return (model as? SentencePieceModel)?.tokens(of: piece, under: dropout, using: &generator)
                }
                guard let found else {
                    throw HeedError(
                        .unsupported, "dropout needs a model with merges", expected: "byte-pair encoding", got: kind)
                }
                ids += found
            }
        }
        return ids
    }

    /// What the template makes of ids that were found otherwise: special tokens around them; no offsets.
    public func finished(_ ids: [TokenID], addingSpecialTokens: Bool = true) -> [TokenID] {
        guard let postProcessor else { return ids }
        var list = TokenList(tracksSpans: false)
        for id in ids { list.append(id, from: 0, to: 0) }
        let encodings = postProcessor.process(
            [Encoding(list, typeID: 0, sequence: 0)], addingSpecialTokens: addingSpecialTokens)
        return encodings.flatMap(\.ids)
    }

    private func unigram(_ what: String) throws -> UnigramModel {
        guard let unigram = model as? UnigramModel ?? (model as? SentencePieceModel)?.unigram else {
            throw HeedError(.unsupported, "\(what) need a unigram model", expected: "a unigram model", got: kind)
        }
        return unigram
    }

    /// The pieces that the model gets, and the added tokens between them.
    private func parts(of text: [UInt8]) -> [Part] {
        text.withUnsafeBufferPointer { bytes in
            var parts: [Part] = []
            for segment in addedTokens.segments(
                of: bytes, by: addedTokens.source, ignoresSpecial: !recognisesSpecialTokens)
            {
                if let token = segment.token {
                    parts.append(.token(token))
                    continue
                }
                let isAtStart = segment.range.lowerBound == 0
                var text = NormalizedText(
                    UnsafeBufferPointer(rebasing: bytes[segment.range]), isAtStart: isAtStart, tracksSources: false)
                normalizer?.normalize(&text)
                let inner = text.bytes.withUnsafeBufferPointer {
                    addedTokens.segments(of: $0, by: addedTokens.normalized, ignoresSpecial: !recognisesSpecialTokens)
                }
                for part in inner {
                    if let token = part.token {
                        parts.append(.token(token))
                    } else {
                        let isFirst = isAtStart && part.range.lowerBound == 0
                        parts += pieces(of: text.slice(part.range), isAtStart: isFirst).map { .piece($0) }
                    }
                }
            }
            return parts
        }
    }

    private func pieces(of text: NormalizedText, isAtStart: Bool) -> [[UInt8]] {
        var list = PieceList(text, isAtStart: isAtStart)
        preTokenizer?.cut(&list)
        if !model.isByteLevel { list.spellIfNeeded() }
        let bytes = list.text.bytes
        return list.pieces.map { piece in
            guard list.isSpelled, model.isByteLevel else { return Array(bytes[piece]) }
            return bytes[piece].withUnsafeBufferPointer { spelled in
                var raw: [UInt8] = []
                var at = 0
                while at < spelled.count {
                    let (scalar, length) = decodeScalar(spelled, at)
                    raw.append(ByteAlphabet.byte(of: scalar) ?? UInt8(ascii: "?"))
                    at += length
                }
                return raw
            }
        }
    }
}
