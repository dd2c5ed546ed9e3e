import HeedSupport

extension Filters {
    /// Filters of lists and dictionaries.
    static let sequence: [String: Method] = [
        "length": length, "count": length,
        "default": standard, "d": standard,
        "list": { renderer, value, arguments in
            _ = try arguments.bind("list", [])
            return try renderer.list(try renderer.elements(value))
        },
        "first": { renderer, value, arguments in
            _ = try arguments.bind("first", [])
            return try renderer.iterate(value).next(renderer)
                ?? .undefined(Undefined(hint: "there is no first element, the list is empty"))
        },
        "last": { renderer, value, arguments in
            _ = try arguments.bind("last", [])
            guard let elements = try reversible(value, renderer) else {
                throw HeedError(.badInput, "a \(value.typeName) cannot be read from its end", advice: "Use |list|last")
            }
            return elements.last ?? .undefined(Undefined(hint: "there is no last element, the list is empty"))
        },
        "random": { renderer, value, arguments in
            _ = try arguments.bind("random", [])
            let count = try renderer.length(value)
            guard count > 0 else {
                return .undefined(Undefined(hint: "there is no element to choose, the list is empty"))
            }
            let place = Int.random(in: 0..<count, using: &renderer.random)
            let chosen = try renderer.item(value, .integer(place))
            if case .undefined(let undefined) = chosen { throw undefined.failure }
            return chosen
        },
        "join": { renderer, value, arguments in
            let given = try arguments.bind("join", ["d", "attribute"])
            let path = try given[1].flatMap { $0.isNone ? nil : try Path($0, renderer) }
            var texts: [Text] = []
            let iterator = try renderer.iterate(value)
            var size = 0
            while let element = try iterator.next(renderer) {
                try renderer.meter.work()
                let item = try path?.value(of: element, renderer) ?? element
                let text = try renderer.softText(item)
                size += text.bytes.count + 16
                try renderer.meter.allow(size)
                texts.append(text)
            }
            var separator = try renderer.softText(given[0].or(.string(Text.empty)))
            let isMarkup = renderer.escapes && (separator.isMarkup || texts.contains { $0.isMarkup })
            if isMarkup {
                separator = try renderer.escaped(separator)
                texts = try texts.map { try renderer.escaped($0) }
            }
            var bytes: [UInt8] = []
            for (place, text) in texts.enumerated() {
                if place > 0 { bytes += separator.bytes }
                bytes += text.bytes
                try renderer.meter.copy(text.bytes.count + separator.bytes.count)
                try renderer.meter.allow(bytes.count + separator.bytes.count)
            }
            return .string(renderer.make(bytes, isMarkup: isMarkup))
        },
        "items": { renderer, value, arguments in
            _ = try arguments.bind("items", [])
            var pairs: (any ValueIterator)?
            return .object(
                try GeneratorObject(over: value) { renderer in
                    if pairs == nil {
                        switch value {
                        case .undefined: return nil
                        case .dictionary(let dictionary):
                            pairs = try renderer.iterate(.object(DictionaryView(dictionary, .items)))
                        default: throw HeedError(.badInput, "items takes a dictionary", got: "a \(value.typeName)")
                        }
                    }
                    return try pairs?.next(renderer)
                })
        },
        "reverse": { renderer, value, arguments in
            _ = try arguments.bind("reverse", [])
            if case .string(let text) = value { return try renderer.string(text.scalars.reversed(), like: text) }
            guard let elements = try reversible(value, renderer) else {
                return try renderer.list(try renderer.elements(value).reversed())
            }
            var left = elements.count
            return .object(
                try GeneratorObject("reversed", over: value) { _ in
                    guard left > 0 else { return nil }
                    left -= 1
                    return elements[left]
                })
        },
        "sort": { renderer, value, arguments in
            let given = try arguments.bind("sort", ["reverse", "case_sensitive", "attribute"])
            let paths = try Path.several(given[2].or(.none), renderer)
            let ignoresCase = try !isOn(given[1], renderer)
            let elements = try renderer.elements(value)
            let keys = try elements.map { element in
                try renderer.list(
                    try paths.map { path in
                        let key = try path.value(of: element, renderer)
                        return ignoresCase ? try ignoringCase(key, renderer) : key
                    })
            }
            return try renderer.list(try ordered(elements, keys, reverse: try isOn(given[0], renderer), renderer))
        },
        "dictsort": { renderer, value, arguments in
            let given = try arguments.bind("dictsort", ["case_sensitive", "by", "reverse"])
            let by = try given[1].map { try renderer.text($0, "the argument by of dictsort").string } ?? "key"
            guard by == "key" || by == "value" else {
                throw HeedError(.badInput, "dictsort sorts by key or value", got: quoted(by))
            }
            guard case .dictionary(let dictionary) = value else {
                if case .undefined(let undefined) = value { throw undefined.failure }
                throw HeedError(.badInput, "dictsort takes a dictionary", got: "a \(value.typeName)")
            }
            let ignoresCase = try !isOn(given[0], renderer)
            let keys = try (by == "key" ? dictionary.keys : dictionary.values).map {
                ignoresCase ? try ignoringCase($0, renderer) : $0
            }
            let pairs = try DictionaryView(dictionary, .items).elements(renderer.meter)
            return try renderer.list(try ordered(pairs, keys, reverse: try isOn(given[2], renderer), renderer))
        },
        "unique": { renderer, value, arguments in
            let given = try arguments.bind("unique", ["case_sensitive", "attribute"])
            let path = try Path(given[1].or(.none), renderer)
            let ignoresCase = try !isOn(given[0], renderer)
            let seen = DictionaryObject(meter: renderer.meter)
            var iterator: (any ValueIterator)?
            return .object(
                try GeneratorObject(over: value) { renderer in
                    let source = try iterator ?? renderer.iterate(value)
                    iterator = source
                    while let element = try source.next(renderer) {
                        try renderer.meter.work()
                        var key = try path.value(of: element, renderer)
                        if ignoresCase { key = try ignoringCase(key, renderer) }
                        _ = try hash(key, renderer.meter)
                        if try seen.position(of: key, renderer.meter) != nil { continue }
                        try seen.set(key, to: .none, renderer.meter)
                        return element
                    }
                    return nil
                })
        },
        "groupby": { renderer, value, arguments in
            let given = try arguments.bind("groupby", ["attribute", "default", "case_sensitive"], required: 1)
            return try grouped(
                value, try Path(given[0].or(.none), renderer), given[1], ignoresCase: try !isOn(given[2], renderer),
                renderer)
        },
        "min": { try extreme("min", $0, $1, $2, wanted: .before) },
        "max": { try extreme("max", $0, $1, $2, wanted: .after) },
        "sum": { renderer, value, arguments in
            let given = try arguments.bind("sum", ["attribute", "start"])
            let path = try given[0].flatMap { $0.isNone ? nil : try Path($0, renderer) }
            var sum = given[1].or(.integer(0))
            if sum.text != nil { throw HeedError(.badInput, "sum does not add texts", advice: "Use join") }
            let iterator = try renderer.iterate(value)
            while let element = try iterator.next(renderer) {
                try renderer.meter.work()
                sum = try renderer.apply(.add, sum, try path?.value(of: element, renderer) ?? element)
            }
            return sum
        },
        "batch": { renderer, value, arguments in
            let given = try arguments.bind("batch", ["linecount", "fill_with"], required: 1)
            let count = given[0].or(.none)
            var iterator: (any ValueIterator)?
            var pending: Value?
            return .object(
                try GeneratorObject(over: value) { renderer in
                    let source = try iterator ?? renderer.iterate(value)
                    iterator = source
                    var batch: [Value] = pending.map { [$0] } ?? []
                    pending = nil
                    while let element = try source.next(renderer) {
                        try renderer.meter.work()
                        if try equal(.integer(batch.count), count, renderer.meter) {
                            pending = element
                            return try renderer.list(batch)
                        }
                        batch.append(element)
                    }
                    if batch.isEmpty { return nil }
                    if let fill = given[1], !fill.isNone {
                        let wanted = try renderer.index(count, "the size of batch")
                        try renderer.meter.copy(max(wanted, 0))
                        while batch.count < wanted { batch.append(fill) }
                    }
                    return try renderer.list(batch)
                })
        },
        "slice": { renderer, value, arguments in
            let given = try arguments.bind("slice", ["slices", "fill_with"], required: 1)
            var at = 0
            var elements: [Value]?
            var offset = 0
            return .object(
                try GeneratorObject(over: value) { renderer in
                    let all = try elements ?? renderer.elements(value)
                    elements = all
                    let slices = try renderer.index(given[0].or(.none), "the number of slices")
                    if slices == 0 { throw HeedError(.badInput, "slice makes at least one slice") }
                    guard at < slices else { return nil }
                    let (size, longer) = (all.count / slices, all.count % slices)
                    let start = offset + at * size
                    if at < longer { offset += 1 }
                    let end = offset + (at + 1) * size
                    var part = Array(all[start..<end])
                    if let fill = given[1], !fill.isNone, at >= longer { part.append(fill) }
                    at += 1
                    return try renderer.list(part)
                })
        },
    ]

