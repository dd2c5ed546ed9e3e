import HeedSupport

/// Makes token files of texts: once, so that training maps them and reads nothing else.
///
/// Documents become ids one by one and lie in a file of their own until all are known; then they are written, in order or
/// shuffled, so that data may be larger than memory. Memory: a few words per document.
public struct DataPreparation: Sendable {
    /// The share of documents for validation, told by a hash of each: the same ones whatever else there is.
    public var validation = 0.0
    /// Whether a document whose bytes were there before is left out.
    public var removesDuplicates = false
    /// From which share of common runs of ids on a document that is nearly an earlier one is left out; nil: none is.
    public var nearDuplicates: Double?
    /// What the order comes from; nil: as they lie.
    public var seed: UInt64?
    /// The number of ids: up to 65,536 take two bytes each, as nanoGPT has them, more take four, as in llm.c's shards.
    public var vocabulary: Int

    /// Prepares ids below `vocabulary`, in order, all for training.
    public init(vocabulary: Int) { self.vocabulary = vocabulary }

    /// What came of it.
    public struct Outcome: Sendable, Equatable {
        /// Documents that were read.
        public internal(set) var documents = 0
        /// Documents that were there before.
        public internal(set) var duplicates = 0
        /// The tokens of these documents.
        public internal(set) var duplicateTokens = 0
        /// Documents that were nearly there before.
        public internal(set) var nearDuplicates = 0
        /// The tokens of these documents.
        public internal(set) var nearDuplicateTokens = 0
        /// Tokens of all documents that were read.
        public internal(set) var tokens = 0
        /// Tokens in `train.bin`.
        public internal(set) var trainingTokens = 0
        /// Tokens in `validation.bin`.
        public internal(set) var validationTokens = 0
    }

    /// Where documents lie in the file that holds them.
    private struct Places {
        var starts: [Int] = [0]
        var isValidation: [Bool] = []
        var seen: Set<[UInt64]> = []
        var near: NearDuplicates?
        var outcome = Outcome()
    }

    /// Writes `train.bin` and, where there is validation, `validation.bin` into `folder`, each by rename.
    ///
    /// - Throws: `HeedError` naming a file and line that cannot be used, or an id beyond the vocabulary.
    public func run(
        _ paths: [String], _ encoding: TextEncoding, into folder: String,
        progress: (_ documents: Int) -> Void = { _ in }
    ) throws -> Outcome {
        try createDirectory(folder)
        let spool = joinPath(folder, "documents.spool")
        defer { try? removeFile(spool) }
        var places = Places()
        places.near = nearDuplicates.map { NearDuplicates(threshold: $0) }
        try writeAtomically(path: spool) { writer in
            for path in paths {
                try forEachText(path, encoding) { text, ids in
                    try take(text, ids, encoding.documentEnd, &places, &writer)
                    if places.outcome.documents % 1024 == 0 { progress(places.outcome.documents) }
                }
            }
        }
        guard !places.isValidation.isEmpty else {
            throw HeedError(.badInput, "there is no document", in: paths.joined(separator: ", "))
        }
        let file = try MappedFile(path: spool)
        for isValidation in validation > 0 ? [false, true] : [false] {
            let chosen = places.isValidation.indices.filter { places.isValidation[$0] == isValidation }
            let count = try write(
                chosen, places, file, to: joinPath(folder, isValidation ? "validation.bin" : "train.bin"))
            if isValidation { places.outcome.validationTokens = count } else { places.outcome.trainingTokens = count }
        }
        let outcome = places.outcome
        let found =
            outcome.trainingTokens + outcome.validationTokens + outcome.duplicateTokens + outcome.nearDuplicateTokens
        guard outcome.tokens == found else {
            throw HeedError(
                .io, "tokens were lost", in: folder, expected: grouped(outcome.tokens), got: grouped(found))
        }
        return outcome
    }

