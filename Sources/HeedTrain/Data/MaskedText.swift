import HeedModels
import HeedProcessor
import HeedSupport
import HeedProcessor
import HeedTensor

/// How masked-language training spoils its text (Devlin et al. 2019, section 3.1; Liu et al. 2019: anew in every pass).
public struct Masking: Sendable, Equatable {
    /// The id that stands for what is to be guessed.
    public var mask: Int32
    /// What stands before and after a window, where the tokenizer puts something there.
    public var begin: Int32?
    /// What stands after a window.
    public var end: Int32?
    /// The share of ids that are to be guessed.
    public var share = 0.15
    /// Ids are drawn from below this where a guess is misled.
    public var vocabulary: Int

    /// The masking of BERT: of 15 % of the ids, 8 in 10 become the mask, 1 in 10 another id, 1 in 10 stays.
    public init(mask: Int32, begin: Int32?, end: Int32?, vocabulary: Int) {
        self.mask = mask
        self.begin = begin
        self.end = end
        self.vocabulary = vocabulary
    }

    /// How many ids of a window are not text.
    public var frame: Int { (begin == nil ? 0 : 1) + (end == nil ? 0 : 1) }
}

/// Windows of text with masked ids: an encoder learns to guess them.
///
/// The windows are those of `WindowSource`; which ids are masked, and how, depends on seed, step, row and place only.
public final class MaskedText: BatchSource {
    private let windows: WindowSource
    private let masking: Masking
    private let seed: UInt64
    private let rows: Int
    private let parts: Int
    private let length: Int
    private let scratch: UnsafeMutablePointer<Int32>

    /// Windows of at most `context` ids, what frames them included.
    ///
    /// - Throws: `HeedError` naming the text that has no whole window.
    public init(
        _ streams: [TokenStream], _ masking: Masking, context: Int, batch: Int, accumulate: Int, order: WindowOrder,
        seed: UInt64
    ) throws {
        length = context - masking.frame
        try requireOption(
            "context", length >= 1, expected: "more than \(masking.frame), which frame a window", got: "\(context)")
        windows = try WindowSource(
            streams, context: length, batch: batch, accumulate: accumulate, order: order, seed: seed)
        self.masking = masking
        self.seed = seed
        rows = batch
        parts = accumulate
        scratch = .allocate(capacity: context)
        scratch.initialize(repeating: 0, count: context)
    }

    deinit { scratch.deallocate() }

    /// Windows of an epoch.
    public var count: Int { windows.windows }

    public func fill(_ input: StepInput, step: Int, part: Int) throws {
        let first = ((step - 1) * parts + part) * rows
        for row in 0..<rows { try append(first + row, to: input.tokens) }
    }

    /// Appends the `index`-th window since the start of the run.
    func append(_ index: Int, to batch: TokenBatch) throws {
        let (stream, start) = windows.place(index)
        let before = masking.begin == nil ? 0 : 1
        if let begin = masking.begin { scratch[0] = begin }
        windows.streams[stream].copy(from: start, count: length, to: scratch + before)
        if let end = masking.end { scratch[before + length] = end }
        let base = batch.rows.current
        try batch.append(UnsafeBufferPointer(start: scratch, count: length + masking.frame))
        // Windows of another use draw from another seed, so masks and order have nothing to do with each other.
        let random = RandomSource(
            seed: seed ^ 0x4D41_534B_4544_4944, purpose: .shuffle, step: UInt32(truncatingIfNeeded: index >> 32))
        let draws = UInt64(UInt32(truncatingIfNeeded: index)) * UInt64(length) * 2
        var masked = 0
        for place in 0..<length where random.unit(draws + UInt64(2 * place)) < masking.share {
            mask(base + before + place, batch, random.unit(draws + UInt64(2 * place) + 1))
            masked += 1
        }
        // A window in which nothing is to be guessed would teach nothing.
        if masked == 0 { mask(base + before + index % length, batch, 0) }
    }

    private func mask(_ row: Int, _ batch: TokenBatch, _ draw: Double) {
        batch.targets[row] = batch.ids[row]
        if draw < 0.8 {
            batch.ids[row] = masking.mask
        } else if draw < 0.9 {
            // What is left of the draw is even over 0 ..< 1 again.
            batch.ids[row] = Int32(min((draw - 0.8) * 10 * Double(masking.vocabulary), Double(masking.vocabulary - 1)))
        }
    }
}

extension RunData {
    /// Text for masked-language training of an encoder.
    ///
    /// - Throws: `HeedError` when a text has no whole window or memory for measuring is refused.
    public init(
        masking: Masking, training: [TokenStream], validation: [TokenStream]?, fingerprint: String, _ model: Model,
        _ options: StepOptions, order: WindowOrder, runtime: Runtime
    ) throws {
        func source(_ streams: [TokenStream], _ order: WindowOrder) throws -> MaskedText {
            try MaskedText(
                streams, masking, context: options.context, batch: options.batch, accumulate: options.accumulate,
                order: order, seed: options.seed)
        }
        let tokens = options.batch * options.context
        let capacity = StepCapacity(
            tokens: tokens, sourceTokens: tokens, sequences: options.batch, length: options.context)
        let held = try validation.map { try source($0, .sequential) }
        let meter = try held.map { _ in
            try LossMeter(model, capacity, precision: options.precision, runtime: runtime)
        }
        let size = options.batch
        let measure: (() throws -> Double?)? = meter.flatMap { meter in
            held.map { held in
                {
                    try meter.measure(batches: (held.count + size - 1) / size) { number, input in
                        for index in number * size..<min((number + 1) * size, held.count) {
                            try held.append(index, to: input.tokens)
                        }
                    }?.total
                }
            }
        }
        self.init(
            source: try source(training, order), capacity: capacity, fingerprint: "masked-" + fingerprint,
            measure: measure)
    }
}
