import HeedSupport

/// Writes a GGUF file of version 3 atomically, one tensor at a time: memory of one piece of a tensor.
///
/// - Parameter metadata: the named values; `general.alignment` is 32 where they do not say.
/// - Throws: `HeedError` of the file system, what a tensor's body throws, or where a tensor has a type or shape that the
///   format cannot hold. No file is left then.
package func writeGGUF(path: String, metadata: GGUFMetadata, _ tensors: [TensorToWrite]) throws {
    let alignment = try metadata.integer("general.alignment", in: 1...1 << 20) ?? 32
    var table = GGUFTable()
    table.add(UInt32(0x4655_4747))
    table.add(UInt32(3))
    table.add(UInt64(tensors.count))
    table.add(UInt64(metadata.count))
    for key in metadata.keys {
        table.add(key)
        if let value = metadata[key] { table.add(value) }
    }
    var names: Set<String> = []
    var offset = 0
    for tensor in tensors {
        guard let code = tensor.type.ggml, let bytes = tensor.byteCount, names.insert(tensor.name).inserted else {
            throw HeedError(
                .unsupported, "the tensor \(quoted(tensor.name, limit: 200)) cannot stand in a GGUF file", in: path,
                expected: "a name of its own, a type of the format and rows of whole blocks",
                got: "\(tensor.type.rawValue) \(tensor.shape)")
        }
        table.add(tensor.name)
        table.add(UInt32(tensor.shape.count))
        for extent in tensor.shape.reversed() { table.add(UInt64(extent)) }
        table.add(code)
        table.add(UInt64(offset))
        offset += padded(bytes, alignment)
    }
    try writeAtomically(path: path) { file in
        try file.write(table.bytes)
        try pad(&file, alignment)
        for tensor in tensors {
            try write(tensor, to: &file, path: path)
            try pad(&file, alignment)
        }
    }
}

private func padded(_ count: Int, _ alignment: Int) -> Int { (count + alignment - 1) / alignment * alignment }

private func pad(_ file: inout FileWriter, _ alignment: Int) throws {
    try file.write([UInt8](repeating: 0, count: padded(file.count, alignment) - file.count))
}

/// The bytes before the tensors.
private struct GGUFTable {
    private(set) var bytes: [UInt8] = []

    mutating func add<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func add(_ text: String) {
        add(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func add(_ value: GGUFValue) {
        add(value.kind.rawValue)
        switch value {
        case .uint8(let value): add(value)
        case .int8(let value): add(value)
        case .uint16(let value): add(value)
        case .int16(let value): add(value)
        case .uint32(let value): add(value)
        case .int32(let value): add(value)
        case .float32(let value): add(value.bitPattern)
        case .bool(let value): add(UInt8(value ? 1 : 0))
        case .string(let value): add(value)
        case .uint64(let value): add(value)
        case .int64(let value): add(value)
        case .float64(let value): add(value.bitPattern)
        case .array(let array):
            add(array.kind.rawValue)
            add(UInt64(array.count))
            array.withBytes { bytes.append(contentsOf: $0) }
        }
    }
}
