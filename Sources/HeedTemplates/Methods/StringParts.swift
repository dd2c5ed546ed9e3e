import HeedSupport

extension Methods {
    /// Methods that cut texts and put them together.
    static let stringParts: [String: Method] = [
        "split": { try split("split", $0, $1, $2, fromEnd: false) },
        "rsplit": { try split("rsplit", $0, $1, $2, fromEnd: true) },
        "splitlines": { renderer, owner, arguments in
            let keeps = try arguments.bind("splitlines", ["keepends"])[0].map { try renderer.isTrue($0) } ?? false
            let text = try renderer.text(owner, "the text")
            return try renderer.list(try lines(text, keepingEnds: keeps).map { try renderer.string($0, like: text) })
        },
        "partition": { renderer, owner, arguments in
            let (text, separator) = try separator("partition", renderer, owner, arguments)
            let place = HeedTemplates.find(separator.bytes, in: text.bytes, from: 0)
            return try parts(renderer, text, separator, place, emptyFirst: false)
        },
        "rpartition": { renderer, owner, arguments in
            let (text, separator) = try separator("rpartition", renderer, owner, arguments)
            let place = findLast(separator.bytes, in: text.bytes, from: 0, to: text.bytes.count)
            return try parts(renderer, text, separator, place, emptyFirst: true)
        },
        "join": { renderer, owner, arguments in
            let values = try arguments.bind("join", ["iterable"], required: 1, positionalOnly: 1)[0].or(.none)
            let text = try renderer.text(owner, "the separator")
            var result: [UInt8] = []
            for (place, value) in try renderer.elements(values).enumerated() {
                var part: Text
                if text.isMarkup {
                    part = try renderer.escaped(value)
                } else {
                    part = try renderer.text(value, "element \(place) of join()")
                }
                if place > 0 { part = renderer.make(text.bytes + part.bytes) }
                try renderer.meter.copy(part.bytes.count)
                try renderer.meter.allow(result.count + part.bytes.count)
                result += part.bytes
            }
            return try renderer.string(result, like: text)
        },
        "strip": { try strip("strip", $0, $1, $2, atStart: true, atEnd: true) },
        "lstrip": { try strip("lstrip", $0, $1, $2, atStart: true, atEnd: false) },
        "rstrip": { try strip("rstrip", $0, $1, $2, atStart: false, atEnd: true) },
        "format": { renderer, owner, arguments in
            try renderer.braceFormat(try renderer.text(owner, "the format"), arguments)
        },
        "format_map": { renderer, owner, arguments in
            let map = try arguments.bind("format_map", ["mapping"], required: 1, positionalOnly: 1)[0].or(.none)
            return try renderer.braceFormat(try renderer.text(owner, "the format"), .none, map: map)
        },
        "encode": { _, _, _ in throw HeedError(.unsupported, "encode() makes bytes, which templates do not have here")
        },
    ]

    private static func split(
        _ name: String, _ renderer: Renderer, _ owner: Value, _ arguments: Arguments, fromEnd: Bool
    ) throws -> Value {
        let given = try arguments.bind(name, ["sep", "maxsplit"])
        let text = try renderer.text(owner, "the text")
        let most = try given[1].map { try renderer.index($0, "maxsplit of \(name)()") } ?? -1
        let limit = most < 0 ? Int.max : most
        try renderer.meter.copy(text.bytes.count)
        var ranges: [Range<Int>]
        switch given[0] {
        case nil, .none?: ranges = words(text.bytes, limit, fromEnd: fromEnd)
        case let separator?:
            let separator = try renderer.text(separator, "the separator of \(name)()").bytes
            if separator.isEmpty { throw HeedError(.badInput, "the separator of \(name)() is empty") }
            ranges = pieces(text.bytes, separator, limit, fromEnd: fromEnd)
        }
        try renderer.meter.work(ranges.count)
        try renderer.meter.allow(ranges.count * 160)
        return try renderer.list(try ranges.map { try renderer.string(Array(text.bytes[$0]), like: text) })
    }

