import HeedSupport

/// Token texts and their ids: a table in both directions.
///
/// Ids need not be without gaps. Finding an id by text is one hash look-up, a text by id one index.
public struct Vocabulary: Sendable {
    /// The largest id that a vocabulary may use.
    public static let largestID = 1 << 22

    private let texts: FrozenBuffer<UInt8>
    /// Where the text of an id starts and ends in `texts`; an absent id has start −1.
    private let places: FrozenBuffer<ByteSpan>
    /// Open addressing by hash.
    private let slots: FrozenBuffer<Slot>
    private let mask: Int
    /// The number of tokens.
    public let count: Int
    /// The largest id plus one.
    public var idLimit: Int { places.count }

    /// Collects the tokens of a vocabulary.
    public struct Builder: ~Copyable {
        private var texts: [UInt8] = []
        private var places: [ByteSpan] = []
        private var slots: [Slot]
        private var mask: Int
        /// The number of tokens so far.
        public private(set) var count = 0
        private let place: String?

        /// Prepares for `capacity` tokens; errors name `place`.
        public init(capacity: Int, in place: String? = nil) {
            let capacity = min(max(capacity, 0), Vocabulary.largestID)
            texts.reserveCapacity(capacity * 8)
            places.reserveCapacity(capacity)
            var size = 16
            while size < capacity * 2 { size *= 2 }
            slots = [Slot](repeating: Slot(), count: size)
            mask = size - 1
            self.place = place
        }

        /// Adds a token.
        ///
        /// - Throws: `HeedError` for a negative or enormous id, an id that another token has, a text that is there.
        public mutating func add(_ text: UnsafeBufferPointer<UInt8>, id: Int) throws {
            guard id >= 0, id < Vocabulary.largestID else {
                throw HeedError(
                    .badInput, "token \(quoted(String(decoding: text, as: UTF8.self))) has the id \(id)", in: place,
                    expected: "an id from 0 to \(grouped(Vocabulary.largestID - 1))")
            }
            if id >= places.count {
                for _ in places.count...id { places.append(ByteSpan(-1, -1)) }
            } else if places[id].start >= 0 {
                let other = String(decoding: texts[places[id].range], as: UTF8.self)
                throw HeedError(
                    .badInput,
                    "tokens \(quoted(other)) and \(quoted(String(decoding: text, as: UTF8.self))) share the id \(id)",
                    in: place, expected: "one token for each id")
            }
            guard texts.count + text.count < Int(Int32.max) else {
                throw HeedError(.unsupported, "the vocabulary holds more than 2 GiB of text", in: place)
            }
            if 2 * (count + 1) > slots.count { grow() }
            let hash = Vocabulary.hash(text)
            if let other = insert(hash, text, id) {
                throw HeedError(
                    .badInput, "token \(quoted(String(decoding: text, as: UTF8.self))) occurs twice", in: place,
                    got: "ids \(other) and \(id)")
            }
            places[id] = ByteSpan(texts.count, texts.count + text.count)
            texts.append(contentsOf: text)
            count += 1
        }

        /// Puts an id into its slot; returns the id that has the text already, if one does.
        private mutating func insert(_ hash: UInt64, _ text: UnsafeBufferPointer<UInt8>, _ id: Int) -> Int? {
            let mask = mask
            return slots.withUnsafeMutableBufferPointer { slots in
                texts.withUnsafeBufferPointer { texts in
                    places.withUnsafeBufferPointer { places in
                        var slot = Int(truncatingIfNeeded: hash) & mask
                        let tag = UInt32(truncatingIfNeeded: hash >> 32)
                        while slots[slot].number != 0 {
                            if slots[slot].tag == tag {
                                let other = Int(slots[slot].number) - 1
                                let bytes = UnsafeBufferPointer(rebasing: texts[places[other].range])
                                if bytes.count == text.count, bytes.elementsEqual(text) { return other }
                            }
                            slot = (slot + 1) & mask
                        }
                        slots[slot] = Slot(tag: tag, number: Int32(id + 1))
                        return nil
                    }
                }
            }
        }

