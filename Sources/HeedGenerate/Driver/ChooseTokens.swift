import HeedSupport

/// One sequence that is being decoded without beams.
private struct LiveSequence {
    let prompt: Int
    let copy: Int
    let random: SequenceRandom
    var history: [Int32]
    let promptCount: Int
    /// How many ids the source's row holds.
    var held: Int
    var finishReason: FinishReason?

    var generated: Int { history.count - promptCount }
}

extension Generator {
    /// Greedy decoding and draws: one id per live sequence and step.
    func chooseTokens(_ prompts: [GenerationPrompt], hooks: GenerationHooks) throws -> GenerationResult {
        var chooser = try TokenChooser(options: options, vocabulary: source.vocabulary)
        let copies = options.copiesOfPrompt
        var sequences: [LiveSequence] = []
        for (prompt, content) in prompts.enumerated() {
            for copy in 0..<copies {
                var history = content.ids
                history.reserveCapacity(content.ids.count + options.maxNewTokens)
                sequences.append(
                    LiveSequence(
                        prompt: prompt, copy: copy,
                        random: SequenceRandom(seed: options.seed, row: prompt * copies + copy), history: history,
                        promptCount: content.ids.count, held: content.ids.count))
            }
        }
        let distribution: UnsafeMutableBufferPointer<Float>? =
            hooks.onDistribution == nil ? nil : .allocate(capacity: source.vocabulary)
        distribution?.initialize(repeating: 0)
        defer { distribution?.deallocate() }

        // Row of the source that holds each live sequence's state; before the first step copies share one.
        var live = Array(sequences.indices)
        var rows = live.map { Int32(sequences[$0].prompt) }
        var ids: [Int32] = []
        var decoded = 0
        while !live.isEmpty {
            if hooks.isInterrupted?() == true {
                for index in live { sequences[index].finishReason = .interrupted }
                break
            }
            ids.removeAll(keepingCapacity: true)
            var kept = 0
            for place in live.indices {
                let index = live[place]
                let wantsDistribution = index == 0 && distribution != nil
                let id = try choose(
                    &sequences[index], row: Int(rows[place]), &chooser, wantsDistribution ? distribution : nil, hooks)
                if sequences[index].generated > 1 { decoded += 1 }
                guard sequences[index].finishReason == nil else { continue }
                live[kept] = index
                rows[kept] = rows[place]
                kept += 1
                ids.append(id)
            }
            live.removeLast(live.count - kept)
            rows.removeLast(rows.count - kept)
            if live.isEmpty { break }
            try advance(&sequences, live: live, rows: &rows, ids: ids)
        }
        return result(of: sequences, prompts: prompts.count, decoded: decoded)
    }

    /// Chooses, records and reports the next id of one sequence; sets its finish reason where it ends.
    private func choose(
        _ sequence: inout LiveSequence, row: Int, _ chooser: inout TokenChooser,
        _ distribution: UnsafeMutableBufferPointer<Float>?, _ hooks: GenerationHooks
    ) throws -> Int32 {
        let step = sequence.generated
        let random = sequence.random
        let id = try sequence.history.withUnsafeBufferPointer {
            try chooser.choose(
                logits: source.logits(row: row), history: $0, generated: step, random: random,
                probabilities: distribution)
        }
        if let distribution { try hooks.onDistribution?(UnsafeBufferPointer(distribution)) }
        sequence.history.append(id)
        let isEnd = options.endTokens.contains(id)
        var goesOn = true
        if let onToken = hooks.onToken {
            goesOn = try onToken(
                TokenEvent(prompt: sequence.prompt, sequence: sequence.copy, step: step, id: id, isEnd: isEnd))
        }
        if isEnd || !goesOn {
            sequence.finishReason = .stop
        } else if step + 1 >= options.maxNewTokens {
            sequence.finishReason = .length
        }
        return id
    }

    /// Lets the source read the new ids of the live sequences.
    private func advance(
        _ sequences: inout [LiveSequence], live: [Int], rows: inout [Int32], ids: [Int32]
    ) throws {
        // `rows` are ascending, so the source may compact in place; nothing to do when each row is its own parent.
        try select(rows)
        for place in rows.indices { rows[place] = Int32(place) }
        for (row, index) in live.enumerated() {
            var held = sequences[index].held
            try makeRoom(row: row, held: &held, history: sequences[index].history)
            sequences[index].held = held + 1
        }
        try ids.withUnsafeBufferPointer { try source.advance($0) }
    }

    /// Tells the source which rows go on.
    func select(_ rows: [Int32]) throws {
        if rows.indices.allSatisfy({ rows[$0] == Int32($0) }), rows.count == source.rows { return }
        try rows.withUnsafeBufferPointer { try source.select($0) }
    }

    private func result(of sequences: [LiveSequence], prompts: Int, decoded: Int) -> GenerationResult {
        var grouped: [[GeneratedSequence]] = Array(repeating: [], count: prompts)
        for sequence in sequences {
            grouped[sequence.prompt].append(
                GeneratedSequence(
                    ids: Array(sequence.history[sequence.promptCount...]),
                    finishReason: sequence.finishReason ?? .interrupted))
        }
        return GenerationResult(sequences: grouped, prefillSeconds: 0, decodeSeconds: 0, decodedTokens: decoded)
    }
}
