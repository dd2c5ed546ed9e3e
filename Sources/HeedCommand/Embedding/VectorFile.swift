import Heed
import HeedSupport
import HeedWeights

/// Files of vectors, told by the end of their name: `.safetensors`, `.npy` (NumPy) and `.csv`.
enum VectorFile: String, CaseIterable {
    case safetensors, npy, csv

    /// The kind that a path names.
    ///
    /// - Throws: `HeedError` (`usage`) with the kinds that there are.
    init(path: String) throws {
        let name = lastPathComponent(path).lowercased()
        guard let kind = VectorFile.allCases.first(where: { name.hasSuffix("." + $0.rawValue) }) else {
            throw HeedError(
                .usage, "the end of the name does not say what to write", in: path,
                expected: VectorFile.allCases.map { "." + $0.rawValue }.joined(separator: ", "))
        }
        self = kind
    }

    /// Whether a file looks like one of this kind that `heed embed` wrote.
    func isOwn(_ path: String) -> Bool {
        guard let file = try? MappedFile(path: path) else { return false }
        switch self {
        case .safetensors: return (try? SafetensorsFile(path: path))?.tensor(named: "embeddings") != nil
        case .npy: return file.bytes.starts(with: [0x93] + Array("NUMPY".utf8))
        case .csv:
            let line = String(decoding: file.bytes.prefix { $0 != 0x0A }, as: UTF8.self)
            return line.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { Float($0) != nil }
        }
    }

    /// Writes vectors, by rename.
    func write(_ vectors: SentenceVectors, to path: String) throws {
        switch self {
        case .safetensors:
            var file = TensorFile(place: path)
            file.append("embeddings", shape: [vectors.count, vectors.width], vectors.values)
            try file.write(path: path)
        case .npy:
            try writeAtomically(path: path) { writer in
                try writer.write(VectorFile.header(vectors.count, vectors.width))
                // NumPy's '<f4' is little-endian, as are all machines that Heed runs on.
                try vectors.values.withUnsafeBytes { try writer.write($0) }
            }
        case .csv:
            try writeAtomically(path: path) { writer in
                for index in 0..<vectors.count {
                    let row = vectors.values[index * vectors.width..<(index + 1) * vectors.width]
                    try writer.write(row.map { "\($0)" }.joined(separator: ",") + "\n")
                }
            }
        }
    }

    /// The head of a NumPy file of version 1.0 with float32 in rows.
    private static func header(_ rows: Int, _ columns: Int) -> [UInt8] {
        var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
        // Magic, version and length take 10 bytes; the data begin at a multiple of 64.
        text += String(repeating: " ", count: (64 - (10 + text.utf8.count + 1) % 64) % 64) + "\n"
        let count = text.utf8.count
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(count & 0xFF), UInt8(count >> 8)] + Array(text.utf8)
    }

    /// Reads the vectors that `heed embed` wrote as safetensors.
    ///
    /// - Throws: `HeedError` when the file holds none of that width, or not as many as there are lines.
    static func read(_ path: String, width: Int, lines: Int) throws -> SentenceVectors {
        guard let entry = try TensorFile(path: path)["embeddings"], entry.shape.count == 2,
            case .floats(let values) = entry.values
        else {
            throw HeedError(
                .badInput, "the file holds no tensor embeddings", in: path, expected: "what heed embed --output writes")
        }
        guard entry.shape == [lines, width] else {
            throw HeedError(
                .badInput, "the vectors are not those of these lines by this model", in: path,
                expected: "\(lines) vectors of \(width) numbers", got: "\(entry.shape[0]) of \(entry.shape[1])",
                advice: "Make them anew with heed embed --output")
        }
        let isThere = (0..<lines).map { row in values[row * width..<(row + 1) * width].contains { $0 != 0 } }
        return SentenceVectors(count: lines, width: width, values: values, isThere: isThere)
    }
}
