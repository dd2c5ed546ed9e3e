import HeedSupport

extension Filters {
    /// Filters of texts.
    static let text: [String: Method] = [
        "upper": { try $0.mapped("upper", $1, $2, LetterCase.upper) },
        "lower": { try $0.mapped("lower", $1, $2, LetterCase.lower) },
        "capitalize": { try $0.mapped("capitalize", $1, $2, LetterCase.capitalised) },
        "title": { renderer, value, arguments in
            try renderer.mapped("title", .string(try renderer.plainText(value)), arguments, titled)
        },
        "string": { renderer, value, arguments in
            _ = try arguments.bind("string", [])
            return .string(try renderer.softText(value))
        },
        "tojson": { try $0.json($1, $2) },
        "trim": { renderer, value, arguments in
            let characters = try arguments.bind("trim", ["chars"])[0].or(.none)
            return try renderer.stripped(try renderer.softText(value), characters)
        },
        "replace": { renderer, value, arguments in
            let given = try arguments.bind("replace", ["old", "new", "count"], required: 2)
            let count = try given[2].flatMap { $0.isNone ? nil : try renderer.index($0, "the count") } ?? -1
            var (text, old) = (try renderer.softText(value), try renderer.softText(given[0].or(.none)))
            var new = try renderer.softText(given[1].or(.none))
            guard renderer.escapes else {
                return .string(renderer.make(try renderer.replacing(text, old, new, count)))
            }
            if old.isMarkup || new.isMarkup && !text.isMarkup { text = try renderer.escaped(text) }
            if text.isMarkup { new = try renderer.escaped(new) }
            old = try renderer.softText(.string(old))
            return try renderer.string(try renderer.replacing(text, old, new, count), like: text)
        },
        "center": { renderer, value, arguments in
            let width = try arguments.bind("center", ["width"])[0].or(.integer(80))
            let text = Value.string(try renderer.softText(value))
            guard let center = Methods.string["center"] else { return text }
            return try center(renderer, text, Arguments(positional: [width]))
        },
        "format": { renderer, value, arguments in
            if !arguments.positional.isEmpty, !arguments.keywords.isEmpty {
                throw HeedError(.badInput, "format takes values with names or without, not both")
            }
            let text = try renderer.softText(value)
            if arguments.keywords.isEmpty {
                return try renderer.percentFormat(text, try renderer.tuple(arguments.positional))
            }
            return try renderer.percentFormat(text, .dictionary(try renderer.dictionary(arguments, "format")))
        },
        "indent": { renderer, value, arguments in
            let given = try arguments.bind("indent", ["width", "first", "blank"])
            return try indented(
                value, by: given[0].or(.integer(4)), first: try isOn(given[1], renderer),
                blank: try isOn(given[2], renderer), renderer)
        },
        "truncate": { renderer, value, arguments in
            let given = try arguments.bind("truncate", ["length", "killwords", "end", "leeway"])
            let length = try given[0].map { try renderer.index($0, "the length") } ?? 255
            let end = try given[2].map { try renderer.text($0, "the end") } ?? Text("...")
            let leeway = try given[3].flatMap { $0.isNone ? nil : try renderer.index($0, "the leeway") } ?? 5
            guard length >= end.count, leeway >= 0 else {
                throw HeedError(
                    .badInput, "truncate needs a length of its end at least, and a leeway that is not negative")
            }
            if try renderer.length(value) - leeway <= length { return value }
            let text = try renderer.text(value, "what truncate shortens")
            var bytes = Array(text.bytes[..<text.offset(of: length - end.count)])
            if try !isOn(given[1], renderer), let space = bytes.lastIndex(of: 0x20) { bytes.removeSubrange(space...) }
            return try renderer.apply(.add, try renderer.string(bytes, like: text), .string(end))
        },
        "wordcount": { renderer, value, arguments in
            _ = try arguments.bind("wordcount", [])
            var count = 0
            var isInside = false
            for scalar in try renderer.softText(value).scalars {
                let isWord = scalar.isAlphanumeric || scalar == "_"
                if isWord, !isInside { count += 1 }
                isInside = isWord
            }
            return .integer(count)
        },
        "wordwrap": { renderer, value, arguments in
            let given = try arguments.bind(
                "wordwrap", ["width", "break_long_words", "wrapstring", "break_on_hyphens"])
            let width = try given[0].map { try renderer.index($0, "the width") } ?? 79
            guard width > 0 else { throw HeedError(.badInput, "wordwrap needs a width above 0") }
            let text = try renderer.text(value, "what wordwrap wraps")
            let end = try given[2].flatMap { $0.isNone ? nil : try renderer.text($0, "the wrapstring").bytes } ?? [0x0A]
            let wrap = WordWrap(
                width: width, breaksLongWords: try given[1].map { try renderer.isTrue($0) } ?? true,
                breaksOnHyphens: try given[3].map { try renderer.isTrue($0) } ?? true)
            var result: [UInt8] = []
            for (place, line) in try Methods.lines(text).enumerated() {
                if place > 0 { result += end }
                for (place, piece) in try wrap.lines(decodeScalars(line), renderer.meter).enumerated() {
                    if place > 0 { result += end }
                    result += encodeScalars(piece)
                    try renderer.meter.copy(end.count)
                    try renderer.meter.allow(result.count)
                }
            }
            return .string(renderer.make(result))
        },
        "pprint": { renderer, value, arguments in
            _ = try arguments.bind("pprint", [])
            var printer = PrettyPrinter(renderer)
            return .string(renderer.make(try printer.run(value)))
        },
    ]

