import HeedGenerate
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import Testing

/// Contrastive search against its definition, computed anew from whole passes for every candidate.
@Suite("Contrastive search")
struct ContrastTests {
    private struct Oracle {
        let model: Model
        let runtime: Runtime
        let context: Int

        /// Logits after the last id and the states of all ids.
        func read(_ ids: [Int32]) throws -> (logits: [Float], states: [[Double]]) {
            let batch = TokenBatch(rowCapacity: context, sequenceCapacity: 1)
            let decoder = try model.decoder
            let pass = try runtime.pass(model.weights, for: .inference, maximumLength: context) { trace in
                let states = decoder(batch, in: trace)
                return (logits: decoder.logits(states).kept(), states: states.kept())
            }
            try batch.append(ids)
            pass.forward()
            let states = ids.indices.map { row in pass[pass.outputs.states].withRow(row) { $0.map { Double($0) } } }
            return (pass[pass.outputs.logits].withRow(ids.count - 1) { Array($0) }, states)
        }

        func continuation(of prompt: [Int32], alpha: Double, k: Int, count: Int, end: Int32?) throws -> [Int32] {
            var ids = prompt
            while ids.count < prompt.count + count, ids.count == prompt.count || ids.last != end {
                let (logits, states) = try read(ids)
                let logs = logSoftmax(logits)
                let likeliest = logs.indices.sorted { (-logs[$0], $0) < (-logs[$1], $1) }.prefix(k)
                var best = (score: -Double.infinity, id: Int32(0))
                for id in likeliest {
                    let state = try read(ids + [Int32(id)]).states[ids.count]
                    let nearest = states.map { cosine($0, state) }.max() ?? 0
                    let score = (1 - alpha) * ExactMathematics.exp(logs[id]) - alpha * nearest
                    if score > best.score { best = (score, Int32(id)) }
                }
                ids.append(best.id)
            }
            return Array(ids[prompt.count...])
        }

        private func cosine(_ x: [Double], _ y: [Double]) -> Double {
            func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
            return dot(x, y) / (dot(x, x) * dot(y, y)).squareRoot()
        }
    }

    private static let prompts: [[Int32]] = [[3, 14, 15, 9, 2, 6], [5], [3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4]]

    @Test("the ids of the definition, alone and together, in chunks, for any threads", arguments: [0.1, 0.6, 1.0])
    func definition(alpha: Double) throws {
        let model = try Model(
            .gpt2(width: 32, layers: 2, heads: 4, vocabulary: 61, context: 40), family: .gpt2, seed: 5)
        let oracle = Oracle(model: model, runtime: try Runtime(threads: 1), context: 40)
        var options = GenerationOptions()
        (options.penaltyAlpha, options.topK, options.maxNewTokens) = (alpha, 5, 12)
        let plain = try Self.prompts.map {
            try oracle.continuation(of: $0, alpha: alpha, k: 5, count: 12, end: nil)
        }
        let end = plain[0][6]
        options.endTokens = [end]
        let expected = plain.map { ids in ids.firstIndex(of: end).map { Array(ids[...$0]) } ?? ids }
        for (threads, chunk) in [(1, 512), (2, 4)] {
            var running = DecodingModelOptions()
            (running.keepsStates, running.promptChunk) = (true, chunk)
            let decoding = try DecodingModel(model, runtime: Runtime(threads: threads), options: running)
            let generator = try Generator(model: decoding, options: options)
            let together = try generator.generate(Self.prompts.map { GenerationPrompt(ids: $0) })
            #expect(together.sequences.map { $0[0].ids } == expected)
            #expect(together.sequences[0][0].finishReason == .stop)
            for (prompt, ids) in zip(Self.prompts, expected) {
                #expect(try generator.generate([GenerationPrompt(ids: prompt)]).sequences[0][0].ids == ids)
            }
        }
    }

    @Test("what would have no effect, and what the model cannot hold, is refused")
    func refused() throws {
        var options = GenerationOptions()
        (options.penaltyAlpha, options.topK) = (0.6, 4)
        func refuses(_ change: (inout GenerationOptions) -> Void) {
            var changed = options
            change(&changed)
            #expect(throws: HeedError.self) { try changed.validate() }
        }
        try options.validate()
        refuses { $0.topK = 1 }
        refuses { $0.samples = true }
        refuses { $0.numBeams = 2 }
        refuses { $0.penaltyAlpha = 1.5 }
        refuses { $0.draftTokens = 2 }
        refuses { $0.contextOverflow = .slide }
        let model = try Model(
            .gpt2(width: 32, layers: 1, heads: 4, vocabulary: 61, context: 16), family: .gpt2, seed: 5)
        let prompt = GenerationPrompt(ids: [1, 2, 3, 4])
        let withoutStates = try DecodingModel(model, runtime: Runtime(threads: 1))
        options.maxNewTokens = 12
        #expect(throws: HeedError.self) {
            try Generator(model: withoutStates, options: options).generate([prompt])
        }
        #expect(throws: HeedError.self) { try DecodingBatch(withoutStates).join(prompt, options: options) }
        var running = DecodingModelOptions()
        running.keepsStates = true
        let decoding = try DecodingModel(model, runtime: Runtime(threads: 1), options: running)
        #expect(try Generator(model: decoding, options: options).generate([prompt]).sequences[0][0].ids.count == 12)
        options.maxNewTokens = 13
        #expect(throws: HeedError.self) { try Generator(model: decoding, options: options).generate([prompt]) }
        running.cache = .none
        #expect(throws: HeedError.self) {
            try DecodingModel(model, runtime: Runtime(threads: 1), options: running)
        }
    }
}
