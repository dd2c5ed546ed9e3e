import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// Pegasus (Zhang et al. 2020): the 2017 transformer with norms before the halves and behind the stacks.
struct Pegasus: EncoderDecoderFamily {
    let name = "pegasus"
    let className = "PegasusForConditionalGeneration"
    let keys = Pegasus.bartKeys
    let tableNames = Pegasus.bartTables

    func encoderDecoder(_ reader: ConfigurationReader) throws -> EncoderDecoderConfiguration {
        var c = try bartShape(reader, vocabulary: reader.vocabulary(), defaultPadding: 0, defaultStart: 0)
        c.both {
            $0.placement = .before
            $0.finalNorm = true
        }
        c.embeddedPositions = .sinusoidal(SinusoidalPositions(layout: .halves))
        return c
    }

    /// Sinusoids of the file count where they are not what the formula gives.
    func reconciled(_ configuration: Configuration, with source: any TensorSource) throws -> Configuration {
        guard case .encoderDecoder(var c) = try tablesReconciled(configuration, with: source) else {
            return configuration
        }
        guard case .sinusoidal(let sinusoids) = c.embeddedPositions else { return .encoderDecoder(c) }
        for side in ["encoder", "decoder"] {
            let names = ["model.\(side).embed_positions.weight", "\(side).embed_positions.weight"]
            guard let name = names.first(where: { source.tensor(named: $0) != nil }),
                source.tensor(named: name)?.shape == [c.context, c.width]
            else { continue }
            let stored = try source.floats(name)
            for position in 0..<c.context {
                let row = sinusoids.row(position, width: c.width)
                if zip(row, stored[(position * c.width)...]).contains(where: { abs($0 - $1) > 1e-5 }) {
                    c.embeddedPositions = .stored
                    return .encoderDecoder(c)
                }
            }
        }
        return .encoderDecoder(c)
    }

    func document(_ c: EncoderDecoderConfiguration) -> JSONObject { bartDocument(c) }
    func tensors(_ model: EncoderDecoder) -> [CheckpointTensor] { bartTensors(model) }
}
