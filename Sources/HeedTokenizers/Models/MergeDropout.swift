/// BPE dropout (Provilkov et al. 2020, *BPE-Dropout: Simple and Effective Subword Regularization*, algorithm 1): at
/// every step each possible merge is left out with a probability, and the best of the others is done.
struct MergeDropout {
    /// From 0, which is plain BPE, to 1, which merges nothing.
    let probability: Double

    /// Joins the symbols of a piece; quadratic in their number.
    func merge(
        _ symbols: inout [MergeSymbol], by rule: some MergeRule, using generator: inout some RandomNumberGenerator
    ) {
        while symbols.count > 1 {
            var best = MergeTable.noRank
            var place = 0
            var joined: TokenID = 0
            var start = 0
            for index in 0..<symbols.count - 1 {
                let length = symbols[index].length + symbols[index + 1].length
                let found = rule.find(symbols[index].id, symbols[index + 1].id, start: start, count: Int(length))
                start += Int(symbols[index].length)
                guard found.rank != MergeTable.noRank, !drops(using: &generator) else { continue }
                if found.rank < best { (best, place, joined) = (found.rank, index, found.result) }
            }
            if best == MergeTable.noRank { return }
            symbols[place].id = joined
            symbols[place].length += symbols[place + 1].length
            symbols.remove(at: place + 1)
        }
    }

    private func drops(using generator: inout some RandomNumberGenerator) -> Bool {
        Double(generator.next() >> 11) * 0x1p-53 < probability
    }
}

extension BPEModel {
    /// The tokens of a piece under dropout.
    func tokens(
        of piece: UnsafeBufferPointer<UInt8>, under dropout: MergeDropout,
        using generator: inout some RandomNumberGenerator
    ) -> [TokenID] {
        var scratch = MergeScratch()
        fillSymbols(of: piece, to: &scratch)
        if spelling == .ranks {
            dropout.merge(&scratch.symbols, by: RankRule(vocabulary: vocabulary, piece: piece), using: &generator)
        } else {
            dropout.merge(&scratch.symbols, by: TableRule(table: table), using: &generator)
        }
        return scratch.symbols.map(\.id)
    }
}

extension SentencePieceModel {
    /// The tokens of normalised text under dropout, or nil for a model without merges.
    func tokens(
        of text: UnsafeBufferPointer<UInt8>, under dropout: MergeDropout,
        using generator: inout some RandomNumberGenerator
    ) -> [TokenID]? {
        guard let spans = mergedSpans(of: text, under: dropout, using: &generator) else { return nil }
        var tokens = TokenList(tracksSpans: false)
        appendTokens(of: text, to: &tokens) { body in for span in spans { body(span) } }
        return tokens.ids
    }
}

extension PieceMerging {
    /// Joins by score; ranks are the scores in an order that numbers keep.
    private struct Rule: MergeRule {
        let merging: PieceMerging

        func find(_ left: TokenID, _ right: TokenID, start: Int, count: Int) -> (rank: UInt32, result: TokenID) {
            guard let (score, joined) = merging.joined(left, right) else { return (MergeTable.noRank, 0) }
            // Negative floats ascend as their bits descend; the best score gets the lowest rank.
            let bits = score.bitPattern
            let ascending = bits & 0x8000_0000 == 0 ? bits | 0x8000_0000 : ~bits
            return (min(~ascending, MergeTable.noRank - 1), joined)
        }
    }

    /// The pieces of a text under dropout.
    func spans(
        of text: UnsafeBufferPointer<UInt8>, under dropout: MergeDropout,
        using generator: inout some RandomNumberGenerator
    ) -> [PieceSpan] {
        var spans: [PieceSpan] = []
        var start = 0
        while start < text.count {
            let end = borders.end(text, from: start)
            // Frozen symbols cut the stretch as well.
            for part in symbols(text, start..<end) {
                var symbols = part.map { MergeSymbol(id: $0.id, length: $0.end - $0.start) }
                dropout.merge(&symbols, by: Rule(merging: self), using: &generator)
                var at = part.first?.start ?? 0
                for symbol in symbols {
                    spans.append(PieceSpan(start: at, end: at + symbol.length, id: known(symbol.id)))
                    at += symbol.length
                }
            }
            start = end
        }
        return spans
    }
}
