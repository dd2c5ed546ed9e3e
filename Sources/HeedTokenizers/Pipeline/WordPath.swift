/// The stages of tokenizers for which the start of white space is always a border: what stands on one side of it has no
/// influence on the ids of the other. Words can then be remembered with their ids.
///
/// That holds where the normaliser works character by character, and either the pre-tokenizer cuts there or no merge
/// of the model reaches over the mark that stands for the space.
struct WordPath: Sendable {
    /// Where borders are; each kind leaves what follows the border, up to the next, in one word.
    enum Border: Sendable {
        /// At a single space between visible ASCII characters.
        case singleSpace
        /// Where ASCII white space follows a visible ASCII character.
        case visibleBefore
        /// Where ASCII white space follows anything else.
        case whiteSpace
        /// The same, and on both sides of ASCII punctuation.
        case punctuation
        /// Where a space follows anything but a space or its mark, and where no merge joins two ASCII characters.
        case mark(PieceBorders?)
    }

    let border: Border
    /// The normaliser of all words of a text but the first: without what it puts before a text.
    let laterNormalizer: (any NormalizerStage)?

    /// U+2581, as which spaces are written.
    private static let mark = "\u{2581}"
    /// CLIP's pattern: its matches hold no white space.
    private static let clip =
        #"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"#
    private static let bareClip = #"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"#

    /// The path of these stages, or nil where words depend on each other or it is not known that they do not.
    init?(
        normalizer: (any NormalizerStage)?, preTokenizer: (any PreTokenizerStage)?, model: any TokenModel,
        addedTokens: AddedTokens
    ) {
        guard model is BPEModel || model is WordPieceModel || model is WordLevelModel || model is UnigramModel else {
            return nil
        }
        // Tokens that are looked for in normalised text must not reach over a border either.
        let hasNormalized = addedTokens.tokens.contains(where: \.isNormalized)
        for token in addedTokens.tokens where token.isNormalized {
            let hasSpace = token.content.utf8.contains { $0 <= 0x20 || $0 >= 0x7F }
            if hasSpace || token.stripsLeft || token.stripsRight || token.isSingleWord { return nil }
        }
        var later: (any NormalizerStage)?
        if let normalizer {
            guard let stages = Self.localStages(normalizer) else { return nil }
            if !stages.isEmpty { later = stages.count == 1 ? stages[0] : SequenceNormalizer(stages) }
        }
        laterNormalizer = later
        switch Self.normalized("a b", later) {
        case "a b":
            guard let border = Self.border(preTokenizer, model) else { return nil }
            if Self.hasCompiledRules(later) {
                // Rules for user-perceived characters may join what is not ASCII to a space.
                if case .singleSpace = border { self.border = border } else { self.border = .visibleBefore }
            } else if case .punctuation = border, hasNormalized || normalizer.map({ !($0 is BertNormalizer) }) ?? false
            {
                // Words that no space begins must be the same everywhere, and punctuation may belong to a token.
                self.border = .whiteSpace
            } else {
                self.border = border
            }
        case "a\(Self.mark)b":
            guard preTokenizer == nil, !Self.hasCompiledRules(later), Self.mergesInsideWords(model) else { return nil }
            border = .mark(hasNormalized ? nil : Self.borders(later, model))
        default: return nil
        }
    }

    private static func hasCompiledRules(_ normalizer: (any NormalizerStage)?) -> Bool {
        if let sequence = normalizer as? SequenceNormalizer { return sequence.stages.contains { hasCompiledRules($0) } }
        return normalizer is PrecompiledNormalizer
    }

    private static func normalized(_ text: String, _ normalizer: (any NormalizerStage)?) -> String {
        let bytes = Array(text.utf8)
        var text = bytes.withUnsafeBufferPointer { NormalizedText($0, tracksSources: false) }
        normalizer?.normalize(&text)
        return String(decoding: text.bytes, as: UTF8.self)
    }

