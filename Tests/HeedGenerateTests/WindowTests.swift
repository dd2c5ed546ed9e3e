import HeedLayers
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import Testing

@testable import HeedGenerate

@Suite("Caches of layers with windows")
struct WindowTests {
    /// A decoder some or all of whose layers see 40 keys; its heads are wide enough for memory to be given back.
    private func model(everywhere: Bool) throws -> Model {
        var shape = DecoderConfiguration.llama(
            width: 128, layers: 3, heads: 4, keyHeads: 2, inner: 96, vocabulary: 71, context: 512)
        shape.stack.mask =
            everywhere ? .all(.causalWindow(40)) : .pattern([.causalWindow(40), .causal, .causalWindow(40)])
        return try Model(.decoder(shape), family: .unpublished, seed: 11)
    }

    private func generate(_ model: Model, cache: CacheKind, chunk: Int) throws -> ([[Int32]], DecodingModel) {
        var options = DecodingModelOptions()
        options.cache = cache
        options.promptChunk = chunk
        let running = try DecodingModel(model, runtime: try Runtime(threads: 2), options: options)
        var generation = GenerationOptions()
        generation.maxNewTokens = 90
        generation.samples = true
        generation.seed = 3
        let prompts = [300, 5, 130].map { count in GenerationPrompt(ids: (0..<count).map { Int32($0 * 31 % 71) }) }
        let results = try Generator(model: running, options: generation).generate(prompts)
        return (results.sequences.flatMap { $0.map(\.ids) }, running)
    }

    @Test("what windows have passed is given back and changes no token", arguments: [true, false])
    func given(everywhere: Bool) throws {
        let model = try model(everywhere: everywhere)
        let (expected, _) = try generate(model, cache: .none, chunk: 512)
        #expect(expected.count == 3 && Set(expected.flatMap { $0 }).count > 10)
        for chunk in [16, 512] {
            let (ids, _) = try generate(model, cache: .float32, chunk: chunk)
            #expect(ids == expected)
        }
    }

    @Test("a sequence does not go back to what its windows have passed")
    func back() throws {
        let running = try DecodingModel(try model(everywhere: true), runtime: try Runtime(threads: 1))
        let slot = try running.open(source: nil, capacity: 400)
        let ids = (0..<300).map { Int32($0 % 71) }
        _ = try ids.withUnsafeBufferPointer { try running.add($0, to: slot, outputs: 1) }
        try running.run()
        #expect(throws: HeedError.self) { try running.truncate(slot, to: 100) }
        try running.truncate(slot, to: 280)
        try running.truncate(slot, to: 0)
    }
}
