import HeedSupport

/// What a pickle holds, as far as files of tensors need it. Containers are places in the machine's lists, so that no
/// depth of nesting is a depth of calls, and a cycle is no cycle of references.
enum PickleValue {
    case none
    case bool(Bool)
    case integer(Int)
    /// An integer beyond 64 bits, as its little-endian bytes.
    case large([UInt8])
    case real(Double)
    case text(String)
    case bytes
    case tuple(Int)
    case list(Int)
    case dictionary(Int)
    case global(PickleGlobal)
    case storage(Int)
    case tensor(Int)

    var integerValue: Int? { if case .integer(let value) = self { value } else { nil } }
    var textValue: String? { if case .text(let value) = self { value } else { nil } }

    /// In words, for messages.
    var kind: String {
        switch self {
        case .none: "None"
        case .bool: "a truth value"
        case .integer, .large: "an integer"
        case .real: "a float"
        case .text: "a text"
        case .bytes: "bytes"
        case .tuple: "a tuple"
        case .list: "a list"
        case .dictionary: "a dictionary"
        case .global(let global): "\(global)"
        case .storage: "a storage"
        case .tensor: "a tensor"
        }
    }
}

/// Runs the opcodes of a pickle that tensors need, on values that are data and nothing else: no class is made and no
/// function is called but the few that `PickleGlobal` knows, which only describe tensors.
///
/// Every other opcode and name is refused by name. Cost and memory: at most a few dozen bytes per byte of the pickle,
/// which may have `maximumLength`.
/// Source: Python's `pickletools`, protocols 2 to 5.
struct PickleMachine {
    /// The longest pickle that is read; that of a model with 10,000 tensors has about 1 MB.
    static let maximumLength = 1 << 24
    /// The most tensors that one pickle may describe.
    static let maximumTensors = 1 << 18
    /// The most extents of a tensor.
    static let maximumRank = 8

