import HeedProcessor
import HeedModels
import HeedSupport
import HeedTensor
import Testing

@testable import HeedGenerate

@Suite("The decoding batch")
struct DecodingBatchTests {
    private struct Request {
        var prompt: GenerationPrompt
        var options: GenerationOptions
        var number: Int
    }

    /// Requests of all kinds, each with options of its own; `shared` of them begin alike.
    private func requests(_ count: Int, vocabulary: Int, source: Bool = false) -> [Request] {
        var numbers = SlotTableTests.Numbers(state: 99)
        return (0..<count).map { index in
            var options = GenerationOptions()
            options.maxNewTokens = 1 + numbers.below(30)
            options.seed = UInt64(index / 3)
            options.endTokens = [Int32(index % 7)]
            if index % 2 == 0 {
                options.samples = true
                options.temperature = 0.6 + 0.2 * Double(index % 5)
                options.topK = [0, 5, 20][index % 3]
            }
            if index % 5 == 1 { options.repetitionPenalty = 1.3 }
            if index % 5 == 2 { options.noRepeatNgramSize = 2 }
            let length = [1, 3, 17, 64, 65, 90][numbers.below(6)]
            let ids = (0..<length).map { Int32(($0 * 7 + (index % 3) * 5) % vocabulary) }
            return Request(
                prompt: GenerationPrompt(
                    ids: source ? [Int32(vocabulary - 1)] : ids,
                    source: source ? Array(ids.prefix(40)) : nil), options: options, number: index)
        }
    }

    private func alone(_ request: Request, _ model: any NextTokenModel) throws -> [Int32] {
        let batch = DecodingBatch(model)
        let row = try batch.join(request.prompt, options: request.options, number: request.number)
        while !batch.rows.isEmpty { try batch.step() }
        return Array(row.newIds)
    }

