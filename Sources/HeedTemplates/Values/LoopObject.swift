import HeedSupport

/// The variable `loop` of a `for`.
final class LoopObject: TemplateObject {
    private let source: Value
    private var iterator: any ValueIterator
    private var count: Int?
    private var ahead: Value?
    private var before: Value = .none
    private var current: Value = .none
    private var changed: [Value]?
    private var position = -1
    private let recursionDepth: Int
    private var body: ((Value, Int) throws -> Value)?

    /// - Parameters:
    ///   - source: what is iterated, to ask for its length.
    ///   - recursionDepth: how many recursive calls of the loop are around this one.
    ///   - body: runs the loop over another value, for recursive loops.
    init(
        _ source: Value, _ iterator: any ValueIterator, recursionDepth: Int, body: ((Value, Int) throws -> Value)?
    ) {
        self.source = source
        self.iterator = iterator
        self.recursionDepth = recursionDepth
        self.body = body
        switch source {
        case .list(let list), .tuple(let list): count = list.elements.count
        case .dictionary(let dictionary): count = dictionary.count
        case .string(let text): count = text.count
        case .object(let range as RangeObject): count = range.count
        case .object(let view as DictionaryView): count = view.count
        case .undefined: count = 0
        default: break
        }
    }

    /// Steps on; nil at the end.
    func advance(_ renderer: Renderer) throws -> Value? {
        let value: Value
        if let ahead {
            value = ahead
            self.ahead = nil
        } else {
            guard let next = try iterator.next(renderer) else { return nil }
            value = next
        }
        position += 1
        before = current
        current = value
        return value
    }

    private func peek(_ renderer: Renderer) throws -> Value? {
        if ahead == nil { ahead = try iterator.next(renderer) }
        return ahead
    }

    /// The number of elements; a generator is read to its end for it.
    private func total(_ renderer: Renderer) throws -> Int {
        if let count { return count }
        var rest: [Value] = []
        while let value = try iterator.next(renderer) {
            try renderer.meter.work()
            try renderer.meter.allow(rest.count * MemoryLayout<Value>.stride)
            rest.append(value)
        }
        let total = rest.count + position + 1 + (ahead == nil ? 0 : 1)
        iterator = ElementIterator(rest)
        count = total
        return total
    }

    override var typeName: String { "LoopContext" }
    override var depth: Int { source.depth + 1 }
    override var isCallable: Bool { true }
    override var isIterable: Bool { true }
    override func isTrue(_ renderer: Renderer) throws -> Bool { try total(renderer) > 0 }
    override func length(_ renderer: Renderer) throws -> Int? { try total(renderer) }

    override func attribute(_ name: String, _ renderer: Renderer) throws -> Value? {
        switch name {
        case "index": return .integer(position + 1)
        case "index0": return .integer(position)
        case "first": return .bool(position == 0)
        case "last": return .bool(try peek(renderer) == nil)
        case "length": return .integer(try total(renderer))
        case "revindex": return .integer(try total(renderer) - position)
        case "revindex0": return .integer(try total(renderer) - position - 1)
        case "depth": return .integer(recursionDepth + 1)
        case "depth0": return .integer(recursionDepth)
        case "previtem":
            return position == 0 ? .undefined(Undefined(hint: "there is no previous item")) : before
        case "nextitem": return try peek(renderer) ?? .undefined(Undefined(hint: "there is no next item"))
        case "cycle": return .object(FunctionObject("cycle", holds: .object(self)) { [self] in try cycle($0, $1) })
        case "changed": return .object(FunctionObject("changed", holds: .object(self)) { [self] in try change($0, $1) })
        default: return nil
        }
    }

    private func cycle(_ renderer: Renderer, _ arguments: Arguments) throws -> Value {
        guard arguments.keywords.isEmpty, !arguments.positional.isEmpty else {
            throw HeedError(.badInput, "loop.cycle() takes at least one value, without names")
        }
        return arguments.positional[max(position, 0) % arguments.positional.count]
    }

    private func change(_ renderer: Renderer, _ arguments: Arguments) throws -> Value {
        guard arguments.keywords.isEmpty else {
            throw HeedError(.badInput, "loop.changed() takes values without names")
        }
        if let changed {
            let (old, new) = (try ListObject(changed), try ListObject(arguments.positional))
            if try equal(.tuple(old), .tuple(new), renderer.meter) { return .bool(false) }
        }
        changed = arguments.positional
        return .bool(true)
    }

    override func call(_ arguments: Arguments, _ renderer: Renderer) throws -> Value {
        guard let body else {
            throw HeedError(.badInput, "the loop calls itself and is not marked as recursive")
        }
        let iterable = try arguments.bind("loop", ["iterable"], required: 1)[0].or(.none)
        return try body(iterable, recursionDepth + 1)
    }

    override func represent(_ writer: inout Representation) throws {
        try writer.write("<LoopContext \(position + 1)\(count.map { "/\($0)" } ?? "")>")
    }

    override func dissolve() {
        ahead = nil
        before = .none
        current = .none
        changed = nil
        body = nil
        iterator = ElementIterator([])
    }
}
