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
}

/// How fast the pairs of a head turn with the position: pair i by θ^(−2i/width) (Su et al. 2021, section 3.3), stretched.
public struct RotaryShape: Sendable, Equatable {
    /// θ.
    public var theta: Double
    /// How turning is stretched.
    public var scaling: RotaryScaling

    /// Turning with base θ.
    public init(theta: Double = 10_000, scaling: RotaryScaling = .none) {
        self.theta = theta
        self.scaling = scaling
    }

    /// The turns of heads of `width` columns.
    public func positions(width: Int) -> RotaryPositions {
        let plain = (0..<(width / 2)).map {
            ExactMathematics.exp(-2 * Double($0) / Double(width) * ExactMathematics.log(theta))
        }
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
        }
    }
}
