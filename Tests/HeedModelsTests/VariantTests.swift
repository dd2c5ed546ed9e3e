import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights
import Testing

@testable import HeedModels

/// Combinations of the values of an encoder-decoder, published or not.
enum EncoderDecoderVariant: String, CaseIterable, CustomTestStringConvertible {
    case original, pairedSinusoids, preNormRotaryGated, preNormRelative, learnedPositions, separateTables
    case normedAnswers, normsAround, besideEachOther

    var testDescription: String { rawValue }

    var configuration: EncoderDecoderConfiguration {
        var c = EncoderDecoderConfiguration.original(
            width: 16, layers: 2, heads: 2, inner: 24, vocabulary: 30, context: 24, dropout: 0)
        // The start id is the padding id, whose lookups give no gradient otherwise: the loss would rise by more.
        c.trainsPadding = true
        switch self {
        case .original: break
        case .pairedSinusoids:
            c.embeddedPositions = .sinusoidal(SinusoidalPositions(layout: .interleaved, steps: .halfLessOne))
            c.both { $0.activation = .gelu }
            c.logitsBias = .learned
        case .preNormRotaryGated:
            c.embeddedPositions = .none
            c.both {
                $0.placement = .before
                $0.finalNorm = true
                $0.norm = .rootMeanSquare
                $0.positions = .all(.rotary(RotaryShape()))
                $0.gated = true
                $0.activation = .silu
                $0.hasBias = false
            }
        case .preNormRelative:
            c.embeddedPositions = .none
            c.both {
                $0.placement = .before
                $0.finalNorm = true
                $0.positions = .all(.relative(RelativeBuckets(buckets: 8, maximumDistance: 16)))
            }
        case .learnedPositions:
            c.embeddedPositions = .learned(first: 2)
            c.embeddingNorm = true
            c.scalesEmbedding = false
        case .separateTables:
            c.both { $0.activation = .gelu }
            c.sharedTable = false
            c.tied = false
            c.sourceVocabulary = 22
            c.logitsBias = .learned
        case .normedAnswers: c.both { $0.placement = .answer }
        case .normsAround:
            c.both {
                $0.placement = .around
                $0.finalNorm = true
            }
        case .besideEachOther:
            c.both {
                $0.placement = .before
                $0.order = .sideBySide
                $0.finalNorm = true
            }
        }
        return c
    }
}

@Suite("Values of an encoder-decoder")
struct VariantTests {
    private let source: [[Int32]] = [[3, 4, 5, 6, 7], [9, 8, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9]]
    private let target: [[Int32]] = [[29, 7, 8, 9], [29, 1, 2, 3, 4, 5, 6], [29, 12]]

    private func fill(_ batch: TokenBatch, _ rows: [[Int32]]) throws {
        batch.clear()
        for row in rows { try batch.append(row) }
        for row in 0..<batch.rows.current { batch.targets[row] = Int32(row * 7 % 30) }
    }

    private func logits(_ model: Model, _ source: [[Int32]], _ target: [[Int32]]) throws -> [Float] {
        let runtime = try Runtime(threads: 2)
        let (sourceBatch, targetBatch) = (
            TokenBatch(rowCapacity: 40, sequenceCapacity: 4), TokenBatch(rowCapacity: 40, sequenceCapacity: 4)
        )
        try fill(sourceBatch, source)
        try fill(targetBatch, target)
        let trace = Trace(for: .inference, maximumLength: 24)
        let layers = try model.encoderDecoder
        let memory = layers.encode(sourceBatch, in: trace)
        layers.logits(layers.decode(targetBatch, reading: memory, of: sourceBatch, in: trace)).observed(as: "logits")
        let plan = try Plan(trace, parameters: model.parameters, kernels: runtime.kernels, team: runtime.team)
        plan.forward()
        let observed = try #require(plan.observation("logits"))
        return Array(UnsafeBufferPointer(start: observed.values, count: targetBatch.rows.current * observed.columns))
    }

    @Test("a row alone, in company, and with another end has the same bits", arguments: EncoderDecoderVariant.allCases)
    func company(_ variant: EncoderDecoderVariant) throws {
        let model = try Model(.encoderDecoder(variant.configuration), family: .unpublished, seed: 4)
        let together = try logits(model, source, target)
        #expect(!together.contains { !$0.isFinite })
        let first = try logits(model, [source[0]], [target[0]])
        #expect(Array(together.prefix(first.count)) == first)
        let changed = try logits(model, [source[0]], [[29, 7, 8, 20]])
        #expect(Array(changed.prefix(3 * 30)) == Array(first.prefix(3 * 30)))
        #expect(changed != first)
        // Positions matter on both sides.
        #expect(try logits(model, [source[0].reversed()], [target[0]]) != first)
        let moved = try logits(model, [source[0]], [[7, 29, 8, 9]])
        #expect(Array(moved.suffix(30)) != Array(first.suffix(30)))
    }

    @Test("gradients are the differences of the loss", arguments: EncoderDecoderVariant.allCases)
    func gradients(_ variant: EncoderDecoderVariant) throws {
        let model = try Model(.encoderDecoder(variant.configuration), family: .unpublished, seed: 4)
        let runtime = try Runtime(threads: 1)
        let (sourceBatch, targetBatch) = (
            TokenBatch(rowCapacity: 40, sequenceCapacity: 4), TokenBatch(rowCapacity: 40, sequenceCapacity: 4)
        )
        try fill(sourceBatch, source)
        try fill(targetBatch, target)
        let trace = Trace(for: .training, maximumLength: 24)
        let loss = try #require(
            model.architecture.losses(targetBatch, source: sourceBatch, in: trace, smoothing: 0.1).first)
        let gradients = try ParameterBuffer(model.parameters.layout)
        let plan = try Plan(
            trace, parameters: model.parameters, gradients: gradients, kernels: runtime.kernels, team: runtime.team)
        let count = Double(targetBatch.rows.current)
        loss.scale.value = Float(1 / count)
        func measure() -> Double {
            plan.forward()
            plan.backward()
            var sum = 0.0
            loss.readout.add(to: &sum)
            return sum / count
        }
        _ = measure()
        plan.finishGradients()
        let learned = model.parameters.layout.parameters.filter { model.parameters.layout.isLearned($0) }
        let slopes = learned.map { Array(gradients[$0]) }
        let start = learned.map { Array(model.parameters[$0]) }
        let norm = slopes.joined().reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(norm > 1e-3)
        // Along the gradient the loss rises by its norm.
        func measured(at step: Double) -> Double {
            for (index, parameter) in learned.enumerated() {
                let moved = zip(start[index], slopes[index]).map { Float(Double($0) + step / norm * Double($1)) }
                _ = model.parameters[parameter].update(fromContentsOf: moved)
            }
            return measure()
        }
        func difference(_ step: Double) -> Double {
            (measured(at: step) - measured(at: -step)) / (2 * step) / norm
        }
        // Twice the step has four times the error of third order: what is left of both is of fifth order.
        let (coarse, fine) = (difference(2e-3), difference(1e-3))
        let estimate = (4 * fine - coarse) / 3
        #expect(abs(estimate - 1) < 0.002, "\(coarse), \(fine), \(estimate) of \(norm)")
    }
}