    /// The words between white space, at most `limit` cuts; the rest stays whole but for white space at its borders.
    private static func words(_ bytes: [UInt8], _ limit: Int, fromEnd: Bool) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        if fromEnd {
            var end = startOfSpace(bytes, from: 0, to: bytes.count)
            while end > 0 {
                if ranges.count == limit {
                    ranges.append(0..<end)
                    break
                }
                var start = end
                while start > 0, startOfSpace(bytes, from: 0, to: start) == start {
                    start -= 1
                    while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
                }
                ranges.append(start..<end)
                end = startOfSpace(bytes, from: 0, to: start)
            }
            return ranges.reversed()
        }
        var start = endOfSpace(bytes, 0)
        while start < bytes.count {
            if ranges.count == limit {
                ranges.append(start..<bytes.count)
                break
            }
            var end = start
            while end < bytes.count, endOfSpace(bytes, end) == end { end += scalarLength(bytes[end]) }
            ranges.append(start..<end)
            start = endOfSpace(bytes, end)
        }
        return ranges
    }

    private static func pieces(_ bytes: [UInt8], _ separator: [UInt8], _ limit: Int, fromEnd: Bool) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        if fromEnd {
            var end = bytes.count
            while ranges.count < limit, let place = findLast(separator, in: bytes, from: 0, to: end) {
                ranges.append(place + separator.count..<end)
                end = place
            }
            ranges.append(0..<end)
            return ranges.reversed()
        }
        var start = 0
        while ranges.count < limit, let place = HeedTemplates.find(separator, in: bytes, from: start) {
            ranges.append(start..<place)
            start = place + separator.count
        }
        ranges.append(start..<bytes.count)
        return ranges
    }

    /// The lines of a text, by all of Python's line ends.
    static func lines(_ text: Text, keepingEnds: Bool = false) throws -> [[UInt8]] {
        let bytes = text.bytes
        var lines: [[UInt8]] = []
        var start = 0
        var at = 0
        while at < bytes.count {
            let length = lineEnd(bytes, at)
            if length == 0 {
                at += 1
                continue
            }
            lines.append(Array(bytes[start..<at + (keepingEnds ? length : 0)]))
            at += length
            start = at
        }
        if start < bytes.count { lines.append(Array(bytes[start...])) }
        return lines
    }

    /// The length of the line end at `at`, or 0.
    private static func lineEnd(_ bytes: [UInt8], _ at: Int) -> Int {
        switch bytes[at] {
        case 0x0D: return at + 1 < bytes.count && bytes[at + 1] == 0x0A ? 2 : 1
        case 0x0A...0x0C, 0x1C...0x1E: return 1
        case 0xC2: return at + 1 < bytes.count && bytes[at + 1] == 0x85 ? 2 : 0
        case 0xE2:
            guard at + 2 < bytes.count, bytes[at + 1] == 0x80 else { return 0 }
            return bytes[at + 2] == 0xA8 || bytes[at + 2] == 0xA9 ? 3 : 0
        default: return 0
        }
    }

    private static func separator(
        _ name: String, _ renderer: Renderer, _ owner: Value, _ arguments: Arguments
    ) throws -> (Text, Text) {
        let separator = try renderer.text(
            try arguments.bind(name, ["sep"], required: 1, positionalOnly: 1)[0].or(.none), "the separator")
        if separator.isEmpty { throw HeedError(.badInput, "the separator of \(name)() is empty") }
        let text = try renderer.text(owner, "the text")
        try renderer.meter.copy(text.bytes.count + separator.bytes.count)
        return (text, separator)
    }

    private static func parts(
        _ renderer: Renderer, _ text: Text, _ separator: Text, _ place: Int?, emptyFirst: Bool
    ) throws -> Value {
        let bytes = text.bytes
        let parts: [[UInt8]]
        if let place {
            parts = [Array(bytes[..<place]), separator.bytes, Array(bytes[(place + separator.bytes.count)...])]
        } else {
            parts = emptyFirst ? [[], [], bytes] : [bytes, [], []]
        }
        return try renderer.tuple(try parts.map { try renderer.string($0, like: text) })
    }

    private static func strip(
        _ name: String, _ renderer: Renderer, _ owner: Value, _ arguments: Arguments, atStart: Bool, atEnd: Bool
    ) throws -> Value {
        let characters = try arguments.bind(name, ["chars"], positionalOnly: 1)[0].or(.none)
        return try renderer.stripped(try renderer.text(owner, "the text"), characters, atStart: atStart, atEnd: atEnd)
    }
}

extension Renderer {
    /// A text without white space, or without the given characters, at its borders.
    func stripped(_ text: Text, _ characters: Value, atStart: Bool = true, atEnd: Bool = true) throws -> Value {
        let bytes = text.bytes
        var start = 0
        var end = bytes.count
        if characters.isNone {
            if atStart { start = endOfSpace(bytes, 0) }
            if atEnd { end = startOfSpace(bytes, from: start, to: end) }
        } else {
            let wanted = Set(try self.text(characters, "the characters to strip").scalars)
            try meter.copy(bytes.count)
            if atStart {
                while start < end, wanted.contains(text.scalar(at: start)) { start += scalarLength(bytes[start]) }
            }
            if atEnd {
                while end > start {
                    var last = end - 1
                    while last > start, bytes[last] & 0xC0 == 0x80 { last -= 1 }
                    guard wanted.contains(text.scalar(at: last)) else { break }
                    end = last
                }
            }
        }
        if start == 0, end == bytes.count { return .string(text) }
        return try string(Array(bytes[start..<end]), like: text)
    }
}
