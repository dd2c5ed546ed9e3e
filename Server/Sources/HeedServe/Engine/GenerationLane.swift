import Heed

/// One model's jobs: those that wait and those whose choices are rows of its decoding batch.
///
/// Only the engine's thread touches it, but for `isGone`'s owner, which is the same.
final class GenerationLane: @unchecked Sendable {
    // Sendable: made by the loader, then used by the engine's thread alone.

    let model: DecodingModel
    private let engine: Engine
    private let readsSource: Bool
    private var batch: DecodingBatch
    private var queue = FairQueue<QueuedJob>()
    private var running: [ObjectIdentifier: RunningChoice] = [:]
    private var scoring: [PromptScoring] = []
    private let scores = LogProbabilityWork()
    private let teller = Teller()
    private var scored: [RunningChoice] = []
    private var isRetired = false
    private(set) var isGone = false

    /// - Parameter readsSource: whether the model is an encoder-decoder.
    init(_ model: DecodingModel, readsSource: Bool, engine: Engine) {
        self.model = model
        self.readsSource = readsSource
        self.engine = engine
        batch = DecodingBatch(model, prefixTokens: engine.limits.prefixTokens)
    }

    // MARK: - Jobs come and go

    func accept(_ job: GenerationJob) {
        isGone = false
        queue.append(QueuedJob(job), owner: job.owner, priority: job.priority)
    }

    /// Packs the model's matrices before somebody waits for it.
    func warmUp() {
        var options = GenerationOptions()
        options.maxNewTokens = 1
        let source: [Int32]? = readsSource ? [0] : nil
        guard let row = try? batch.join(GenerationPrompt(ids: [0], source: source), options: options) else { return }
        try? batch.step()
        try? batch.leave(row)
        try? batch.forgetPrefixes()
    }

    func retire() { isRetired = true }

    /// Ends everything, for there is no more time.
    func end() {
        drop { _ in APIError.ending }
        teller.send()
    }

    /// One pass, if there is something to do; returns whether there was.
    func turn() -> Bool {
        guard !queue.isEmpty || !running.isEmpty || !scoring.isEmpty else {
            if isRetired, !isGone {
                try? batch.forgetPrefixes()
                isGone = true
            }
            return false
        }
        let began = ContinuousClock.now
        dropUnwanted(began)
        admit(began)
        addScoring()
        teller.send()
        let active = running.count + scoring.count
        do { try batch.step() } catch {
            fail(error)
            teller.send()
            return true
        }
        readScores()
        tell()
        teller.send()
        engine.figures.step(
            rows: active, left: running.count + scoring.count, seconds: (ContinuousClock.now - began).inSeconds,
            passSeconds: (batch.passEnd - batch.passBegin).inSeconds, prefixes: batch.prefixes)
        return true
    }

    // MARK: - Parts of a turn

    /// Drops the jobs that nobody waits for any more, and those that are late.
    private func dropUnwanted(_ now: ContinuousClock.Instant) {
        drop { job in
            if job.isCancelled { return CancellationError() }
            return job.isLate(now) ? APIError.late : nil
        }
    }

    private func drop(_ reason: (GenerationJob) -> (any Error)?) {
        queue.removeAll { queued in
            guard let error = reason(queued.job) else { return false }
            if !queued.isBegun { engine.admitted() }
            teller.end(queued.job, because: error)
            return true
        }
        scoring.removeAll { scoring in
            guard let error = reason(scoring.choice.job) else { return false }
            scoring.close(model)
            teller.end(scoring.choice.job, because: error)
            return true
        }
        for (key, choice) in running {
            guard let error = reason(choice.job) else { continue }
            running[key] = nil
            leave(choice)
            teller.end(choice.job, because: error)
        }
    }

    private func leave(_ choice: RunningChoice) {
        if let row = choice.row { try? batch.leave(row) }
    }

    /// Gives prompts that are scored to the next pass, beside the rows.
    private func addScoring() {
        for place in scoring.indices.reversed() {
            do { try scoring[place].addIds(to: model) } catch { stop(scoring[place].choice.job, because: error) }
        }
    }

    /// Makes rows of waiting choices while there is room, owner by owner.
    private func admit(_ now: ContinuousClock.Instant) {
        while running.count + scoring.count < engine.limits.parallel, let queued = queue.first {
            if !queued.isBegun {
                queued.isBegun = true
                engine.admitted()
                engine.figures.admitted(after: (now - queued.arrival).inSeconds)
            }
            let index = queued.next
            queued.next += 1
            do { try begin(queued, index) } catch {
                stop(queued.job, because: error)
                continue
            }
            queue.rotate(done: queued.next == queued.job.choices.count)
        }
    }

    /// Begins a choice: its prompt is scored first where that is asked for, else it becomes a row.
    private func begin(_ queued: QueuedJob, _ index: Int) throws {
        let choice = RunningChoice(queued, index)
        if queued.job.scoresPrompts {
            scoring.append(try PromptScoring(choice, model))
        } else {
            try join(choice)
        }
    }

