import HeedTensor

/// A loss of a trace: a mean over the targets that count.
public struct RecordedLoss {
    /// The losses by row, after a pass.
    public let readout: LossReadout
    /// 1 / (number of counted targets), which the gradient reads at run time.
    public let scale: RuntimeScalar
    private let targets: Targets

    /// The loss of `readout` against `targets`.
    public init(_ readout: LossReadout, scale: RuntimeScalar, targets: Targets) {
        self.readout = readout
        self.scale = scale
        self.targets = targets
    }

    /// The targets of the batch as it now stands that count.
    public var counted: Int { targets.counted }
}

extension Architecture {
    /// Whether it reads a source beside its own tokens.
    public var readsSource: Bool {
        if case .encoderDecoder = self { true } else { false }
    }

    /// The same parameters with one dropout rate everywhere; nil: the model's own rates.
    public func withDropout(_ rate: Float?) -> Architecture {
        guard let rate else { return self }
        return switch self {
        case .decoder(let layers): .decoder(layers.withDropout(rate))
        case .encoder(let layers): .encoder(layers.withDropout(rate))
        case .encoderDecoder(let layers): .encoderDecoder(layers.withDropout(rate))
        }
    }

    /// Records the way from the ids of `batch` (and of `source`, where the architecture reads one) to its losses.
    ///
    /// Training minimises their sum. Targets stand in the batch.
    public func losses(
        _ batch: TokenBatch, source: TokenBatch, in trace: Trace, smoothing: Float = 0
    ) -> [RecordedLoss] {
        let readout: LossReadout
        switch self {
        case .decoder(let layers):
            readout = layers.loss(layers(batch, in: trace), targets: batch, smoothing: smoothing)
        case .encoder(let layers): return layers.losses(layers(batch, in: trace), batch, smoothing: smoothing)
        case .encoderDecoder(let layers):
            let memory = layers.encode(source, in: trace)
            let states = layers.decode(batch, reading: memory, of: source, in: trace)
            readout = layers.loss(states, targets: batch, smoothing: smoothing)
        }
        return [RecordedLoss(readout, scale: trace.lossScale, targets: .rows(batch))]
    }
}