    private static let length: Method = { renderer, value, arguments in
        _ = try arguments.bind("length", [])
        return .integer(try renderer.length(value))
    }

    private static let standard: Method = { renderer, value, arguments in
        let given = try arguments.bind("default", ["default_value", "boolean"])
        if value.isUndefined { return given[0].or(.string(Text.empty)) }
        if try isOn(given[1], renderer), try !renderer.isTrue(value) { return given[0].or(.string(Text.empty)) }
        return value
    }

    /// The elements of what Python can read from its end, or nil.
    private static func reversible(_ value: Value, _ renderer: Renderer) throws -> [Value]? {
        switch value {
        case .list, .tuple, .dictionary, .string: return try renderer.elements(value)
        case .undefined: return []
        case .object(let object) where object is RangeObject || object is DictionaryView:
            return try renderer.elements(value)
        default: return nil
        }
    }

    /// The elements in the order of their keys.
    private static func ordered(
        _ elements: [Value], _ keys: [Value], reverse: Bool, _ renderer: Renderer
    ) throws -> [Value] {
        let places = try sorted(Array(elements.indices)) { first, second in
            try renderer.meter.work()
            let (left, right) = reverse ? (keys[second], keys[first]) : (keys[first], keys[second])
            return try order(left, right, "<", renderer.meter) == .before
        }
        return places.map { elements[$0] }
    }

