import HeedSupport

/// Python's `pprint.pformat`: values that do not fit into 80 columns one element a line, keys sorted.
struct PrettyPrinter {
    private let renderer: Renderer
    private var result: [UInt8] = []

    init(_ renderer: Renderer) { self.renderer = renderer }

    mutating func run(_ value: Value) throws -> [UInt8] {
        try write(value, indentation: 0, allowance: 0)
        return result
    }

    private mutating func add(_ bytes: [UInt8]) throws {
        try renderer.meter.copy(bytes.count)
        try renderer.meter.allow(result.count + bytes.count)
        result += bytes
    }

    private mutating func add(_ text: String) throws { try add(Array(text.utf8)) }

    private mutating func write(_ value: Value, indentation: Int, allowance: Int) throws {
        try renderer.meter.work()
        let plain = try flat(value)
        if scalarCount(plain) <= 80 - indentation - allowance { return try add(plain) }
        switch value {
        case .list(let list): try elements(list, "[", "]", indentation, allowance)
        case .tuple(let tuple):
            try elements(tuple, "(", tuple.elements.count == 1 ? ",)" : ")", indentation, allowance)
        case .dictionary(let dictionary) where dictionary.count > 0:
            try add("{")
            let order = order(dictionary)
            for (place, index) in order.enumerated() {
                let key = try flat(dictionary.keys[index])
                try add(key + Array(": ".utf8))
                let isLast = place == order.count - 1
                try write(
                    dictionary.values[index], indentation: indentation + 1 + scalarCount(key) + 2,
                    allowance: isLast ? allowance + 1 : 1)
                if !isLast { try add(",\n" + String(repeating: " ", count: indentation + 1)) }
            }
            try add("}")
        default: try add(plain)
        }
    }

    private mutating func elements(
        _ list: ListObject, _ open: String, _ close: String, _ indentation: Int, _ allowance: Int
    ) throws {
        try add(open)
        for (place, element) in list.elements.enumerated() {
            let isLast = place == list.elements.count - 1
            try write(element, indentation: indentation + 1, allowance: isLast ? allowance + close.utf8.count : 1)
            if !isLast { try add(",\n" + String(repeating: " ", count: indentation + 1)) }
        }
        try add(close)
    }

    /// `repr`, with the keys of dictionaries sorted.
    private func flat(_ value: Value) throws -> [UInt8] {
        var bytes: [UInt8] = []
        func join(_ parts: [[UInt8]], _ open: String, _ close: String) -> [UInt8] {
            Array(open.utf8) + parts.joined(separator: Array(", ".utf8)) + Array(close.utf8)
        }
        switch value {
        case .list(let list): bytes = join(try list.elements.map { try flat($0) }, "[", "]")
        case .tuple(let tuple):
            bytes = join(try tuple.elements.map { try flat($0) }, "(", tuple.elements.count == 1 ? ",)" : ")")
        case .dictionary(let dictionary):
            bytes = join(
                try order(dictionary).map {
                    try flat(dictionary.keys[$0]) + Array(": ".utf8) + flat(dictionary.values[$0])
                }, "{", "}")
        default: bytes = try renderer.representation(value).bytes
        }
        try renderer.meter.copy(bytes.count)
        try renderer.meter.work()
        return bytes
    }

    /// The members in the order of their keys: by `<` where the keys have one, else by the names of their types.
    private func order(_ dictionary: DictionaryObject) -> [Int] {
        sorted(Array(0..<dictionary.count)) { first, second in
            let (left, right) = (dictionary.keys[first], dictionary.keys[second])
            if let order = try? HeedTemplates.order(left, right, "<", renderer.meter) { return order == .before }
            return left.typeName.utf8.lexicographicallyPrecedes(right.typeName.utf8)
        }
    }
}
