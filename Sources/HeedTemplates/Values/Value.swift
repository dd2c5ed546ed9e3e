import HeedSupport

/// A value of a template, with the meaning that Python gives it.
enum Value {
    case none
    case bool(Bool)
    case integer(Int128)
    case float(Double)
    case string(Text)
    case list(ListObject)
    case tuple(ListObject)
    case dictionary(DictionaryObject)
    case undefined(Undefined)
    case object(TemplateObject)
}

extension Value {
    /// The name of the type, as Python has it.
    var typeName: String {
        switch self {
        case .none: "NoneType"
        case .bool: "bool"
        case .integer: "int"
        case .float: "float"
        case .string(let text): text.isMarkup ? "Markup" : "str"
        case .list: "list"
        case .tuple: "tuple"
        case .dictionary: "dict"
        case .undefined: "Undefined"
        case .object(let object): object.typeName
        }
    }

    /// What a message calls the owner of an attribute: `dict object`.
    var ownerName: String {
        if case .none = self { return "None" }
        return "\(typeName) object"
    }

    /// How many containers nest, this one included; 0 for scalars.
    var depth: Int {
        switch self {
        case .list(let list), .tuple(let list): list.depth
        case .dictionary(let dictionary): dictionary.depth
        case .object(let object): object.depth
        default: 0
        }
    }

    /// The number of an integer or truth value, or nil.
    var index: Int128? {
        switch self {
        case .integer(let value): value
        case .bool(let value): value ? 1 : 0
        default: nil
        }
    }

    var isNone: Bool { if case .none = self { true } else { false } }
    var isUndefined: Bool { if case .undefined = self { true } else { false } }
    var text: Text? { if case .string(let text) = self { text } else { nil } }

    static func string(_ text: String) -> Value { .string(Text(text)) }
    static func integer(_ value: Int) -> Value { .integer(Int128(value)) }
}

/// The elements of a list or tuple. Templates cannot change them: the sandbox has no method that does.
class ListObject {
    let elements: [Value]
    let depth: Int
    private let meter: Meter?

    /// Takes elements.
    /// - Throws: where they nest too deep or do not fit.
    init(_ elements: [Value], meter: Meter? = nil) throws {
        var depth = 0
        for element in elements { depth = max(depth, element.depth) }
        guard depth < TemplateLimits.valueDepth else { throw nestedTooDeep() }
        try meter?.copy(elements.count * MemoryLayout<Value>.stride)
        try meter?.work(elements.count)
        self.elements = elements
        self.depth = depth + 1
        self.meter = meter
        meter?.hold(ListObject.bytes(elements.count))
    }

    deinit { meter?.release(ListObject.bytes(elements.count)) }

    private static func bytes(_ count: Int) -> Int { count * MemoryLayout<Value>.stride + 64 }
}

/// What stands where nothing is: prints as nothing, counts as false, and fails in any other use.
final class Undefined {
    private enum Reason {
        case name(String)
        case member(owner: String, key: Value)
        case hint(String)
    }
    private let reason: Reason
    /// Whether the member exists in Python and the sandbox hides it.
    let isUnsafe: Bool

    init(name: String) {
        reason = .name(name)
        isUnsafe = false
    }

    init(owner: Value, key: Value) {
        reason = .member(owner: owner.ownerName, key: key)
        isUnsafe = false
    }

    init(hint: String, isUnsafe: Bool = false) {
        reason = .hint(hint)
        self.isUnsafe = isUnsafe
    }

    /// The error of using it.
    var failure: HeedError {
        switch reason {
        case .name(let name):
            return HeedError(.badInput, "\(quoted(name)) is undefined")
        case .member(let owner, let key):
            if case .string(let text) = key {
                return HeedError(.badInput, "a \(owner) has no attribute \(quoted(text.string))")
            }
            let number = key.index.map { "\($0)" } ?? "of that key"
            return HeedError(.badInput, "a \(owner) has no element \(number)")
        case .hint(let hint):
            return HeedError(.badInput, hint)
        }
    }
}

/// What `groupby` makes: a pair whose parts also have names.
final class GroupObject: ListObject {
    var grouper: Value { elements[0] }
    var members: Value { elements[1] }
}
