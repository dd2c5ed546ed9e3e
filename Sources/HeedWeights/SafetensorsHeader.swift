import HeedSupport

/// The table at the start of a safetensors file: 8 bytes of little-endian length, then JSON.
///
/// Reading is strict: every byte after the header belongs to exactly one tensor, offsets fit the shapes, and
/// nothing is taken on trust, so that a broken or hostile file ends in a message and never in a bad address.
/// Source: the safetensors format of Hugging Face, README, section "Format".
struct SafetensorsHeader {
    /// The tensors in the order of their bytes.
    let tensors: [StoredTensor]
    /// The texts under `__metadata__`.
    let metadata: [String: String]

    /// The longest header that the format allows, in bytes.
    static let maximumLength = 100_000_000

    /// Reads and checks the header of the file whose whole content is `bytes`.
    ///
    /// - Throws: `HeedError` naming the file and, where one is at fault, the tensor.
    init(_ bytes: UnsafeRawBufferPointer, file: String) throws {
        guard bytes.count >= 8 else {
            throw HeedError(
                .badInput, "is no safetensors file", in: file, expected: "at least 8 bytes with the header's length",
                got: "\(bytes.count)", advice: "Download or save the file again")
        }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(bytes.count - 8) else {
            throw HeedError(
                .badInput, "the header is cut short, or this is no safetensors file", in: file,
                expected: "\(length) bytes of header", got: "\(grouped(bytes.count - 8)) bytes",
                advice: "Download or save the file again")
        }
        guard length <= UInt64(SafetensorsHeader.maximumLength) else {
            throw HeedError(
                .badInput, "the header is longer than the format allows", in: file,
                expected: "at most \(grouped(SafetensorsHeader.maximumLength)) bytes", got: "\(length)")
        }
        let dataStart = 8 + Int(length)
        let text = UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart])
        let json = try JSON.parse(text, in: "\(file), header", maximumDepth: 16, duplicateKeys: .refuse)
        guard let members = json.objectValue else {
            throw HeedError(
                .badInput, "the header is of the wrong kind", in: file, expected: "a JSON object", got: json.kindName)
        }
        var tensors: [StoredTensor] = []
        tensors.reserveCapacity(members.count)
        var metadata: [String: String] = [:]
        for (name, entry) in members {
            if name == "__metadata__" {
                metadata = try SafetensorsHeader.readMetadata(entry, file: file)
            } else {
                let entry = Entry(name: name, json: entry, file: file)
                tensors.append(try entry.tensor(dataStart: dataStart, dataCount: bytes.count - dataStart))
            }
        }
        tensors.sort {
            ($0.byteRange.lowerBound, $0.byteRange.upperBound) < ($1.byteRange.lowerBound, $1.byteRange.upperBound)
        }
        try SafetensorsHeader.checkCoverage(tensors, dataStart: dataStart, end: bytes.count, file: file)
        self.tensors = tensors
        self.metadata = metadata
    }

    private static func readMetadata(_ json: JSON, file: String) throws -> [String: String] {
        guard let members = json.objectValue else {
            throw HeedError(
                .badInput, "__metadata__ is of the wrong kind", in: file, expected: "an object of texts",
                got: json.kindName)
        }
        var result: [String: String] = [:]
        for (key, value) in members {
            guard let text = value.stringValue else {
                throw HeedError(
                    .badInput, "the entry \(quoted(key)) of __metadata__ is of the wrong kind", in: file,
                    expected: "a text", got: value.kindName)
            }
            result[key] = text
        }
        return result
    }

    /// Tensors must follow each other without hole, overlap or remainder.
    private static func checkCoverage(_ tensors: [StoredTensor], dataStart: Int, end: Int, file: String) throws {
        var at = dataStart
        var previous: String?
        for tensor in tensors {
            if tensor.byteRange.lowerBound < at, let previous {
                throw HeedError(
                    .badInput, "the tensors \(quoted(previous)) and \(quoted(tensor.name)) overlap", in: file,
                    expected: "data_offsets that start at \(at - dataStart)",
                    got: "\(tensor.byteRange.lowerBound - dataStart)")
            }
            if tensor.byteRange.lowerBound > at {
                throw HeedError(
                    .badInput, "there are bytes before the tensor \(quoted(tensor.name)) that belong to no tensor",
                    in: file, expected: "data_offsets that start at \(at - dataStart)",
                    got: "\(tensor.byteRange.lowerBound - dataStart)")
            }
            at = tensor.byteRange.upperBound
            previous = tensor.name
        }
        if at != end {
            throw HeedError(
                .badInput, "there are bytes after the last tensor", in: file,
                expected: "\(grouped(at)) bytes in the file", got: "\(grouped(end))",
                advice: "Download or save the file again")
        }
    }
}

