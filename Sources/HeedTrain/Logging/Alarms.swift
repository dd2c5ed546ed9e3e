/// Watches a run and says once what goes wrong and what to try.
///
/// Thresholds are rules of thumb: they are wide enough that an ordinary run raises none.
public struct Alarms: Sendable {
    /// What may go wrong.
    public enum Kind: String, Sendable, CaseIterable {
        case lossSpike = "loss spike"
        case gradientSpike = "gradient spike"
        case vanishingGradient = "vanishing gradient"
        case notLearning = "not learning"
        case overfitting
        case repeating = "data repeating"
    }

    /// Losses of the last steps.
    private var losses: [Double] = []
    private var norms: [Double] = []
    private var firstLosses: [Double] = []
    private var bestValidation: Double?
    private var bestLoss = Double.infinity
    private var raised: [Kind: Int] = [:]
    private let tokensPerEpoch: Int?
    private var tokens = 0

    private static let window = 64
    /// Steps before the same alarm is raised again.
    private static let pause = 500

    /// - Parameter tokensPerEpoch: the tokens of the data, where they are known.
    public init(tokensPerEpoch: Int? = nil) { self.tokensPerEpoch = tokensPerEpoch }

    /// Takes note of a step and returns what is to be said of it, each with what to try.
    public mutating func observe(_ row: LogRow) -> [(kind: Kind, text: String)] {
        var found: [(Kind, String)] = []
        tokens += row.tokens
        if losses.count == Alarms.window {
            let mean = losses.reduce(0, +) / Double(losses.count)
            let variance = losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(losses.count)
            if row.loss > mean + 8 * variance.squareRoot(), row.loss > mean * 1.2 + 0.1 {
                found.append(
                    (
                        .lossSpike,
                        "the loss is \(rounded(row.loss)) after \(rounded(mean)) in the last \(losses.count) steps; look "
                            + "at the data of this step, lower `peak`, raise `warmup`, or set `clip` to 1"
                    ))
            }
            let usual = norms.sorted()[norms.count / 2]
            if row.gradientNorm > 20 * usual, usual > 0 {
                found.append(
                    (
                        .gradientSpike,
                        "the gradient's norm is \(rounded(row.gradientNorm)), usually \(rounded(usual)); set `clip` to 1 or "
                            + "lower `peak`"
                    ))
            }
            if norms.allSatisfy({ $0 < 1e-6 }) {
                found.append(
                    (
                        .vanishingGradient,
                        "the gradient's norm has been below 1e-6 for \(norms.count) steps: nothing is learned; raise `peak`, "
                            + "or begin with another `seed` or initialisation"
                    ))
            }
        }
        if firstLosses.count < Alarms.window { firstLosses.append(row.loss) }
        if row.step >= 300, losses.count == Alarms.window, firstLosses.count == Alarms.window {
            let (start, now) = (firstLosses.prefix(8).reduce(0, +) / 8, losses.suffix(32).reduce(0, +) / 32)
            if now > start * 0.99, start > 0.1 {
                found.append(
                    (
                        .notLearning,
                        "the loss is \(rounded(now)) as it was \(rounded(start)) at the start; try a `peak` ten times smaller "
                            + "or larger, and look at the data"
                    ))
            }
        }
        bestLoss = min(bestLoss, row.loss)
        if let validation = row.validationLoss {
            if let best = bestValidation, validation > best + 0.05 * best, row.loss < best {
                found.append(
                    (
                        .overfitting,
                        "the validation loss is \(rounded(validation)) after \(rounded(best)), while the loss falls: the "
                            + "model learns its data by heart; stop (`patience`), raise `dropout`, or take more data"
                    ))
            }
            bestValidation = min(bestValidation ?? validation, validation)
        }
        if let tokensPerEpoch, tokensPerEpoch > 0, tokens / tokensPerEpoch >= 8 {
            found.append(
                (
                    .repeating,
                    "the data have been read \(tokens / tokensPerEpoch) times; more of the same rarely helps beyond four"
                ))
        }
        losses.append(row.loss)
        norms.append(row.gradientNorm)
        if losses.count > Alarms.window {
            losses.removeFirst()
            norms.removeFirst()
        }
        return found.filter { kind, _ in
            if let last = raised[kind], row.step - last < Alarms.pause || kind == .repeating { return false }
            raised[kind] = row.step
            return true
        }
    }

    private func rounded(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        if abs(value) >= 0.001 || value == 0 { return "\((value * 1000).rounded() / 1000)" }
        return "\(value)"
    }
}