    /// Words begin after white space and the characters `-({[<`.
    private static func titled(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        func separates(_ scalar: Unicode.Scalar) -> Bool { scalar.isSpace || "-({[<".unicodeScalars.contains(scalar) }
        var result: [Unicode.Scalar] = []
        var at = 0
        while at < scalars.count {
            var end = at
            while end < scalars.count, separates(scalars[end]) == separates(scalars[at]) { end += 1 }
            result += LetterCase.upper([scalars[at]]) + LetterCase.lower(Array(scalars[(at + 1)..<end]))
            at = end
        }
        return result
    }

    private static func indented(
        _ value: Value, by width: Value, first: Bool, blank: Bool, _ renderer: Renderer
    ) throws -> Value {
        let text = try renderer.text(value, "what indent indents")
        var indentation: Text
        if case .string(let given) = width {
            indentation = given
        } else {
            let count = max(try renderer.index(width, "the width of indent"), 0)
            try renderer.meter.copy(count)
            indentation = renderer.make([UInt8](repeating: 0x20, count: count))
        }
        if text.isMarkup { indentation = renderer.make(indentation.bytes, isMarkup: true) }
        if indentation.isMarkup, !text.isMarkup { throw HeedError(.unsupported, "indent with markup of plain text") }
        var result: [UInt8] = first ? indentation.bytes : []
        let lines = try Methods.lines(renderer.make(text.bytes + [0x0A]))
        for (place, line) in lines.enumerated() {
            if place > 0 {
                result.append(0x0A)
                if blank || !line.isEmpty { result += indentation.bytes }
            }
            result += line
            try renderer.meter.copy(line.count + indentation.bytes.count)
            try renderer.meter.allow(result.count + indentation.bytes.count)
        }
        return try renderer.string(result, like: text)
    }
}

extension Renderer {
    /// A text with every character changed.
    func mapped(
        _ name: String, _ value: Value, _ arguments: Arguments, _ map: ([Unicode.Scalar]) -> [Unicode.Scalar]
    ) throws -> Value {
        _ = try arguments.bind(name, [])
        let text = try softText(value)
        try meter.copy(4 * text.bytes.count)
        return try string(map(text.scalars), like: text)
    }
}
