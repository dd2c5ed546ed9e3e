import HeedSupport

/// What training leaves: a vocabulary of one kind, ready to be saved.
public struct TrainedTokenizer: Sendable, Equatable {
    /// The kinds of tokenizer that Heed trains.
    public enum Kind: String, Sendable, CaseIterable {
        /// Merges of bytes (GPT-2).
        case byteLevelBPE = "byte-bpe"
        /// Pieces of words, the longest first (BERT).
        case wordPiece = "wordpiece"
        /// The likeliest pieces (Kudo 2018).
        case unigram = "unigram"
        /// Merges of characters, as SentencePiece learns them.
        case sentencePieceBPE = "sentencepiece-bpe"
        /// A token for each character.
        case character = "char"
        /// A token for each word.
        case word = "word"
    }

    /// The kind of the vocabulary.
    public var kind: Kind
    /// The special tokens; theirs are the first ids.
    public var specialTokens: [String]
    /// The tokens in order of their ids, spelled in the kind's alphabet (byte-level: GPT-2's visible characters).
    public var tokens: [String]
    /// The merges in order of rank, as ids of the two parts; empty for kinds without merges.
    public var merges: [Merge]
    /// Distinct words that the cap on memory made the count forget; 0 means that the counts are exact.
    public var forgottenWords: Int

    /// The same vocabulary as a SentencePiece model, for the kinds that are one.
    public var sentencePieces: SentencePieceFile?

    /// Whether text is made lower case first (WordPiece).
    public var isLowerCase = false

    /// The special token that ends every text, as translation models expect; nil: none.
    public var endToken: String?

    init(
        kind: Kind, specialTokens: [String], tokens: [String], merges: [Merge] = [], forgottenWords: Int,
        sentencePieces: SentencePieceFile? = nil
    ) {
        self.kind = kind
        self.specialTokens = specialTokens
        self.tokens = tokens
        self.merges = merges
        self.forgottenWords = forgottenWords
        self.sentencePieces = sentencePieces
    }

    /// Two tokens that become one.
    public struct Merge: Sendable, Equatable {
        /// The id of the left part.
        public var left: Int
        /// The id of the right part.
        public var right: Int
    }

    /// Writes `tokenizer.json` and the classic files of the kind into a folder, made where it is missing.
    ///
    /// Each file appears whole or not at all; files of another tokenizer in the folder are removed.
    ///
    /// - Returns: The names of the files.
    /// - Throws: `HeedError` of kind `io` when the folder or a file cannot be written.
    @discardableResult
    public func save(to folder: String) throws -> [String] {
        var files: [(name: String, bytes: [UInt8])] = [
            ("tokenizer.json", tokenizerJSON().serialisedBytes(pretty: true)),
            ("tokenizer_config.json", configurationJSON().serialisedBytes(pretty: true)),
        ]
        switch kind {
        case .byteLevelBPE:
            files.append(("vocab.json", JSON.object(vocabularyObject()).serialisedBytes()))
            files.append(("merges.txt", Array(mergesText().utf8)))
        case .wordPiece:
            files.append(("vocab.txt", tokens.flatMap { Array($0.utf8) + [0x0A] }))
        case .unigram, .sentencePieceBPE, .character, .word:
            files.append(("tokenizer.vocab", Array(scoresText().utf8)))
        }
        if let sentencePieces { files.append(("tokenizer.model", sentencePieces.serialised())) }
        try Tokenizer.write(files, to: folder)
        return files.map(\.name)
    }
}

extension TrainedTokenizer {
    /// A vocabulary that is a SentencePiece model.
    init(sentencePieces file: SentencePieceFile, specialTokens: [String], forgottenWords: Int) {
        let kind: Kind =
            switch file.algorithm {
            case .unigram: .unigram
            case .bpe: .sentencePieceBPE
            case .word: .word
            case .character: .character
            }
        self.init(
            kind: kind, specialTokens: specialTokens,
            tokens: file.pieces.map { String(decoding: $0.text, as: UTF8.self) },
            merges: file.algorithm == .bpe ? Self.merges(of: file) : [], forgottenWords: forgottenWords,
            sentencePieces: file)
    }

    /// All ways to join two pieces to a third, best score of the third first: SentencePiece's merges as Hugging Face's
    /// library needs them.
    static func merges(of file: SentencePieceFile) -> [Merge] {
        var ids: [[UInt8]: Int] = [:]
        for (id, piece) in file.pieces.enumerated() where piece.role == .normal { ids[piece.text] = id }
        var merges: [(merge: Merge, joined: Int)] = []
        for (id, piece) in file.pieces.enumerated() where piece.role == .normal {
            piece.text.withUnsafeBufferPointer { text in
                var at = UnigramPieces.characterLength(text, 0)
                while at < text.count {
                    if let left = ids[Array(text[..<at])], let right = ids[Array(text[at...])] {
                        merges.append((Merge(left: left, right: right), id))
                    }
                    at += UnigramPieces.characterLength(text, at)
                }
            }
        }
        let scores = file.pieces.map(\.score)
        // The sort is stable: of one piece's ways the shortest left part comes first.
        return merges.sorted { scores[$0.joined] > scores[$1.joined] }.map(\.merge)
    }
}