    /// The stages of a normaliser without those that only put something before the text; nil where one of them lets
    /// distant characters have an influence.
    private static func localStages(_ normalizer: any NormalizerStage) -> [any NormalizerStage]? {
        switch normalizer {
        case let sequence as SequenceNormalizer:
            var stages: [any NormalizerStage] = []
            for stage in sequence.stages {
                guard let local = localStages(stage) else { return nil }
                stages += local
            }
            return stages
        case is PrependNormalizer: return []
        case is UnicodeNormalizer, is LowercaseNormalizer, is FilterNormalizer, is BertNormalizer, is NMTNormalizer,
            is PrecompiledNormalizer:
            return [normalizer]
        case let replace as ReplaceNormalizer:
            let isLocal =
                replace.pattern.isExpression
                ? replace.pattern.source == "\\s+" : replace.pattern.source.unicodeScalars.count == 1
            return isLocal ? [normalizer] : nil
        default: return nil
        }
    }

    /// Where the pre-tokenizer surely cuts with nothing before it that looks further, or nil.
    private static func border(_ preTokenizer: (any PreTokenizerStage)?, _ model: any TokenModel) -> Border? {
        guard let preTokenizer else { return nil }
        let stages = (preTokenizer as? SequencePreTokenizer)?.stages ?? [preTokenizer]
        for (index, stage) in stages.enumerated() {
            switch stage {
            case let stage as ClassPreTokenizer:
                switch stage.kind {
                case .bert: return stages.count == 1 ? .punctuation : .whiteSpace
                case .words, .whiteSpaceSplit: return .whiteSpace
                case .delimiter(let delimiter): return delimiter == " " ? .singleSpace : nil
                case .punctuation(.isolated), .punctuation(.contiguous), .digits: continue
                case .punctuation: return nil
                }
            case let stage as ByteLevelPreTokenizer:
                guard stage.usesPattern else { return nil }
                // What begins with no space gets one, which only the first word of a text may.
                return stage.addsPrefixSpace ? .singleSpace : .visibleBefore
            case let stage as SplitPreTokenizer:
                if let scanner = stage.fastScanner { return scanner == .gpt2 ? .visibleBefore : .singleSpace }
                let source = stage.pattern.source
                let isClip = source == clip || source == bareClip
                return isClip && stage.behavior == .removed && stage.isInverted ? .whiteSpace : nil
            case let stage as MetaspacePreTokenizer:
                if stage.splits { return .singleSpace }
                let isWhole = index == stages.count - 1 && String(stage.replacement) == mark
                return isWhole && mergesInsideWords(model) ? .singleSpace : nil
            default: return nil
            }
        }
        return nil
    }

    /// The borders between characters other than spaces, where the normaliser does nothing but write spaces as marks
    /// and every character has tokens of its own.
    private static func borders(_ normalizer: (any NormalizerStage)?, _ model: any TokenModel) -> PieceBorders? {
        guard let replace = normalizer as? ReplaceNormalizer, !replace.pattern.isExpression,
            replace.pattern.source == " ", let model = model as? BPEModel, model.options.fallsBackToBytes
        else { return nil }
        var isByte = [Bool](repeating: false, count: model.vocabulary.idLimit)
        for byte in 0..<256 {
            let id = model.byteIDs.pointer[byte]
            guard id >= 0 else { return nil }
            isByte[Int(id)] = true
        }
        for merge in model.merges where isByte[Int(merge.left)] || isByte[Int(merge.right)] { return nil }
        return PieceBorders(model.vocabulary)
    }

    /// Whether no merge joins a mark to what stands before it, and marks are never unknown.
    private static func mergesInsideWords(_ model: any TokenModel) -> Bool {
        guard let model = model as? BPEModel, !model.isByteLevel, model.options.continuingPrefix.isEmpty,
            model.options.endOfWordSuffix.isEmpty, !model.options.ignoresMerges, model.vocabulary.id(of: mark) != nil
        else { return false }
        let bytes = Array(mark.utf8)
        for merge in model.merges {
            guard let left = model.vocabulary.bytes(of: merge.left), let right = model.vocabulary.bytes(of: merge.right)
            else { return false }
            if right.starts(with: bytes), !left.suffix(3).elementsEqual(bytes) { return false }
        }
        return true
    }

