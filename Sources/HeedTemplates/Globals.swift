import HeedSupport

/// The functions that every template can call.
enum Globals {
    typealias Function = @Sendable (Renderer, Arguments) throws -> Value

    static let all: [String: Function] = [
        "range": { try RangeObject.make($1, $0) },
        "namespace": { try NamespaceObject.make($1, $0) },
        "cycler": { try CyclerObject.make($1, $0) },
        "joiner": { try JoinerObject.make($1, $0) },
        "raise_exception": { renderer, arguments in
            let message = try arguments.bind("raise_exception", ["message"], required: 1)[0].or(.none)
            throw HeedError(.badInput, try renderer.plainText(message).string)
        },
        "strftime_now": { renderer, arguments in
            let format = try arguments.bind("strftime_now", ["format"], required: 1)[0].or(.none)
            return .string(
                renderer.make(try renderer.now.format(try renderer.text(format, "the format").bytes, renderer.meter)))
        },
        "lipsum": { _, _ in
            throw HeedError(.unsupported, "lipsum() writes random words, which no model's template needs")
        },
    ]
}

/// `dict`: makes dictionaries.
final class DictionaryMaker: TemplateObject {
    override var typeName: String { "TemplateDict" }
    override var isCallable: Bool { true }
    override func call(_ arguments: Arguments, _ renderer: Renderer) throws -> Value {
        .dictionary(try renderer.dictionary(arguments, "dict"))
    }
    override func attribute(_ name: String, _ renderer: Renderer) throws -> Value? {
        name == "fromkeys" ? .object(FunctionObject(name) { try Methods.fromKeys($0, .none, $1) }) : nil
    }
}

extension Renderer {
    /// Python's `dict(…)`: of a dictionary or of pairs, and of named values.
    func dictionary(_ arguments: Arguments, _ function: String) throws -> DictionaryObject {
        guard arguments.positional.count <= 1 else {
            throw HeedError(.badInput, "\(function)() takes at most one value without a name")
        }
        let result = DictionaryObject(meter: meter)
        switch arguments.positional.first {
        case nil: break
        case .dictionary(let other)?:
            for (key, value) in zip(other.keys, other.values) { try result.set(key, to: value, meter) }
        case .undefined(let undefined)?: throw undefined.failure
        case let pairs?:
            let iterator = try iterate(pairs)
            while let pair = try iterator.next(self) {
                try meter.work()
                let parts = try elements(pair)
                guard parts.count == 2 else {
                    throw HeedError(
                        .badInput, "\(function)() takes pairs", expected: "2 elements", got: "\(parts.count)")
                }
                try result.set(parts[0], to: parts[1], meter)
            }
        }
        for (name, value) in arguments.keywords { try result.set(.string(name), to: value, meter) }
        return result
    }
}
