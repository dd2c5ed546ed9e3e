import HeedSupport
import HeedWeights

/// Texts with a class each, as rows of ids for a classifier.
public enum LabelledTexts {
    /// A text or a pair of texts as an encoder reads it.
    public struct Encoded: Sendable {
        public var ids: [Int32]
        /// Which of the two texts each id belongs to.
        public var types: [Int32]

        public init(ids: [Int32], types: [Int32]) {
            self.ids = ids
            self.types = types
        }
    }

    /// Reads a JSONL file of `{"text": …, "label": 0}`, with `"pair"` for a second text.
    ///
    /// - Parameter encode: makes ids of a text and, where there is one, its pair.
    /// - Returns: `input_ids`, `attention_mask`, `token_type_ids` [N, T] and `labels` [N].
    /// - Throws: `HeedError` naming the line.
    public static func read(
        _ path: String, encode: (_ text: String, _ pair: String?) throws -> Encoded
    ) throws -> TensorFile {
        var rows: [Encoded] = []
        var labels: [Int64] = []
        for (number, line) in try TextFiles.lines(path).enumerated() where !line.allSatisfy(\.isWhitespace) {
            let place = "\(path), line \(number + 1)"
            let value = try JSON.parse(line, in: place)
            guard let text = value["text"]?.stringValue, let label = value["label"]?.intValue else {
                throw HeedError(
                    .badInput, "the line has no text with its class", in: place,
                    expected: "{\"text\": \"…\", \"label\": 0}", got: value.kindName)
            }
            rows.append(try encode(text, value["pair"]?.stringValue))
            labels.append(Int64(label))
        }
        let columns = max(rows.map(\.ids.count).max() ?? 0, 1)
        guard !rows.isEmpty else {
            throw HeedError(.badInput, "the file holds no text", in: path, expected: "an object on every line")
        }
        func matrix(_ values: (Encoded) -> [Int64]) -> [Int64] {
            rows.flatMap { row in
                let row = values(row)
                return row + [Int64](repeating: 0, count: columns - row.count)
            }
        }
        var file = TensorFile(place: path)
        let shape = [rows.count, columns]
        file.append("input_ids", shape: shape, integers: matrix { $0.ids.map { Int64($0) } })
        file.append("attention_mask", shape: shape, integers: matrix { $0.ids.map { _ in 1 } })
        file.append("token_type_ids", shape: shape, integers: matrix { $0.types.map { Int64($0) } })
        file.append("labels", shape: [rows.count], integers: labels)
        return file
    }
}
