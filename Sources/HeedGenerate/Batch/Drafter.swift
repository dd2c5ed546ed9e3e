/// Guesses how rows go on, so that one pass of the model can check several ids of a row.
///
/// A wrong guess costs a little time and changes nothing: a row's ids are those that it would have without guesses.
public protocol Drafter: AnyObject {
    /// Writes into `guesses` of every row what may follow its ids, at most `limit` of the row.
    func draft(for rows: [DecodingRow]) throws

    /// Forgets a row that has left the batch.
    func forget(_ row: DecodingRow) throws
}

/// Guesses that the ids go on as they did the last time that the last few of them came, in the text so far or, for an
/// encoder-decoder, in the source (Saxena 2023, "Prompt lookup decoding").
///
/// Cost: the ids so far, times the length of the longest match that is looked for.
public final class PromptLookup: Drafter {
    /// How many of the last ids must be found again, at most.
    public let longestMatch: Int

    /// Looks for matches of up to `longestMatch` ids.
    public init(longestMatch: Int = 3) { self.longestMatch = max(1, longestMatch) }

    public func forget(_ row: DecodingRow) {}

    public func draft(for rows: [DecodingRow]) {
        for row in rows {
            row.history.withUnsafeBufferPointer { history in
                for size in stride(from: min(longestMatch, history.count), to: 0, by: -1) {
                    let pattern = UnsafeBufferPointer(rebasing: history.suffix(size))
                    if look(for: pattern, in: history, before: history.count - 1, row) { return }
                    let found = row.source.withUnsafeBufferPointer {
                        look(for: pattern, in: $0, before: $0.count, row)
                    }
                    if found { return }
                }
            }
        }
    }

    /// Takes what follows the last occurrence of `pattern` that ends before place `end`.
    private func look(
        for pattern: UnsafeBufferPointer<Int32>, in ids: UnsafeBufferPointer<Int32>, before end: Int, _ row: DecodingRow
    ) -> Bool {
        var next = end
        while next >= pattern.count, next > 0 {
            let start = next - pattern.count
            var same = 0
            while same < pattern.count, ids[start + same] == pattern[same] { same += 1 }
            if same == pattern.count, next < ids.count {
                for id in ids[next..<min(ids.count, next + row.guessLimit)] { row.guesses.append(id) }
                return true
            }
            next -= 1
        }
        return false
    }
}
