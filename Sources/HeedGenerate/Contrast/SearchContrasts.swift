import HeedSupport

/// A model whose last hidden states can be read, as contrastive search compares them.
public protocol StateReadingModel: NextTokenModel {
    /// Whether states are kept.
    var keepsStates: Bool { get }

    /// The state `[C]` before the output matrix of the `number`th id that the last pass read, counted in the order of
    /// adding; valid until the next pass.
    func state(_ number: Int) -> UnsafeBufferPointer<Float>
}

extension Generator {
    /// Contrastive search: every step reads the candidates of all prompts in one pass, as forks that share their pages.
    func searchContrasts(_ prompts: [GenerationPrompt], hooks: GenerationHooks) throws -> GenerationResult {
        guard let model = model as? any StateReadingModel, model.keepsStates else {
            throw HeedError(
                .usage, "a contrastive search compares states, which the model does not keep",
                in: "`penaltyAlpha`", expected: "`keepsStates` in the options of the decoding model")
        }
        if hooks.onDistribution != nil {
            throw HeedError(
                .usage, "a contrastive search draws no token from a distribution", in: "`probabilities`",
                advice: "Leave out `penaltyAlpha`")
        }
        var rows: [ContrastiveRow] = []
        defer { for row in rows { try? row.close(model) } }
        for (index, prompt) in prompts.enumerated() {
            do {
                rows.append(try ContrastiveRow(prompt, options: options, in: model))
            } catch let error as HeedError {
                throw error.placed(in: "prompt \(index + 1)")
            }
        }
        var result = GenerationResult(readingEnd: .now)
        let memory = ChoosingMemory(vocabulary: model.vocabulary)
        var isReading = true
        while rows.contains(where: { $0.finishReason == nil }) {
            if hooks.isInterrupted?() == true {
                for row in rows where row.finishReason == nil { row.finishReason = .interrupted }
                break
            }
            var (place, room) = (0, model.promptChunk)
            for row in rows where row.finishReason == nil { try row.add(to: model, &place, &room) }
            try model.run()
            if isReading {
                result.readingEnd = .now
                isReading = rows.contains { $0.isReading }
            }
            for (index, row) in rows.enumerated() where row.finishReason == nil {
                guard let id = try row.move(model, memory) else { continue }
                let step = row.generated - 1
                if step > 0 { result.decodedTokens += 1 }
                let event = TokenEvent(
                    prompt: index, sequence: 0, step: step, id: id, isEnd: row.options.endTokens.contains(id))
                if let onToken = hooks.onToken, try !onToken(event) { row.finishReason = .stop }
                if row.finishReason != nil { try row.close(model) }
            }
        }
        result.sequences = rows.map {
            [GeneratedSequence(ids: $0.newIds, finishReason: $0.finishReason ?? .interrupted)]
        }
        return result
    }
}

/// A contrastive search and where the model holds it.
private final class ContrastiveRow {
    let options: GenerationOptions
    var finishReason: FinishReason?
    private var search: ContrastiveSearch
    private var history: [Int32]
    private let promptCount: Int
    /// Holds the ids that are read.
    private var slot: Int?
    private var held = 0
    /// The forks that hold a candidate each, with what the pass gives of them.
    private var forks: [Fork] = []
    /// What the pass reads of the prompt.
    private var reading = (first: 0, count: 0, output: 0)

    private struct Fork {
        let slot: Int
        let place: Int
        let output: Int
    }

    init(_ prompt: GenerationPrompt, options: GenerationOptions, in model: any NextTokenModel) throws {
        if prompt.ids.isEmpty { throw HeedError(.badInput, "the prompt is empty", expected: "at least one id") }
        if let id = prompt.ids.first(where: { $0 < 0 || Int($0) >= model.vocabulary }) {
            throw HeedError(
                .badInput, "an id is not in the vocabulary", expected: "ids from 0 to \(model.vocabulary - 1)",
                got: "\(id)")
        }
        // The last id is read too: its state decides whether it is taken.
        let context = model.contextLength == .max ? .max : model.contextLength - 1
        self.options = try options.forPrompt(of: prompt.ids.count, context: context)
        search = try ContrastiveSearch(options: self.options, vocabulary: model.vocabulary, source: prompt.source)
        history = prompt.ids
        promptCount = prompt.ids.count
        let (wanted, overflow) = prompt.ids.count.addingReportingOverflow(self.options.maxNewTokens)
        slot = try model.open(source: prompt.source, capacity: min(overflow ? .max : wanted, model.contextLength))
    }

    var isReading: Bool { held < promptCount }
    var generated: Int { history.count - promptCount }
    var newIds: [Int32] { Array(history[promptCount...]) }

    /// Gives the next part of the prompt, or the candidates, to the pass.
    ///
    /// - Parameters:
    ///   - place: how many ids the pass reads so far.
    ///   - room: how many ids of prompts it still takes.
    func add(to model: any NextTokenModel, _ place: inout Int, _ room: inout Int) throws {
        guard let slot else { return }
        guard isReading else {
            for candidate in search.candidates {
                let fork = try model.fork(slot)
                let output = try withUnsafePointer(to: candidate.id) {
                    try model.add(UnsafeBufferPointer(start: $0, count: 1), to: fork, outputs: 1)
                }
                forks.append(Fork(slot: fork, place: place, output: output))
                place += 1
            }
            return
        }
        let count = min(promptCount - held, room)
        reading = (place, count, 0)
        guard count > 0 else { return }
        let isAll = held + count == promptCount
        reading.output = try history.withUnsafeBufferPointer {
            try model.add(
                UnsafeBufferPointer(rebasing: $0[held..<held + count]), to: slot, outputs: isAll ? 1 : 0)
        }
        held += count
        place += count
        room -= count
    }

    /// Takes up what the pass gave: states and candidates, or the best candidate, whose id is returned.
    func move(_ model: any StateReadingModel, _ memory: ChoosingMemory) throws -> Int32? {
        guard !forks.isEmpty else {
            for number in reading.first..<reading.first + reading.count { search.remember(model.state(number)) }
            if !isReading, reading.count > 0 { try propose(model.logits(reading.output), memory) }
            return nil
        }
        for (number, fork) in forks.enumerated() { search.score(number, state: model.state(fork.place)) }
        let best = search.take()
        let (fork, id) = (forks[best], search.candidates[best].id)
        search.remember(model.state(fork.place))
        history.append(id)
        if options.endTokens.contains(id) || (options.endTokens.isEmpty && search.isComplete) {
            finishReason = .stop
        } else if generated >= options.maxNewTokens {
            finishReason = .length
        } else {
            try propose(model.logits(fork.output), memory)
        }
        if let slot { try model.close(slot) }
        slot = fork.slot
        for other in forks where other.slot != fork.slot { try model.close(other.slot) }
        forks.removeAll(keepingCapacity: true)
        return id
    }

    private func propose(_ logits: UnsafeBufferPointer<Float>, _ memory: ChoosingMemory) throws {
        try search.propose(logits: logits, history: history, generated: generated, memory: memory)
    }

    /// Gives back what the model holds.
    func close(_ model: any NextTokenModel) throws {
        for fork in forks { try model.close(fork.slot) }
        forks = []
        if let slot { try model.close(slot) }
        slot = nil
    }
}