    private static func grouped(
        _ value: Value, _ path: Path, _ standard: Value?, ignoresCase: Bool, _ renderer: Renderer
    ) throws -> Value {
        let elements = try renderer.elements(value)
        func key(_ element: Value) throws -> Value {
            let key = try path.value(of: element, standard: standard, renderer)
            return ignoresCase ? try ignoringCase(key, renderer) : key
        }
        let sorted = try ordered(elements, try elements.map(key), reverse: false, renderer)
        var groups: [(key: Value, members: [Value])] = []
        for element in sorted {
            let key = try key(element)
            if let last = groups.last, try equal(last.key, key, renderer.meter) {
                groups[groups.count - 1].members.append(element)
            } else {
                groups.append((key, [element]))
            }
        }
        return try renderer.list(
            try groups.map { group in
                let name =
                    ignoresCase ? try path.value(of: group.members[0], standard: standard, renderer) : group.key
                return .tuple(try GroupObject([name, try renderer.list(group.members)], meter: renderer.meter))
            })
    }

    private static func extreme(
        _ name: String, _ renderer: Renderer, _ value: Value, _ arguments: Arguments, wanted: Order
    ) throws -> Value {
        let given = try arguments.bind(name, ["case_sensitive", "attribute"])
        let path = try Path(given[1].or(.none), renderer)
        let ignoresCase = try !isOn(given[0], renderer)
        var best: (key: Value, value: Value)?
        let iterator = try renderer.iterate(value)
        while let element = try iterator.next(renderer) {
            try renderer.meter.work()
            var key = try path.value(of: element, renderer)
            if ignoresCase { key = try ignoringCase(key, renderer) }
            if let current = best {
                if try order(key, current.key, wanted == .before ? "<" : ">", renderer.meter) == wanted {
                    best = (key, element)
                }
            } else {
                best = (key, element)
            }
        }
        return best?.value ?? .undefined(Undefined(hint: "\(name) of an empty list"))
    }
}
