import HeedProcessor
import HeedSupport
import HeedTensor

extension Generator {
    /// Beam search: the open beams of all prompts are rows of one batch that their searches choose for.
    func searchBeams(
        _ prompts: [GenerationPrompt], in batch: DecodingBatch, hooks: GenerationHooks
    ) throws -> GenerationResult {
        if hooks.onDistribution != nil {
            throw HeedError(
                .usage, "a beam search draws no token from a distribution", in: "`probabilities`",
                advice: "Leave out `numBeams`")
        }
        let searches = try prompts.indices.map { index in
            let row = try join(prompts, index, to: batch, number: index, choosesItself: false)
            return BeamRows(
                row,
                search: try BeamSearch(
                    options: row.options, vocabulary: model.vocabulary, prompt: row.history,
                    source: prompts[index].source, row: index))
        }
        var result = GenerationResult(readingEnd: .now)
        var isReading = true
        let work = BeamWork(batch, searches)
        while !work.live.isEmpty {
            if hooks.isInterrupted?() == true {
                for search in work.live { try search.interrupt(batch) }
                break
            }
            try batch.step()
            if isReading {
                result.readingEnd = batch.passEnd
                isReading = batch.isReading
            }
            // Every search by itself: the results do not depend on who does which.
            model.share(work)
            for search in work.live {
                if try search.move(batch) { result.decodedTokens += 1 }
            }
            work.live.removeAll { $0.search.isFinished }
        }
        result.sequences = searches.map { $0.search.results() }
        return result
    }
}

/// The searches that are not finished, each a part of the work of a step.
private final class BeamWork: TeamWork {
    var live: [BeamRows]
    private let batch: DecodingBatch
    private let memories: [ChoosingMemory]

    init(_ batch: DecodingBatch, _ searches: [BeamRows]) {
        self.batch = batch
        live = searches
        memories = batch.memories
    }

    func run(part: Int, of parts: Int) {
        for place in stride(from: part, to: live.count, by: parts) { live[place].look(batch, memories[part]) }
    }
}

/// A beam search and the rows of a decoding batch that are its open beams.
final class BeamRows {
    let search: BeamSearch
    private var rows: [DecodingRow]
    private var spareRows: [DecodingRow] = []
    /// Which beams the search has seen the logits of.
    private var isSeen: [Bool] = [false]
    private var hasStepped = false
    /// What went wrong first.
    private var failure: (any Error)?

    init(_ row: DecodingRow, search: BeamSearch) {
        rows = [row]
        self.search = search
    }

    /// Shows the search the logits that the last pass gave, and lets it choose when it has seen all.
    func look(_ batch: DecodingBatch, _ memory: ChoosingMemory) {
        guard failure == nil else { return }
        do {
            for beam in rows.indices where !isSeen[beam] && rows[beam].isReady {
                try search.add(logits: batch.logits(of: rows[beam]), row: beam, memory: memory)
                isSeen[beam] = true
            }
            hasStepped = isSeen.allSatisfy { $0 }
            if hasStepped { search.finishStep() }
        } catch {
            failure = error
        }
    }

    /// Moves the rows as the search has chosen. Returns whether there was a choice after which it goes on.
    func move(_ batch: DecodingBatch) throws -> Bool {
        if let failure { throw failure }
        guard hasStepped else { return false }
        hasStepped = false
        if search.isFinished {
            for row in rows { try batch.leave(row, because: .stop) }
            return false
        }
        // Rows without a beam that goes on leave first, so that the others find their room.
        for beam in rows.indices where !search.parents.contains(Int32(beam)) {
            try batch.leave(rows[beam], because: .stop)
        }
        swap(&rows, &spareRows)
        rows.removeAll(keepingCapacity: true)
        isSeen.removeAll(keepingCapacity: true)
        for (beam, parent) in search.parents.enumerated() {
            let isFirst = search.parents.firstIndex(of: parent) == beam
            rows.append(isFirst ? spareRows[Int(parent)] : try batch.fork(spareRows[Int(parent)]))
            isSeen.append(false)
        }
        for (row, id) in zip(rows, search.newestIds) { try batch.append(id, to: row) }
        spareRows.removeAll(keepingCapacity: true)
        return true
    }

    /// Ends the search before its time.
    func interrupt(_ batch: DecodingBatch) throws {
        search.interrupt()
        for row in rows { try batch.leave(row, because: .interrupted) }
    }
}
