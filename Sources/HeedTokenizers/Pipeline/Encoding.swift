/// What a tokenizer makes of a text: ids, and for each of them what the model and the reader want to know.
public struct Encoding: Sendable, Equatable {
    /// The ids.
    public var ids: [TokenID]
    /// Which of a pair of texts each token belongs to, as the model's template numbers them.
    public var typeIDs: [Int32]
    /// The bytes of the source that each token stands for, whole characters at least; (0, 0) for tokens that the
    /// template or padding put in.
    public var offsets: [ByteSpan]
    /// 1 for tokens that the model should attend to, 0 for padding.
    public var attentionMask: [UInt8]
    /// 1 for tokens that the template or padding put in.
    public var specialTokensMask: [UInt8]
    /// 0 or 1 for tokens of the first or second text, −1 for others.
    public var sequenceIDs: [Int8]
    /// What truncation cut off, in windows that overlap by the stride.
    public var overflow: [Encoding]
    /// How many characters of the whole text, or texts, the vocabulary lacked: they became the unknown token or nothing.
    public var unknownCharacters = 0

    /// Nothing.
    public init() {
        ids = []
        typeIDs = []
        offsets = []
        attentionMask = []
        specialTokensMask = []
        sequenceIDs = []
        overflow = []
    }

    /// Tokens of one text.
    init(_ tokens: TokenList, typeID: Int32, sequence: Int8) {
        let count = tokens.count
        ids = tokens.ids
        offsets = tokens.tracksSpans ? tokens.spans : [ByteSpan](repeating: ByteSpan(0, 0), count: count)
        typeIDs = [Int32](repeating: typeID, count: count)
        attentionMask = [UInt8](repeating: 1, count: count)
        specialTokensMask = [UInt8](repeating: 0, count: count)
        sequenceIDs = [Int8](repeating: sequence, count: count)
        overflow = []
        unknownCharacters = tokens.unknownCharacters
    }

    /// The number of tokens.
    public var count: Int { ids.count }

    /// Appends a token that is in no text.
    mutating func appendSpecial(_ id: TokenID, typeID: Int32) {
        ids.append(id)
        typeIDs.append(typeID)
        offsets.append(ByteSpan(0, 0))
        attentionMask.append(1)
        specialTokensMask.append(1)
        sequenceIDs.append(-1)
    }

    /// Appends all tokens of another encoding, with a type id of their own if one is given; overflow is not taken.
    mutating func append(_ other: Encoding, typeID: Int32? = nil) {
        ids += other.ids
        typeIDs += typeID.map { [Int32](repeating: $0, count: other.count) } ?? other.typeIDs
        offsets += other.offsets
        attentionMask += other.attentionMask
        specialTokensMask += other.specialTokensMask
        sequenceIDs += other.sequenceIDs
        unknownCharacters += other.unknownCharacters
    }

    /// A window of the tokens.
    func slice(_ range: Range<Int>) -> Encoding {
        var result = Encoding()
        result.ids = Array(ids[range])
        result.typeIDs = Array(typeIDs[range])
        result.offsets = Array(offsets[range])
        result.attentionMask = Array(attentionMask[range])
        result.specialTokensMask = Array(specialTokensMask[range])
        result.sequenceIDs = Array(sequenceIDs[range])
        return result
    }
}

extension Encoding {
    /// Gives all tokens, those of the overflow too, one type id.
    mutating func setTypeIDs(_ typeID: Int32) {
        typeIDs = [Int32](repeating: typeID, count: count)
        for index in overflow.indices { overflow[index].setTypeIDs(typeID) }
    }

    /// Appends another encoding, and combines the overflow of both in every way.
    mutating func merge(_ other: Encoding) {
        var combined: [Encoding] = []
        for own in overflow {
            var whole = own
            whole.merge(Encoding(withoutOverflow: other))
            combined.append(whole)
            for theirs in other.overflow {
                var both = own
                both.merge(theirs)
                combined.append(both)
            }
        }
        for theirs in other.overflow {
            var both = Encoding(withoutOverflow: self)
            both.merge(theirs)
            combined.append(both)
        }
        append(other)
        overflow = combined
    }

    init(withoutOverflow other: Encoding) {
        self = other
        overflow = []
    }

    /// Keeps at most `length` tokens; the rest becomes windows of `length` tokens that share `stride` tokens with
    /// their neighbour.
    mutating func truncate(to length: Int, stride: Int, fromLeft: Bool) {
        guard length < count else { return }
        if length <= 0 {
            let rest = self
            self = Encoding()
            overflow = [rest]
            unknownCharacters = rest.unknownCharacters
            return
        }
        let step = max(length - stride, 1)
        var ranges: [Range<Int>] = []
        if fromLeft {
            var stop = count
            while stop > 0 {
                let start = max(stop - length, 0)
                ranges.append(start..<stop)
                if start == 0 { break }
                stop -= step
            }
        } else {
            var start = 0
            while start < count {
                let stop = min(start + length, count)
                ranges.append(start..<stop)
                if stop == count { break }
                start += step
            }
        }
        let parts = ranges.map { slice($0) }
        guard var first = parts.first else { return }
        first.overflow = Array(parts.dropFirst())
        first.unknownCharacters = unknownCharacters
        self = first
    }

    /// Fills up to `length` tokens.
    mutating func pad(to length: Int, with padding: Padding) {
        for index in overflow.indices { overflow[index].pad(to: length, with: padding) }
        let missing = length - count
        guard missing > 0 else { return }
        var filler = Encoding()
        for _ in 0..<missing { filler.appendSpecial(padding.id, typeID: padding.typeID) }
        filler.attentionMask = [UInt8](repeating: 0, count: missing)
        let rest = overflow
        if padding.onLeft {
            filler.append(self)
            self = filler
        } else {
            append(filler)
        }
        overflow = rest
    }
}