    private func join(_ choice: RunningChoice) throws {
        let plan = choice.job.choices[choice.index]
        let row: DecodingRow
        // A choice of the prompt that was just begun shares all of its reading.
        if let first = choice.queued.lastRow, first.finishReason == nil, first.generated == 0,
            choice.job.choices[choice.queued.lastIndex].prompt == plan.prompt
        {
            row = try batch.fork(first, number: plan.number)
        } else {
            row = try batch.join(plan.prompt, options: choice.job.options, number: plan.number)
            choice.queued.lastRow = row
            choice.queued.lastIndex = choice.index
        }
        choice.row = row
        running[ObjectIdentifier(row)] = choice
    }

    /// Takes the scores of prompts that were in the pass; prompts that are whole become rows.
    private func readScores() {
        guard !scoring.isEmpty else { return }
        for place in scoring.indices { scores.rows += scoring[place].wantedRows(model) }
        scores.score(with: model)
        var results = scores.rows.compactMap(\.result)[...]
        scores.rows.removeAll(keepingCapacity: true)
        for place in scoring.indices { scoring[place].take(&results) }
        for done in scoring where done.isWhole {
            done.close(model)
            let choice = done.choice
            teller.tell(choice.job, choice: choice.index, .prompt(done.scores))
            if choice.job.onlyScores {
                finish(choice, .length)
            } else {
                do { try join(choice) } catch { stop(choice.job, because: error) }
            }
        }
        scoring.removeAll(where: \.isWhole)
    }

    /// Tells the new ids to those who wait for them.
    private func tell() {
        scored.removeAll(keepingCapacity: true)
        for token in batch.tokens {
            guard let choice = running[ObjectIdentifier(token.row)], let top = choice.job.logProbabilities else {
                continue
            }
            scores.rows.append(.init(logits: batch.logits(of: token.row), id: token.id, top: top))
            scored.append(choice)
        }
        if !scores.rows.isEmpty {
            scores.score(with: model)
            for (choice, row) in zip(scored, scores.rows) { choice.score = row.result }
            scores.rows.removeAll(keepingCapacity: true)
        }
        let now = ContinuousClock.now
        for token in batch.tokens {
            guard let choice = running[ObjectIdentifier(token.row)] else { continue }
            engine.figures.token(
                sinceLast: (now - (choice.lastToken ?? choice.queued.arrival)).inSeconds,
                isFirst: choice.lastToken == nil, prompt: token.row.promptCount)
            choice.lastToken = now
            do {
                let text = token.isEnd ? "" : try choice.text.append(token.id)
                teller.tell(
                    choice.job, choice: choice.index,
                    .token(id: token.id, isEnd: token.isEnd, text: text, scored: choice.score))
                if choice.text.isStopped { try batch.finish(token) }
            } catch {
                stop(choice.job, because: error)
                continue
            }
            guard let reason = token.row.finishReason else { continue }
            finish(choice, reason)
        }
        for choice in running.values {
            guard let row = choice.row, row.finishReason != nil else { continue }
            stop(choice.job, because: row.failure ?? APIError.internalError)
        }
    }

    /// A choice has ended well; with the last of its job the job has.
    private func finish(_ choice: RunningChoice, _ reason: FinishReason) {
        if let row = choice.row { running[ObjectIdentifier(row)] = nil }
        let rest = (try? choice.text.finish()) ?? ""
        let reason = choice.text.isStopped ? .stop : reason
        teller.tell(choice.job, choice: choice.index, .finished(reason, text: rest))
        choice.queued.ended += 1
        if choice.queued.ended == choice.job.choices.count { teller.end(choice.job) }
    }

    /// A job ends with an error, all of its choices with it.
    private func stop(_ job: GenerationJob, because error: any Error) {
        for (key, choice) in running where choice.job === job {
            running[key] = nil
            leave(choice)
        }
        for entry in scoring where entry.choice.job === job { entry.close(model) }
        scoring.removeAll { $0.choice.job === job }
        queue.removeAll { $0.job === job }
        teller.end(job, because: error)
    }

    /// A pass failed: what was in it cannot go on.
    private func fail(_ error: any Error) {
        for choice in running.values { teller.end(choice.job, because: error) }
        for entry in scoring {
            entry.close(model)
            teller.end(entry.choice.job, because: error)
        }
        for row in batch.rows { try? batch.leave(row) }
        try? batch.forgetPrefixes()
        running = [:]
        scoring = []
        queue.removeAll { queued in
            if queued.isBegun { teller.end(queued.job, because: error) }
            return queued.isBegun
        }
    }
}

/// A job that waits until all of its choices are rows.
final class QueuedJob {
    let job: GenerationJob
    let arrival = ContinuousClock.now
    var isBegun = false
    /// The next choice to begin.
    var next = 0
    var ended = 0
    /// The last row that read a prompt itself, and the number of its choice.
    var lastRow: DecodingRow?
    var lastIndex = 0

    init(_ job: GenerationJob) { self.job = job }
}

/// A choice that is being scored or decoded.
final class RunningChoice {
    let queued: QueuedJob
    let index: Int
    /// nil while its prompt is scored.
    var row: DecodingRow?
    var text: AnswerText
    var score: ScoredToken?
    var lastToken: ContinuousClock.Instant?

    var job: GenerationJob { queued.job }

    init(_ queued: QueuedJob, _ index: Int) {
        self.queued = queued
        self.index = index
        text = queued.job.choices[index].text
    }
}
