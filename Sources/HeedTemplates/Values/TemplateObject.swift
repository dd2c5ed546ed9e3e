import HeedSupport

/// Gives values one after the other.
protocol ValueIterator: AnyObject {
    /// The next value, or nil at the end.
    func next(_ renderer: Renderer) throws -> Value?
}

/// Something that holds values and can be changed after it was made, so that circles may run through it.
protocol Holder: AnyObject {
    /// Lets go of all values it holds.
    func dissolve()
}

/// A value that is neither scalar nor list nor dictionary: macros, loops, ranges, namespaces, functions.
class TemplateObject: Holder {
    /// Python's name of the type.
    var typeName: String { "object" }
    /// How many containers nest, this one included.
    var depth: Int { 0 }
    /// Whether it may be called.
    var isCallable: Bool { false }
    /// Whether `len` takes it, and `[ ]` too: Jinja's test `sequence`.
    var isSequence: Bool { false }
    /// Whether it can be iterated more than once or at all.
    var isIterable: Bool { false }
    /// Whether the namespace of a model's template is a mapping (`is mapping`).
    var isMapping: Bool { false }

    /// What `if` makes of it.
    func isTrue(_ renderer: Renderer) throws -> Bool { true }
    /// The attribute of that name, or nil where there is none.
    func attribute(_ name: String, _ renderer: Renderer) throws -> Value? { nil }
    /// The item of that key, or nil where there is none or none can be.
    func item(_ key: Value, _ renderer: Renderer) throws -> Value? { nil }
    /// Iterates, or nil where that is not possible.
    func iterator(_ renderer: Renderer) throws -> (any ValueIterator)? { nil }
    /// Python's `len`, or nil where there is none.
    func length(_ renderer: Renderer) throws -> Int? { nil }
    /// Calls it.
    func call(_ arguments: Arguments, _ renderer: Renderer) throws -> Value {
        throw HeedError(.badInput, "a \(typeName) object is not callable")
    }
    /// Python's `==`.
    func equals(_ other: TemplateObject, _ meter: Meter) throws -> Bool { self === other }
    /// Python's `in`, or nil to look through the elements.
    func contains(_ value: Value, _ renderer: Renderer) throws -> Bool? { nil }
    /// Python's `repr`.
    func represent(_ writer: inout Representation) throws { try writer.write("<\(typeName) object>") }
    func dissolve() {}
}

/// A value that is only its name: Python's functions and classes print like this.
final class FunctionObject: TemplateObject {
    typealias Body = (Renderer, Arguments) throws -> Value
    let name: String
    private let body: Body
    private let holds: Value?

    /// - Parameter holds: the value that the body closes over.
    init(_ name: String, holds: Value? = nil, _ body: @escaping Body) {
        self.name = name
        self.holds = holds
        self.body = body
    }

    override var typeName: String { "function" }
    override var isCallable: Bool { true }
    override var depth: Int { (holds?.depth ?? 0) + 1 }
    override func call(_ arguments: Arguments, _ renderer: Renderer) throws -> Value {
        try body(renderer, arguments)
    }
    override func represent(_ writer: inout Representation) throws { try writer.write("<function \(name)>") }
}
