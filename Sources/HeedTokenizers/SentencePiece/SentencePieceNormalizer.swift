import HeedSupport

/// SentencePiece's normaliser: compiled rules, spaces at the ends and between, the dummy prefix, U+2581 for spaces.
///
/// Source: Kudo and Richardson 2018, section 3.2, and the reference implementation's behaviour.
struct SentencePieceNormalizer: Sendable {
    private let map: PrecompiledCharactersMap?
    /// User-defined pieces: they pass unchanged, whatever the rules say.
    private let userDefined: DoubleArray?
    /// The bytes that they start with.
    private let markStarts: FrozenBuffer<Bool>
    private let settings: SentencePieceFile.Normalization
    private let treatsWhitespaceAsSuffix: Bool
    /// Whether each stretch between added tokens gets the space in front, rather than the start of the text alone.
    var prefixesEveryStretch = true

    /// The normaliser of a model.
    init(_ file: SentencePieceFile, in place: String) throws {
        let rules = file.normalization.charactersMap
        map = rules.isEmpty ? nil : try PrecompiledCharactersMap(rules, in: place)
        let marked = file.pieces.filter { $0.role == .userDefined }
        userDefined = marked.isEmpty ? nil : DoubleArray(keys: marked.map { ($0.text, 0) })
        let starts = Set(marked.compactMap(\.text.first))
        markStarts = FrozenBuffer((UInt8.min...UInt8.max).map { starts.contains($0) })
        settings = file.normalization
        treatsWhitespaceAsSuffix = file.treatsWhitespaceAsSuffix
    }

    /// A normaliser that only applies compiled rules.
    init(rules: [UInt8], in place: String) throws {
        map = try PrecompiledCharactersMap(rules, in: place)
        userDefined = nil
        markStarts = FrozenBuffer(repeating: false, count: 256)
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

    private static let replacementCharacter = FrozenBuffer<UInt8>([0xEF, 0xBF, 0xBD])
    private static let plainSpace: [UInt8] = [0x20]

    /// Normalises a text, or the stretch after an added token; O(length).
    func normalize(_ text: UnsafeBufferPointer<UInt8>, isAtStart: Bool = true, tracksPlaces: Bool) -> Output {
        let removesSpaces = settings.removesExtraWhitespaces
        var at = removesSpaces ? leadingSpacesEnd(text) : 0
        if at == text.count { return Output() }
        let addsPrefix = settings.addsDummyPrefix && (isAtStart || prefixesEveryStretch)
        let space = settings.escapesWhitespaces ? SentencePieceFile.spaceSymbol : Self.plainSpace
        var writer = Writer(length: text.count, space: space, tracksPlaces: tracksPlaces)
        if !treatsWhitespaceAsSuffix, addsPrefix { writer.appendSpace(at) }

        var followsSpace = removesSpaces
        while at < text.count {
            // Most text is ASCII that no rule touches.
            let run = plainEnd(text, at)
            if run > at {
                writer.append(text, at..<run)
                followsSpace = false
                at = run
            } else if text[at] == 0x20, !startsMark(0x20), map?.isPlain(text, at) ?? true {
                if !followsSpace { writer.appendSpace(at) }
                followsSpace = removesSpaces
                at += 1
            } else {
                let (length, replacement) = prefix(text, at)
                writer.append(replacement, at, &followsSpace)
                if !removesSpaces { followsSpace = false }
                at += length
            }
        }
        let end = removesSpaces ? writer.removeSpaces(at) : at
        if treatsWhitespaceAsSuffix, addsPrefix { writer.appendSpace(end) }
        if tracksPlaces { writer.places.append(Int32(truncatingIfNeeded: end)) }
        return Output(bytes: writer.bytes, places: writer.places)
    }

    /// Where the spaces at the start of a text end.
    private func leadingSpacesEnd(_ text: UnsafeBufferPointer<UInt8>) -> Int {
        var at = 0
        while at < text.count {
            let (length, replacement) = prefix(text, at)
            if replacement.count != 1 || replacement[0] != 0x20 { break }
            at += length
        }
        return at
    }

    /// Text as it is written, and the places that its bytes come from where they are asked for.
    private struct Writer {
        var bytes: [UInt8] = []
        var places: [Int32] = []
        let space: [UInt8]
        let tracksPlaces: Bool

        init(length: Int, space: [UInt8], tracksPlaces: Bool) {
            self.space = space
            self.tracksPlaces = tracksPlaces
            bytes.reserveCapacity(length + length / 2 + 3)
            if tracksPlaces { places.reserveCapacity(length + length / 2 + 4) }
        }

        @inline(__always)
        mutating func appendSpace(_ place: Int) {
            bytes.append(contentsOf: space)
            if tracksPlaces { for _ in space { places.append(Int32(truncatingIfNeeded: place)) } }
        }

        /// Appends a range of the text as it is.
        @inline(__always)
        mutating func append(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[range]))
            if tracksPlaces { for index in range { places.append(Int32(truncatingIfNeeded: index)) } }
        }

