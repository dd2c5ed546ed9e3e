import CHeedKernels
import HeedSupport

/// Windows of T inputs with the T targets that follow them by one, cut from token files.
///
/// Rows are counted from 0 over the whole run: row b of micro-batch p of step s (from 1) is number
/// ((s − 1) · A + p) · B + b, so that A micro-batches of B rows read what one batch of A·B would. Which tokens a row
/// holds depends on seed and number only; resuming needs no other state.
/// - Sequential: row n begins at token n · T of the file; after the last whole window the first comes again.
/// - Shuffled: every epoch is another permutation of the windows, which begin at another offset below T, so that a
///   small file is not always cut at the same places.
/// - Explicit: row n begins at `offsets[n]`; after the last the first comes again.
///
/// Windows do not cross from one file into the next; files are read in the order given.
public struct TokenWindows: Sendable {
    /// How rows choose their windows.
    public enum Order: Sendable, Equatable {
        case sequential
        case shuffled(seed: UInt64)
        case explicit(offsets: [Int])
    }

    /// The files.
    public let files: [TokenSequence]
    /// Tokens of a window, T.
    public let context: Int
    /// How rows choose their windows.
    public let order: Order
    /// Windows of one epoch.
    public let windowsPerEpoch: Int
    private let shifts: Bool
    /// firstWindow[f] is the number of the first window of file f; one more at the end.
    private let firstWindow: [Int]

    /// Windows of `files`.
    ///
    /// - Throws: `HeedError` naming a file with fewer than T + 1 tokens, or an offset beyond the tokens.
    public init(_ files: [TokenSequence], context: Int, order: Order) throws {
        self.files = files
        self.context = context
        self.order = order
        guard !files.isEmpty else {
            throw HeedError(.usage, "there is no training data", in: "--data", expected: "one file or more")
        }
        for file in files where file.count <= context {
            throw HeedError(
                .badInput, "the file holds fewer tokens than one window", in: file.place,
                expected: "at least \(context + 1) tokens for --context \(context)", got: "\(file.count)")
        }
        if case .explicit(let offsets) = order {
            guard files.count == 1, !offsets.isEmpty else {
                throw HeedError(
                    .usage, "explicit offsets need exactly one token file and at least one offset", in: files[0].place)
            }
            for (row, offset) in offsets.enumerated() where offset < 0 || offset > files[0].count - context - 1 {
                throw HeedError(
                    .badInput, "an offset leads beyond the tokens", in: "offset \(row) into \(files[0].place)",
                    expected: "0 to \(files[0].count - context - 1)", got: "\(offset)")
            }
        }
        var isShuffled = false
        if case .shuffled = order { isShuffled = true }
        // A shifted start costs up to one window; a file too short for that always begins at its first token.
        shifts = isShuffled && files.allSatisfy { $0.count >= 2 * context }
        var first = [0]
        for file in files {
            let windows = shifts ? (file.count - context) / context : (file.count - 1) / context
            first.append((first.last ?? 0) + windows)
        }
        firstWindow = first
        if case .explicit(let offsets) = order {
            windowsPerEpoch = offsets.count
        } else {
            windowsPerEpoch = first.last ?? 0
        }
    }

    /// Where row `number` of the run begins: file and token.
    public func place(ofRow number: Int) -> (file: Int, token: Int) {
        let (epoch, place) = number.quotientAndRemainder(dividingBy: windowsPerEpoch)
        switch order {
        case .explicit(let offsets):
            return (0, offsets[place])
        case .sequential:
            return start(ofWindow: place, shift: 0)
        case .shuffled(let seed):
            let window = Permutation(count: windowsPerEpoch, seed: seed, epoch: epoch)[place]
            return start(ofWindow: window, shift: shifts ? shift(seed: seed, epoch: epoch) : 0)
        }
    }

    /// Copies inputs and targets `[T]` of row `number` of the run.
    public func copy(
        row number: Int, inputs: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Int32>
    ) {
        let (file, token) = place(ofRow: number)
        files[file].copy(from: token, count: context, to: inputs)
        files[file].copy(from: token + 1, count: context, to: targets)
    }

    /// The number of row `row` of micro-batch `part` of `step` (from 1).
    public static func number(step: Int, part: Int, row: Int, batch: Int, accumulate: Int) -> Int {
        ((step - 1) * accumulate + part) * batch + row
    }

    private func start(ofWindow window: Int, shift: Int) -> (file: Int, token: Int) {
        var low = 0
        var high = files.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if firstWindow[middle] <= window { low = middle } else { high = middle - 1 }
        }
        return (low, (window - firstWindow[low]) * context + shift)
    }

    private func shift(seed: UInt64, epoch: Int) -> Int {
        var word: UInt32 = 0
        heed_philox(seed, 4, UInt32(truncatingIfNeeded: epoch), 0, &word, 1)
        return Int(UInt64(word) * UInt64(context) >> 32)
    }
}

extension TokenWindows {
    /// Splits off the last `fraction` of every file for validation.
    ///
    /// - Throws: `HeedError` for a fraction outside 0 < f < 1, or a file too short for both parts.
    public static func split(
        _ files: [TokenSequence], validation fraction: Double, context: Int
    ) throws -> (training: [TokenSequence], validation: [TokenSequence]) {
        guard fraction > 0, fraction < 1 else {
            throw HeedError(
                .usage, "the share of tokens to hold back makes no sense", in: "--validation",
                expected: "a file, or a number above 0 and below 1", got: "\(fraction)")
        }
        var training: [TokenSequence] = []
        var validation: [TokenSequence] = []
        for file in files {
            let held = Int(Double(file.count) * fraction)
            guard held > context, file.count - held > context else {
                throw HeedError(
                    .badInput, "the file is too short to hold back \(fraction) of it", in: file.place,
                    expected: "more than \(context) tokens on both sides", got: "\(file.count - held) and \(held)",
                    advice: "Take a shorter --context, or a file of its own for --validation")
            }
            training.append(file.part(0..<(file.count - held)))
            validation.append(file.part((file.count - held)..<file.count))
        }
        return (training, validation)
    }
}
