import HeedSupport

/// What `keys()`, `values()` and `items()` give: the members of a dictionary, read as often as one likes.
final class DictionaryView: TemplateObject {
    enum Part: String {
        case keys = "dict_keys"
        case values = "dict_values"
        case items = "dict_items"
    }
    private let dictionary: DictionaryObject
    private let part: Part

    init(_ dictionary: DictionaryObject, _ part: Part) {
        self.dictionary = dictionary
        self.part = part
    }

    var count: Int { dictionary.count }

    override var typeName: String { part.rawValue }
    override var depth: Int { dictionary.depth + 1 }
    override var isIterable: Bool { true }
    override func isTrue(_ renderer: Renderer) throws -> Bool { dictionary.count > 0 }
    override func length(_ renderer: Renderer) throws -> Int? { dictionary.count }
    override func iterator(_ renderer: Renderer) throws -> (any ValueIterator)? {
        ElementIterator(try elements(renderer.meter))
    }

    /// The elements as a list.
    func elements(_ meter: Meter) throws -> [Value] {
        switch part {
        case .keys: return dictionary.keys
        case .values: return dictionary.values
        case .items:
            try meter.work(dictionary.count)
            return try zip(dictionary.keys, dictionary.values).map { key, value in
                .tuple(try ListObject([key, value], meter: meter))
            }
        }
    }

    override func contains(_ value: Value, _ renderer: Renderer) throws -> Bool? {
        part == .keys ? try dictionary.position(of: value, renderer.meter) != nil : nil
    }

    override func equals(_ other: TemplateObject, _ meter: Meter) throws -> Bool {
        guard let other = other as? DictionaryView, part == other.part, part != .values,
            dictionary.count == other.dictionary.count
        else { return false }
        for (key, value) in zip(dictionary.keys, dictionary.values) {
            guard let found = try other.dictionary.value(of: key, meter) else { return false }
            if part == .items, try !equal(value, found, meter) { return false }
        }
        return true
    }

    override func represent(_ writer: inout Representation) throws {
        try writer.write(part.rawValue + "(")
        try writer.elements(try elements(writer.meter), "[", "]")
        try writer.write(")")
    }
}
