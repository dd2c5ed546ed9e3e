import HeedSupport

extension Methods {
    /// Methods that give every character another form.
    static let stringCase: [String: Method] = [
        "upper": { try mapped("upper", $0, $1, $2, LetterCase.upper) },
        "lower": { try mapped("lower", $0, $1, $2, LetterCase.lower) },
        "title": { try mapped("title", $0, $1, $2, LetterCase.title) },
        "capitalize": { try mapped("capitalize", $0, $1, $2, LetterCase.capitalised) },
        "swapcase": { try mapped("swapcase", $0, $1, $2, LetterCase.swapped) },
        "casefold": { try mapped("casefold", $0, $1, $2, LetterCase.folded) },
        "translate": { renderer, owner, arguments in
            let table = try arguments.bind("translate", ["table"], required: 1, positionalOnly: 1)[0].or(.none)
            let text = try renderer.text(owner, "the text")
            var result: [UInt8] = []
            for scalar in text.scalars {
                try renderer.meter.work()
                try renderer.meter.allow(result.count)
                switch try renderer.item(table, .integer(Int(scalar.value))) {
                case .undefined: append(scalar, to: &result)
                case .none: break
                case .string(let text): result += text.bytes
                case let value:
                    let number = try renderer.index(value, "a character of translate()")
                    guard let scalar = UInt32(exactly: number).flatMap(Unicode.Scalar.init) else {
                        throw HeedError(.badInput, "translate() names no character", got: "\(number)")
                    }
                    append(scalar, to: &result)
                }
            }
            return try renderer.string(result, like: text)
        },
        "maketrans": { renderer, _, arguments in
            let given = try arguments.bind("maketrans", ["x", "y", "z"], required: 1, positionalOnly: 3)
            let table = DictionaryObject(meter: renderer.meter)
            func set(_ scalar: Unicode.Scalar, _ value: Value) throws {
                try table.set(.integer(Int(scalar.value)), to: value, renderer.meter)
            }
            guard let second = given[1] else {
                guard case .dictionary(let pairs)? = given[0] else {
                    throw HeedError(.badInput, "maketrans() with one argument takes a dictionary")
                }
                for (key, value) in zip(pairs.keys, pairs.values) {
                    if case .string(let text) = key {
                        guard text.count == 1, let scalar = text.scalars.first else {
                            throw HeedError(.badInput, "the keys of maketrans() are single characters")
                        }
                        try set(scalar, value)
                    } else {
                        try table.set(key, to: value, renderer.meter)
                    }
                }
                return .dictionary(table)
            }
            let from = try renderer.text(given[0].or(.none), "the first argument of maketrans()").scalars
            let to = try renderer.text(second, "the second argument of maketrans()").scalars
            guard from.count == to.count else {
                throw HeedError(.badInput, "the first two arguments of maketrans() are of one length")
            }
            for (from, to) in zip(from, to) { try set(from, .integer(Int(to.value))) }
            if let third = given[2] {
                for scalar in try renderer.text(third, "the third argument of maketrans()").scalars {
                    try set(scalar, .none)
                }
            }
            return .dictionary(table)
        },
    ]

    private static func mapped(
        _ name: String, _ renderer: Renderer, _ owner: Value, _ arguments: Arguments,
        _ map: ([Unicode.Scalar]) -> [Unicode.Scalar]
    ) throws -> Value {
        _ = try arguments.bind(name, [])
        let text = try renderer.text(owner, "the text")
        try renderer.meter.copy(4 * text.bytes.count)
        return try renderer.string(map(text.scalars), like: text)
    }

    /// Methods that answer what a text is made of.
    static let stringQuestions: [String: Method] = [
        "isspace": { try all("isspace", $0, $1, $2) { $0.isSpace } },
        "isalpha": { try all("isalpha", $0, $1, $2) { $0.isLetter } },
        "isalnum": { try all("isalnum", $0, $1, $2) { $0.isAlphanumeric } },
        "isdigit": { try all("isdigit", $0, $1, $2) { $0.isDigit } },
        "isdecimal": { try all("isdecimal", $0, $1, $2) { $0.isDecimalDigit } },
        "isnumeric": { try all("isnumeric", $0, $1, $2) { $0.isNumeric } },
        "isprintable": { try all("isprintable", $0, $1, $2, whenEmpty: true) { $0.isPrintable } },
        "isascii": { try all("isascii", $0, $1, $2, whenEmpty: true) { $0.value < 0x80 } },
        "islower": { renderer, owner, arguments in
            _ = try arguments.bind("islower", [])
            return .bool(isCased(try renderer.text(owner, "the text").scalars, isUpper: false))
        },
        "isupper": { renderer, owner, arguments in
            _ = try arguments.bind("isupper", [])
            return .bool(isCased(try renderer.text(owner, "the text").scalars, isUpper: true))
        },
        "istitle": { renderer, owner, arguments in
            _ = try arguments.bind("istitle", [])
            var found = false
            var followsCased = false
            for scalar in try renderer.text(owner, "the text").scalars {
                if scalar.properties.isUppercase || LetterCase.isTitle(scalar) {
                    if followsCased { return .bool(false) }
                    followsCased = true
                    found = true
                } else if scalar.properties.isLowercase {
                    if !followsCased { return .bool(false) }
                    found = true
                } else {
                    followsCased = false
                }
            }
            return .bool(found)
        },
        "isidentifier": { renderer, owner, arguments in
            _ = try arguments.bind("isidentifier", [])
            let scalars = try renderer.text(owner, "the text").scalars
            return .bool((scalars.first?.startsName ?? false) && scalars.allSatisfy(\.continuesName))
        },
    ]

    private static func all(
        _ name: String, _ renderer: Renderer, _ owner: Value, _ arguments: Arguments, whenEmpty: Bool = false,
        _ holds: (Unicode.Scalar) -> Bool
    ) throws -> Value {
        _ = try arguments.bind(name, [])
        let text = try renderer.text(owner, "the text")
        try renderer.meter.copy(text.bytes.count)
        return .bool(text.isEmpty ? whenEmpty : text.scalars.allSatisfy(holds))
    }
}
