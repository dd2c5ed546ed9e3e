import HeedLayers
import HeedSupport
import HeedWeights

// Rotary positions in configurations: `rope_parameters` of newer files, `rope_theta` and `rope_scaling` of older ones.

extension ConfigurationReader {
    /// The turning of positions for heads of `width` columns. Where both spellings are there, `rope_scaling` counts, as in
    /// `transformers`.
    func rotary(width: Int, theta fallback: Double = 10_000) throws -> RotaryShape {
        guard width % 2 == 0 else {
            throw contradiction("head_dim", "is odd, but rotary positions turn pairs", got: "\(width)")
        }
        let scaling = try optionalObject("rope_scaling")
        let parameters = try optionalObject("rope_parameters")
        _ = value("rope_theta")  // of older files; newer ones may keep it beside rope_parameters, which count
        let source = [scaling, parameters].compactMap { $0 }.first { $0.has("rope_theta") } ?? self
        return RotaryShape(
            theta: try source.double("rope_theta", in: 1...1e12, default: fallback),
            scaling: try (scaling ?? parameters)?.rotaryScaling() ?? .none)
    }

    private func rotaryScaling() throws -> RotaryScaling {
        let kind = try optionalString("rope_type") ?? optionalString("type") ?? "default"
        let result: RotaryScaling
        switch kind {
        case "default": result = .none
        case "linear": result = .linear(factor: try double("factor", in: 1...1e6))
        case "llama3":
            let low = try double("low_freq_factor", in: 1e-6...1e6)
            let high = try double("high_freq_factor", in: 1e-6...1e6)
            guard high > low else {
                throw contradiction("high_freq_factor", "is not above low_freq_factor", got: "\(high)")
            }
            result = .llama3(
                factor: try double("factor", in: 1...1e6), low: low, high: high,
                original: try integer("original_max_position_embeddings", in: 1...1 << 30))
        default:
            throw HeedError(
                .unsupported, "rope_type \(quoted(kind)) is not known", in: self.file,
                expected: "default, linear or llama3")
        }
        _ = (value("rope_type"), value("type"), value("rope_theta"))
        if let key = unasked.first {
            throw HeedError(
                .unsupported, "\(quoted(key)) of rotary positions of the type \(quoted(kind)) is not known",
                in: self.file)
        }
        return result
    }
}

extension RotaryShape {
    /// `rope_theta` and `rope_parameters`.
    func write(to document: inout JSONObject) {
        var parameters = JSONObject()
        parameters["rope_theta"] = .number(theta)
        switch scaling {
        case .none: parameters["rope_type"] = "default"
        case .linear(let factor):
            parameters["rope_type"] = "linear"
            parameters["factor"] = .number(factor)
        case .llama3(let factor, let low, let high, let original):
            parameters["rope_type"] = "llama3"
            parameters["factor"] = .number(factor)
            parameters["low_freq_factor"] = .number(low)
            parameters["high_freq_factor"] = .number(high)
            parameters["original_max_position_embeddings"] = .integer(original)
        }
        document["rope_theta"] = .number(theta)
        document["rope_parameters"] = .object(parameters)
    }
}