    private(set) var reader: ByteReader
    private var stack: [PickleValue] = []
    private var marks: [Int] = []
    private var memo: [Int: PickleValue] = [:]
    /// The elements of tuples and lists.
    private(set) var sequences: [[PickleValue]] = []
    /// The entries of dictionaries in their order.
    private(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
    var storages: [PickleStorage] = []
    var tensors: [PickleTensor] = []
    /// Elements that calls have copied: bounded, because a list may be handed over any number of times.
    var copied = 0

    /// A machine that reads from `position` on.
    init(_ bytes: UnsafeRawBufferPointer, file: String, at position: Int = 0) {
        let end = min(bytes.count, position + PickleMachine.maximumLength)
        reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[..<end]), file: file, at: position)
    }

    /// Runs until the pickle stops, and gives what it holds.
    ///
    /// - Throws: `HeedError` naming the file and the opcode or name that is refused.
    mutating func run() throws -> PickleValue {
        stack.removeAll()
        marks.removeAll()
        memo.removeAll()
        while true {
            let code: UInt8 = try reader.integer("the pickle")
            if code == UInt8(ascii: ".") { return try pop() }
            try step(code)
        }
    }

    private mutating func step(_ code: UInt8) throws {
        switch code {
        case 0x80: try readProtocol()
        case 0x95: _ = try reader.take(8, "the pickle")  // FRAME
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "0"): _ = try pop()
        case UInt8(ascii: "1"): _ = try popMark()
        case UInt8(ascii: "2"): stack.append(try top())
        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88: stack.append(.bool(true))
        case 0x89: stack.append(.bool(false))
        case UInt8(ascii: "J"): stack.append(.integer(Int(try number(Int32.self))))
        case UInt8(ascii: "K"): stack.append(.integer(Int(try number(UInt8.self))))
        case UInt8(ascii: "M"): stack.append(.integer(Int(try number(UInt16.self))))
        case 0x8A: try pushLong(Int(try number(UInt8.self)))
        case 0x8B: try pushLong(Int(try number(Int32.self)))
        case UInt8(ascii: "G"): stack.append(.real(Double(bitPattern: UInt64(bigEndian: try number(UInt64.self)))))
        case UInt8(ascii: "X"): try pushText(Int(try number(UInt32.self)))
        case 0x8C: try pushText(Int(try number(UInt8.self)))
        case 0x8D: try pushText(try reader.count(of: 1, "the length of a text of the pickle"))
        case UInt8(ascii: "U"): try pushText(Int(try number(UInt8.self)))
        case UInt8(ascii: "T"): try pushText(Int(try number(Int32.self)))
        case UInt8(ascii: "C"): try pushBytes(Int(try number(UInt8.self)))
        case UInt8(ascii: "B"): try pushBytes(Int(try number(UInt32.self)))
        case UInt8(ascii: ")"): try pushTuple([])
        case 0x85: try pushTuple(try popMany(1))
        case 0x86: try pushTuple(try popMany(2))
        case 0x87: try pushTuple(try popMany(3))
        case UInt8(ascii: "t"): try pushTuple(try popMark())
        case UInt8(ascii: "]"): pushList([])
        case UInt8(ascii: "l"): pushList(try popMark())
        case UInt8(ascii: "a"): try append(try popMany(1))
        case UInt8(ascii: "e"): try append(try popMark())
        case UInt8(ascii: "}"): pushDictionary([])
        case UInt8(ascii: "d"): pushDictionary(try pairs(try popMark()))
        case UInt8(ascii: "s"): try set(try popMany(2))
        case UInt8(ascii: "u"): try set(try popMark())
        case UInt8(ascii: "q"): memo[Int(try number(UInt8.self))] = try top()
        case UInt8(ascii: "r"): memo[Int(try number(UInt32.self))] = try top()
        case 0x94: memo[memo.count] = try top()
        case UInt8(ascii: "h"): try pushMemo(Int(try number(UInt8.self)))
        case UInt8(ascii: "j"): try pushMemo(Int(try number(UInt32.self)))
        case UInt8(ascii: "c"): try pushGlobal(module: try line(), name: try line())
        case 0x93: try pushGlobal(named: try popMany(2))  // STACK_GLOBAL
        case UInt8(ascii: "Q"): stack.append(try storage(named: try pop()))
        case UInt8(ascii: "R"), 0x81: try pushResult(try popMany(2))  // REDUCE, NEWOBJ
        case UInt8(ascii: "b"): try dropAttributes()
        default:
            throw failure(
                "has the opcode \(PickleMachine.name(of: code)) at byte \(reader.position - 1)", .unsupported,
                advice: "Save the weights as safetensors: such a file has none")
        }
    }

    // MARK: The stack

    mutating func pushTuple(_ values: [PickleValue]) throws {
        sequences.append(values)
        stack.append(.tuple(sequences.count - 1))
    }

    private mutating func pushList(_ values: [PickleValue]) {
        sequences.append(values)
        stack.append(.list(sequences.count - 1))
    }

    private mutating func pushDictionary(_ entries: [(key: PickleValue, value: PickleValue)]) {
        stack.append(makeDictionary(entries))
    }

    mutating func makeDictionary(_ entries: [(key: PickleValue, value: PickleValue)]) -> PickleValue {
        dictionaries.append(entries)
        return .dictionary(dictionaries.count - 1)
    }

    private mutating func pushText(_ length: Int) throws {
        stack.append(.text(try reader.text(length, "a text of the pickle")))
    }

    private mutating func pushBytes(_ length: Int) throws {
        _ = try reader.take(length, "bytes of the pickle")
        stack.append(.bytes)
    }

    private mutating func pushLong(_ length: Int) throws {
        let start = try reader.take(length, "an integer of the pickle")
        let digits = reader.bytes[start..<start + length]
        guard length <= 8 else {
            stack.append(.large(Array(digits.prefix(64))))
            return
        }
        var value: UInt64 = 0
        for (index, byte) in digits.enumerated() { value |= UInt64(byte) << UInt64(8 * index) }
        let unused = UInt64(64 - 8 * length)
        stack.append(.integer(length == 0 ? 0 : Int(Int64(bitPattern: value << unused) >> Int64(unused))))
    }

    private mutating func pushGlobal(module: String, name: String) throws {
        stack.append(.global(try PickleGlobal(module: module, name: name, file: reader.file)))
    }

    /// Pushes the global whose module and name are texts of the pickle.
    private mutating func pushGlobal(named parts: [PickleValue]) throws {
        guard let module = parts[0].textValue, let name = parts[1].textValue else { throw broken() }
        try pushGlobal(module: module, name: name)
    }

    /// Pushes what a call gives, from what is called and its arguments.
    private mutating func pushResult(_ parts: [PickleValue]) throws {
        guard case .global(let global) = parts[0], case .tuple(let arguments) = parts[1] else {
            throw failure("calls \(parts[0].kind)", .unsupported)
        }
        stack.append(try call(global, sequences[arguments]))
    }

    /// BUILD: attributes such as a state dictionary's _metadata, which hold no weights.
    private mutating func dropAttributes() throws {
        _ = try pop()
        guard case .dictionary = try top() else {
            throw failure("sets the attributes of \(try top().kind)", .unsupported)
        }
    }

    private mutating func pushMemo(_ index: Int) throws {
        guard let value = memo[index] else { throw broken() }
        stack.append(value)
    }

    private func top() throws -> PickleValue {
        guard let value = stack.last, stack.count > marks.last ?? 0 else { throw broken() }
        return value
    }

    private mutating func pop() throws -> PickleValue {
        let value = try top()
        stack.removeLast()
        return value
    }

    private mutating func popMany(_ count: Int) throws -> [PickleValue] {
        guard stack.count - count >= marks.last ?? 0 else { throw broken() }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popMark() throws -> [PickleValue] {
        guard let mark = marks.popLast() else { throw broken() }
        defer { stack.removeLast(stack.count - mark) }
        return Array(stack[mark...])
    }

    private mutating func append(_ values: [PickleValue]) throws {
        guard case .list(let index) = try top() else { throw broken() }
        sequences[index] += values
    }

    private mutating func set(_ values: [PickleValue]) throws {
        guard case .dictionary(let index) = try top() else {
            throw failure("sets entries of \(try top().kind)", .unsupported)
        }
        dictionaries[index] += try pairs(values)
    }

    private func pairs(_ values: [PickleValue]) throws -> [(key: PickleValue, value: PickleValue)] {
        guard values.count.isMultiple(of: 2) else { throw broken() }
        return stride(from: 0, to: values.count, by: 2).map { (values[$0], values[$0 + 1]) }
    }

    // MARK: Reading

    private mutating func readProtocol() throws {
        let version = try number(UInt8.self)
        guard (2...5).contains(version) else {
            throw failure("has protocol \(version)", .unsupported, expected: "protocols 2 to 5")
        }
    }

    private mutating func number<Number: FixedWidthInteger>(_: Number.Type) throws -> Number {
        try reader.integer("the pickle")
    }

    /// The text up to the next line end.
    private mutating func line() throws -> String {
        let rest = reader.bytes[reader.position...]
        guard let end = rest.firstIndex(of: 0x0A) else { throw broken() }
        let text = try reader.text(end - reader.position, "a name of the pickle")
        _ = try reader.take(1, "the pickle")
        return text
    }

    func broken() -> HeedError { failure("is broken at byte \(reader.position)") }

    func failure(
        _ what: String, _ kind: HeedError.Kind = .badInput, expected: String? = nil, advice: String? = nil
    ) -> HeedError {
        HeedError(kind, "the pickle \(what)", in: reader.file, expected: expected, advice: advice)
    }

    /// The names of the opcodes that are refused, as Python has them.
    private static func name(of code: UInt8) -> String {
        let names: [UInt8: String] = [
            UInt8(ascii: "i"): "INST", UInt8(ascii: "o"): "OBJ", UInt8(ascii: "P"): "PERSID",
            UInt8(ascii: "F"): "FLOAT", UInt8(ascii: "I"): "INT", UInt8(ascii: "L"): "LONG",
            UInt8(ascii: "S"): "STRING", UInt8(ascii: "V"): "UNICODE", UInt8(ascii: "p"): "PUT",
            UInt8(ascii: "g"): "GET", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 0x8F: "EMPTY_SET", 0x90: "ADDITEMS",
            0x91: "FROZENSET", 0x92: "NEWOBJ_EX", 0x96: "BYTEARRAY8", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
            0x8E: "BINBYTES8",
        ]
        return names[code] ?? "0x" + String(code, radix: 16)
    }
}
