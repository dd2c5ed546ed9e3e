import HeedSupport
import HeedTensor

/// In which order the windows of a text are read.
public enum WindowOrder: String, Sendable, CaseIterable {
    /// A new random order in every epoch, a function of seed and epoch only.
    case shuffled
    /// One after the other: step s, row b begins at (s·B + b)·T.
    case sequential

    /// The order called `name`.
    ///
    /// - Throws: `HeedError` (`usage`) with the choices and the nearest of them.
    public static func named(_ name: String) throws -> WindowOrder {
        if let order = WindowOrder(rawValue: name) { return order }
        let names = allCases.map(\.rawValue)
        throw HeedError(
            .usage, "`order` is not known", expected: names.joined(separator: ", "), got: quoted(name),
            advice: nearest(name, among: names).map { "The nearest is \($0)" })
    }
}

/// Windows of T inputs and T targets, the targets one place further on.
///
/// A stream of n ids has ⌊(n − 1)/T⌋ whole windows; they never reach from one stream into the next. Sequential order
/// takes them as they lie and begins again at the start after the last whole window. Shuffled order goes through them
/// in a random order in every epoch; a stream of two or more windows gives up one of them for a random first place in
/// 0 ..< T, so that later epochs cut the text elsewhere. Which window a row gets depends on seed, step and row only:
/// a resumed run needs no state, and a batch may be cut into micro-batches freely.
public final class WindowSource: BatchSource {
    /// The ids that windows are cut from.
    public let streams: [TokenStream]
    /// Tokens of a window, T.
    public let context: Int
    /// In which order windows are taken.
    public let order: WindowOrder
    /// Windows of an epoch.
    public let windows: Int
    private let seed: UInt64
    private let rows: Int
    private let parts: Int
    /// Windows before each stream, and all at the end.
    private let firsts: [Int]
    private let scratch: UnsafeMutablePointer<Int32>

    /// - Throws: `HeedError` naming the file that has no whole window.
    public init(
        _ streams: [TokenStream], context: Int, batch: Int, accumulate: Int, order: WindowOrder, seed: UInt64
    ) throws {
        var firsts = [0]
        for stream in streams {
            let whole = (stream.count - 1) / context
            guard whole >= 1 else {
                throw HeedError(
                    .badInput, "there are fewer tokens than one window", in: stream.name,
                    expected: "at least \(context + 1) tokens for `context` \(context)", got: "\(stream.count)",
                    advice: "Use a smaller `context` or more text.")
            }
            firsts.append((firsts.last ?? 0) + (order == .shuffled && whole > 1 ? whole - 1 : whole))
        }
        self.streams = streams
        self.context = context
        self.order = order
        self.seed = seed
        self.firsts = firsts
        windows = firsts.last ?? 0
        rows = batch
        parts = accumulate
        scratch = .allocate(capacity: context + 1)
        scratch.initialize(repeating: 0, count: context + 1)
    }

    deinit { scratch.deallocate() }

    public func fill(_ input: StepInput, step: Int, part: Int) throws {
        let batch = input.tokens
        let first = ((step - 1) * parts + part) * rows
        for row in 0..<rows {
            let (stream, start) = place(first + row)
            streams[stream].copy(from: start, count: context + 1, to: scratch)
            let base = batch.rows.current
            try batch.append(UnsafeBufferPointer(start: scratch, count: context))
            for i in 0..<context { batch.targets[base + i] = scratch[i + 1] }
        }
    }

    /// Stream and first id of the `index`-th window since the start of the run.
    func place(_ index: Int) -> (stream: Int, start: Int) {
        var window = index % windows
        var phase = 0
        if order == .shuffled {
            let epoch = index / windows
            window = Permutation(count: windows, seed: seed, epoch: epoch)[window]
            // Word 8 is none of those that the permutation draws.
            let word = RandomSource(seed: seed, purpose: .shuffle, step: UInt32(truncatingIfNeeded: epoch)).word(8)
            phase = Int(UInt64(word) * UInt64(context) >> 32)
        }
        var stream = 0
        while firsts[stream + 1] <= window { stream += 1 }
        let start = (window - firsts[stream]) * context
        return (stream, start + (streams[stream].count > 2 * context ? phase : 0))
    }
}
