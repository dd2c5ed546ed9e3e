/// A parsed JSON text as a flat list of nodes over its bytes: no value is built before it is asked for.
///
/// This is what large files (vocabularies, headers of checkpoints) are read through: parsing costs one pass, and
/// walking a hundred thousand members allocates nothing.
public struct JSONDocument: Sendable {
    /// One value: its kind and where it lies.
    @usableFromInline
    struct Node: Sendable {
        @usableFromInline
        enum Kind: UInt32, Sendable { case null, yes, no, integer, number, string, escapedString, array, object }
        @usableFromInline var kind: Kind
        /// Bytes of a scalar's text, or the number of elements or members.
        @usableFromInline var length: UInt32
        /// Offset of a scalar's text in the source, or in `unescaped`.
        @usableFromInline var offset: UInt32
        /// Index of the node after this value and all that it holds.
        @usableFromInline var end: UInt32
    }

    let bytes: [UInt8]
    let unescaped: [UInt8]
    let nodes: [Node]
    /// The file or line named in errors.
    public let place: String?

    /// Parses JSON text in UTF-8 (RFC 8259, strictly).
    ///
    /// Lone surrogates written as escapes become U+FFFD.
    /// - Throws: `HeedError` of kind `badInput` with line and column.
    public init(_ bytes: [UInt8], in place: String? = nil, maximumDepth: Int = 512) throws {
        guard bytes.count < Int(UInt32.max) - 8 else {
            throw HeedError(
                .unsupported, "the JSON text is too long", in: place, expected: "less than 4 GiB",
                got: "\(grouped(bytes.count)) bytes")
        }
        var parser = JSONParser(place: place, maximumDepth: maximumDepth)
        try bytes.withUnsafeBufferPointer { try parser.parse($0) }
        self.bytes = bytes
        self.unescaped = parser.unescaped
        self.nodes = parser.nodes
        self.place = place
    }

    /// Reads and parses a file; errors name it.
    public init(path: String, maximumDepth: Int = 512) throws {
        try self.init(try readFile(path), in: path, maximumDepth: maximumDepth)
    }

    /// Calls `body` with a view of the root; the view must not leave the call.
    public func read<Result>(_ body: (JSONView) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBufferPointer { bytes in
            try unescaped.withUnsafeBufferPointer { unescaped in
                try nodes.withUnsafeBufferPointer { nodes in
                    try body(JSONView(bytes: bytes, unescaped: unescaped, nodes: nodes, index: 0))
                }
            }
        }
    }

    /// The whole text as a value.
    public func value(duplicateKeys: JSON.DuplicateKeys = .keepLast) throws -> JSON {
        try read { try $0.value(duplicateKeys: duplicateKeys, in: place) }
    }
}

/// A value inside a `JSONDocument`, valid only during the call that gave it.
public struct JSONView {
    /// The kinds of JSON value.
    public enum Kind: Sendable { case null, bool, integer, number, string, array, object }

    @usableFromInline let bytes: UnsafeBufferPointer<UInt8>
    @usableFromInline let unescaped: UnsafeBufferPointer<UInt8>
    @usableFromInline let nodes: UnsafeBufferPointer<JSONDocument.Node>
    @usableFromInline let index: Int

    @usableFromInline
    init(
        bytes: UnsafeBufferPointer<UInt8>, unescaped: UnsafeBufferPointer<UInt8>,
        nodes: UnsafeBufferPointer<JSONDocument.Node>, index: Int
    ) {
        self.bytes = bytes
        self.unescaped = unescaped
        self.nodes = nodes
        self.index = index
    }

    @inlinable var node: JSONDocument.Node { nodes[index] }

    @inlinable
    func at(_ index: Int) -> JSONView {
        JSONView(bytes: bytes, unescaped: unescaped, nodes: nodes, index: index)
    }

    /// The two elements of an array of two, or nil.
    @inlinable
    public var pair: (JSONView, JSONView)? {
        guard node.kind == .array, node.length == 2 else { return nil }
        return (at(index + 1), at(Int(nodes[index + 1].end)))
    }

