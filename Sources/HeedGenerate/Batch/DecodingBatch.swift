import HeedSupport

/// A batch of sequences that rows join and leave at any time.
///
/// `step` makes one pass of the model: rows that are being decoded give it one id each, rows whose prompts are still
/// being read share `promptChunk` ids in the order of joining, so that a long prompt keeps the others waiting for no
/// more than a chunk a step. Then every row whose ids are all read chooses its next id by its own options, rules and
/// random numbers; or its owner chooses (`choosesItself` false), as a beam search does.
/// A row's ids are the same bits whenever it joined, whoever else was there, however its prompt was divided, and whether
/// it shares what it read with others. A step allocates nothing unless the batch is larger than ever before.
public final class DecodingBatch {
    /// The model that continues the rows.
    public let model: any NextTokenModel
    /// The ids that the last step chose, in the order of joining.
    public private(set) var tokens: [DecodedToken] = []
    /// The rows that are still decoded, in the order of joining.
    public private(set) var rows: [DecodingRow] = []
    /// When the last pass of the model began.
    public private(set) var passBegin = ContinuousClock.now
    /// When the last pass of the model ended.
    public private(set) var passEnd = ContinuousClock.now

    /// What earlier rows read, for later rows that begin the same.
    public var prefixes: PrefixCache { kept }

    private let choosing: ChoosingWork
    private var kept: PrefixCache
    private let drafter: (any Drafter)?
    private var drafting: [DecodingRow] = []
    private var spareIds: [Int32] = []

    /// A batch without rows.
    ///
    /// - `drafter`: guesses ids of the rows whose options ask for it.
    /// - `prefixTokens`: how many ids of rows that left are kept for rows that begin the same; changes no id.
    public init(_ model: any NextTokenModel, drafter: (any Drafter)? = nil, prefixTokens: Int = 0) {
        self.model = model
        self.drafter = drafter
        kept = PrefixCache(tokens: prefixTokens)
        choosing = ChoosingWork(model)
    }

    // MARK: - Rows come and go

    /// Adds a row that continues a prompt.
    ///
    /// - `number`: what its random numbers depend on, besides the seed of the options.
    /// - `choosesItself`: whether the batch chooses its ids.
    /// - Throws: `HeedError` for options that make no sense, an empty or too long prompt, and ids that the model lacks.
    public func join(
        _ prompt: GenerationPrompt, options: GenerationOptions, number: Int = 0, choosesItself: Bool = true
    ) throws -> DecodingRow {
        guard options.penaltyAlpha == 0 else {
            throw HeedError(
                .usage, "rows of a batch make no contrastive search", in: "`penaltyAlpha`", expected: "0",
                got: "\(options.penaltyAlpha)", advice: "Use `Generator`")
        }
        let (ids, options) = try checked(prompt.ids, options)
        let chooser = try TokenChooser(options: options, vocabulary: model.vocabulary, source: prompt.source)
        let row = DecodingRow(
            history: ids, promptCount: ids.count, source: prompt.source ?? [], number: number, options: options,
            chooser: chooser, choosesItself: choosesItself)
        let (wanted, overflow) = ids.count.addingReportingOverflow(options.maxNewTokens - 1)
        let capacity = min(overflow ? .max : wanted, model.contextLength)
        if prompt.source == nil, let shared = try kept.open(for: ids, capacity: capacity, in: model, beside: rows) {
            row.slot = shared.slot
            row.held = shared.held
        } else {
            row.slot = try model.open(source: prompt.source, capacity: capacity)
        }
        add(row)
        return row
    }

    /// Adds a row that continues what `row` has so far, without reading it again.
    public func fork(_ row: DecodingRow, number: Int? = nil) throws -> DecodingRow {
        let new = DecodingRow(
            history: row.history, promptCount: row.promptCount, source: row.source, number: number ?? row.number,
            options: row.options, chooser: row.chooser, choosesItself: row.choosesItself)
        if row.unread > 0 {
            new.leader = row.leader ?? row
        } else {
            try follow(row, new)
        }
        add(new, beside: row)
        return new
    }

