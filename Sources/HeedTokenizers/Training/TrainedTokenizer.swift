import HeedSupport

/// What training leaves: a vocabulary of one kind, ready to be saved.
public struct TrainedTokenizer: Sendable, Equatable {
    /// The kinds of tokenizer that Heed trains.
    public enum Kind: String, Sendable, CaseIterable {
        case byteLevelBPE = "byte-bpe"
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

    /// Two tokens that become one.
    public struct Merge: Sendable, Equatable {
        /// The id of the left part.
        public var left: Int
        /// The id of the right part.
        public var right: Int
    }

    /// Writes `tokenizer.json` and the classic files of the kind into a folder, made where it is missing.
    ///
    /// Each file appears whole or not at all.
    ///
    /// - Returns: The names of the files.
    /// - Throws: `HeedError` of kind `io` when the folder or a file cannot be written.
    @discardableResult
    public func save(to folder: String) throws -> [String] {
        try createDirectory(folder)
        var files = [("tokenizer.json", tokenizerJSON().serialised(pretty: true))]
        files.append(("tokenizer_config.json", configurationJSON().serialised(pretty: true)))
        switch kind {
        case .byteLevelBPE:
            files.append(("vocab.json", JSON.object(vocabularyObject()).serialised()))
            files.append(("merges.txt", mergesText()))
        }
        for (name, text) in files { try writeAtomically(path: joinPath(folder, name), text: text) }
        return files.map(\.0)
    }
}
