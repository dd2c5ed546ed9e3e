/// Bytes written one after the other, little-endian.
struct Bytes {
    var all: [UInt8] = []

    mutating func add(_ bytes: some Sequence<UInt8>) { all += bytes }
    mutating func add(_ text: String) { all += Array(text.utf8) }
    mutating func add<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { all += Array($0) }
    }
    mutating func add(_ number: Float) { add(number.bitPattern) }
}

/// A pickle of protocol 2, written by hand as `torch.save` writes them.
struct PickleBytes {
    var bytes = Bytes(all: [0x80, 2])

    mutating func text(_ text: String) {
        bytes.add("X")
        bytes.add(UInt32(text.utf8.count))
        bytes.add(text)
    }

    mutating func integer(_ value: Int32) {
        bytes.add("J")
        bytes.add(value)
    }

    mutating func tuple(_ values: [Int32]) {
        bytes.add("(")
        for value in values { integer(value) }
        bytes.add("t")
    }

    mutating func global(_ module: String, _ name: String) { bytes.add("c\(module)\n\(name)\n") }

    /// A tensor as `_rebuild_tensor_v2` has it.
    mutating func tensor(
        _ storage: String, key: String, count: Int32, offset: Int32 = 0, shape: [Int32], strides: [Int32],
        old: Bool = false
    ) {
        global("torch._utils", "_rebuild_tensor_v2")
        bytes.add("((")
        text("storage")
        global("torch", storage)
        text(key)
        text("cpu")
        integer(count)
        if old { bytes.add("N") }
        bytes.add("tQ")
        integer(offset)
        tuple(shape)
        tuple(strides)
        bytes.add([0x89])
        global("collections", "OrderedDict")
        bytes.add(")RtR")
    }

    /// An ordered dictionary of what `body` writes: keys and values in turn.
    mutating func dictionary(_ body: (inout PickleBytes) -> Void) {
        global("collections", "OrderedDict")
        bytes.add(")R(")
        body(&self)
        bytes.add("u")
    }

    /// The whole pickle.
    var whole: [UInt8] { bytes.all + Array(".".utf8) }

    /// A pickle of one value.
    static func of(_ body: (inout PickleBytes) -> Void) -> [UInt8] {
        var pickle = PickleBytes()
        body(&pickle)
        return pickle.whole
    }
}

/// A zip archive of stored entries.
func zipBytes(_ entries: [(name: String, content: [UInt8])], method: UInt16 = 0) -> [UInt8] {
    var file = Bytes()
    var table = Bytes()
    for entry in entries {
        let start = UInt32(file.all.count)
        func facts(_ bytes: inout Bytes) {
            bytes.add(UInt16(0))
            bytes.add(method)
            bytes.add(UInt64(0))
            bytes.add(UInt32(entry.content.count))
            bytes.add(UInt32(entry.content.count))
            bytes.add(UInt16(entry.name.utf8.count))
        }
        file.add(UInt32(0x0403_4B50))
        file.add(UInt16(10))
        facts(&file)
        file.add(UInt16(3))
        file.add(entry.name)
        file.add([0, 0, 0])  // an extra field that only the entry's own header has
        file.add(entry.content)
        table.add(UInt32(0x0201_4B50))
        table.add(UInt32(10))
        facts(&table)
        table.add(UInt32(0))
        table.add(UInt64(0))
        table.add(start)
        table.add(entry.name)
    }
    let start = UInt32(file.all.count)
    file.add(table.all)
    file.add(UInt32(0x0605_4B50))
    file.add(UInt32(0))
    file.add(UInt16(entries.count))
    file.add(UInt16(entries.count))
    file.add(UInt32(table.all.count))
    file.add(start)
    file.add(UInt16(0))
    return file.all
}

/// The bytes of numbers.
func bytes<Number>(of numbers: [Number]) -> [UInt8] { numbers.withUnsafeBytes { Array($0) } }
