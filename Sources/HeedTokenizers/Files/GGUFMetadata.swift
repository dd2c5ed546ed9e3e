import HeedSupport

/// The named values at the head of a GGUF file that have to do with its tokenizer.
///
/// Versions 2 and 3, little-endian. Every length is checked against the file before it is used; values of other names
/// are stepped over. Source: `docs/gguf.md` of the ggml project.
struct GGUFMetadata {
    /// A value; arrays of numbers are kept as what tokenizers make of them.
    enum Value {
        case integer(Int)
        case number(Float)
        case flag(Bool)
        case string([UInt8])
        case strings([[UInt8]])
        case integers([Int])
        case numbers([Float])
    }

    private var values: [String: Value] = [:]
    let place: String

    /// Reads the head of a file.
    ///
    /// - Throws: `HeedError` naming the file where it is no GGUF, of a version that is not known, or cut short.
    init(path: String) throws {
        let file = try MappedFile(path: path)
        try self.init(file.bytes, in: path)
    }

    init(_ bytes: UnsafeRawBufferPointer, in place: String) throws {
        self.place = place
        var cursor = GGUFCursor(bytes: bytes, place: place)
        guard bytes.count >= 24, bytes.prefix(4).elementsEqual("GGUF".utf8) else {
            throw HeedError(
                .badInput, "the file is no GGUF", in: place, expected: "the bytes GGUF at the start",
                advice: "Fetch the file again")
        }
        cursor.at = 4
        let version = try cursor.integer(4)
        guard version == 2 || version == 3 else {
            throw HeedError(
                .unsupported, "the file is GGUF of version \(version)", in: place,
                expected: "version 2 or 3, little-endian")
        }
        _ = try cursor.integer(8)
        let count = try cursor.integer(8)
        for _ in 0..<count {
            let name = String(decoding: try cursor.string(), as: UTF8.self)
            let type = try cursor.integer(4)
            let isWanted = name.hasPrefix("tokenizer.") || name == "general.architecture"
            let value = try cursor.value(type, name, isWanted: isWanted)
            if let value, values.updateValue(value, forKey: name) != nil {
                throw HeedError(.badInput, "the value \(quoted(name)) occurs twice", in: place)
            }
        }
    }

    private func wrong(_ name: String, _ expected: String) -> HeedError {
        HeedError(.badInput, "the value \(quoted(name)) is of the wrong kind", in: place, expected: expected)
    }

    func string(_ name: String) throws -> String? {
        switch values[name] {
        case nil: return nil
        case .string(let text)?: return String(decoding: text, as: UTF8.self)
        default: throw wrong(name, "a string")
        }
    }

    func flag(_ name: String) throws -> Bool? {
        switch values[name] {
        case nil: return nil
        case .flag(let flag)?: return flag
        default: throw wrong(name, "a boolean")
        }
    }

    func integer(_ name: String) throws -> Int? {
        switch values[name] {
        case nil: return nil
        case .integer(let value)?: return value
        default: throw wrong(name, "an integer")
        }
    }

    func strings(_ name: String) throws -> [[UInt8]] {
        switch values[name] {
        case nil: return []
        case .strings(let list)?: return list
        case .integers(let list)? where list.isEmpty: return []
        default: throw wrong(name, "an array of strings")
        }
    }

    func integers(_ name: String) throws -> [Int] {
        switch values[name] {
        case nil: return []
        case .integers(let list)?: return list
        default: throw wrong(name, "an array of integers")
        }
    }

    func numbers(_ name: String) throws -> [Float] {
        switch values[name] {
        case nil: return []
        case .numbers(let list)?: return list
        case .integers(let list)?: return list.map { Float($0) }
        default: throw wrong(name, "an array of numbers")
        }
    }
}

/// A place in the head of a GGUF file.
private struct GGUFCursor {
    let bytes: UnsafeRawBufferPointer
    let place: String
    var at = 0

    private func short(_ what: String) -> HeedError {
        HeedError(
            .badInput, "the file ends inside its metadata: \(what)", in: place,
            got: "\(grouped(bytes.count)) bytes", advice: "Fetch the file again")
    }