        /// Adds a token.
        public mutating func add(_ text: String, id: Int) throws {
            var text = text
            try text.withUTF8 { try add($0, id: id) }
        }

        private mutating func grow() {
            slots = [Slot](repeating: Slot(), count: slots.count * 2)
            mask = slots.count - 1
            for id in places.indices where places[id].start >= 0 {
                let hash = texts[places[id].range].withUnsafeBufferPointer { Vocabulary.hash($0) }
                var slot = Int(truncatingIfNeeded: hash) & mask
                while slots[slot].number != 0 { slot = (slot + 1) & mask }
                slots[slot] = Slot(tag: UInt32(truncatingIfNeeded: hash >> 32), number: Int32(id + 1))
            }
        }

        /// The finished vocabulary.
        public consuming func build() -> Vocabulary {
            Vocabulary(
                texts: FrozenBuffer(texts), places: FrozenBuffer(places), slots: FrozenBuffer(slots), mask: mask,
                count: count)
        }
    }

    /// A place of the hash table: a part of the hash, and the id plus one or 0 for nothing.
    fileprivate struct Slot: Sendable {
        var tag: UInt32 = 0
        var number: Int32 = 0
    }

    private init(
        texts: FrozenBuffer<UInt8>, places: FrozenBuffer<ByteSpan>, slots: FrozenBuffer<Slot>, mask: Int, count: Int
    ) {
        self.texts = texts
        self.places = places
        self.slots = slots
        self.mask = mask
        self.count = count
    }

    /// A vocabulary of the given texts with the ids 0, 1, 2, …
    public init(_ tokens: [String], in place: String? = nil) throws {
        var builder = Builder(capacity: tokens.count, in: place)
        for (id, token) in tokens.enumerated() { try builder.add(token, id: id) }
        self = builder.build()
    }

    @inline(__always)
    private static func hash(_ text: UnsafeBufferPointer<UInt8>) -> UInt64 {
        guard let start = text.baseAddress else { return 0 }
        return hashBytes(start, text.count)
    }

    /// The id of a text, or nil.
    public func id(of text: UnsafeBufferPointer<UInt8>) -> TokenID? {
        let hash = Vocabulary.hash(text)
        var slot = Int(truncatingIfNeeded: hash) & mask
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        while true {
            let found = slots.pointer[slot]
            if found.number == 0 { return nil }
            if found.tag == tag {
                let span = places.pointer[Int(found.number) - 1]
                if Int(span.end - span.start) == text.count {
                    var index = 0
                    let start = texts.pointer + Int(span.start)
                    while index < text.count, start[index] == text[index] { index += 1 }
                    if index == text.count { return found.number - 1 }
                }
            }
            slot = (slot + 1) & mask
        }
    }

    /// The id of a text, or nil.
    public func id(of text: String) -> TokenID? {
        var text = text
        return text.withUTF8 { id(of: $0) }
    }

    /// The id of a text, or nil.
    public func id(of text: [UInt8]) -> TokenID? {
        text.withUnsafeBufferPointer { id(of: $0) }
    }

    /// The bytes of a token, or nil for an id that is not in use. Valid as long as the vocabulary lives.
    func bytes(of id: TokenID) -> UnsafeBufferPointer<UInt8>? {
        guard id >= 0, Int(id) < places.count else { return nil }
        let span = places.pointer[Int(id)]
        guard span.start >= 0 else { return nil }
        return UnsafeBufferPointer(start: texts.pointer + Int(span.start), count: Int(span.end - span.start))
    }

    /// The text of a token, or nil for an id that is not in use.
    public func text(of id: TokenID) -> String? {
        bytes(of: id).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether an id is in use.
    public func contains(_ id: TokenID) -> Bool {
        id >= 0 && Int(id) < places.count && places.pointer[Int(id)].start >= 0
    }

    /// The vocabulary as a JSON object of text to id, in the order of ids.
    public func json() -> JSON {
        var object = JSONObject()
        object.reserveCapacity(count)
        for id in 0..<idLimit {
            if let text = text(of: TokenID(id)) { object[text] = .integer(id) }
        }
        return .object(object)
    }
}
