import HeedSupport

/// `namespace(…)`: names that `set` may change from inside loops.
final class NamespaceObject: TemplateObject {
    private let members: DictionaryObject

    init(_ members: DictionaryObject) { self.members = members }

    /// `namespace(…)` takes what `dict(…)` takes.
    static func make(_ arguments: Arguments, _ renderer: Renderer) throws -> Value {
        let members = try renderer.dictionary(arguments, "namespace")
        for key in members.keys { if case .string(let name) = key { try check(name.string) } }
        let namespace = NamespaceObject(members)
        renderer.remember(namespace)
        return .object(namespace)
    }

    /// `{% set namespace.name = value %}`
    func set(_ name: Text, to value: Value, _ renderer: Renderer) throws {
        try NamespaceObject.check(name.string)
        try members.set(.string(name), to: value, renderer.meter)
    }

    private static func check(_ name: String) throws {
        if name.utf8.first == UInt8(ascii: "_") {
            throw HeedError(.badInput, "the name of a namespace's member starts with an underscore", got: quoted(name))
        }
    }

    override var typeName: String { "Namespace" }
    override var depth: Int { members.depth + 1 }
    override func attribute(_ name: String, _ renderer: Renderer) throws -> Value? {
        try members.value(named: name, renderer.meter)
    }
    override func represent(_ writer: inout Representation) throws {
        try writer.write("<Namespace ")
        try writer.members(members)
        try writer.write(">")
    }
    override func dissolve() { members.removeAll() }
}

/// `cycler(…)`: the given values round and round.
final class CyclerObject: TemplateObject {
    private let items: ListObject
    private var position = 0

    private init(_ items: ListObject) { self.items = items }

    static func make(_ arguments: Arguments, _ renderer: Renderer) throws -> Value {
        guard arguments.keywords.isEmpty, !arguments.positional.isEmpty else {
            throw HeedError(.badInput, "cycler() takes at least one value, without names")
        }
        return .object(CyclerObject(try ListObject(arguments.positional, meter: renderer.meter)))
    }

    override var typeName: String { "Cycler" }
    override var depth: Int { items.depth + 1 }
    override func attribute(_ name: String, _ renderer: Renderer) throws -> Value? {
        switch name {
        case "current": return items.elements[position]
        case "pos": return .integer(position)
        case "items": return .tuple(items)
        case "next":
            return .object(
                FunctionObject("next", holds: .object(self)) { [self] _, arguments in
                    _ = try arguments.bind("next", [])
                    defer { position = (position + 1) % items.elements.count }
                    return items.elements[position]
                })
        case "reset":
            return .object(
                FunctionObject("reset", holds: .object(self)) { [self] _, arguments in
                    _ = try arguments.bind("reset", [])
                    position = 0
                    return .none
                })
        default: return nil
        }
    }
}

/// `joiner(…)`: nothing when called first, then its text.
final class JoinerObject: TemplateObject {
    private let separator: Value
    private var isUsed = false

    private init(_ separator: Value) { self.separator = separator }

    static func make(_ arguments: Arguments, _ renderer: Renderer) throws -> Value {
        .object(JoinerObject(try arguments.bind("joiner", ["sep"])[0].or(.string(", "))))
    }

    override var typeName: String { "Joiner" }
    override var depth: Int { separator.depth + 1 }
    override var isCallable: Bool { true }
    override func call(_ arguments: Arguments, _ renderer: Renderer) throws -> Value {
        _ = try arguments.bind("joiner", [])
        defer { isUsed = true }
        return isUsed ? separator : .string(Text.empty)
    }
    override func attribute(_ name: String, _ renderer: Renderer) throws -> Value? {
        switch name {
        case "sep": separator
        case "used": .bool(isUsed)
        default: nil
        }
    }
}
