import HeedLayers
import HeedSupport
import HeedWeights

// Rotary positions in configurations: `rope_parameters` of newer files, `rope_theta` and `rope_scaling` of older ones.

/// What a family assumes where a file does not say how positions turn.
struct RotaryDefaults {
    var theta = 10_000.0
    var part = 1.0
    /// Under which key older files say θ.
    var thetaKey = "rope_theta"
    /// Under which key older files say the share of columns that turn.
    var partKey = "partial_rotary_factor"
    /// The kind of layer whose parameters are read, where `rope_parameters` has several.
    var layers: String?
    /// Whether an older file's `rope_scaling` is about these layers.
    var scales = true
}

extension ConfigurationReader {
    /// The turning of positions for heads of `width` columns. Where both spellings are there, `rope_scaling` counts, as in
    /// `transformers`.
    func rotary(width: Int, context: Int, _ defaults: RotaryDefaults = RotaryDefaults()) throws -> RotaryShape {
        let scaling = try optionalObject("rope_scaling")
        let parameters = try optionalObject("rope_parameters")
        var source = defaults.scales ? scaling ?? parameters : parameters
        if let layers = defaults.layers, let each = try source?.optionalObject(layers) { source = each }
        let ownTheta = try optionalDouble(defaults.thetaKey, in: 1...1e12)
        let ownPart = try optionalDouble(defaults.partKey, in: 0...1)
        let theta = try source?.optionalDouble("rope_theta", in: 1...1e12) ?? ownTheta ?? defaults.theta
        let part = try source?.optionalDouble("partial_rotary_factor", in: 0...1) ?? ownPart ?? defaults.part
        let columns = Int(Double(width) * part)
        guard columns >= 2, columns % 2 == 0 else {
            throw contradiction("head_dim", "is odd or too small, but rotary positions turn pairs", got: "\(columns)")
        }
        let outside = try optionalInteger("original_max_position_embeddings", in: 1...1 << 30)
        return RotaryShape(
            theta: theta,
            scaling: try source?.rotaryScaling(context: context, original: outside, pairs: columns / 2) ?? .none,
            part: part)
    }

    private func rotaryScaling(context: Int, original outside: Int?, pairs: Int) throws -> RotaryScaling {
        let kind = try optionalString("rope_type") ?? optionalString("type") ?? "default"
        func original() throws -> Int {
            let inside = try optionalInteger("original_max_position_embeddings", in: 1...1 << 30)
            return outside ?? inside ?? context
        }
        func factor() throws -> Double { try double("factor", in: 1e-3...1e6) }
        let result: RotaryScaling
        switch kind {
        case "default": result = .none
        case "linear": result = .linear(factor: try factor())
        case "dynamic":
            result = .dynamic(factor: try factor(), original: context)
            _ = value("original_max_position_embeddings")  // transformers counts from the configuration's length
        case "llama3":
            let low = try double("low_freq_factor", in: 1e-6...1e6)
            let high = try double("high_freq_factor", in: 1e-6...1e6)
            guard high > low else {
                throw contradiction("high_freq_factor", "is not above low_freq_factor", got: "\(high)")
            }
            result = .llama3(factor: try factor(), low: low, high: high, original: try original())
        case "yarn": result = .yarn(try yarn(context: context, original: try original()))
        case "longrope", "su": result = .long(try long(context: context, original: try original(), pairs: pairs))
        default:
            throw HeedError(
                .unsupported, "rope_type \(quoted(kind)) is not known", in: file,
                expected: "default, linear, dynamic, llama3, yarn or longrope")
        }
        for key in ["rope_type", "type", "rope_theta", "partial_rotary_factor"] { _ = value(key) }
        if let key = unasked.first {
            throw HeedError(
                .unsupported, "\(quoted(key)) of rotary positions of the type \(quoted(kind)) is not known", in: file)
        }
        return result
    }

