import HeedSupport

/// SentencePiece's normaliser: compiled rules, spaces at the ends and between, the dummy prefix, U+2581 for spaces.
///
/// Source: Kudo and Richardson 2018, section 3.2, and the reference implementation's behaviour.
struct SentencePieceNormalizer: Sendable {
    private let map: PrecompiledCharactersMap?
    /// User-defined pieces: they pass unchanged, whatever the rules say.
    private let userDefined: DoubleArray?
    private let settings: SentencePieceFile.Normalization
    private let treatsWhitespaceAsSuffix: Bool

    /// The normaliser of a model.
    init(_ file: SentencePieceFile, in place: String) throws {
        let rules = file.normalization.charactersMap
        map = rules.isEmpty ? nil : try PrecompiledCharactersMap(rules, in: place)
        let marked = file.pieces.filter { $0.role == .userDefined }
        userDefined = marked.isEmpty ? nil : DoubleArray(keys: marked.map { ($0.text, 0) })
        settings = file.normalization
        treatsWhitespaceAsSuffix = file.treatsWhitespaceAsSuffix
    }

    /// A normaliser that only applies compiled rules.
    init(rules: [UInt8], in place: String) throws {
        map = try PrecompiledCharactersMap(rules, in: place)
        userDefined = nil
        var settings = SentencePieceFile.Normalization()
        settings.addsDummyPrefix = false
        settings.removesExtraWhitespaces = false
        settings.escapesWhitespaces = false
        self.settings = settings
        treatsWhitespaceAsSuffix = false
    }

    /// Normalised text, and for each of its bytes (and its end) the place in the source that it comes from.
    struct Output {
        var bytes: [UInt8] = []
        /// One more than `bytes` has, or none where places are not asked for.
        var places: [Int32] = []
    }

    private static let replacementCharacter: [UInt8] = [0xEF, 0xBF, 0xBD]
    private static let plainSpace: [UInt8] = [0x20]

    /// Normalises a text; O(length).
    func normalize(_ text: UnsafeBufferPointer<UInt8>, tracksPlaces: Bool) -> Output {
        var output = Output()
        guard !text.isEmpty else { return output }
        var at = 0
        if settings.removesExtraWhitespaces {
            while at < text.count {
                let (length, isSpace) = prefix(text, at) { $0.count == 1 && $0[0] == 0x20 }
                if !isSpace { break }
                at += length
            }
            if at == text.count { return output }
        }
        output.bytes.reserveCapacity(text.count + text.count / 2 + 3)
        if tracksPlaces { output.places.reserveCapacity(text.count + text.count / 2 + 4) }
        let space = settings.escapesWhitespaces ? SentencePieceFile.spaceSymbol : Self.plainSpace
        func appendSpace(_ place: Int) {
            output.bytes += space
            if tracksPlaces { for _ in space { output.places.append(Int32(truncatingIfNeeded: place)) } }
        }
        if !treatsWhitespaceAsSuffix, settings.addsDummyPrefix { appendSpace(at) }

        var followsSpace = settings.removesExtraWhitespaces
        while at < text.count {
            let place = at
            let (length, _) = prefix(text, at) { replacement in
                var from = 0
                if followsSpace { while from < replacement.count, replacement[from] == 0x20 { from += 1 } }
                guard from < replacement.count else { return }
                for index in from..<replacement.count {
                    let byte = replacement[index]
                    if byte == 0x20 {
                        appendSpace(place)
                    } else {
                        output.bytes.append(byte)
                        if tracksPlaces { output.places.append(Int32(truncatingIfNeeded: place)) }
                    }
                }
                followsSpace = replacement[replacement.count - 1] == 0x20
            }
            at += length
            if !settings.removesExtraWhitespaces { followsSpace = false }
        }
        var end = at
        if settings.removesExtraWhitespaces {
            while output.bytes.count >= space.count, output.bytes.suffix(space.count).elementsEqual(space) {
                output.bytes.removeLast(space.count)
                if tracksPlaces {
                    end = Int(output.places[output.bytes.count])
                    output.places.removeLast(space.count)
                }
            }
        }
        if treatsWhitespaceAsSuffix, settings.addsDummyPrefix { appendSpace(end) }
        if tracksPlaces { output.places.append(Int32(truncatingIfNeeded: end)) }
        return output
    }

    /// Calls `body` with what the text at `at` becomes; returns how many bytes that covers and the body's result.
    @inline(__always)
    private func prefix<Result>(
        _ text: UnsafeBufferPointer<UInt8>, _ at: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Result
    ) -> (Int, Result) {
        if let found = userDefined?.longestPrefix(text, from: at) {
            return (found.length, body(UnsafeBufferPointer(rebasing: text[at..<at + found.length])))
        }
        if let map, !map.isPlain(text, at), let rule = map.longestRule(text, at) {
            return (rule.length, body(rule.replacement))
        }
        let length = utf8SequenceLength(text, at)
        if length > 0 {
            return (length, body(UnsafeBufferPointer(rebasing: text[at..<at + length])))
        }
        return (1, Self.replacementCharacter.withUnsafeBufferPointer(body))
    }
}

extension SentencePieceNormalizer: NormalizerStage {
    func normalize(_ text: inout NormalizedText) {
        let tracks = text.tracksSources
        let output = text.bytes.withUnsafeBufferPointer { normalize($0, tracksPlaces: tracks) }
        guard tracks else {
            text.replaceAll(bytes: output.bytes, sources: [])
            return
        }
        let count = Int32(text.bytes.count)
        func source(_ place: Int32) -> Int32 {
            if place < count { return text.sources[Int(place)].start }
            return text.sources.last?.end ?? 0
        }
        var sources: [ByteSpan] = []
        sources.reserveCapacity(output.bytes.count)
        for index in output.bytes.indices {
            sources.append(
                ByteSpan(Int(source(output.places[index])), Int(source(output.places[index + 1]))))
        }
        text.replaceAll(bytes: output.bytes, sources: sources)
    }

    func json() -> JSON? { nil }
}
