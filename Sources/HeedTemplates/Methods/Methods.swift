import HeedSupport

/// What plain values can be asked to do, by type and name.
enum Methods {
    /// `str`
    static let string: [String: Method] = stringCase.merging(stringSearch) { $1 }.merging(stringParts) { $1 }
        .merging(stringFill) { $1 }.merging(stringQuestions) { $1 }

    /// `list` and `tuple`
    static let sequence: [String: Method] = [
        "index": { renderer, owner, arguments in
            let given = try arguments.bind("index", ["value", "start", "stop"], required: 1, positionalOnly: 3)
            let elements = try renderer.elements(owner)
            func bound(_ value: Value?, _ standard: Int) throws -> Int {
                guard let value else { return standard }
                let place = try renderer.index(value, "a bound of index()")
                return max(place < 0 ? place + elements.count : place, 0)
            }
            let end = min(try bound(given[2], elements.count), elements.count)
            for place in stride(from: try bound(given[1], 0), to: end, by: 1) {
                if try equal(elements[place], given[0].or(.none), renderer.meter) { return .integer(place) }
            }
            throw HeedError(.badInput, "the value is not in the list")
        },
        "count": { renderer, owner, arguments in
            let value = try arguments.bind("count", ["value"], required: 1, positionalOnly: 1)[0].or(.none)
            var count = 0
            for element in try renderer.elements(owner) where try equal(element, value, renderer.meter) { count += 1 }
            return .integer(count)
        },
    ]

    static let copyList: Method = { renderer, owner, arguments in
        _ = try arguments.bind("copy", [])
        return try renderer.list(try renderer.elements(owner))
    }

    /// `dict`
    static let dictionary: [String: Method] = [
        "get": { renderer, owner, arguments in
            let given = try arguments.bind("get", ["key", "default"], required: 1, positionalOnly: 2)
            guard case .dictionary(let dictionary) = owner else { return .none }
            return try dictionary.value(of: given[0].or(.none), renderer.meter) ?? given[1].or(.none)
        },
        "keys": { try view($1, .keys, $2) },
        "values": { try view($1, .values, $2) },
        "items": { try view($1, .items, $2) },
        "copy": { renderer, owner, arguments in
            _ = try arguments.bind("copy", [])
            guard case .dictionary(let dictionary) = owner else { return owner }
            return .dictionary(try dictionary.copy(renderer))
        },
        "fromkeys": fromKeys,
    ]

    static let fromKeys: Method = { renderer, _, arguments in
        let given = try arguments.bind("fromkeys", ["iterable", "value"], required: 1, positionalOnly: 2)
        let dictionary = DictionaryObject(meter: renderer.meter)
        for key in try renderer.elements(given[0].or(.none)) {
            try dictionary.set(key, to: given[1].or(.none), renderer.meter)
        }
        return .dictionary(dictionary)
    }

    private static func view(_ owner: Value, _ part: DictionaryView.Part, _ arguments: Arguments) throws -> Value {
        _ = try arguments.bind(part.rawValue, [])
        guard case .dictionary(let dictionary) = owner else { return .none }
        return .object(DictionaryView(dictionary, part))
    }

    /// `int` and `float`
    static let number: [String: Method] = [
        "is_integer": { _, owner, arguments in
            _ = try arguments.bind("is_integer", [])
            if case .float(let value) = owner { return .bool(value.isFinite && value == value.rounded()) }
            throw HeedError(.badInput, "an int has no attribute \"is_integer\"")
        },
        "bit_length": { _, owner, arguments in
            _ = try arguments.bind("bit_length", [])
            guard let value = owner.index else {
                throw HeedError(.badInput, "a float has no attribute \"bit_length\"")
            }
            return .integer(128 - value.magnitude.leadingZeroBitCount)
        },
        "bit_count": { _, owner, arguments in
            _ = try arguments.bind("bit_count", [])
            guard let value = owner.index else {
                throw HeedError(.badInput, "a float has no attribute \"bit_count\"")
            }
            return .integer(value.magnitude.nonzeroBitCount)
        },
        "conjugate": { renderer, owner, arguments in
            _ = try arguments.bind("conjugate", [])
            return try renderer.negated(owner, isNegative: false)
        },
    ]

    /// Methods that change a list, which the sandbox hides.
    static let changingList: Set<String> = [
        "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove",
    ]
    /// Methods that change a dictionary, which the sandbox hides.
    static let changingDictionary: Set<String> = ["clear", "pop", "popitem", "setdefault", "update"]

    /// Attributes that every object of Python has and the sandbox hides.
    static let hidden: Set<String> = [
        "__class__", "__delattr__", "__dir__", "__doc__", "__eq__", "__format__", "__ge__", "__getattribute__",
        "__getstate__", "__gt__", "__hash__", "__init__", "__init_subclass__", "__le__", "__lt__", "__ne__", "__new__",
        "__reduce__", "__reduce_ex__", "__repr__", "__setattr__", "__sizeof__", "__str__", "__subclasshook__",
        "__len__", "__iter__", "__getitem__", "__contains__", "__add__", "__mul__",
    ]
}

extension Renderer {
    /// A part of a number that is no method.
    func numberAttribute(_ owner: Value, _ name: String) -> Value? {
        switch (name, owner) {
        case ("real", .float), ("real", .integer): owner
        case ("real", .bool), ("numerator", .bool), ("numerator", .integer): .integer(owner.index ?? 0)
        case ("imag", .float): .float(0)
        case ("imag", _): .integer(0)
        case ("denominator", .integer), ("denominator", .bool): .integer(1)
        default: nil
        }
    }
}
