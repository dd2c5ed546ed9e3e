import HeedSupport

extension Methods {
    /// Methods that look for a part of a text.
    static let stringSearch: [String: Method] = [
        "find": { .integer(try found("find", $0, $1, $2, last: false) ?? -1) },
        "rfind": { .integer(try found("rfind", $0, $1, $2, last: true) ?? -1) },
        "index": { renderer, owner, arguments in
            guard let place = try found("index", renderer, owner, arguments, last: false) else { throw missing() }
            return .integer(place)
        },
        "rindex": { renderer, owner, arguments in
            guard let place = try found("rindex", renderer, owner, arguments, last: true) else { throw missing() }
            return .integer(place)
        },
        "count": { renderer, owner, arguments in
            guard let part = try Part("count", renderer, owner, arguments) else { return .integer(0) }
            if part.needle.isEmpty { return .integer(scalarCount(part.text.bytes[part.start..<part.end]) + 1) }
            var count = 0
            var at = part.start
            while let place = HeedTemplates.find(part.needle.bytes, in: part.text.bytes, from: at, to: part.end) {
                count += 1
                at = place + part.needle.bytes.count
            }
            return .integer(count)
        },
        "startswith": { try touches("startswith", $0, $1, $2, atEnd: false) },
        "endswith": { try touches("endswith", $0, $1, $2, atEnd: true) },
        "replace": { renderer, owner, arguments in
            let given = try arguments.bind("replace", ["old", "new", "count"], required: 2, positionalOnly: 3)
            let text = try renderer.text(owner, "the text")
            var new = try renderer.text(given[1].or(.none), "the new text of replace()")
            if text.isMarkup { new = try renderer.escaped(new) }
            let count = try given[2].map { try renderer.index($0, "the count of replace()") } ?? -1
            let old = try renderer.text(given[0].or(.none), "the old text of replace()")
            return try renderer.string(try renderer.replacing(text, old, new, count), like: text)
        },
        "removeprefix": { renderer, owner, arguments in
            let text = try renderer.text(owner, "the text")
            let part = try renderer.text(
                try arguments.bind("removeprefix", ["prefix"], required: 1, positionalOnly: 1)[0].or(.none),
                "the prefix")
            guard hasPart(part.bytes, in: text.bytes, at: 0) else { return owner }
            return try renderer.string(Array(text.bytes.dropFirst(part.bytes.count)), like: text)
        },
        "removesuffix": { renderer, owner, arguments in
            let text = try renderer.text(owner, "the text")
            let part = try renderer.text(
                try arguments.bind("removesuffix", ["suffix"], required: 1, positionalOnly: 1)[0].or(.none),
                "the suffix")
            guard hasPart(part.bytes, in: text.bytes, at: text.bytes.count - part.bytes.count) else { return owner }
            return try renderer.string(Array(text.bytes.dropLast(part.bytes.count)), like: text)
        },
    ]

    private static func missing() -> HeedError { HeedError(.badInput, "the part is not in the text") }

    /// A text, what is looked for, and where.
    private struct Part {
        let text: Text
        let needle: Text
        /// Byte offsets.
        let start: Int
        let end: Int

        /// Nil where the bounds leave no place.
        init?(_ name: String, _ renderer: Renderer, _ owner: Value, _ arguments: Arguments) throws {
            let given = try arguments.bind(name, ["sub", "start", "end"], required: 1, positionalOnly: 3)
            text = try renderer.text(owner, "the text")
            needle = try renderer.text(given[0].or(.none), "what \(name)() looks for")
            try renderer.meter.copy(text.bytes.count + needle.bytes.count)
            guard let bounds = try bounds(text, given[1], given[2], name, renderer) else { return nil }
            (start, end) = bounds
        }
    }

    /// Bounds in characters as byte offsets; nil where the first is after the second or the end.
    private static func bounds(
        _ text: Text, _ start: Value?, _ end: Value?, _ name: String, _ renderer: Renderer
    ) throws -> (Int, Int)? {
        func bound(_ value: Value?, _ standard: Int) throws -> Int {
            guard let value, !value.isNone else { return standard }
            guard let index = value.index else {
                throw HeedError(.badInput, "a bound of \(name)() must be an integer", got: "a \(value.typeName)")
            }
            return Int(min(max(index < 0 ? index + Int128(text.count) : index, 0), Int128(Int.max)))
        }
        let (low, high) = (try bound(start, 0), min(try bound(end, text.count), text.count))
        return low > high ? nil : (text.offset(of: low), text.offset(of: high))
    }

    private static func found(
        _ name: String, _ renderer: Renderer, _ owner: Value, _ arguments: Arguments, last: Bool
    ) throws -> Int? {
        guard let part = try Part(name, renderer, owner, arguments) else { return nil }
        let place =
            last
            ? findLast(part.needle.bytes, in: part.text.bytes, from: part.start, to: part.end)
            : HeedTemplates.find(part.needle.bytes, in: part.text.bytes, from: part.start, to: part.end)
        return place.map { part.text.index(of: $0) }
    }

    private static func touches(
        _ name: String, _ renderer: Renderer, _ owner: Value, _ arguments: Arguments, atEnd: Bool
    ) throws -> Value {
        let given = try arguments.bind(name, ["prefix", "start", "end"], required: 1, positionalOnly: 3)
        let text = try renderer.text(owner, "the text")
        let bounds = try bounds(text, given[1], given[2], name, renderer)
        let parts: [Value]
        if case .tuple(let tuple)? = given[0] { parts = tuple.elements } else { parts = [given[0].or(.none)] }
        for part in parts {
            let bytes = try renderer.text(part, "what \(name)() looks for").bytes
            try renderer.meter.copy(bytes.count)
            guard let (start, end) = bounds, bytes.count <= end - start else { continue }
            if hasPart(bytes, in: text.bytes, at: atEnd ? end - bytes.count : start) { return .bool(true) }
        }
        return .bool(false)
    }
}

extension Renderer {
    /// A text with at most `count` occurrences of `old` replaced; all where `count` is negative.
    func replacing(_ text: Text, _ old: Text, _ new: Text, _ count: Int) throws -> [UInt8] {
        try meter.copy(text.bytes.count + old.bytes.count)
        var left = count < 0 ? Int.max : count
        var result: [UInt8] = []
        var at = 0
        func add(_ bytes: some Collection<UInt8>) throws {
            try meter.work()
            try meter.copy(bytes.count)
            try meter.allow(result.count + bytes.count)
            result += bytes
        }
        if old.isEmpty {
            // The new text goes before every character and to the end.
            while left > 0 {
                try add(new.bytes)
                left -= 1
                guard at < text.bytes.count else { return result }
                let length = scalarLength(text.bytes[at])
                try add(text.bytes[at..<at + length])
                at += length
            }
            try add(text.bytes[at...])
            return result
        }
        while left > 0, let place = find(old.bytes, in: text.bytes, from: at) {
            try add(text.bytes[at..<place])
            try add(new.bytes)
            at = place + old.bytes.count
            left -= 1
        }
        if at == 0 { return text.bytes }
        try add(text.bytes[at...])
        return result
    }
}