    /// Takes a row out of the batch; `finishReason` says why, unless the row has ended already.
    public func leave(_ row: DecodingRow, because reason: FinishReason = .interrupted) throws {
        if row.finishReason == nil { row.finishReason = reason }
        guard let place = rows.firstIndex(where: { $0 === row }) else { return }
        rows.remove(at: place)
        row.isReady = false
        row.leader = nil
        try drafter?.forget(row)
        guard let slot = row.slot else { return }
        row.slot = nil
        // One of those that waited for it reads on in its place.
        if let heir = rows.first(where: { $0.leader === row }) {
            heir.leader = nil
            heir.slot = slot
            heir.held = row.held
            heir.forgotten = row.forgotten
            for other in rows where other.leader === row { other.leader = heir }
        } else {
            try kept.keep(row, slot, in: model)
            try model.close(slot)
        }
    }

    /// Forgets what earlier rows read.
    public func forgetPrefixes() throws { try kept.clear(in: model) }

    /// Ends a row with one of the ids that the last step chose, because its owner says so; later ids are dropped.
    public func finish(_ token: DecodedToken) throws {
        let row = token.row
        row.finishReason = .stop
        let length = row.promptCount + token.step + 1
        if row.history.count > length { row.history.removeLast(row.history.count - length) }
        try leave(row, because: .stop)
    }

    /// Adds an id to a row whose owner chooses.
    public func append(_ id: Int32, to row: DecodingRow) throws {
        guard row.finishReason == nil, row.isReady, id >= 0, Int(id) < model.vocabulary else {
            throw HeedError(
                .usage, "the row takes no id now", expected: "a row that waits for an id of the vocabulary",
                got: "id \(id)")
        }
        row.isReady = false
        row.chooser.accept(id)
        row.history.append(id)
    }

    /// The logits `[V]` after the last id of a row that is ready, valid until the next step.
    public func logits(of row: DecodingRow) -> UnsafeBufferPointer<Float> { model.logits(row.output) }

    /// Makes the distribution that every id of a row is chosen from readable by `distribution(of:)`.
    public func watch(_ row: DecodingRow) {
        guard row.distribution == nil else { return }
        row.distribution = .allocate(capacity: model.vocabulary)
        row.distribution?.initialize(repeating: 0)
    }

    /// The distribution `[V]`, after all rules and filters, that the last id of a watched row was chosen from.
    public func distribution(of row: DecodingRow) -> UnsafeBufferPointer<Float>? {
        row.distribution.map { UnsafeBufferPointer($0) }
    }

    /// Whether some row's prompt has not been read to its end.
    public var isReading: Bool { rows.contains { $0.unread > 1 || $0.leader != nil } }

    /// Memory to choose with, of every thread of the model; not in use between steps.
    var memories: [ChoosingMemory] { choosing.memories }

    private func add(_ row: DecodingRow, beside parent: DecodingRow? = nil) {
        // Rows that share a source stand side by side: attention reads its keys and values once for them.
        let place = row.source.isEmpty ? nil : rows.firstIndex { $0 === parent }
        rows.insert(row, at: place.map { $0 + 1 } ?? rows.endIndex)
        choosing.rows.reserveCapacity(rows.count)
        drafting.reserveCapacity(rows.count)
        tokens.reserveCapacity(rows.reduce(0) { $0 + 1 + $1.options.draftTokens })
    }

    /// The prompt as the model can read it, all of it, or its end under `slide`; and the options for it.
    private func checked(
        _ ids: [Int32], _ options: GenerationOptions
    ) throws -> (ids: [Int32], options: GenerationOptions) {
        if ids.isEmpty { throw HeedError(.badInput, "the prompt is empty", expected: "at least one id") }
        if let id = ids.first(where: { $0 < 0 || Int($0) >= model.vocabulary }) {
            throw HeedError(
                .badInput, "an id is not in the vocabulary", expected: "ids from 0 to \(model.vocabulary - 1)",
                got: "\(id)")
        }
        let context = model.contextLength
        let options = try options.forPrompt(of: ids.count, context: context)
        return (ids.count > context ? Array(ids.suffix(context)) : ids, options)
    }

    // MARK: - Steps

    /// Makes one pass and chooses the next ids; `tokens` holds them afterwards. Rows that end leave the batch.
    ///
    /// A row whose logits are not finite or that has no id left to choose leaves as `failed`; the others go on.
    /// - Throws: What the model throws.
    public func step() throws {
        tokens.removeAll(keepingCapacity: true)
        try draft()
        var room = model.promptChunk
        for row in rows where row.leader == nil && row.unread > 0 { try read(row, &room) }
        passBegin = .now
        try model.run()
        passEnd = .now
        for row in rows {
            guard let leader = row.leader, leader.unread <= 0 else { continue }
            row.leader = nil
            try follow(leader, row)
        }
        try choose()
    }