    private func yarn(context: Int, original: Int) throws -> YarnScaling {
        let given = try optionalDouble("factor", in: 1e-3...1e6)
        var yarn = YarnScaling(factor: given ?? Double(context) / Double(original), original: original)
        yarn.fast = try optionalDouble("beta_fast", in: 1e-6...1e6) ?? 32
        yarn.slow = try optionalDouble("beta_slow", in: 1e-6...1e6) ?? 1
        yarn.attentionFactor = try optionalDouble("attention_factor", in: 1e-6...1e6)
        if let above = try optionalDouble("mscale", in: 0...1e6),
            let below = try optionalDouble("mscale_all_dim", in: 0...1e6), above > 0, below > 0
        {
            yarn.sharpness = (above, below)
        }
        yarn.truncates = try bool("truncate", default: true)
        return yarn
    }

    private func long(context: Int, original: Int, pairs: Int) throws -> LongScaling {
        func factors(_ key: String) throws -> [Double] {
            let values = (value(key)?.arrayValue ?? []).compactMap(\.doubleValue)
            guard values.count == pairs, values.allSatisfy({ $0 > 0 && $0.isFinite }) else {
                throw contradiction(
                    key, "does not fit the heads", expected: "\(pairs) positive numbers", got: "\(values.count)")
            }
            return values
        }
        let given = try optionalDouble("factor", in: 1e-3...1e6)
        let factor = given ?? Double(context) / Double(original)
        let sharp =
            factor <= 1
            ? 1 : (1 + ExactMathematics.log(factor) / ExactMathematics.log(Double(original))).squareRoot()
        return LongScaling(
            short: try factors("short_factor"), long: try factors("long_factor"), original: original,
            attentionFactor: try optionalDouble("attention_factor", in: 1e-6...1e6) ?? sharp)
    }
}

extension RotaryShape {
    /// What `rope_parameters` say.
    var parameters: JSONObject {
        var parameters: JSONObject = ["rope_theta": .number(theta)]
        if part != 1 { parameters["partial_rotary_factor"] = .number(part) }
        switch scaling {
        case .none: parameters["rope_type"] = "default"
        case .linear(let factor):
            parameters["rope_type"] = "linear"
            parameters["factor"] = .number(factor)
        case .dynamic(let factor, _):
            parameters["rope_type"] = "dynamic"
            parameters["factor"] = .number(factor)
        case .llama3(let factor, let low, let high, let original):
            parameters["rope_type"] = "llama3"
            parameters["factor"] = .number(factor)
            parameters["low_freq_factor"] = .number(low)
            parameters["high_freq_factor"] = .number(high)
            parameters["original_max_position_embeddings"] = .integer(original)
        case .yarn(let yarn):
            parameters["rope_type"] = "yarn"
            parameters["factor"] = .number(yarn.factor)
            parameters["original_max_position_embeddings"] = .integer(yarn.original)
            parameters["beta_fast"] = .number(yarn.fast)
            parameters["beta_slow"] = .number(yarn.slow)
            if let factor = yarn.attentionFactor { parameters["attention_factor"] = .number(factor) }
            if let (above, below) = yarn.sharpness {
                parameters["mscale"] = .number(above)
                parameters["mscale_all_dim"] = .number(below)
            }
            if !yarn.truncates { parameters["truncate"] = false }
        case .long(let long):
            parameters["rope_type"] = "longrope"
            parameters["short_factor"] = .array(long.short.map { .number($0) })
            parameters["long_factor"] = .array(long.long.map { .number($0) })
            parameters["original_max_position_embeddings"] = .integer(long.original)
            parameters["attention_factor"] = .number(long.attentionFactor)
        }
        return parameters
    }

    /// `rope_theta` and `rope_parameters`.
    func write(to document: inout JSONObject) {
        document["rope_theta"] = .number(theta)
        document["rope_parameters"] = .object(parameters)
    }
}
