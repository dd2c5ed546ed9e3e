import HeedSupport

/// Which of two texts of a translation a tokenizer is for.
enum TranslationSide { case source, target }

/// The layouts in which a SentencePiece model only cuts and a `vocab.json` has the ids: Marian and M2M100.
struct MappedFamilyReader {
    let folder: String
    let settings: TokenizerSettings
    let side: TranslationSide

    /// Marian's `source.spm`, `target.spm` and `vocab.json`, or `target_vocab.json` for a target of its own.
    ///
    /// Ids end with `</s>`; `>>fr<<` at the start of a text is one token. Source: `MarianTokenizer` of `transformers`.
    func marian() throws -> Tokenizer {
        let sourceIDs = try vocabulary("vocab.json")
        let ownTarget = joinPath(folder, "target_vocab.json")
        let isSeparate = try settings.flag("separate_vocabs") ?? fileExists(ownTarget)
        let targetIDs = isSeparate ? try vocabulary("target_vocab.json") : sourceIDs
        let source = joinPath(folder, "source.spm")
        let target = joinPath(folder, "target.spm")
        let cutting = side == .source || !fileExists(target) ? source : target
        // Pieces of a shared vocabulary decode alike under both models.
        let decoding = isSeparate && fileExists(target) ? target : source
        let ids = side == .source ? sourceIDs : targetIDs
        let unknown = try unknown(in: ids)
        let family: [(TokenRole, AddedToken)] = [
            (.end, mark("</s>")), (.unknown, mark("<unk>")), (.padding, mark("<pad>")),
        ]
        let added = try addedTokens(ids, family)
        let end = try id(settings.text(.end, default: "</s>"), ids, added)
        return try tokenizer(
            "Marian", pieces: cutting, ids: ids, unknown: unknown, added: added,
            decoder: MappedPieceDecoder(
                decoder: SentencePieceDecoder(
                    SentencePieceFile(path: decoding), in: decoding, decodesPieces: true),
                vocabulary: targetIDs,
                marks: marks(added), spacesMarks: true),
            before: [], after: [end],
            opening: OpeningCode(
                open: Array(">>".utf8), close: Array("<<".utf8), vocabulary: ids, unknown: unknown))
    }

    /// M2M100's `sentencepiece.bpe.model` and `vocab.json`; the tokens of its languages follow the vocabulary.
    ///
    /// Ids begin with the token of `src_lang` (English where nothing is said) or `tgt_lang`, and end with `</s>`.
    /// Source: `M2M100Tokenizer` of `transformers`.
    func m2m100() throws -> Tokenizer {
        let ids = try vocabulary("vocab.json")
        let pieces = joinPath(folder, "sentencepiece.bpe.model")
        let family: [(TokenRole, AddedToken)] = [
            (.begin, mark("<s>")), (.end, mark("</s>")), (.unknown, mark("<unk>")), (.padding, mark("<pad>")),
        ]
        var added = try addedTokens(ids, family)
        for (number, code) in LanguageCodes.m2m100.enumerated() {
            let token = AddedToken("__\(code)__", id: TokenID(ids.idLimit + number))
            if !added.contains(where: { $0.isSpelled(token.content) }) { added.append(token) }
        }
        let source = try settings.string("src_lang") ?? "en"
        let language = side == .source ? source : try settings.string("tgt_lang") ?? source
        return try tokenizer(
            "M2M100", pieces: pieces, ids: ids, unknown: try unknown(in: ids), added: added,
            decoder: MappedPieceDecoder(
                decoder: SentencePieceDecoder(SentencePieceFile(path: pieces), in: pieces, decodesPieces: true),
                vocabulary: ids, marks: marks(added), spacesMarks: false),
            before: [try self.language("__\(language)__", ids, added)],
            after: [try id(settings.text(.end, default: "</s>"), ids, added)], opening: nil)
    }

    private func tokenizer(
        _ name: String, pieces path: String, ids: Vocabulary, unknown: TokenID, added: [AddedToken],
        decoder: MappedPieceDecoder,
        before: [(id: TokenID, text: String)], after: [(id: TokenID, text: String)], opening: OpeningCode?
    ) throws -> Tokenizer {
        let file = try SentencePieceFile(path: path)
        let model = try SentencePieceModel(file, in: path)
        var tokenizer = Tokenizer(
            model: MappedPieceModel(model, vocabulary: ids, unknown: unknown),
            normalizer: try SentencePieceNormalizer(file, in: path),
            postProcessor: TemplatePostProcessor(before: before, after: after), decoding: .ids(decoder),
            addedTokens: added, recognisesSpecialTokens: settings.recognisesSpecialTokens,
            kind: "\(name) over SentencePiece \(file.algorithm)")
        tokenizer.addedTokens.source.opening = opening
        return tokenizer
    }

    private func mark(_ content: String) -> AddedToken { AddedToken(content, id: TokenizerSettings.noID) }

    /// Added tokens, all of which are looked for in the source.
    private func addedTokens(_ ids: Vocabulary, _ family: [(TokenRole, AddedToken)]) throws -> [AddedToken] {
        try settings.addedTokens(ids, family: family).map { token in
            var token = token
            token.isNormalized = false
            return token
        }
    }

    private func marks(_ added: [AddedToken]) -> [TokenID: [UInt8]] {
        Dictionary(added.map { ($0.id, Array($0.content.utf8)) }, uniquingKeysWith: { first, _ in first })
    }

    private func vocabulary(_ name: String) throws -> Vocabulary {
        try Tokenizer.vocabulary(path: joinPath(folder, name))
    }

    private func unknown(in ids: Vocabulary) throws -> TokenID {
        let text = settings.text(.unknown, default: "<unk>")
        guard let id = ids.id(of: text) else {
            throw HeedError(
                .badInput, "the unknown token \(quoted(text)) is not in the vocabulary",
                in: joinPath(folder, "vocab.json"), advice: "Fetch the file again")
        }
        return id
    }

    private func id(
        _ text: String, _ ids: Vocabulary, _ added: [AddedToken]
    ) throws -> (id: TokenID, text: String) {
        guard let id = added.first(where: { $0.isSpelled(text) })?.id ?? ids.id(of: text) else {
            throw HeedError(
                .badInput, "the token \(quoted(text)) is not in the vocabulary", in: joinPath(folder, "vocab.json"))
        }
        return (id, text)
    }

    private func language(
        _ text: String, _ ids: Vocabulary, _ added: [AddedToken]
    ) throws -> (id: TokenID, text: String) {
        guard let id = added.first(where: { $0.isSpelled(text) })?.id else {
            throw HeedError(
                .badInput, "the language token \(quoted(text)) is not known", in: settings.place,
                expected: "a language of the model as src_lang and tgt_lang")
        }
        return (id, text)
    }
}