        /// Appends what the text at `place` becomes, without spaces after a space.
        @inline(__always)
        mutating func append(_ replacement: UnsafeBufferPointer<UInt8>, _ place: Int, _ followsSpace: inout Bool) {
            var from = 0
            if followsSpace { while from < replacement.count, replacement[from] == 0x20 { from += 1 } }
            if from == replacement.count { return }
            for index in from..<replacement.count {
                let byte = replacement[index]
                if byte == 0x20 {
                    appendSpace(place)
                } else {
                    bytes.append(byte)
                    if tracksPlaces { places.append(Int32(truncatingIfNeeded: place)) }
                }
            }
            followsSpace = replacement[replacement.count - 1] == 0x20
        }

        /// Removes the spaces at the end; returns where the source of the rest ends, which is `end` without any.
        mutating func removeSpaces(_ end: Int) -> Int {
            var end = end
            while bytes.count >= space.count, bytes.suffix(space.count).elementsEqual(space) {
                bytes.removeLast(space.count)
                if tracksPlaces {
                    end = Int(places[bytes.count])
                    places.removeLast(space.count)
                }
            }
            return end
        }
    }

    /// Whether a user-defined piece starts with a byte.
    @inline(__always)
    private func startsMark(_ byte: UInt8) -> Bool { userDefined != nil && markStarts.pointer[Int(byte)] }

    /// The end of the run of visible ASCII from `start` on that stays as it is.
    @inline(__always)
    private func plainEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var at = start
        while at < text.count {
            let byte = text[at]
            if byte >= 0x80 || byte == 0x20 || startsMark(byte) { return at }
            if let map, !map.isPlain(text, at) { return at }
            at += 1
        }
        return at
    }

    /// What the text at `at` becomes, and how many bytes that covers.
    @inline(__always)
    private func prefix(
        _ text: UnsafeBufferPointer<UInt8>, _ at: Int
    ) -> (length: Int, replacement: UnsafeBufferPointer<UInt8>) {
        if startsMark(text[at]), let found = userDefined?.longestPrefix(text, from: at) {
            return (found.length, UnsafeBufferPointer(rebasing: text[at..<at + found.length]))
        }
        if let map, !map.isPlain(text, at), let rule = map.longestRule(text, at) { return rule }
        let length = utf8SequenceLength(text, at)
        if length > 0 { return (length, UnsafeBufferPointer(rebasing: text[at..<at + length])) }
        return (1, Self.replacementCharacter.buffer)
    }
}

extension SentencePieceNormalizer: NormalizerStage {
    func normalize(_ text: inout NormalizedText) {
        let tracks = text.tracksSources
        let isAtStart = text.isAtStart
        let output = text.bytes.withUnsafeBufferPointer { normalize($0, isAtStart: isAtStart, tracksPlaces: tracks) }
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