    /// The end of the word that starts at `start`: the next border, or the end of the text.
    @inline(__always)
    func wordEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Int {
        let classes = Self.classes
        var at = start + 1
        switch border {
        case .singleSpace:
            while at + 1 < count {
                if text[at] == 0x20, Self.isVisible(text[at - 1]), Self.isVisible(text[at + 1]) { return at }
                at += 1
            }
        case .visibleBefore:
            while at < count {
                if classes[Int(text[at])] == Self.space, Self.isVisible(text[at - 1]) { return at }
                at += 1
            }
        case .whiteSpace:
            while at < count {
                if classes[Int(text[at])] == Self.space, classes[Int(text[at - 1])] != Self.space { return at }
                at += 1
            }
        case .punctuation:
            while at < count {
                let before = classes[Int(text[at - 1])]
                let here = classes[Int(text[at])]
                if here == Self.space {
                    if before != Self.space { return at }
                } else if here == Self.punctuation || before == Self.punctuation {
                    // A mark behind punctuation may change it.
                    let isFree = at + 1 == count || text[at + 1] < 0x80
                    if before != Self.space, text[at] < 0x80, isFree { return at }
                }
                at += 1
            }
        case .mark(let borders):
            while at < count {
                if text[at] == 0x20 {
                    if text[at - 1] != 0x20, !Self.isMark(text, start, at) { return at }
                } else if let borders, text[at - 1] != 0x20, borders.isBorder(text[at - 1], text[at]) {
                    return at
                }
                at += 1
            }
        }
        return count
    }

    /// Whether U+2581 ends before `end`.
    @inline(__always)
    private static func isMark(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
        end - start >= 3 && text[end - 1] == 0x81 && text[end - 2] == 0x96 && text[end - 3] == 0xE2
    }

    /// Whether a byte is an ASCII character that leaves ink.
    @inline(__always)
    private static func isVisible(_ byte: UInt8) -> Bool { byte &- 0x21 < 0x5E }

    private static let space: UInt8 = 1
    private static let punctuation: UInt8 = 2

    /// What each byte is: white space of ASCII, punctuation of ASCII, or other.
    nonisolated(unsafe) private static let classes: UnsafePointer<UInt8> = {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
        for byte in UInt8.min...UInt8.max {
            let kind: UInt8
            switch byte {
            case 0x20, 0x09, 0x0A, 0x0D: kind = space
            case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: kind = punctuation
            default: kind = 0
            }
            (table + Int(byte)).initialize(to: kind)
        }
        return UnsafePointer(table)
    }()
}

extension Tokenizer {
    /// Appends the ids of a text in UTF-8, word by word.
    ///
    /// Stages repair broken text in their own ways, some of them only where they change something else as well, so
    /// that it has to go through them as a whole.
    func encodeWords(
        _ bytes: UnsafeBufferPointer<UInt8>, _ path: WordPath, _ workspace: Workspace, into ids: inout IDBuffer
    ) {
        for segment in addedTokens.segments(
            of: bytes, by: addedTokens.source, ignoresSpecial: !recognisesSpecialTokens)
        {
            if let token = segment.token {
                ids.append(token)
            } else {
                encodeWords(
                    UnsafeBufferPointer(rebasing: bytes[segment.range]), isAtStart: segment.range.lowerBound == 0, path,
                    workspace, into: &ids)
            }
        }
    }

    private func encodeWords(
        _ text: UnsafeBufferPointer<UInt8>, isAtStart: Bool, _ path: WordPath, _ workspace: Workspace,
        into ids: inout IDBuffer
    ) {
        guard let base = text.baseAddress else { return }
        let memory = workspace.words(recognisesSpecialTokens)
        var start = 0
        while start < text.count {
            let end = path.wordEnd(base, start, text.count)
            // The first word of a text may give other ids than the same word elsewhere. It is told apart by having
            // no white space before it, unless the text begins with that.
            let isFirst = start == 0
            let isKept: Bool
            switch path.border {
            case .punctuation: isKept = true
            case .mark(.some): isKept = !isFirst
            default: isKept = !isFirst || (isAtStart && base[0] > 0x20)
            }
            let readable = text.count - start
            if !isKept || !memory.append(base + start, end - start, readable: readable, to: &ids) {
                let word = UnsafeBufferPointer(rebasing: text[start..<end])
                var list = TokenList(tracksSpans: false)
                appendSegment(
                    word, at: 0, isAtStart: isFirst && isAtStart, isFirst ? normalizer : path.laterNormalizer,
                    to: &list, workspace)
                list.ids.withUnsafeBufferPointer { found in
                    ids.append(found)
                    if isKept { memory.insert(base + start, end - start, readable: readable, found) }
                }
            }
            start = end
        }
    }
}
