import HeedModels
import HeedSupport
import HeedTensor
import HeedWeights

/// Rows of ids ready for training, of any architecture: what masks exclude is gone, labels stand where the family has
/// them (`input_ids`, `labels` and what goes with them, as in `heed pass`).
public struct TrainingRows: @unchecked Sendable {
    // Sendable: the batches are filled once and only read afterwards.

    /// The number of rows.
    public let count: Int
    /// The longest sequence on either side, or one more than the largest position.
    public let longest: Int
    private let tokens: TokenBatch
    private let source: TokenBatch?
    private let first: Int

    /// - Throws: `HeedError` naming the tensor that is missing, malformed or out of range.
    public init(_ file: TensorFile, _ architecture: Architecture) throws {
        first = 0
        switch architecture {
        case .decoder(let layers):
            let c = layers.configuration
            let input = try PassInput(file, vocabulary: c.vocabulary, context: c.context)
            tokens = try input.batch()
            let labels = try PassInput.labels(file, shape: [input.rows, input.columns], vocabulary: c.vocabulary)
            _ = try input.setTargets(labels?.values ?? input.visibleIds, ahead: 1, in: tokens)
            source = nil
            (count, longest) = (input.rows, input.length)
        case .encoder(let layers):
            let (input, batch, hasLabels) = try ForwardPass.encoderRows(file, layers.configuration, allLosses: true)
            guard hasLabels else { throw TrainingRows.withoutLabels(file) }
            tokens = batch
            source = nil
            (count, longest) = (input.rows, input.length)
        case .encoderDecoder(let layers):
            let rows = try ForwardPass.encoderDecoderRows(file, layers.configuration)
            guard rows.counted != nil else { throw TrainingRows.withoutLabels(file) }
            tokens = rows.targetBatch
            source = rows.sourceBatch
            (count, longest) = (rows.source.rows, max(rows.source.length, rows.target.length))
        }
        for row in 0..<count where tokens.offsets[row] == tokens.offsets[row + 1] {
            throw HeedError(.badInput, "a mask excludes all of row \(row)", in: file.place)
        }
    }

    private init(_ rows: TrainingRows, _ range: Range<Int>) {
        (tokens, source, longest) = (rows.tokens, rows.source, rows.longest)
        first = rows.first + range.lowerBound
        count = range.count
    }

    /// The rows of `range`; they share the memory of these.
    public func part(_ range: Range<Int>) -> TrainingRows { TrainingRows(self, range.clamped(to: 0..<count)) }

    private static func withoutLabels(_ file: TensorFile) -> HeedError {
        HeedError(
            .missing, "the tensor labels is missing, and there is nothing to learn", in: file.place,
            expected: "labels I64, -100 to ignore")
    }

    /// Appends row `row` to `batch`, and its source to `source`. Allocates nothing.
    public func append(row: Int, to batch: TokenBatch, source: TokenBatch) throws {
        try TrainingRows.copy(first + row, of: tokens, to: batch)
        if let own = self.source { try TrainingRows.copy(first + row, of: own, to: source) }
    }

    private static func copy(_ row: Int, of rows: TokenBatch, to batch: TokenBatch) throws {
        let start = Int(rows.offsets[row])
        let count = Int(rows.offsets[row + 1]) - start
        let first = batch.rows.current
        let sequence = batch.sequences.current
        try batch.append(UnsafeBufferPointer(start: rows.ids + start, count: count))
        for index in 0..<count {
            batch.positions[first + index] = rows.positions[start + index]
            batch.types[first + index] = rows.types[start + index]
            batch.targets[first + index] = rows.targets[start + index]
        }
        batch.sequenceTargets[sequence] = rows.sequenceTargets[row]
    }

    /// Depends on every number of the rows.
    public var fingerprint: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func mix(_ values: UnsafeMutablePointer<Int32>, _ count: Int) {
            for index in 0..<count {
                hash = (hash ^ UInt64(UInt32(bitPattern: values[index]))) &* 0x0000_0100_0000_01B3
            }
        }
        for batch in [tokens, source].compactMap({ $0 }) {
            let rows = batch.rows.current
            for list in [batch.ids, batch.positions, batch.types, batch.targets] { mix(list, rows) }
            mix(batch.sequenceTargets, batch.sequences.current)
            mix(batch.offsets, batch.sequences.current + 1)
        }
        return hash
    }
}
