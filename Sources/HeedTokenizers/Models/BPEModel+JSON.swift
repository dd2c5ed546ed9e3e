import HeedSupport

extension BPEModel {
    public func json() -> JSON? {
        var model = JSONObject()
        model["type"] = "BPE"
        model["dropout"] = .null
        model["unk_token"] = options.unknownToken.map { .string($0) } ?? .null
        model["continuing_subword_prefix"] =
            options.continuingPrefix.isEmpty ? .null : .string(options.continuingPrefix)
        model["end_of_word_suffix"] = options.endOfWordSuffix.isEmpty ? .null : .string(options.endOfWordSuffix)
        model["fuse_unk"] = .bool(options.fusesUnknown)
        model["byte_fallback"] = .bool(options.fallsBackToBytes)
        model["ignore_merges"] = .bool(options.ignoresMerges)
        let pairs = spelling == .ranks ? mergesOfRanks() : merges.map { ($0.left, $0.right) }
        let texts = (0..<vocabulary.idLimit).map { spelledText(TokenID($0)) ?? "" }
        var vocab = JSONObject()
        vocab.reserveCapacity(vocabulary.count)
        for id in texts.indices where vocabulary.contains(TokenID(id)) { vocab[texts[id]] = .integer(id) }
        model["vocab"] = .object(vocab)
        // A text with a space in it cannot stand in the short form `left right`.
        let needsPairs = pairs.contains { texts[Int($0.0)].contains(" ") || texts[Int($0.1)].contains(" ") }
        model["merges"] = .array(
            pairs.map { left, right in
                needsPairs
                    ? [.string(texts[Int(left)]), .string(texts[Int(right)])]
                    : .string(texts[Int(left)] + " " + texts[Int(right)])
            })
        return .object(model)
    }

    /// A token's text as `tokenizer.json` spells it.
    func spelledText(_ id: TokenID) -> String? {
        guard let bytes = vocabulary.bytes(of: id) else { return nil }
        return spelling == .ranks ? ByteAlphabet.spell(bytes) : String(decoding: bytes, as: UTF8.self)
    }

    /// The merges that give the same tokens as joining by rank: each token comes from the two that are left when only
    /// tokens of lower rank may be joined.
    func mergesOfRanks() -> [(TokenID, TokenID)] {
        var scratch = MergeScratch()
        var pairs: [(TokenID, TokenID)] = []
        for id in 0..<TokenID(vocabulary.idLimit) {
            guard let text = vocabulary.bytes(of: id), text.count > 1 else { continue }
            scratch.symbols.removeAll(keepingCapacity: true)
            for byte in text { scratch.symbols.append(MergeSymbol(id: byteIDs.pointer[Int(byte)], length: 1)) }
            scratch.merge(by: LowerRankRule(ranks: RankRule(vocabulary: vocabulary, piece: text), limit: id))
            if scratch.symbols.count == 2 { pairs.append((scratch.symbols[0].id, scratch.symbols[1].id)) }
        }
        return pairs
    }
}

/// Joins by rank, but only to ranks below a limit.
private struct LowerRankRule: MergeRule {
    let ranks: RankRule
    let limit: TokenID

    func find(_ left: TokenID, _ right: TokenID, start: Int, count: Int) -> (rank: UInt32, result: TokenID) {
        let found = ranks.find(left, right, start: start, count: count)
        return found.rank < UInt32(bitPattern: limit) ? found : (MergeTable.noRank, 0)
    }
}
