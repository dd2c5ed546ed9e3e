import HeedSupport
import HeedWeights

/// Texts with a class each: a JSONL file of `{"text": …, "label": …}`, with `"pair"` for a second text.
///
/// Labels are numbers from 0, or names.
public struct LabelledTexts: Sendable {
    /// A text or a pair of texts as an encoder reads it.
    public struct Encoded: Sendable {
        /// Token ids, special ones included.
        public var ids: [Int32]
        /// Which of the two texts each id belongs to.
        public var types: [Int32]

        /// A text as ids, with a type for each.
        public init(ids: [Int32], types: [Int32]) {
            self.ids = ids
            self.types = types
        }
    }

    private enum Label: Sendable {
        case number(Int)
        case name(String)
    }

    private struct Line: Sendable {
        let place: String
        let text: String
        let pair: String?
        let label: Label?
    }

    private let path: String
    private let lines: [Line]

    /// Reads a file.
    ///
    /// - Parameter labelled: whether every line must have a class.
    /// - Throws: `HeedError` naming the line.
    public init(_ path: String, labelled: Bool = true) throws {
        self.path = path
        lines = try TextFiles.lines(path).enumerated().compactMap { number, line in
            if line.allSatisfy(\.isWhitespace) { return nil }
            let place = "\(path), line \(number + 1)"
            let value = try JSON.parse(line, in: place)
            let label =
                value["label"]?.intValue.map { Label.number($0) } ?? value["label"]?.stringValue.map { .name($0) }
            guard let text = value["text"]?.stringValue, label != nil || !labelled else {
                throw HeedError(
                    .badInput, labelled ? "the line has no text with its class" : "the line has no text", in: place,
                    expected: labelled ? "{\"text\": \"…\", \"label\": 0} or a label in words" : "{\"text\": \"…\"}",
                    got: value.kindName)
            }
            return Line(place: place, text: text, pair: value["pair"]?.stringValue, label: label)
        }
        guard !lines.isEmpty else {
            throw HeedError(.badInput, "the file holds no text", in: path, expected: "an object on every line")
        }
    }

    /// The texts, without their pairs.
    public var texts: [String] { lines.map(\.text) }

    /// How many classes there are and, if labels are names, their names in alphabetical order.
    public var classes: (count: Int, names: [String]) {
        var names: Set<String> = []
        var largest = -1
        for line in lines {
            switch line.label {
            case .number(let number): largest = max(largest, number)
            case .name(let name): names.insert(name)
            case nil: break
            }
        }
        return names.isEmpty ? (largest + 1, []) : (names.count, names.sorted())
    }

    /// The texts as ids, in the order of the file.
    public func encoded(_ encode: (_ text: String, _ pair: String?) throws -> Encoded) rethrows -> [Encoded] {
        try lines.map { try encode($0.text, $0.pair) }
    }

    /// The number of every text's class.
    ///
    /// - Parameters:
    ///   - names: of the classes; empty where labels must be numbers.
    ///   - count: the number of classes.
    /// - Throws: `HeedError` naming the line whose label is none of them.
    public func labels(names: [String], count: Int) throws -> [Int] {
        try lines.map { line in
            switch line.label {
            case .number(let number) where (0..<count).contains(number): return number
            case .name(let name):
                if let number = names.firstIndex(of: name) { return number }
                throw HeedError(
                    .badInput, "the class is not one of the model's", in: line.place,
                    expected: names.isEmpty ? "a number from 0 to \(count - 1)" : names.joined(separator: ", "),
                    got: quoted(name), advice: nearest(name, among: names).map { "The nearest is \($0)" })
            case .number(let number):
                throw HeedError(
                    .badInput, "the class is out of range", in: line.place, expected: "0 to \(count - 1)",
                    got: "\(number)")
            case nil:
                throw HeedError(.badInput, "the line has no class", in: line.place, expected: "a label")
            }
        }
    }

    /// The texts as rows for training: `input_ids`, `attention_mask`, `token_type_ids` [N, T] and `labels` [N].
    ///
    /// - Throws: `HeedError` naming the line whose label is none of the model's.
    public func rows(
        names: [String], count: Int, encode: (_ text: String, _ pair: String?) throws -> Encoded
    ) throws -> TensorFile {
        let rows = try encoded(encode)
        let labels = try labels(names: names, count: count)
        let columns = max(rows.map(\.ids.count).max() ?? 0, 1)
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
        file.append("labels", shape: [rows.count], integers: labels.map { Int64($0) })
        return file
    }
}
