import HeedSupport

/// Guesses with a smaller model of the same vocabulary (Leviathan et al. 2023, "Fast inference from transformers via
/// speculative decoding").
///
/// The small model chooses as the row does, with the row's own rules, filters and random numbers, so its draws agree
/// with those of the large model as often as the distributions overlap. All rows of a batch guess together: one pass of
/// the small model for each guess.
public final class DraftModel: Drafter {
    private let model: any NextTokenModel
    private let memory: ChoosingMemory
    private var slots: [ObjectIdentifier: Slot] = [:]
    private var live: [Guessing] = []

    /// What the model holds of a row.
    private struct Slot {
        let slot: Int
        var ids: [Int32] = []
    }

    private struct Guessing {
        let row: DecodingRow
        var chooser: TokenChooser
        var ids: [Int32]
        var output = 0
    }

    /// Guesses with `model`.
    public init(_ model: any NextTokenModel) {
        self.model = model
        memory = ChoosingMemory(vocabulary: model.vocabulary)
    }

    public func forget(_ row: DecodingRow) throws {
        guard let slot = slots.removeValue(forKey: ObjectIdentifier(row)) else { return }
        try model.close(slot.slot)
    }

    public func draft(for rows: [DecodingRow]) throws {
        live = rows.filter { $0.guessLimit > 0 && $0.history.count + $0.guessLimit <= model.contextLength }
            .map { Guessing(row: $0, chooser: $0.chooser, ids: $0.history) }
        while !live.isEmpty {
            for place in live.indices { live[place].output = try read(live[place]) }
            try model.run()
            live = live.compactMap { choose($0) }
        }
    }

    /// Gives the model what it has not read of a row.
    private func read(_ guessing: Guessing) throws -> Int {
        let key = ObjectIdentifier(guessing.row)
        if slots[key] == nil {
            let most = guessing.row.promptCount + guessing.row.options.maxNewTokens
            slots[key] = Slot(
                slot: try model.open(
                    source: guessing.row.source.isEmpty ? nil : guessing.row.source,
                    capacity: min(most, model.contextLength)))
        }
        guard var slot = slots[key] else { return 0 }
        // The last id is read again where all are there, because its logits are wanted.
        var same = 0
        let limit = min(slot.ids.count, guessing.ids.count - 1)
        while same < limit, slot.ids[same] == guessing.ids[same] { same += 1 }
        if same < slot.ids.count { try model.truncate(slot.slot, to: same) }
        slot.ids = guessing.ids
        slots[key] = slot
        return try guessing.ids[same...].withUnsafeBufferPointer {
            try model.add($0, to: slot.slot, outputs: 1)
        }
    }

    /// Chooses the next guess of a row; nil when it has enough.
    private func choose(_ guessing: Guessing) -> Guessing? {
        var next = guessing
        let row = guessing.row
        let id = try? next.ids.withUnsafeBufferPointer {
            try next.chooser.choose(
                logits: model.logits(next.output), history: $0, generated: next.ids.count - row.promptCount,
                random: row.random, memory: memory)
        }
        // A guess that cannot be made is none.
        guard let id else { return nil }
        row.guesses.append(id)
        next.ids.append(id)
        return row.guesses.count < row.guessLimit && !row.options.endTokens.contains(id) ? next : nil
    }
}