    /// The kind of this value.
    @inlinable
    public var kind: Kind {
        switch node.kind {
        case .null: .null
        case .yes, .no: .bool
        case .integer: .integer
        case .number: .number
        case .string, .escapedString: .string
        case .array: .array
        case .object: .object
        }
    }

    /// The number of elements or members; 0 for scalars.
    @inlinable
    public var count: Int {
        switch node.kind {
        case .array, .object: Int(node.length)
        default: 0
        }
    }

    /// The UTF-8 bytes of a string (or the digits of a number), without a copy.
    @inlinable
    public var text: UnsafeBufferPointer<UInt8> {
        let node = node
        let start = Int(node.offset)
        switch node.kind {
        case .escapedString: return UnsafeBufferPointer(rebasing: unescaped[start..<start + Int(node.length)])
        case .string, .integer, .number: return UnsafeBufferPointer(rebasing: bytes[start..<start + Int(node.length)])
        default: return UnsafeBufferPointer(rebasing: bytes[0..<0])
        }
    }

    /// The string, or nil for any other kind.
    public var string: String? { kind == .string ? String(decoding: text, as: UTF8.self) : nil }

    /// The truth value, or nil.
    public var bool: Bool? {
        switch node.kind {
        case .yes: true
        case .no: false
        default: nil
        }
    }

    /// The integer if it is one and fits, or nil.
    public var integer: Int? { node.kind == .integer ? NumberText.integer(text) : nil }

    /// The number, or nil.
    public var double: Double? {
        switch node.kind {
        case .integer, .number: NumberText.double(text)
        default: nil
        }
    }

    /// The number, fast and rounded twice: what `serde_json` reads, at most one unit in the last place from `double`.
    public var twiceRoundedDouble: Double? {
        switch node.kind {
        case .integer, .number: NumberText.twiceRounded(text)
        default: nil
        }
    }

    /// The member of that name (the last one, if there are several), or nil. Cost: linear in the number of members.
    public subscript(key: String) -> JSONView? {
        guard node.kind == .object else { return nil }
        var key = key
        return key.withUTF8 { wanted in
            var found: JSONView?
            forEachMember { name, value in
                if name.text.elementsEqual(wanted) { found = value }
            }
            return found
        }
    }

    /// Walks the members of an object in order; does nothing for other kinds.
    @inlinable
    public func forEachMember(_ body: (_ key: JSONView, _ value: JSONView) throws -> Void) rethrows {
        guard node.kind == .object else { return }
        var position = index + 1
        let end = Int(node.end)
        while position < end {
            let value = position + 1
            try body(at(position), at(value))
            position = Int(nodes[value].end)
        }
    }

    /// Walks the elements of an array in order; does nothing for other kinds.
    @inlinable
    public func forEachElement(_ body: (JSONView) throws -> Void) rethrows {
        guard node.kind == .array else { return }
        var position = index + 1
        let end = Int(node.end)
        while position < end {
            try body(at(position))
            position = Int(nodes[position].end)
        }
    }

    /// Builds the value with all that it holds. The parser bounded its depth, so recursion is safe.
    public func value(duplicateKeys: JSON.DuplicateKeys = .keepLast, in place: String? = nil) throws -> JSON {
        switch node.kind {
        case .null: return .null
        case .yes: return .bool(true)
        case .no: return .bool(false)
        case .integer:
            if let integer { return .integer(integer) }
            return .number(double ?? 0)
        case .number: return .number(double ?? 0)
        case .string, .escapedString: return .string(String(decoding: text, as: UTF8.self))
        case .array:
            var elements: [JSON] = []
            elements.reserveCapacity(count)
            try forEachElement { elements.append(try $0.value(duplicateKeys: duplicateKeys, in: place)) }
            return .array(elements)
        case .object:
            var members = JSONObject()
            members.reserveCapacity(count)
            try forEachMember { key, value in
                let name = String(decoding: key.text, as: UTF8.self)
                if duplicateKeys == .refuse, members.position(of: name) != nil {
                    throw HeedError(
                        .badInput, "the JSON object names \(quoted(name)) twice", in: place,
                        expected: "every name once")
                }
                members[name] = try value.value(duplicateKeys: duplicateKeys, in: place)
            }
            return .object(members)
        }
    }
}
