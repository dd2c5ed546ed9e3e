import HeedSupport
import HeedWeights

/// Rows that were prepared outside, from a `.safetensors` file: the same way in for every family.
///
/// `input_ids [R, T]` and, where they apply, `labels [R, T]` or `[R]`, `attention_mask [R, T]`,
/// `token_type_ids [R, T]`, `decoder_input_ids [R, U]`, `decoder_attention_mask [R, U]`, `next_sentence_label [R]`.
/// Without labels a decoder-only model learns its own input. Labels are as in Hugging Face: not shifted yet, −100 does
/// not count. Rows come in the order of the file, or shuffled by epochs; after the last the first comes again.
public struct RowData: Sendable {
    /// The file, for messages.
    public let place: String
    /// How many rows there are.
    public let rows: Int
    /// Columns of `input_ids`.
    public let columns: Int
    /// Columns of `decoder_input_ids`, or of `labels` where these are a matrix of another width; else 0.
    public let decoderColumns: Int
    /// Every tensor of the file by name, row-major.
    private let tensors: [String: [Int32]]
    private let widths: [String: Int]
    private let order: DataOrder
    private let seed: UInt64

    /// One row.
    public struct Row: Sendable, Equatable {
        /// What the model reads, padding left out where a mask says so.
        public var inputIds: [Int32]
        /// What it should say, as in the file; empty where there are none.
        public var labels: [Int32]
        /// Kinds of token, or empty.
        public var tokenTypes: [Int32]
        /// What the decoder reads, or empty.
        public var decoderInputIds: [Int32]
        /// Whether the second sentence follows the first, 0 or 1, or nil.
        public var nextSentenceLabel: Int32?
    }

    private static let names = [
        "input_ids", "labels", "attention_mask", "token_type_ids", "decoder_input_ids", "decoder_attention_mask",
        "next_sentence_label",
    ]

    /// Reads a file.
    ///
    /// - Parameter vocabulary: ids must be below it; labels too, unless −100 or one per row (a class).
    /// - Throws: `HeedError` naming file and tensor.
    public init(path: String, vocabulary: Int?, order: DataOrder = .sequential, seed: UInt64 = 0) throws {
        let file = try TensorFile(path: path)
        let ids = try file.matrix("input_ids")
        place = path
        rows = ids.rows
        columns = ids.columns
        self.order = order
        self.seed = seed
        var tensors: [String: [Int32]] = [:]
        var widths: [String: Int] = [:]
        for name in RowData.names {
            guard let entry = file[name] else { continue }
            let location = "\(path), \(name)"
            guard case .integers(let values) = entry.values else {
                throw HeedError(.badInput, "the tensor holds floats", in: location, expected: "integers (I64)")
            }
            guard let first = entry.shape.first, first == ids.rows, entry.shape.count <= 2 else {
                throw HeedError(
                    .badInput, "the tensor has another number of rows than input_ids", in: location,
                    expected: "[\(ids.rows), …]", got: "\(entry.shape)")
            }
            widths[name] = entry.shape.count == 2 ? entry.shape[1] : 1
            let isIds = name == "input_ids" || name == "decoder_input_ids"
            let isLabels = name == "labels" && entry.shape.count == 2
            tensors[name] = try values.enumerated().map { index, value in
                guard let narrow = Int32(exactly: value) else {
                    throw HeedError(.badInput, "a number is out of range", in: location, got: "\(value)")
                }
                if isIds || isLabels, let vocabulary, !(isLabels && narrow == -100),
                    narrow < 0 || Int(narrow) >= vocabulary
                {
                    throw HeedError(
                        .badInput, "an id is not in the model's vocabulary", in: "\(location), element \(index)",
                        expected: "ids from 0 to \(vocabulary - 1)" + (isLabels ? ", or -100" : ""), got: "\(value)")
                }
                return narrow
            }
        }
        for name in ["attention_mask", "token_type_ids"] {
            if let width = widths[name], width != ids.columns {
                throw HeedError(
                    .badInput, "the tensor has another shape than input_ids", in: "\(path), \(name)",
                    expected: "[\(ids.rows), \(ids.columns)]", got: "[\(ids.rows), \(width)]")
            }
        }
        if let width = widths["decoder_attention_mask"], width != widths["decoder_input_ids"] {
            throw HeedError(
                .badInput, "the tensor has another shape than decoder_input_ids", in: "\(path), decoder_attention_mask",
                expected: "[\(ids.rows), \(widths["decoder_input_ids"] ?? 0)]", got: "[\(ids.rows), \(width)]")
        }
        self.tensors = tensors
        self.widths = widths
        decoderColumns = widths["decoder_input_ids"] ?? (widths["labels"].map { $0 == ids.columns ? 0 : $0 } ?? 0)
    }

    /// Whether the file says what the model should say.
    public var hasLabels: Bool { tensors["labels"] != nil }

    /// Whether labels are one class per row.
    public var labelsAreClasses: Bool { widths["labels"] == 1 && columns != 1 }

    /// Row `number` of the run, counted from 0.
    public func row(_ number: Int) -> Row {
        let (epoch, place) = number.quotientAndRemainder(dividingBy: rows)
        let index = order == .sequential ? place : Permutation(count: rows, seed: seed, epoch: epoch)[place]
        func part(_ name: String) -> [Int32] {
            guard let values = tensors[name], let width = widths[name] else { return [] }
            return Array(values[(index * width)..<((index + 1) * width)])
        }
        let mask = part("attention_mask")
        func unmasked(_ values: [Int32], _ mask: [Int32]) -> [Int32] {
            guard !mask.isEmpty, values.count == mask.count else { return values }
            return zip(values, mask).filter { $0.1 != 0 }.map(\.0)
        }
        let decoderMask = part("decoder_attention_mask")
        let labels = part("labels")
        let isTokenwise = labels.count == columns && decoderColumns == 0 && !labelsAreClasses
        return Row(
            inputIds: unmasked(part("input_ids"), mask), labels: isTokenwise ? unmasked(labels, mask) : labels,
            tokenTypes: unmasked(part("token_type_ids"), mask),
            decoderInputIds: unmasked(part("decoder_input_ids"), decoderMask),
            nextSentenceLabel: part("next_sentence_label").first)
    }

    /// A number that changes when the rows do.
    public var fingerprint: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for name in RowData.names {
            for value in tensors[name] ?? [] {
                hash = (hash ^ UInt64(UInt32(bitPattern: value))) &* 0x0000_0100_0000_01B3
            }
        }
        return hash
    }
}
