import HeedSupport

extension Generator {
    /// Beam search: the open beams of all prompts are rows of one ragged batch.
    func searchBeams(_ prompts: [GenerationPrompt], hooks: GenerationHooks) throws -> GenerationResult {
        if hooks.onDistribution != nil {
            throw HeedError(
                .usage, "a beam search draws no token from a distribution", in: "--probabilities",
                advice: "Leave out --num-beams")
        }
        let workers = try (0..<source.shares).map { _ in try BeamWorker(options, vocabulary: source.vocabulary) }
        let searches = prompts.indices.map {
            BeamSearch(options: options, vocabulary: source.vocabulary, prompt: prompts[$0].ids, row: $0)
        }
        var held = prompts.map(\.ids.count)
        var firstRow = Array(0..<prompts.count)
        var live = Array(prompts.indices)
        var parents: [Int32] = []
        var ids: [Int32] = []
        var steps = 0
        while !live.isEmpty {
            if hooks.isInterrupted?() == true {
                for index in live { searches[index].interrupt() }
                break
            }
            // Every search by itself: the results do not depend on who does which.
            source.share { part, parts in
                for place in stride(from: part, to: live.count, by: parts) {
                    let index = live[place]
                    workers[part].step(searches[index], source, firstRow: firstRow[index])
                }
            }
            if let failure = workers.lazy.compactMap(\.failure).first { throw failure }
            parents.removeAll(keepingCapacity: true)
            ids.removeAll(keepingCapacity: true)
            var kept = 0
            for place in live.indices {
                let index = live[place]
                let search = searches[index]
                if search.isFinished { continue }
                let base = Int32(firstRow[index])
                firstRow[index] = parents.count
                for parent in search.parents { parents.append(parent + base) }
                ids.append(contentsOf: search.newestIds)
                live[kept] = index
                kept += 1
            }
            live.removeLast(live.count - kept)
            if live.isEmpty { break }
            steps += live.count
            try select(parents)
            for index in live {
                var count = held[index]
                for row in 0..<searches[index].rows {
                    count = held[index]
                    try makeRoom(row: firstRow[index] + row, held: &count, history: searches[index].history(of: row))
                }
                held[index] = count + 1
            }
            try ids.withUnsafeBufferPointer { try source.advance($0) }
        }
        return GenerationResult(
            sequences: searches.map { $0.results() }, prefillSeconds: 0, decodeSeconds: 0, decodedTokens: steps)
    }
}

/// What one thread needs to take searches a step further.
private final class BeamWorker {
    private var chooser: TokenChooser
    /// What went wrong first.
    private(set) var failure: (any Error)?

    init(_ options: GenerationOptions, vocabulary: Int) throws {
        chooser = try TokenChooser(options: options, vocabulary: vocabulary)
    }

    func step(_ search: BeamSearch, _ source: any NextTokenSource, firstRow: Int) {
        guard failure == nil else { return }
        do {
            for row in 0..<search.rows {
                try search.add(logits: source.logits(row: firstRow + row), row: row, chooser: &chooser)
            }
            search.finishStep()
        } catch {
            failure = error
        }
    }
}