    /// Has the next ids of rows guessed.
    private func draft() throws {
        guard let drafter else { return }
        drafting.removeAll(keepingCapacity: true)
        for row in rows {
            row.guesses.removeAll(keepingCapacity: true)
            guard row.choosesItself, row.leader == nil, row.unread == 1, row.distribution == nil else { continue }
            row.guessLimit = min(
                row.options.draftTokens, row.options.maxNewTokens - row.generated - 1,
                model.contextLength - row.held - 1)
            if let slot = row.slot { row.guessLimit = model.additions(max(row.guessLimit, 0), to: slot) }
            if row.guessLimit > 0 { drafting.append(row) }
        }
        if drafting.isEmpty { return }
        try drafter.draft(for: drafting)
        drafting.removeAll(keepingCapacity: true)
    }

    /// Gives the next ids of a row to the pass: the last one, and as many of those before it as there is room for.
    private func read(_ row: DecodingRow, _ room: inout Int) throws {
        guard let slot = row.slot else { return }
        if row.held + row.unread > model.contextLength { try slide(row, slot) }
        if !row.guesses.isEmpty {
            spareIds.removeAll(keepingCapacity: true)
            spareIds.append(row.history[row.history.count - 1])
            spareIds.append(contentsOf: row.guesses)
            row.output = try spareIds.withUnsafeBufferPointer { try model.add($0, to: slot, outputs: $0.count) }
            row.held += spareIds.count
            row.isReady = true
            return
        }
        let before = min(row.unread - 1, room)
        let isAll = before == row.unread - 1
        let count = isAll ? before + 1 : before
        guard count > 0 else { return }
        room -= before
        let first = row.forgotten + row.held
        row.output = try row.history.withUnsafeBufferPointer {
            try model.add(
                UnsafeBufferPointer(rebasing: $0[first..<(first + count)]), to: slot, outputs: isAll ? 1 : 0)
        }
        row.held += count
        row.isReady = isAll
    }

    /// Forgets the oldest ids of a row that is full; the others are read again, because their positions have moved.
    private func slide(_ row: DecodingRow, _ slot: Int) throws {
        let keep = max(0, model.contextLength - row.options.slideStep)
        row.forgotten = row.history.count - 1 - keep
        row.held = 0
        try model.truncate(slot, to: 0)
    }

    /// Makes `row` hold what `leader` has read.
    private func follow(_ leader: DecodingRow, _ row: DecodingRow) throws {
        guard let slot = leader.slot else { return }
        row.slot = try model.fork(slot)
        row.held = leader.held - leader.guesses.count
        if !leader.guesses.isEmpty, let slot = row.slot { try model.truncate(slot, to: row.held) }
        row.forgotten = leader.forgotten
        row.output = leader.output
        row.isReady = leader.isReady
    }

    /// Chooses the next id of every row that is ready and chooses itself.
    private func choose() throws {
        choosing.rows.removeAll(keepingCapacity: true)
        for row in rows where row.isReady && row.choosesItself { choosing.rows.append(row) }
        if choosing.rows.isEmpty { return }
        if choosing.rows.count == 1 { choosing.run(part: 0, of: 1) } else { model.share(choosing) }
        for row in choosing.rows {
            row.isReady = false
            for step in (row.generated - row.chosen)..<row.generated {
                let id = row.history[row.promptCount + step]
                let isEnd = row.options.endTokens.contains(id)
                tokens.append(DecodedToken(row: row, id: id, step: step, isEnd: isEnd))
            }
            if row.failure != nil {
                try leave(row, because: .failed)
            } else if row.isWhole {
                try leave(row, because: .stop)
            } else if row.generated >= row.options.maxNewTokens {
                try leave(row, because: .length)
            } else if !row.guesses.isEmpty, let slot = row.slot {
                // The model has read the id that was there, and of the guesses those that were right.
                row.held -= row.guesses.count + 1 - row.chosen
                try model.truncate(slot, to: row.held)
            }
        }
        choosing.rows.removeAll(keepingCapacity: true)
    }
}
