import HeedSupport

extension Tokenizer {
    /// The text of ids; what is no UTF-8 becomes U+FFFD.
    ///
    /// - `skippingSpecialTokens`: whether special tokens are left out.
    /// - Throws: `HeedError` for an id outside the vocabulary.
    public func decode(_ ids: [TokenID], skippingSpecialTokens: Bool = true) throws -> String {
        String(decoding: try decodeBytes(ids, skippingSpecialTokens: skippingSpecialTokens), as: UTF8.self)
    }

    /// The bytes of ids: for byte-level models exactly those that were encoded, UTF-8 or not.
    public func decodeBytes(_ ids: [TokenID], skippingSpecialTokens: Bool = true) throws -> [UInt8] {
        var kept: [TokenID] = []
        kept.reserveCapacity(ids.count)
        for id in ids {
            try checkDecodable(id)
            if !skippingSpecialTokens || !isSpecial(id) { kept.append(id) }
        }
        switch decoding {
        case .stage(let stage):
            if stage is ByteLevelDecoder, let bpe = model as? BPEModel, bpe.isByteLevel {
                var bytes: [UInt8] = []
                for id in kept {
                    if let added = addedTokens.token(of: id) {
                        var content = added.content
                        content.withUTF8 { ByteAlphabet.appendBytes(of: $0, to: &bytes) }
                    } else {
                        bpe.appendBytes(of: id, to: &bytes)
                    }
                }
                return bytes
            }
            return stage.decode(kept.map { token(of: $0) ?? "" }).flatMap { Array($0.utf8) }
        case .ids(let decoder): return decoder.decode(kept)
        case .spaces: return Array(kept.map { token(of: $0) ?? "" }.joined(separator: " ").utf8)
        }
    }

    /// - Throws: `HeedError` for an id that has no text.
    func checkDecodable(_ id: TokenID) throws {
        let vocabulary = if case .ids(let decoder) = decoding { decoder.vocabulary } else { nil as Vocabulary? }
        guard let vocabulary else {
            if contains(id) { return }
            throw HeedError(
                .badInput, "there is no token with the id \(id)", expected: "ids from 0 to \(vocabularySize - 1)",
                got: String(id))
        }
        if vocabulary.contains(id) || addedTokens.token(of: id) != nil { return }
        throw HeedError(
            .badInput, "there is no token with the id \(id)", expected: "ids from 0 to \(vocabulary.idLimit - 1)",
            got: String(id))
    }

    /// Whether the text of an id is open until an id of another kind follows.
    func isOpen(_ id: TokenID) -> Bool {
        guard case .stage(let stage) = decoding, !(stage is ByteLevelDecoder) else { return false }
        return stage.isOpen(token(of: id) ?? "")
    }

    /// How many bytes at the end of decoded text the ids that follow may still change.
    func openCount(_ text: [UInt8]) -> Int {
        switch decoding {
        case .stage(let stage): stage.openCount(text)
        case .ids(let decoder): decoder.openCount(text)
        case .spaces: 0
        }
    }
}
