import HeedTensor

/// The rows that choose an id after a pass, each by itself, so that the result does not depend on who does which.
final class ChoosingWork: TeamWork {
    var rows: [DecodingRow] = []
    /// Memory to choose with, of every thread.
    let memories: [ChoosingMemory]
    private let model: any NextTokenModel

    init(_ model: any NextTokenModel) {
        self.model = model
        memories = (0..<max(1, model.shares)).map { _ in ChoosingMemory(vocabulary: model.vocabulary) }
    }

    func run(part: Int, of parts: Int) {
        for place in stride(from: part, to: rows.count, by: parts) { choose(rows[place], memories[part]) }
    }

    private func choose(_ row: DecodingRow, _ memory: ChoosingMemory) {
        do {
            row.chosen = try row.history.withUnsafeBufferPointer {
                try row.chooser.choose(
                    logits: model.logits(row.output), history: $0, generated: row.generated, random: row.random,
                    probabilities: row.distribution, memory: memory)
            }
        } catch {
            row.failure = error
        }
    }
}
