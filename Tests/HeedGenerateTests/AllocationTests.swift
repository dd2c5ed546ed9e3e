import CAllocationCounter
import HeedProcessor
import HeedModels
import HeedTensor
import Testing

@testable import HeedGenerate

@Suite("Allocations of decoding")
struct AllocationTests {
    /// What the hook of a test counts.
    private final class Count {
        var first = 0
        var last = 0
    }

    @Test(
        "a steady step allocates nothing in any form of weights and cache", .enabled(if: allocation_counting_works()),
        arguments: WeightForm.allCases, CacheKind.allCases.filter { $0 != .none })
    func forms(weights: WeightForm, cache: CacheKind) throws {
        let configuration = DecoderConfiguration.gpt2(width: 256, layers: 1, heads: 4, vocabulary: 97, context: 160)
        let model = try Model(.decoder(configuration), family: .gpt2, weights: weights, seed: 3)
        var running = DecodingModelOptions()
        running.cache = cache
        let source = try DecodingModel(model, runtime: Runtime(threads: 1), options: running)
        var options = GenerationOptions()
        options.maxNewTokens = 100
        let count = Count()
        var hooks = GenerationHooks()
        hooks.onToken = { event in
            if event.prompt == 0 {
                if event.step == 10 { count.first = allocation_count() }
                if event.step == 90 { count.last = allocation_count() }
            }
            return true
        }
        let prompts = [[1, 2, 3], [4]].map { GenerationPrompt(ids: $0) }
        _ = try Generator(model: source, options: options).generate(prompts, hooks: hooks)
        #expect(count.first > 0)
        #expect(count.last - count.first == 0)
    }

    @Test(
        "a steady decode step allocates nothing, greedy or drawn", .enabled(if: allocation_counting_works()),
        arguments: [1, 2], [false, true])
    func steadyStep(threads: Int, draws: Bool) throws {
        let model = try Model(
            .gpt2(width: 32, layers: 2, heads: 4, vocabulary: 97, context: 160), family: .gpt2, seed: 3)
        let source = try DecodingModel(model, runtime: Runtime(threads: threads), options: DecodingModelOptions())
        var options = GenerationOptions()
        options.maxNewTokens = 120
        if draws {
            options.samples = true
            options.temperature = 0.9
            options.topK = 40
            options.topP = 0.95
            options.repetitionPenalty = 1.2
        }
        let prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11]].map { GenerationPrompt(ids: $0) }
        let count = Count()
        var hooks = GenerationHooks()
        hooks.onToken = { event in
            if event.prompt == 0 {
                if event.step == 10 { count.first = allocation_count() }
                if event.step == 110 { count.last = allocation_count() }
            }
            return true
        }
        let result = try Generator(model: source, options: options).generate(prompts, hooks: hooks)
        #expect(result.sequences.allSatisfy { $0[0].ids.count == 120 })
        #expect(count.first > 0)
        #expect(count.last - count.first == 0)
    }
}