/// One member of the header, on its way to a `StoredTensor`.
private struct Entry {
    let name: String
    let json: JSON
    let file: String

    func tensor(dataStart: Int, dataCount: Int) throws -> StoredTensor {
        guard json.objectValue != nil else {
            throw failure("the entry is of the wrong kind", expected: "an object", got: json.kindName)
        }
        let type = try readType()
        let shape = try readShape()
        guard let bytes = type.byteCount(shape: shape) else {
            throw failure(
                "the shape is impossible", expected: "extents whose product is a size in memory", got: "\(shape)")
        }
        let offsets = try readIntegers("data_offsets")
        guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1] else {
            throw failure(
                "data_offsets are impossible", expected: "[begin, end] with 0 ≤ begin ≤ end", got: "\(offsets)")
        }
        guard offsets[1] <= dataCount else {
            throw failure(
                "data_offsets lead beyond the end of the file, which is cut short or broken",
                expected: "at most \(grouped(dataCount)) bytes of data", got: "\(offsets)",
                advice: "Download or save the file again")
        }
        guard offsets[1] - offsets[0] == bytes else {
            throw failure(
                "data_offsets do not fit the shape", expected: "\(bytes) bytes for \(type.rawValue) \(shape)",
                got: "\(offsets[1] - offsets[0])")
        }
        return StoredTensor(
            name: name, type: type, shape: shape, file: file,
            byteRange: dataStart + offsets[0]..<dataStart + offsets[1])
    }

    private func readType() throws -> ElementType {
        guard let value = json["dtype"] else { throw failure("dtype is missing") }
        guard let text = value.stringValue else {
            throw failure("dtype is of the wrong kind", expected: "a text", got: value.kindName)
        }
        guard let type = ElementType(rawValue: text), !type.isBlock else {
            let known = ElementType.ofSafetensors.map(\.rawValue).joined(separator: ", ")
            throw failure("the element type is not known", expected: "one of \(known)", got: quoted(text))
        }
        return type
    }

    private func readShape() throws -> [Int] {
        let shape = try readIntegers("shape")
        if let extent = shape.first(where: { $0 < 0 }) {
            throw failure("the shape is impossible", expected: "extents of at least 0", got: "\(extent)")
        }
        return shape
    }

    private func readIntegers(_ key: String) throws -> [Int] {
        guard let value = json[key] else { throw failure("\(key) is missing") }
        guard let elements = value.arrayValue else {
            throw failure("\(key) is of the wrong kind", expected: "an array of integers", got: value.kindName)
        }
        return try elements.map { element in
            guard case .integer(let number) = element else {
                throw failure("\(key) is of the wrong kind", expected: "integers below 2^63", got: element.serialised())
            }
            return number
        }
    }

    private func failure(
        _ what: String, expected: String? = nil, got: String? = nil, advice: String? = nil
    ) -> HeedError {
        HeedError(
            .badInput, "\(what), tensor \(quoted(name, limit: 200))", in: file, expected: expected, got: got,
            advice: advice)
    }
}
