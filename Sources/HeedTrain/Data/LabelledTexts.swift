import HeedSupport
import HeedWeights

/// Texts with a class each: JSONL files of `{"text": …, "label": …}`, with `"pair"` for a second text.
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

        init?(_ value: JSON) {
            if let number = value.intValue {
                self = .number(number)
            } else if let name = value.stringValue {
                self = .name(name)
            } else {
                return nil
            }
        }
    }

    private struct Line: Sendable {
        let place: String
        let text: String
        let pair: String?
        let label: Label
    }

    private let place: String
    /// The lines of all files in order.
    private var lines: [Line]
    /// How many lines each file has.
    private let counts: [Int]

    /// Whether the first line of a file that holds something is an object with a class.
    public static func isLabelled(_ path: String) throws -> Bool {
        var isLabelled = false
        try InputLines(path, format: .json).read { line in
            guard case .success(let content) = line.content, content != .blank else { return true }
            if case .value(let value) = content { isLabelled = value["label"] != nil }
            return false
        }
        return isLabelled
    }

    /// Reads files, one after the other.
    ///
    /// - Throws: `HeedError` naming the line that has no text or no class.
    public init(_ paths: [String]) throws {
        let files = try paths.map { try LabelledTexts.read($0) }
        place = files.map(\.name).joined(separator: ", ")
        lines = files.flatMap(\.lines)
        counts = files.map(\.lines.count)
    }

    private static func read(_ path: String) throws -> (name: String, lines: [Line]) {
        let input = try InputLines(path, format: .json)
        var lines: [Line] = []
        try input.read { line in
            let content = try line.content.get()
            if content == .blank { return true }
            guard case .value(let value) = content, let text = value["text"]?.stringValue,
                let label = value["label"].flatMap(Label.init)
            else {
                throw HeedError(
                    .badInput, "the line has no text with its class", in: line.place,
                    expected: "{\"text\": \"…\", \"label\": 0} or a label in words")
            }
            lines.append(Line(place: line.place, text: text, pair: value["pair"]?.stringValue, label: label))
            return true
        }
        guard !lines.isEmpty else {
            throw HeedError(.badInput, "the file holds no text", in: input.name, expected: "an object on every line")
        }
        return (input.name, lines)
    }

    /// Puts the last `share` of every file behind the rest of all files, because a file may hold one class alone; returns
    /// how many texts stand before them.
    public mutating func setApart(_ share: Double) -> Int {
        var (first, last): ([Line], [Line]) = ([], [])
        var start = 0
        for count in counts {
            let kept = start + Int(Double(count) * (1 - share))
            first += lines[start..<kept]
            last += lines[kept..<start + count]
            start += count
        }
        lines = first + last
        return first.count
    }

    /// How many classes there are and, if labels are names, their names in alphabetical order.
    public var classes: (count: Int, names: [String]) {
        var names: Set<String> = []
        var largest = -1
        for line in lines {
            switch line.label {
            case .number(let number): largest = max(largest, number)
            case .name(let name): names.insert(name)
            }
        }
        return names.isEmpty ? (largest + 1, []) : (names.count, names.sorted())
    }

    /// The texts as ids, in order.
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
        var file = TensorFile(place: place)
        let shape = [rows.count, columns]
        file.append("input_ids", shape: shape, integers: matrix { $0.ids.map { Int64($0) } })
        file.append("attention_mask", shape: shape, integers: matrix { $0.ids.map { _ in 1 } })
        file.append("token_type_ids", shape: shape, integers: matrix { $0.types.map { Int64($0) } })
        file.append("labels", shape: [rows.count], integers: labels.map { Int64($0) })
        return file
    }
}
