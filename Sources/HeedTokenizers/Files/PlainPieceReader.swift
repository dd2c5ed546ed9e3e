import HeedSupport

/// Reads a SentencePiece file whose ids count as they are, with special and added tokens around: LLaMA, Gemma, and
/// classes without conventions.
///
/// Text between added tokens is cut as SentencePiece cuts it; of the space in front only the start of a text gets one,
/// or with `legacy` each stretch of it.
struct PlainPieceReader {
    let path: String
    let settings: TokenizerSettings

    func tokenizer(_ family: TokenizerFamily) throws -> Tokenizer {
        var file = try SentencePieceFile(path: path)
        // A generic class falls back to the older way, LLaMA's own to the newer.
        let isLegacy = try settings.flag("legacy") ?? (family == .plain)
        if let adds = try settings.flag("add_prefix_space") { file.normalization.addsDummyPrefix = adds }
        let parts = try SentencePieceTokenizer(file, in: path)
        var normalizer = parts.normalizer
        normalizer.prefixesEveryStretch = isLegacy
        var added = try settings.addedTokens(parts.model.vocabulary, family: roles(family))
        for index in added.indices { added[index].isNormalized = false }
        for (id, piece) in file.pieces.enumerated() where piece.role == .control {
            let text = String(decoding: piece.text, as: UTF8.self)
            if !added.contains(where: { $0.id == TokenID(id) || $0.isSpelled(text) }) {
                added.append(AddedToken(text, id: TokenID(id)))
            }
        }
        return Tokenizer(
            model: parts.model, normalizer: normalizer, postProcessor: try template(family, file, added),
            decoding: .stage(Self.decoder(file)), addedTokens: added,
            recognisesSpecialTokens: settings.recognisesSpecialTokens, kind: "\(try name(family)) \(file.algorithm)")
    }

    /// How the tokenizer is introduced; a model of which no file says whether texts begin with a mark is SentencePiece's
    /// own, and who uses it may put one there.
    private func name(_ family: TokenizerFamily) throws -> String {
        switch family {
        case .llama: "LLaMA over SentencePiece"
        case .gemma: "Gemma over SentencePiece"
        default: try settings.flag("add_bos_token") == nil ? "SentencePiece" : "added tokens over SentencePiece"
        }
    }

    private func roles(_ family: TokenizerFamily) -> [(TokenRole, AddedToken)] {
        let texts: [(TokenRole, String)] =
            switch family {
            case .gemma:
                [
                    (.begin, "<bos>"), (.end, "<eos>"), (.unknown, "<unk>"), (.padding, "<pad>"), (.mask, "<mask>"),
                ]
            default: [(.begin, "<s>"), (.end, "</s>"), (.unknown, "<unk>")]
            }
        return texts.map { ($0, AddedToken($1, id: TokenizerSettings.noID)) }
    }

    /// Begin and end as `add_bos_token` and `add_eos_token` say; LLaMA and Gemma begin texts unless told otherwise.
    private func template(
        _ family: TokenizerFamily, _ file: SentencePieceFile, _ added: [AddedToken]
    ) throws -> TemplatePostProcessor? {
        func mark(_ role: TokenRole, _ piece: Int, _ key: String, default isAdded: Bool) throws
            -> [(id: TokenID, text: String)]
        {
            guard try settings.flag(key) ?? isAdded else { return [] }
            if let token = settings.token(role, default: nil) {
                return added.filter { $0.isSpelled(token.content) }.prefix(1).map { ($0.id, $0.content) }
            }
            guard !settings.names(role), file.pieces.indices.contains(piece) else { return [] }
            return [(TokenID(piece), String(decoding: file.pieces[piece].text, as: UTF8.self))]
        }
        return TemplatePostProcessor(
            before: try mark(.begin, file.beginID, "add_bos_token", default: family == .llama || family == .gemma),
            after: try mark(.end, file.endID, "add_eos_token", default: false), repeats: true, pairType: 1)
    }

    /// Pieces to text: U+2581 to spaces, bytes joined, and of the spaces in front the one that was put there.
    static func decoder(_ file: SentencePieceFile) -> SequenceDecoder {
        var stages: [any DecoderStage] = [ReplaceDecoder(Pattern(text: "\u{2581}"), with: " ")]
        if file.hasByteFallback { stages.append(ByteFallbackDecoder()) }
        stages.append(FuseDecoder())
        if file.normalization.addsDummyPrefix { stages.append(StripDecoder(content: " ", start: 1, stop: 0)) }
        return SequenceDecoder(stages)
    }
}
