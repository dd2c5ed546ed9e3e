import HeedSupport

/// The arguments of a call.
struct Arguments {
    var positional: [Value] = []
    var keywords: [(name: String, value: Value)] = []

    /// No arguments.
    static var none: Arguments { Arguments() }

    /// Sorts the arguments to parameters, as Python does.
    ///
    /// - Parameters:
    ///   - function: the name to tell in errors.
    ///   - parameters: the names in order.
    ///   - required: how many of them have no default.
    ///   - positionalOnly: how many of them have no name.
    /// - Returns: a value for each parameter, nil where its default applies.
    func bind(
        _ function: String, _ parameters: [String], required: Int = 0, positionalOnly: Int = 0
    ) throws -> [Value?] {
        guard positional.count <= parameters.count else {
            throw HeedError(
                .badInput, "\(function)() has too many arguments", expected: "at most \(parameters.count)",
                got: "\(positional.count)")
        }
        var values: [Value?] = positional
        values += Array(repeating: nil, count: parameters.count - positional.count)
        for (name, value) in keywords {
            guard let place = parameters.firstIndex(of: name), place >= positionalOnly else {
                throw HeedError(.badInput, "\(function)() has no parameter \(quoted(name))")
            }
            guard values[place] == nil else {
                throw HeedError(.badInput, "\(function)() got the parameter \(quoted(name)) twice")
            }
            values[place] = value
        }
        for place in 0..<required where values[place] == nil {
            throw HeedError(.badInput, "\(function)() needs the argument \(quoted(parameters[place]))")
        }
        return values
    }
}

extension Optional where Wrapped == Value {
    /// The value, or a default where none was given.
    func or(_ value: Value) -> Value { self ?? value }
}

extension Renderer {
    /// Python's `__index__`: an integer that counts or places.
    func index(_ value: Value, _ what: String) throws -> Int {
        if case .undefined(let undefined) = value { throw undefined.failure }
        guard let index = value.index else {
            throw HeedError(.badInput, "\(what) must be an integer", got: "a \(value.typeName)")
        }
        guard let small = Int(exactly: index) else {
            throw HeedError(.badInput, "\(what) is too large", got: integerText(index))
        }
        return small
    }

    /// A string argument.
    func text(_ value: Value, _ what: String) throws -> Text {
        if case .string(let text) = value { return text }
        throw HeedError(.badInput, "\(what) must be a string", got: "a \(value.typeName)")
    }

    /// `str(value)` as a string of this rendering; markup stays markup.
    func softText(_ value: Value) throws -> Text {
        if case .string(let text) = value { return text }
        return try plainText(value)
    }

    /// `str(value)`
    func plainText(_ value: Value) throws -> Text {
        if case .string(let text) = value {
            return text.isMarkup ? Text(text.bytes, count: text.count, meter: meter) : text
        }
        var writer = Representation(meter)
        try writer.text(value)
        return make(writer.bytes)
    }

    /// `repr(value)`
    func representation(_ value: Value) throws -> Text {
        var writer = Representation(meter)
        try writer.represent(value)
        return make(writer.bytes)
    }

    /// A string of this rendering.
    func make(_ bytes: [UInt8], isMarkup: Bool = false) -> Text {
        Text(bytes, count: scalarCount(bytes), isMarkup: isMarkup, meter: meter)
    }

    func markup(_ bytes: [UInt8]) -> Text { make(bytes, isMarkup: true) }

    /// A string value of this rendering, markup where its origin is.
    func string(_ bytes: [UInt8], like text: Text) throws -> Value {
        try meter.copy(bytes.count)
        return .string(make(bytes, isMarkup: text.isMarkup))
    }

    func string(_ scalars: some Sequence<Unicode.Scalar>, like text: Text) throws -> Value {
        try string(encodeScalars(scalars), like: text)
    }

    func list(_ elements: [Value]) throws -> Value { .list(try ListObject(elements, meter: meter)) }
    func tuple(_ elements: [Value]) throws -> Value { .tuple(try ListObject(elements, meter: meter)) }

    /// Calls a value.
    func call(_ callee: Value, _ arguments: Arguments) throws -> Value {
        switch callee {
        case .object(let object): return try object.call(arguments, self)
        case .undefined(let undefined): throw undefined.failure
        default: throw HeedError(.badInput, "a \(callee.typeName) cannot be called")
        }
    }
}
