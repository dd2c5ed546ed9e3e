import HeedSupport

/// Writes a safetensors file atomically, one tensor at a time.
///
/// The header is padded with spaces so that the data start at a multiple of 8.
/// - Parameter metadata: texts for `__metadata__`; `{"format": "pt"}` is what `transformers` looks for.
/// - Throws: `HeedError` of the file system, what a tensor's body throws, or where a body wrote more or fewer values
///   than its shape asks for. No file is left then.
package func writeSafetensors(
    path: String, _ tensors: [TensorToWrite], metadata: [String: String] = ["format": "pt"]
) throws {
    var header = JSONObject()
    header.reserveCapacity(tensors.count + 1)
    if !metadata.isEmpty {
        var texts = JSONObject()
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { texts[key] = .string(value) }
        header["__metadata__"] = .object(texts)
    }
    var offset = 0
    for tensor in tensors {
        guard let count = tensor.byteCount, !tensor.type.isBlock, header[tensor.name] == nil else {
            throw HeedError(
                .usage, "the tensor \(quoted(tensor.name)) cannot stand in a safetensors file", in: path,
                expected: "a name of its own, a plain type and a possible shape",
                got: "\(tensor.type.rawValue) \(tensor.shape)")
        }
        header[tensor.name] = [
            "dtype": .string(tensor.type.rawValue),
            "shape": .array(tensor.shape.map { .integer($0) }),
            "data_offsets": [.integer(offset), .integer(offset + count)],
        ]
        offset += count
    }
    var text = JSON.object(header).serialisedBytes()
    text.append(contentsOf: repeatElement(0x20, count: (8 - text.count % 8) % 8))
    try writeAtomically(path: path) { file in
        try withUnsafeBytes(of: UInt64(text.count).littleEndian) { try file.write($0) }
        try file.write(text)
        for tensor in tensors { try write(tensor, to: &file, path: path) }
    }
}
