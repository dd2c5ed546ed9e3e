import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import ReferenceBackend
import Testing

/// One small model of each architecture, without any golden file.
struct SmallModel: Sendable, CustomStringConvertible {
    let description: String
    let configuration: Configuration

    static let all = [
        SmallModel(
            description: "GPT-2",
            configuration: .decoder(.gpt2(width: 16, layers: 2, heads: 2, vocabulary: 23, context: 12))),
        SmallModel(
            description: "LLaMA",
            configuration: .decoder(
                .llama(width: 16, layers: 2, heads: 4, keyHeads: 2, inner: 24, vocabulary: 23, context: 12))),
        SmallModel(
            description: "BERT, masked language and next sentence",
            configuration: .encoder(.bert(width: 16, layers: 2, heads: 2, vocabulary: 23, context: 12))),
        SmallModel(
            description: "BERT, classes",
            configuration: .encoder(
                .bert(
                    width: 16, layers: 1, heads: 2, vocabulary: 23, context: 12,
                    head: .sequenceClassifier(labels: 3)))),
        SmallModel(
            description: "the original encoder-decoder",
            configuration: .encoderDecoder(
                .original(width: 16, layers: 2, heads: 2, inner: 24, vocabulary: 23, context: 12))),
    ]
}

@Suite("Gradients of every architecture")
struct GradientTests {
    private func batch(_ rows: [[Int32]], classes: Int32) throws -> TokenBatch {
        let batch = TokenBatch(rowCapacity: 30, sequenceCapacity: 4)
        for row in rows { try batch.append(row) }
        for row in 0..<batch.rows.current {
            batch.targets[row] = row % 5 == 2 ? TokenBatch.ignored : Int32(row * 7 % 23)
            batch.types[row] = Int32(row % 2)
        }
        for sequence in 0..<batch.sequences.current { batch.sequenceTargets[sequence] = Int32(sequence) % classes }
        return batch
    }

    /// The losses' sum of means as it follows from the weights, and a pass that has its gradient.
    private func pass(
        _ small: SmallModel, _ weights: Weights, _ architecture: Architecture, on backend: any Backend
    ) throws -> Pass<[RecordedLoss]> {
        let target = try batch([[3, 7, 1, 20, 11], [5, 2], [9, 9, 8, 4, 22, 6, 1]], classes: 2)
        let source = try batch([[4, 4, 19], [17, 3, 1, 8], [12]], classes: 2)
        let pass = try backend.pass(weights, for: .training, maximumLength: 12) { trace in
            architecture.withDropout(0).losses(target, source: source, in: trace, smoothing: 0.1)
        }
        for loss in pass.outputs { loss.scale.value = 1 / Float(loss.counted) }
        return pass
    }

    private func loss(_ pass: Pass<[RecordedLoss]>) -> Double {
        pass.forward()
        pass.backward()
        return pass.outputs.reduce(0.0) { sum, loss in
            var total = 0.0
            loss.readout.add(to: &total)
            return sum + total / Double(loss.counted)
        }
    }

    @Test("are those of the double-precision back end", arguments: SmallModel.all)
    func oracle(_ small: SmallModel) throws {
        let (architecture, layout) = ParameterLayout.declare { small.configuration.declare(in: $0) }
        let weights = try Weights(layout)
        try weights.all().initialise(seed: 8)
        let wanted = try pass(small, weights, architecture, on: ReferenceBackend())
        let found = try pass(small, weights, architecture, on: Runtime(threads: 2))
        let (right, ours) = (loss(wanted), loss(found))
        #expect(abs(right - ours) < 1e-5 && right > 1)
        wanted.finishGradients()
        found.finishGradients()
        let (a, b) = (try #require(wanted.gradients), try #require(found.gradients))
        for parameter in layout.parameters where layout.isTrained(parameter) {
            let size = a[parameter].reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let off = zip(a[parameter], b[parameter]).reduce(0.0) {
                $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1))
            }.squareRoot()
            #expect(off <= 1e-5 * size + 1e-7, "\(parameter.name): \(off) of \(size)")
        }
    }

    @Test("are the differences of the loss, parameter by parameter", arguments: SmallModel.all)
    func differences(_ small: SmallModel) throws {
        let (architecture, layout) = ParameterLayout.declare { small.configuration.declare(in: $0) }
        let weights = try Weights(layout)
        let numbers = try weights.all()
        numbers.initialise(seed: 8)
        let pass = try pass(small, weights, architecture, on: Runtime(threads: 1))
        _ = loss(pass)
        pass.finishGradients()
        let gradients = try #require(pass.gradients)
        let slopes = layout.parameters.map { Array(gradients[$0]) }
        for parameter in layout.parameters where layout.isTrained(parameter) {
            let slope = slopes[parameter.index]
            let norm = slope.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            // Exactly zero in real arithmetic (keys' offsets), or too small to show in single precision.
            guard norm > 1e-2 else { continue }
            let start = Array(numbers[parameter])
            // Along its gradient the loss rises by its norm.
            func measured(_ step: Double) -> Double {
                for index in start.indices {
                    numbers[parameter][index] = Float(Double(start[index]) + step / norm * Double(slope[index]))
                }
                return loss(pass)
            }
            func difference(_ step: Double) -> Double { (measured(step) - measured(-step)) / (2 * step) / norm }
            let (coarse, fine) = (difference(2e-2), difference(1e-2))
            let estimate = (4 * fine - coarse) / 3
            #expect(abs(estimate - 1) < 0.01, "\(parameter.name): \(estimate) of \(norm)")
            for index in start.indices { numbers[parameter][index] = start[index] }
        }
        #expect(slopes.joined().contains { abs($0) > 1e-2 })
    }

    @Test("a mistake in a layer's width names the layer", arguments: SmallModel.all)
    func mistakes(_ small: SmallModel) throws {
        let (architecture, _) = ParameterLayout.declare { small.configuration.declare(in: $0) }
        let trace = Trace(for: .training, maximumLength: 12)
        let (target, source) = (try batch([[1, 2]], classes: 2), try batch([[1, 2]], classes: 2))
        _ = architecture.losses(target, source: source, in: trace)
        let paths = trace.nodes.map(\.path)
        #expect(!paths.contains(""))
        let blocks = paths.filter { $0.contains("blocks.0.") }
        for part in ["attention", "attention.output", "feedForward.down", "feedForwardNorm"] {
            #expect(blocks.contains { $0.hasSuffix(part) }, "\(part) in \(blocks)")
        }
    }
}