    /// Calls `body` with every document of a file and its ids; a plain text is one document.
    private func forEachText(
        _ path: String, _ encoding: TextEncoding, _ body: ([UInt8], [Int32]) throws -> Void
    ) throws {
        func ended(_ ids: [Int32]) -> [Int32] { encoding.documentEnd.map { ids + [$0] } ?? ids }
        guard DataKind(path: path, format: encoding.format) == .jsonLines else {
            let text = try readText(path, encoding: encoding)
            let ids = text.tokens.ids
            return try body(ids.flatMap { id in (0..<4).map { UInt8(truncatingIfNeeded: id >> (8 * $0)) } }, ended(ids))
        }
        try forEachDocument(path, skip: encoding.skip) { document in
            switch document {
            case .text(var text):
                let bytes = Array(text.utf8)
                try body(bytes, ended(text.withUTF8 { try encoding.encode($0) }))
            case .ids(let ids):
                try body(ids.flatMap { id in (0..<4).map { UInt8(truncatingIfNeeded: id >> (8 * $0)) } }, ended(ids))
            }
        }
    }

    private func take(
        _ text: [UInt8], _ ids: [Int32], _ documentEnd: Int32?, _ places: inout Places, _ writer: inout FileWriter
    ) throws {
        places.outcome.documents += 1
        places.outcome.tokens += ids.count
        let hash = DataPreparation.hash(text)
        if removesDuplicates, !places.seen.insert(hash).inserted {
            places.outcome.duplicates += 1
            places.outcome.duplicateTokens += ids.count
            return
        }
        if let wrong = ids.first(where: { $0 < 0 || $0 >= vocabulary }) {
            throw HeedError(
                .badInput, "document \(places.outcome.documents) has an id beyond the vocabulary",
                expected: "0 ..< \(vocabulary)", got: "\(wrong)")
        }
        // The mark of a document's end is no part of what it says.
        if places.near?.isKnown(ids.count > 1 && ids.last == documentEnd ? Array(ids.dropLast()) : ids) == true {
            places.outcome.nearDuplicates += 1
            places.outcome.nearDuplicateTokens += ids.count
            return
        }
        try ids.withUnsafeBytes { try writer.write($0) }
        places.starts.append(places.starts[places.starts.count - 1] + ids.count)
        places.isValidation.append(Double(hash[0] >> 11) / 9_007_199_254_740_992 < validation)
    }

    /// Two independent hashes of 64 bits.
    private static func hash(_ bytes: [UInt8]) -> [UInt64] {
        var (a, b): (UInt64, UInt64) = (0xcbf2_9ce4_8422_2325, 0x9E37_79B9_7F4A_7C15)
        for byte in bytes {
            a = (a ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
            b = (b ^ UInt64(byte)) &* 0xD6E8_FEB8_6659_FD93
            b ^= b >> 32
        }
        // The low bits of the first are weak: a last round mixes them into the high ones.
        a = (a ^ (a >> 31)) &* 0xD6E8_FEB8_6659_FD93
        return [a ^ (a >> 29), b]
    }

    /// Writes documents and returns how many tokens they have.
    private func write(_ chosen: [Int], _ places: Places, _ file: MappedFile, to path: String) throws -> Int {
        let count = chosen.reduce(0) { $0 + places.starts[$1 + 1] - places.starts[$1] }
        guard count > 0 else {
            throw HeedError(.badInput, "no document is left for the file", in: path, expected: "another `validation`")
        }
        let order = seed.map { Permutation(count: chosen.count, seed: $0, epoch: 0) }
        let isWide = vocabulary > 65_536
        try writeAtomically(path: path) { writer in
            if isWide {
                var header = [Int32](repeating: 0, count: TokenShardHeader.byteCount / 4)
                (header[0], header[1], header[2]) = (20_240_801, 7, Int32(truncatingIfNeeded: count))
                try header.withUnsafeBytes { try writer.write($0) }
            }
            var narrow: [UInt16] = []
            for place in chosen.indices {
                let document = chosen[order?[place] ?? place]
                let bytes = places.starts[document] * 4..<places.starts[document + 1] * 4
                let ids = UnsafeRawBufferPointer(rebasing: file.bytes[bytes])
                if isWide {
                    try writer.write(ids)
                } else {
                    narrow.removeAll(keepingCapacity: true)
                    for offset in stride(from: 0, to: ids.count, by: 4) {
                        narrow.append(
                            UInt16(truncatingIfNeeded: ids.loadUnaligned(fromByteOffset: offset, as: Int32.self))
                                .littleEndian)
                    }
                    try narrow.withUnsafeBytes { try writer.write($0) }
                }
            }
        }
        return count
    }
}