    /// Every request at a time of its own, some leaving before their end, forks among them.
    private func check(_ requests: [Request], alone expected: [[Int32]], _ model: any NextTokenModel, seed: Int) throws
    {
        var numbers = SlotTableTests.Numbers(state: UInt64(seed))
        let batch = DecodingBatch(model, prefixTokens: seed % 3 == 0 ? 0 : 200)
        var waiting = Array(requests.indices)
        var rows: [(index: Int, row: DecodingRow, isWhole: Bool)] = []
        while !waiting.isEmpty || !batch.rows.isEmpty {
            for _ in 0..<numbers.below(4) where !waiting.isEmpty {
                let index = waiting.remove(at: numbers.below(waiting.count))
                let request = requests[index]
                let row = try batch.join(request.prompt, options: request.options, number: request.number)
                rows.append((index, row, true))
            }
            try batch.step()
            for token in batch.tokens { #expect(token.row.history.last == token.id) }
            if numbers.below(3) == 0, let row = batch.rows.randomLike(&numbers) {
                // A fork goes on as its original does: same ids, same numbers.
                let original = try #require(rows.first { $0.row === row })
                rows.append((original.index, try batch.fork(row), true))
            }
            if numbers.below(5) == 0, let row = batch.rows.randomLike(&numbers) {
                try batch.leave(row)
                let place = try #require(rows.firstIndex { $0.row === row })
                rows[place].isWhole = false
            }
        }
        for (index, row, isWhole) in rows {
            if isWhole {
                #expect(Array(row.newIds) == expected[index], "request \(index), seed \(seed)")
            } else {
                #expect(expected[index].starts(with: row.newIds))
            }
        }
        #expect(rows.contains { !$0.isWhole })
        #expect(batch.prefixes.keptTokens <= batch.prefixes.tokens)
        try batch.forgetPrefixes()
    }

    @Test("what an earlier row read is not read again, by a row beside it or after it, and changes no id")
    func sharedPrefixes() throws {
        let model = try Model(
            .gpt2(width: 32, layers: 2, heads: 4, vocabulary: 61, context: 320), family: .gpt2, seed: 3)
        let system = (0..<130).map { Int32(($0 * 7) % 61) }
        func request(_ end: Int32) -> Request {
            var options = GenerationOptions()
            options.maxNewTokens = 20
            options.samples = true
            options.seed = UInt64(end)
            return Request(prompt: GenerationPrompt(ids: system + [end, 5]), options: options, number: 0)
        }
        let expected = try (0..<4).map {
            try alone(request(Int32($0)), DecodingModel(model, runtime: Runtime(threads: 1)))
        }
        let running = try DecodingModel(model, runtime: Runtime(threads: 1))
        let batch = DecodingBatch(running, prefixTokens: 300)
        var rows: [DecodingRow] = []
        for end in 0..<4 {
            let request = request(Int32(end))
            rows.append(try batch.join(request.prompt, options: request.options))
            // The second joins beside the first, the third and fourth after both have gone.
            for _ in 0..<(end == 0 ? 3 : 40) { try batch.step() }
            #expect(batch.prefixes.sharedTokens == 128 * end)
        }
        #expect(rows.map { Array($0.newIds) } == expected)
        #expect(Set(expected).count > 1)
        // The same conversation goes on: its answer has been read too.
        let next = try batch.join(
            GenerationPrompt(ids: rows[3].history + [7, 8, 9]), options: request(0).options)
        #expect(batch.prefixes.sharedTokens == 128 * 3 + 128)
        try batch.leave(next)
        try batch.forgetPrefixes()
        #expect(batch.prefixes.keptTokens == 0)
    }

    @Test("rows that join and leave at any time decode as if alone: a toy", arguments: 1...20)
    func toy(seed: Int) throws {
        let requests = requests(24, vocabulary: 19)
        let expected = try requests.map { try alone($0, ToyModel(vocabulary: 19)) }
        let model = ToyModel(vocabulary: 19, promptChunk: 1 + seed * 3)
        try check(requests, alone: expected, model, seed: seed)
        #expect(model.openSlots == 0)
        #expect(model.largestPass <= 1 + seed * 3 + 24 + 24)
    }

    @Test("rows that join and leave at any time decode as if alone: models", arguments: 0..<4)
    func models(shape: Int) throws {
        let model: Model
        switch shape {
        case 0:
            model = try Model(
                .gpt2(width: 32, layers: 2, heads: 4, vocabulary: 61, context: 160), family: .gpt2, seed: 3)
        case 1:
            model = try Model(
                .llama(width: 48, layers: 2, heads: 6, keyHeads: 2, inner: 70, vocabulary: 61, context: 160),
                family: .llama, seed: 3)
        default:
            model = try Model(
                .encoderDecoder(
                    .original(width: 32, layers: 2, heads: 4, inner: 48, vocabulary: 61, context: 96, dropout: 0)),
                family: .marian, seed: 5)
        }
        let requests = requests(20, vocabulary: 61, source: shape >= 2)
        var options = DecodingModelOptions()
        options.cache = .none
        let plain = try DecodingModel(model, runtime: Runtime(threads: 1), options: options)
        let expected = try requests.map { try alone($0, plain) }
        #expect(Set(expected).count > 10)
        for (seed, chunk, threads) in [(1, 512, 1), (2, 1, 2), (3, 30, 3), (4, 64, 2)] {
            var options = DecodingModelOptions()
            options.promptChunk = chunk
            if shape == 3 { options.cache = .none }
            let cached = try DecodingModel(model, runtime: Runtime(threads: threads), options: options)
            try check(requests, alone: expected, cached, seed: seed)
        }
    }

    @Test("a long prompt keeps the others waiting for no more than a chunk a step")
    func longPrompt() throws {
        let model = ToyModel(vocabulary: 19, promptChunk: 8)
        let batch = DecodingBatch(model)
        var options = GenerationOptions()
        options.maxNewTokens = 40
        let early = try batch.join(GenerationPrompt(ids: [1, 2]), options: options)
        try batch.step()
        let late = try batch.join(GenerationPrompt(ids: (0..<81).map { $0 % 19 }), options: options)
        for step in 1...10 {
            try batch.step()
            #expect(early.generated == step + 1)
            #expect(late.generated == (step == 10 ? 1 : 0))
        }
        #expect(model.largestPass <= 10)
    }

    @Test("a leader that leaves while others wait for what it reads hands over")
    func heirs() throws {
        let model = ToyModel(vocabulary: 19, promptChunk: 4)
        let batch = DecodingBatch(model)
        var options = GenerationOptions()
        options.maxNewTokens = 6
        let prompt = GenerationPrompt(ids: (0..<15).map { $0 })
        let expected = try alone(Request(prompt: prompt, options: options, number: 0), ToyModel(vocabulary: 19))
        let leader = try batch.join(prompt, options: options)
        let followers = try (0..<3).map { _ in try batch.fork(leader) }
        try batch.step()
        try batch.leave(leader)
        try batch.step()
        try batch.leave(followers[1])
        while !batch.rows.isEmpty { try batch.step() }
        #expect(Array(followers[0].newIds) == expected && Array(followers[2].newIds) == expected)
        #expect(leader.generated == 0 && leader.finishReason == .interrupted)
        #expect(model.openSlots == 0)
    }

    @Test("a row that fails ends alone")
    func failure() throws {
        let model = ToyModel(vocabulary: 5)
        let batch = DecodingBatch(model)
        var options = GenerationOptions()
        options.maxNewTokens = 8
        var impossible = options
        impossible.suppressedTokens = [0, 1, 2, 3, 4]
        let bad = try batch.join(GenerationPrompt(ids: [1]), options: impossible)
        let good = try batch.join(GenerationPrompt(ids: [1]), options: options)
        while !batch.rows.isEmpty { try batch.step() }
        #expect(bad.finishReason == .failed && bad.failure is HeedError)
        #expect(good.finishReason == .length && good.generated == 8)
        #expect(throws: HeedError.self) {
            try Generator(model: model, options: impossible).generate([GenerationPrompt(ids: [1])])
        }
        #expect(model.openSlots == 0)
    }

    @Test("an owner chooses for its rows, and only when they are ready")
    func owner() throws {
        let batch = DecodingBatch(ToyModel(vocabulary: 9))
        let row = try batch.join(GenerationPrompt(ids: [1, 2]), options: GenerationOptions(), choosesItself: false)
        #expect(throws: HeedError.self) { try batch.append(3, to: row) }
        try batch.step()
        #expect(row.isReady && batch.tokens.isEmpty)
        #expect(Array(batch.logits(of: row)) == ToyModel.logits(after: [1, 2], vocabulary: 9))
        #expect(throws: HeedError.self) { try batch.append(9, to: row) }
        let other = try batch.fork(row)
        try batch.append(3, to: row)
        try batch.append(4, to: other)
        try batch.step()
        #expect(Array(batch.logits(of: row)) == ToyModel.logits(after: [1, 2, 3], vocabulary: 9))
        #expect(Array(batch.logits(of: other)) == ToyModel.logits(after: [1, 2, 4], vocabulary: 9))
    }
}

extension Array {
    fileprivate func randomLike(_ numbers: inout SlotTableTests.Numbers) -> Element? {
        isEmpty ? nil : self[numbers.below(count)]
    }
}
