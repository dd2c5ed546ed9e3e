import Heed

/// A prompt whose ids are scored: read in pieces, beside what else is in each pass, with the logits after every id.
struct PromptScoring {
    let choice: RunningChoice
    /// By id; the first has no probability.
    private(set) var scores: [ScoredToken?] = [nil]
    private let ids: [Int32]
    private let slot: Int
    private var read = 0
    private var added = 0
    private var output = 0

    /// So many rows of logits are made in one pass.
    private static let piece = 64

    init(_ choice: RunningChoice, _ model: DecodingModel) throws {
        self.choice = choice
        let prompt = choice.job.choices[choice.index].prompt
        ids = prompt.ids
        slot = try model.open(source: prompt.source, capacity: ids.count)
    }

    /// Whether every id is scored.
    var isWhole: Bool { scores.count == ids.count }

    /// Gives the next ids to the pass.
    mutating func addIds(to model: DecodingModel) throws {
        added = min(PromptScoring.piece, ids.count - 1 - read)
        guard added > 0 else { return }
        let piece = Array(ids[read..<(read + added)])
        output = try piece.withUnsafeBufferPointer { try model.add($0, to: slot, outputs: added) }
    }

    /// The rows of logits that the pass made, with the ids that came.
    func wantedRows(_ model: DecodingModel) -> [LogProbabilityWork.Row] {
        (0..<added).map { place in
            .init(
                logits: model.logits(output + place), id: ids[read + place + 1],
                top: choice.job.logProbabilities ?? 0)
        }
    }

    /// Takes the scores of these rows.
    mutating func take(_ results: inout ArraySlice<ScoredToken>) {
        for _ in 0..<added { scores.append(results.popFirst()) }
        read += added
    }

    func close(_ model: DecodingModel) { try? model.close(slot) }
}
