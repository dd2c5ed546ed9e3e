import HeedSupport

/// The numbers that rotary frequencies are divided by, one for each pair of a head: llama.cpp's files have them as
/// tensors.
enum RotaryFactors {
    /// The factors that a file holds, for short and for long texts; nil where it holds none.
    static func read(_ file: GGUFFile) throws -> (short: [Float], long: [Float])? {
        func factors(_ name: String) throws -> [Float]? {
            guard let tensor = file.tensor(named: name) else { return nil }
            guard tensor.shape.count == 1, tensor.count <= 1 << 14, tensor.type.isFloating else {
                throw HeedError(
                    .badInput, "the tensor \(name) has an impossible shape or type", in: tensor.file,
                    expected: "one number for each pair of a head", got: "\(tensor.type.rawValue) \(tensor.shape)")
            }
            let values = try file.floats(name)
            guard values.allSatisfy({ $0.isFinite && $0 > 0 }) else {
                throw HeedError(.badInput, "the tensor \(name) holds numbers that are not above 0", in: tensor.file)
            }
            return values
        }
        if let both = try factors("rope_freqs.weight") { return (both, both) }
        guard let long = try factors("rope_factors_long.weight"), let short = try factors("rope_factors_short.weight")
        else { return nil }
        return (short, long)
    }

    /// The tensors that a configuration asks for: name and numbers.
    static func tensors(_ configuration: PublishedConfiguration) throws -> [(name: String, factors: [Float])] {
        let rotary = configuration.rotary
        switch configuration.rotaryKind {
        case "llama3": return [("rope_freqs.weight", try llama3(rotary, width: try configuration.headWidth()))]
        case "longrope", "su":
            return try [("long_factor", "rope_factors_long.weight"), ("short_factor", "rope_factors_short.weight")].map
            {
                key, name in
                let values = rotary.object[key]?.arrayValue?.compactMap(\.doubleValue)
                guard let values, !values.isEmpty else {
                    throw HeedError(.missing, "\(key) is missing or no list of numbers", in: configuration.file)
                }
                return (name, values.map { Float($0) })
            }
        default: return []
        }
    }

    /// LLaMA 3's factors: 1 for fast frequencies, the whole factor for slow ones, and between them what blends.
    ///
    /// In steps of 32-bit floats, as llama.cpp's converter has them.
    private static func llama3(_ rotary: PublishedConfiguration, width: Int) throws -> [Float] {
        let theta = try rotary.number("rope_theta") ?? 10_000
        let factor = try rotary.number("factor") ?? 8
        let low = try rotary.number("low_freq_factor") ?? 1
        let high = try rotary.number("high_freq_factor") ?? 4
        let original = try rotary.number("original_max_position_embeddings") ?? 8192
        return stride(from: 0, to: width, by: 2).map { index in
            let exponent = Float(index) / Float(width)
            let frequency = 1 / Float(ExactMathematics.exp(Double(exponent) * ExactMathematics.log(theta)))
            let wavelength = 1 / frequency * Float(2 * Double.pi)
            if Double(wavelength) < original / high { return 1 }
            if Double(wavelength) > original / low { return Float(factor) }
            let smooth = (1 / wavelength * Float(original) - Float(low)) / Float(high - low)
            return 1 / ((1 - smooth) / Float(factor) + smooth)
        }
    }

    /// What scores are multiplied by under "longrope", or nil under other kinds.
    static func attentionFactor(_ configuration: PublishedConfiguration) throws -> Double? {
        guard ["longrope", "su"].contains(configuration.rotaryKind) else { return nil }
        if let given = try configuration.rotary.number("attention_factor") { return given }
        let context = Double(try configuration.required("max_position_embeddings"))
        let original = Double(
            try configuration.integer("original_max_position_embeddings")
                ?? configuration.rotary.required("original_max_position_embeddings"))
        guard original > 1, context > original else { return 1 }
        return (1 + ExactMathematics.log(context / original) / ExactMathematics.log(original)).squareRoot()
    }
}
