import HeedSupport

extension Generator {
    /// Beam search: the open beams of all prompts are rows of one ragged batch.
    func searchBeams(_ prompts: [GenerationPrompt], hooks: GenerationHooks) throws -> GenerationResult {
        if hooks.onDistribution != nil {
            throw HeedError(
                .usage, "a beam search draws no token from a distribution", in: "--probabilities",
                advice: "Leave out --num-beams")
        }
        var chooser = try TokenChooser(options: options, vocabulary: source.vocabulary)
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
            parents.removeAll(keepingCapacity: true)
            ids.removeAll(keepingCapacity: true)
            var kept = 0
            for place in live.indices {
                let index = live[place]
                let search = searches[index]
                for row in 0..<search.rows {
                    try search.add(logits: source.logits(row: firstRow[index] + row), row: row, chooser: &chooser)
                }
                search.finishStep()
                if search.isFinished { continue }
                let base = Int32(firstRow[index])
                firstRow[index] = parents.count
                parents.append(contentsOf: search.parents.map { $0 + base })
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
