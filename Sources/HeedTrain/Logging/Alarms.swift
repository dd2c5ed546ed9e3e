/// Watches a run and says once what goes wrong and what to try.
///
/// Thresholds are rules of thumb: they are wide enough that an ordinary run raises none.
public struct Alarms: Sendable {
    /// What may go wrong.
    public enum Kind: String, Sendable, CaseIterable {
        /// A loss eight standard deviations above those of the last steps.
        case lossSpike = "loss spike"
        /// A gradient's norm twenty times the usual one.
        case gradientSpike = "gradient spike"
        /// No norm of the last steps reaches 1e-6.
        case vanishingGradient = "vanishing gradient"
        /// After 300 steps the loss is where it began.
        case notLearning = "not learning"
        /// The validation loss rises while the loss falls.
        case overfitting
        /// The data have been read eight times.
        case repeating = "data repeating"
    }

    /// Losses of the last steps.
    private var losses: [Double] = []
    private var norms = RecentNorms()
    private var firstLosses: [Double] = []
    private var bestValidation: Double?
    private var raised: [Kind: Int] = [:]
    private let tokensPerEpoch: Int?
    private var tokens = 0

    private static let window = 64
    /// The steps whose loss is that of the start.
    private static let start = 8
    /// Steps before the same alarm is raised again.
    private static let pause = 500

    /// - Parameter tokensPerEpoch: the tokens of the data, where they are known.
    public init(tokensPerEpoch: Int? = nil) { self.tokensPerEpoch = tokensPerEpoch }

    /// Takes note of a step and returns what is to be said of it, each with what to try.
    public mutating func observe(_ row: LogRow) -> [(kind: Kind, text: String)] {
        tokens += row.tokens
        if firstLosses.count < Alarms.start { firstLosses.append(row.loss) }
        var found: [(kind: Kind, text: String)] = []
        func tell(_ kind: Kind, _ text: String?) { if let text { found.append((kind: kind, text: text)) } }
        if losses.count == Alarms.window {
            tell(.lossSpike, lossSpike(row))
            tell(.gradientSpike, gradientSpike(row))
            tell(.vanishingGradient, vanishingGradient)
            tell(.notLearning, notLearning(row))
        }
        tell(.overfitting, overfitting(row))
        tell(.repeating, repeating)
        losses.append(row.loss)
        if losses.count > Alarms.window { losses.removeFirst() }
        norms.append(row.gradientNorm, longest: Alarms.window)
        return found.filter { kind, _ in
            if let last = raised[kind], row.step - last < Alarms.pause || kind == .repeating { return false }
            raised[kind] = row.step
            return true
        }
    }

    private func lossSpike(_ row: LogRow) -> String? {
        let mean = losses.reduce(0, +) / Double(losses.count)
        guard row.loss > mean * 1.2 + 0.1 else { return nil }
        let variance = losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(losses.count)
        guard row.loss > mean + 8 * variance.squareRoot() else { return nil }
        return "the loss is \(rounded(row.loss)) after \(rounded(mean)) in the last \(losses.count) steps; look "
            + "at the data of this step, lower `peak`, raise `warmup`, or set `clip` to 1"
    }

    private func gradientSpike(_ row: LogRow) -> String? {
        let usual = norms.median
        guard row.gradientNorm > 20 * usual, usual > 0 else { return nil }
        return "the gradient's norm is \(rounded(row.gradientNorm)), usually \(rounded(usual)); set `clip` to 1 or "
            + "lower `peak`"
    }

    private var vanishingGradient: String? {
        guard norms.largest < 1e-6 else { return nil }
        return "the gradient's norm has been below 1e-6 for \(losses.count) steps: nothing is learned; raise `peak`, "
            + "or begin with another `seed` or initialisation"
    }

    private func notLearning(_ row: LogRow) -> String? {
        guard row.step >= 300 else { return nil }
        let start = firstLosses.reduce(0, +) / Double(Alarms.start)
        let now = losses.suffix(32).reduce(0, +) / 32
        guard now > start * 0.99, start > 0.1 else { return nil }
        return "the loss is \(rounded(now)) as it was \(rounded(start)) at the start; try a `peak` ten times smaller "
            + "or larger, and look at the data"
    }

    private mutating func overfitting(_ row: LogRow) -> String? {
        guard let validation = row.validationLoss else { return nil }
        let former = bestValidation
        bestValidation = min(former ?? validation, validation)
        guard let best = former, validation > best + 0.05 * best, row.loss < best else { return nil }
        return "the validation loss is \(rounded(validation)) after \(rounded(best)), while the loss falls: the "
            + "model learns its data by heart; stop (`patience`), raise `dropout`, or take more data"
    }

    private var repeating: String? {
        guard let tokensPerEpoch, tokensPerEpoch > 0, tokens / tokensPerEpoch >= 8 else { return nil }
        return "the data have been read \(tokens / tokensPerEpoch) times; more of the same rarely helps beyond four"
    }

    private func rounded(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        if abs(value) >= 0.001 || value == 0 { return "\((value * 1000).rounded() / 1000)" }
        return "\(value)"
    }
}

/// The norms of the last steps, kept in order too: sorting them anew took a twelfth of a tiny model's step.
private struct RecentNorms: Sendable {
    private var norms: [Double] = []
    private var sorted: [Double] = []

    /// The middle one, of an even number the upper; of none infinite.
    var median: Double { sorted.isEmpty ? .infinity : sorted[sorted.count / 2] }
    var largest: Double { sorted.last ?? .infinity }

    /// Takes the next; beyond `longest` the first is forgotten.
    mutating func append(_ norm: Double, longest: Int) {
        // What is no number has no place in an order.
        let norm = norm.isNaN ? .infinity : norm
        norms.append(norm)
        sorted.insert(norm, at: place(of: norm))
        if norms.count > longest {
            let first = norms.removeFirst()
            sorted.remove(at: place(of: first))
        }
    }

    /// How many are smaller.
    private func place(of norm: Double) -> Int {
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < norm { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
