import HeedSupport
import HeedTensor

/// How the turning of positions is stretched beyond the lengths that a model was trained on.
public enum RotaryScaling: Sendable, Equatable {
    /// Not at all.
    case none
    /// Every position counts as position / factor (Chen et al. 2023).
    case linear(factor: Double)
    /// Low frequencies are slowed down by `factor`, high ones kept, those between blended (Dubey et al. 2024): low and
    /// high are numbers of turns within `original` positions.
    case llama3(factor: Double, low: Double, high: Double, original: Int)
    /// θ grows with the length of the sequence beyond `original` positions ("NTK-aware", 2023).
    case dynamic(factor: Double, original: Int)
    /// Fast pairs as they are, slow ones by `factor` slower, those between blended; and all scores sharper (Peng et al.
    /// 2023, "YaRN").
    case yarn(YarnScaling)
    /// A factor of its own for each pair: of `short` in sequences of up to `original` tokens, of `long` in longer ones
    /// (Ding et al. 2024).
    case long(LongScaling)
}

/// The numbers of YaRN.
public struct YarnScaling: Sendable, Equatable {
    /// By how much slow pairs are slowed down.
    public var factor: Double
    /// How many positions the model was trained on.
    public var original: Int
    /// Turns within those positions from which on a pair is fast, and up to which it is slow.
    public var fast = 32.0
    /// As `fast`.
    public var slow = 1.0
    /// Factor on cosines and sines; nil: 0.1 · ln(factor) + 1.
    public var attentionFactor: Double?
    /// Factors of the logarithm above and below the line, where both are there.
    public var sharpness: (above: Double, below: Double)? {
        get { above > 0 && below > 0 ? (above, below) : nil }
        set { (above, below) = newValue.map { ($0.above, $0.below) } ?? (0, 0) }
    }
    private var above = 0.0
    private var below = 0.0
    /// Whether the bounds between fast and slow are whole pairs.
    public var truncates = true

    /// The published values for a factor.
    public init(factor: Double, original: Int) {
        self.factor = factor
        self.original = original
    }

    fileprivate var sharpening: Double {
        func sharp(_ k: Double) -> Double { factor <= 1 ? 1 : 0.1 * k * ExactMathematics.log(factor) + 1 }
        if let attentionFactor { return attentionFactor }
        return sharpness.map { sharp($0.above) / sharp($0.below) } ?? sharp(1)
    }

    /// The frequencies of `plain`, pair by pair.
    fileprivate func frequencies(_ plain: [Double], theta: Double) -> [Double] {
        let width = Double(2 * plain.count)
        func pair(turns: Double) -> Double {
            width * ExactMathematics.log(Double(original) / (turns * 2 * Double.pi))
                / (2 * ExactMathematics.log(theta))
        }
        var (low, high) = (pair(turns: fast), pair(turns: slow))
        if truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
        (low, high) = (max(low, 0), min(high, width - 1))
        if low == high { high += 0.001 }
        return plain.enumerated().map { index, frequency in
            let slowness = min(max((Double(index) - low) / (high - low), 0), 1)
            return frequency / factor * slowness + frequency * (1 - slowness)
        }
    }
}

/// The numbers of "longrope".
public struct LongScaling: Sendable, Equatable {
    /// Factors of the pairs within `original` positions.
    public var short: [Double]
    /// Factors of the pairs beyond.
    public var long: [Double]
    /// How many positions the model was trained on.
    public var original: Int
    /// Factor on cosines and sines.
    public var attentionFactor: Double

    /// Factors of the pairs, and one on cosines and sines.
    public init(short: [Double], long: [Double], original: Int, attentionFactor: Double) {
        self.short = short
        self.long = long
        self.original = original
        self.attentionFactor = attentionFactor
    }
}

/// How fast the pairs of a head turn with the position: pair i by θ^(−2i/width) (Su et al. 2021, section 3.3), stretched.
public struct RotaryShape: Sendable, Equatable {
    /// θ.
    public var theta: Double
    /// How turning is stretched.
    public var scaling: RotaryScaling
    /// The share of a head's columns, from the first, that turn.
    public var part: Double

    /// Turning with base θ.
    public init(theta: Double = 10_000, scaling: RotaryScaling = .none, part: Double = 1) {
        self.theta = theta
        self.scaling = scaling
        self.part = part
    }

    /// How many columns of a head turn.
    public func columns(of width: Int) -> Int { Int(Double(width) * part) / 2 * 2 }

    private func plain(_ columns: Int, theta: Double) -> [Double] {
        (0..<(columns / 2)).map {
            ExactMathematics.exp(-2 * Double($0) / Double(columns) * ExactMathematics.log(theta))
        }
    }

    /// Whether all positions of a sequence turn by how long it is.
    public var turnDependsOnLength: Bool {
        switch scaling {
        case .dynamic, .long: true
        case .none, .linear, .llama3, .yarn: false
        }
    }

    /// What the length of a sequence makes of turning: sequences with one number turn alike.
    ///
    /// As in `transformers`, a sequence's length so far counts for all of its positions: of up to the tokens that the
    /// model was trained on all lengths turn alike; of more, all lengths alike ("longrope") or each in its own way
    /// ("dynamic").
    public func turn(length: Int) -> Int {
        switch scaling {
        case .dynamic(_, let original): max(length - original, 0)
        case .long(let scaling): length > scaling.original ? 1 : 0
        case .none, .linear, .llama3, .yarn: 0
        }
    }

    /// The turns of heads of `width` columns in a sequence of `length` tokens, which counts where turning depends on the
    /// length.
    public func positions(width: Int, length: Int = 1) -> RotaryPositions {
        let columns = columns(of: width)
        let plain = plain(columns, theta: theta)
        switch scaling {
        case .none: return RotaryPositions(frequencies: plain)
        case .linear(let factor): return RotaryPositions(frequencies: plain.map { $0 / factor })
        case .llama3(let factor, let low, let high, let original):
            let length = Double(original)
            return RotaryPositions(
                frequencies: plain.map { frequency in
                    let wavelength = 2 * Double.pi / frequency
                    if wavelength < length / high { return frequency }
                    if wavelength > length / low { return frequency / factor }
                    let blend = (length / wavelength - low) / (high - low)
                    return (1 - blend) * frequency / factor + blend * frequency
                })
        case .dynamic(let factor, let original):
            guard turn(length: length) > 0, columns > 2 else { return RotaryPositions(frequencies: plain) }
            let growth = factor * Double(length) / Double(original) - (factor - 1)
            let power = Double(columns) / Double(columns - 2)
            let theta = theta * ExactMathematics.exp(power * ExactMathematics.log(growth))
            return RotaryPositions(frequencies: self.plain(columns, theta: theta))
        case .yarn(let yarn):
            return RotaryPositions(
                frequencies: yarn.frequencies(plain, theta: theta), factor: Float(yarn.sharpening))
        case .long(let scaling):
            let factors = turn(length: length) > 0 ? scaling.long : scaling.short
            return RotaryPositions(
                frequencies: zip(plain, factors).map { $0 / $1 }, factor: Float(scaling.attentionFactor))
        }
    }
}

extension StackShape {
    /// The different turnings of its layers.
    public var rotary: [RotaryShape] {
        positions.distinct.compactMap { if case .rotary(let rotary) = $0 { rotary } else { nil } }
    }
}
