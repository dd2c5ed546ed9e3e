import CAllocationCounter
import HeedProcessor
import HeedModels
import HeedTensor
import HeedWeights
import Testing

@testable import HeedTrain

@Suite("Allocations")
struct AllocationTests {
    @Test(
        "a steady training step allocates nothing", .enabled(if: allocation_counting_works()),
        arguments: [1, 2], [WindowOrder.sequential, .shuffled])
    func steadyStep(threads: Int, order: WindowOrder) throws {
        for (batch, accumulate) in [(4, 1), (2, 2)] {
            var options = StepOptions()
            options.batch = batch
            options.context = 16
            options.accumulate = accumulate
            options.dropout = 0.1
            options.labelSmoothing = 0.1
            let source = try WindowSource(
                [TokenStream(SmallRun.tokens(3000), name: "ids")], context: 16, batch: batch, accumulate: accumulate,
                order: order, seed: 1)
            let step = try TrainingStep(try SmallRun.model(), options, runtime: try Runtime(threads: threads))
            for number in 1...2 { _ = try step.run(step: number, rate: 1e-3, from: source) }
            let before = allocation_count()
            for number in 3...22 { _ = try step.run(step: number, rate: 1e-3, from: source) }
            #expect(allocation_count() - before == 0)
        }
        // The counter counts.
        let before = allocation_count()
        let array = [Int](repeating: threads, count: 100)
        #expect(array.count == 100 && allocation_count() > before)
    }
}
