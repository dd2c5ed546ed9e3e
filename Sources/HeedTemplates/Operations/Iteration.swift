import HeedSupport

/// Walks a list.
final class ElementIterator: ValueIterator {
    private let elements: [Value]
    private var at = 0
    init(_ elements: [Value]) { self.elements = elements }
    func next(_ renderer: Renderer) throws -> Value? {
        guard at < elements.count else { return nil }
        defer { at += 1 }
        return elements[at]
    }
}

/// Walks the characters of a string.
final class CharacterIterator: ValueIterator {
    private let text: Text
    private var at = 0
    init(_ text: Text) { self.text = text }
    func next(_ renderer: Renderer) throws -> Value? {
        guard at < text.bytes.count else { return nil }
        let length = scalarLength(text.bytes[at])
        defer { at += length }
        return .string(Text(Array(text.bytes[at..<at + length]), count: 1, meter: renderer.meter))
    }
}

/// Values that are made while they are read, once: what Python's generators are.
final class GeneratorObject: TemplateObject, ValueIterator {
    private var pull: ((Renderer) throws -> Value?)?
    private let name: String
    private let level: Int

    /// - Parameters:
    ///   - source: the value it reads, whose depth it deepens.
    ///   - pull: the next value, or nil at the end.
    /// - Throws: where generators of generators nest too deep.
    init(_ name: String = "generator", over source: Value, _ pull: @escaping (Renderer) throws -> Value?) throws {
        self.name = name
        level = source.depth + 1
        if level > TemplateLimits.valueDepth { throw nestedTooDeep() }
        self.pull = pull
    }

    override var typeName: String { name }
    override var depth: Int { level }
    override var isIterable: Bool { true }
    override func iterator(_ renderer: Renderer) throws -> (any ValueIterator)? { self }
    func next(_ renderer: Renderer) throws -> Value? {
        try renderer.meter.work()
        guard let value = try pull?(renderer) else {
            pull = nil
            return nil
        }
        return value
    }
}

extension Renderer {
    /// Python's `iter`.
    func iterate(_ value: Value) throws -> any ValueIterator {
        switch value {
        case .list(let list), .tuple(let list): return ElementIterator(list.elements)
        case .string(let text): return CharacterIterator(text)
        case .dictionary(let dictionary): return ElementIterator(dictionary.keys)
        case .undefined: return ElementIterator([])
        case .object(let object):
            if let iterator = try object.iterator(self) { return iterator }
        default: break
        }
        throw HeedError(.badInput, "a \(value.typeName) cannot be iterated")
    }

    /// Python's `list`: all elements.
    func elements(_ value: Value) throws -> [Value] {
        switch value {
        case .list(let list), .tuple(let list):
            try meter.work(list.elements.count)
            return list.elements
        case .dictionary(let dictionary): return dictionary.keys
        default: break
        }
        let iterator = try iterate(value)
        var elements: [Value] = []
        while let element = try iterator.next(self) {
            try meter.work()
            try meter.allow(elements.count * MemoryLayout<Value>.stride)
            elements.append(element)
        }
        return elements
    }

    /// What `if` makes of a value.
    func isTrue(_ value: Value) throws -> Bool {
        switch value {
        case .none, .undefined: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .float(let value): value != 0
        case .string(let text): !text.isEmpty
        case .list(let list), .tuple(let list): !list.elements.isEmpty
        case .dictionary(let dictionary): dictionary.count > 0
        case .object(let object): try object.isTrue(self)
        }
    }

    /// Python's `len`.
    func length(_ value: Value) throws -> Int {
        switch value {
        case .string(let text): return text.count
        case .list(let list), .tuple(let list): return list.elements.count
        case .dictionary(let dictionary): return dictionary.count
        case .undefined: return 0
        case .object(let object): if let length = try object.length(self) { return length }
        default: break
        }
        throw HeedError(.badInput, "a \(value.typeName) has no length")
    }

    /// Python's `element in container`.
    func contains(_ container: Value, _ element: Value) throws -> Bool {
        switch container {
        case .string(let text):
            guard case .string(let part) = element else {
                throw HeedError(.badInput, "`in` looks for a string in a string", got: "a \(element.typeName)")
            }
            try meter.copy(text.bytes.count + part.bytes.count)
            return find(part.bytes, in: text.bytes, from: 0) != nil
        case .list(let list), .tuple(let list):
            for other in list.elements {
                try meter.work()
                if try equal(element, other, meter) { return true }
            }
            return false
        case .dictionary(let dictionary): return try dictionary.position(of: element, meter) != nil
        case .object(let object):
            if let answer = try object.contains(element, self) { return answer }
        case .undefined: return false
        default: break
        }
        guard case .object(let object) = container, let iterator = try object.iterator(self) else {
            throw HeedError(.badInput, "`in` cannot look into a \(container.typeName)")
        }
        while let other = try iterator.next(self) {
            try meter.work()
            if try equal(element, other, meter) { return true }
        }
        return false
    }
}
