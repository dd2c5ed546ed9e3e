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
    /// When the last pass of the model ended.
    public private(set) var passEnd = ContinuousClock.now

    private let choosing: ChoosingWork

    /// A batch without rows.
    public init(_ model: any NextTokenModel) {
        self.model = model
        choosing = ChoosingWork(model)
    }

    // MARK: - Rows come and go

    /// Adds a row that continues a prompt.
    ///
    /// - Parameters:
    ///   - number: what its random numbers depend on, besides the seed of the options.
    ///   - choosesItself: whether the batch chooses its ids.
    /// - Throws: `HeedError` for options that make no sense, an empty or too long prompt, and ids that the model lacks.
    public func join(
        _ prompt: GenerationPrompt, options: GenerationOptions, number: Int = 0, choosesItself: Bool = true
    ) throws -> DecodingRow {
        let chooser = try TokenChooser(options: options, vocabulary: model.vocabulary)
        let ids = try checked(prompt.ids, options)
        let row = DecodingRow(
            history: ids, promptCount: ids.count, number: number, options: options, chooser: chooser,
            choosesItself: choosesItself)
        let (wanted, overflow) = ids.count.addingReportingOverflow(options.maxNewTokens - 1)
        row.slot = try model.open(source: prompt.source, capacity: min(overflow ? .max : wanted, model.contextLength))
        add(row)
        return row
    }

    /// Adds a row that continues what `row` has so far, without reading it again.
    public func fork(_ row: DecodingRow, number: Int? = nil) throws -> DecodingRow {
        let new = DecodingRow(
            history: row.history, promptCount: row.promptCount, number: number ?? row.number, options: row.options,
            chooser: row.chooser, choosesItself: row.choosesItself)
        if row.unread > 0 {
            new.leader = row.leader ?? row
        } else {
            try follow(row, new)
        }
        add(new)
        return new
    }

    /// Takes a row out of the batch; `finishReason` says why, unless the row has ended already.
    public func leave(_ row: DecodingRow, because reason: FinishReason = .interrupted) throws {
        if row.finishReason == nil { row.finishReason = reason }
        guard let place = rows.firstIndex(where: { $0 === row }) else { return }
        rows.remove(at: place)
        row.isReady = false
        row.leader = nil
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
            try model.close(slot)
        }
    }

    /// Ends a row whose last id was its last, because its owner says so; also when the id ended it anyway.
    public func finish(_ row: DecodingRow) throws {
        row.finishReason = .stop
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

    private func add(_ row: DecodingRow) {
        rows.append(row)
        choosing.rows.reserveCapacity(rows.count)
        tokens.reserveCapacity(rows.count)
    }

    /// The prompt as the model can read it: all of it, or its end under `slide`.
    private func checked(_ ids: [Int32], _ options: GenerationOptions) throws -> [Int32] {
        if ids.isEmpty { throw HeedError(.badInput, "the prompt is empty", expected: "at least one id") }
        if let id = ids.first(where: { $0 < 0 || Int($0) >= model.vocabulary }) {
            throw HeedError(
                .badInput, "an id is not in the vocabulary", expected: "ids from 0 to \(model.vocabulary - 1)",
                got: "\(id)")
        }
        let context = model.contextLength
        if options.contextOverflow == .slide { return ids.count > context ? Array(ids.suffix(context)) : ids }
        if ids.count > context {
            throw HeedError(
                .badInput, "the prompt is longer than the model's context", expected: "at most \(context) ids",
                got: "\(ids.count)",
                advice: "Shorten it, or let the oldest ids be forgotten with --context-overflow slide")
        }
        if ids.count - 1 > context - options.maxNewTokens {
            throw HeedError(
                .usage,
                "the prompt of \(ids.count) ids and \(options.maxNewTokens) new ones outgrow the model's context",
                expected: "at most \(context + 1) ids together",
                got: "\(ids.count) and --max-new-tokens \(options.maxNewTokens)",
                advice: "Ask for at most \(context + 1 - ids.count) new tokens, or add --context-overflow slide")
        }
        return ids
    }

    // MARK: - Steps

    /// Makes one pass and chooses the next ids; `tokens` holds them afterwards. Rows that end leave the batch.
    ///
    /// A row whose logits are not finite or that has no id left to choose leaves as `failed`; the others go on.
    /// - Throws: What the model throws.
    public func step() throws {
        tokens.removeAll(keepingCapacity: true)
        var room = model.promptChunk
        for row in rows where row.leader == nil && row.unread > 0 { try read(row, &room) }
        try model.run()
        passEnd = .now
        for row in rows {
            guard let leader = row.leader, leader.unread == 0 else { continue }
            row.leader = nil
            try follow(leader, row)
        }
        try choose()
    }

    /// Gives the next ids of a row to the pass: the last one, and as many of those before it as there is room for.
    private func read(_ row: DecodingRow, _ room: inout Int) throws {
        guard let slot = row.slot else { return }
        if row.held + row.unread > model.contextLength { try slide(row, slot) }
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
        row.held = leader.held
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
            if row.failure != nil {
                try leave(row, because: .failed)
                continue
            }
            let step = row.generated
            let isEnd = row.options.endTokens.contains(row.chosen)
            row.history.append(row.chosen)
            row.isReady = false
            tokens.append(DecodedToken(row: row, id: row.chosen, step: step, isEnd: isEnd))
            if isEnd {
                try leave(row, because: .stop)
            } else if step + 1 >= row.options.maxNewTokens {
                try leave(row, because: .length)
            }
        }
        choosing.rows.removeAll(keepingCapacity: true)
    }
}
