import HeedProcessor
import HeedTensor

/// The rows that choose an id after a pass, each by itself, so that the result does not depend on who does which.
///
/// A row whose next ids were guessed goes on to choose as long as it chooses what was guessed: the pass has the logits.
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
        row.chosen = 0
        do {
            for place in 0...row.guesses.count {
                let id = try row.history.withUnsafeBufferPointer {
                    try row.chooser.choose(
                        logits: model.logits(row.output + place), history: $0, generated: row.generated,
                        random: row.random, probabilities: row.distribution, memory: memory)
                }
                row.history.append(id)
                row.chosen += 1
                let isLast = row.isWhole || row.generated >= row.options.maxNewTokens
                if isLast || place == row.guesses.count || row.guesses[place] != id { break }
            }
        } catch {
            row.failure = error
        }
    }
}