    /// An unsigned number of so many bytes.
    mutating func integer(_ width: Int) throws -> Int {
        guard bytes.count - at >= width else { throw short("a number of \(width) bytes does not fit") }
        var value: UInt64 = 0
        for index in (0..<width).reversed() { value = value << 8 | UInt64(bytes[at + index]) }
        at += width
        guard let result = Int(exactly: value) else { throw short("a length of \(value) is beyond any file") }
        return result
    }

    /// A length that leaves room for so many bytes each.
    private mutating func count(of width: Int) throws -> Int {
        let count = try integer(8)
        guard count <= (bytes.count - at) / max(width, 1) else {
            throw short("it claims \(grouped(count)) entries of at least \(width) bytes")
        }
        return count
    }

    mutating func string() throws -> [UInt8] {
        let count = try count(of: 1)
        defer { at += count }
        return Array(bytes[at..<at + count])
    }

    /// The bytes of a number of each type by its number in the format, 0 for what is no number.
    private static let widths = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]
    private static let signed: Set<Int> = [1, 3, 5, 11]

    /// A value, or nil where it is not wanted.
    mutating func value(_ type: Int, _ name: String, isWanted: Bool, depth: Int = 0) throws -> GGUFMetadata.Value? {
        func unknown() -> HeedError {
            HeedError(
                .badInput, "the value \(quoted(name)) has the type \(type)", in: place, expected: "a type from 0 to 12")
        }
        guard Self.widths.indices.contains(type) else { throw unknown() }
        switch type {
        case 8:
            let text = try string()
            return isWanted ? .string(text) : nil
        case 9:
            let inner = try integer(4)
            guard Self.widths.indices.contains(inner) else { throw unknown() }
            if inner == 9 {
                guard depth < 4 else { throw short("arrays nest deeper than 4") }
                for _ in 0..<(try count(of: 12)) {
                    _ = try value(9, name, isWanted: false, depth: depth + 1)
                }
                return nil
            }
            return try array(inner, isWanted: isWanted)
        default: return try isWanted ? number(type) : skip(Self.widths[type])
        }
    }

    private mutating func skip(_ count: Int) throws -> GGUFMetadata.Value? {
        guard bytes.count - at >= count else { throw short("a value of \(count) bytes does not fit") }
        at += count
        return nil
    }

    private mutating func array(_ type: Int, isWanted: Bool) throws -> GGUFMetadata.Value? {
        if type == 8 {
            let count = try count(of: 8)
            var list: [[UInt8]] = []
            if isWanted { list.reserveCapacity(count) }
            for _ in 0..<count {
                let text = try string()
                if isWanted { list.append(text) }
            }
            return isWanted ? .strings(list) : nil
        }
        let width = Self.widths[type]
        let count = try count(of: width)
        guard isWanted else { return try skip(count * width) }
        if type == 6 || type == 12 {
            return .numbers(
                try (0..<count).map { _ in
                    if case .number(let value) = try number(type) { return value }
                    return 0
                })
        }
        return .integers(
            try (0..<count).map { _ in
                switch try number(type) {
                case .integer(let value): return value
                case .flag(let flag): return flag ? 1 : 0
                default: return 0
                }
            })
    }

    private mutating func number(_ type: Int) throws -> GGUFMetadata.Value {
        let width = Self.widths[type]
        guard bytes.count - at >= width else { throw short("a number of \(width) bytes does not fit") }
        var bits: UInt64 = 0
        for index in (0..<width).reversed() { bits = bits << 8 | UInt64(bytes[at + index]) }
        at += width
        switch type {
        case 6: return .number(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        case 7: return .flag(bits != 0)
        case 12: return .number(Float(Double(bitPattern: bits)))
        case _ where Self.signed.contains(type):
            let shift = UInt64(64 - 8 * width)
            return .integer(Int(Int64(bitPattern: bits << shift) >> Int64(shift)))
        default:
            guard let value = Int(exactly: bits) else { throw short("a number of \(bits) is beyond any use") }
            return .integer(value)
        }
    }
}
