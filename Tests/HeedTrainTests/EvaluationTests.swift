import HeedProcessor
import HeedModels
import HeedSupport
import HeedTensor
import Testing

@testable import HeedTrain

@Suite("Validation loss")
struct EvaluationTests {
    /// The loss of each token after the first, one window at a time.
    private func reference(_ ids: [Int32], stride: Int, context: Int, model: Model) throws -> (sum: Double, count: Int)
    {
        let batch = TokenBatch(rowCapacity: context, sequenceCapacity: 1)
        let decoder = try model.decoder
        let pass = try Runtime(threads: 1).pass(model.weights, for: .inference, maximumLength: context) { trace in
            decoder.loss(decoder(batch, in: trace), targets: batch)
        }
        var (sum, count, scored) = (0.0, 0, 0)
        for start in Swift.stride(from: 0, to: ids.count - 1, by: stride) where scored < ids.count - 1 {
            let length = min(context, ids.count - 1 - start)
            batch.clear()
            try batch.append(ids[start..<start + length])
            for i in 0..<length { batch.targets[i] = ids[start + i + 1] }
            pass.forward()
            for i in (scored - start)..<length {
                sum += Double(pass.outputs[i])
                count += 1
            }
            scored = start + length
        }
        return (sum, count)
    }

    @Test("windows with and without overlap, in any batch, with any number of threads", arguments: [16, 5, 1])
    func strides(stride: Int) throws {
        let model = try SmallRun.model()
        let ids = SmallRun.tokens(203)
        let expected = try reference(ids, stride: stride, context: 16, model: model)
        #expect(expected.count == 202)
        for (batch, threads) in [(1, 1), (4, 1), (16, 2)] {
            let meter = try StreamLoss(model, context: 16, batch: batch, runtime: try Runtime(threads: threads))
            let loss = try #require(
                try meter.measure([TokenStream(ids, name: "ids")], stride: stride))
            #expect(loss.tokens == 202 && loss.sum == expected.sum)
        }
    }

    @Test("perplexity and bits per byte")
    func units() {
        let loss = MeasuredLoss(sum: 20 * 0.69314718055994530942, tokens: 10)
        #expect(abs(loss.perplexity - 4) < 1e-12)
        #expect(abs((loss.bitsPerByte(40) ?? 0) - 0.5) < 1e-12)
        #expect(loss.bitsPerByte(0) == nil)
    }

    @Test("weights that are not finite are an error")
    func damaged() throws {
        let model = try SmallRun.model()
        try model.weights.all().base[0] = .infinity
        let meter = try StreamLoss(model, context: 16, runtime: try Runtime(threads: 1))
        let error = #expect(throws: HeedError.self) {
            try meter.measure([TokenStream(SmallRun.tokens(50), name: "ids")])
        }
        #expect(error?.kind == .numeric)
    }
}
