/// The word of `candidates` that a misspelt `word` most likely means, or nil if none is near.
///
/// Near is an edit distance (insertions, deletions, replacements, swaps of neighbours) of at most a third of the
/// longer word, and at least 1; the first of equals wins.
package func nearest(_ word: String, among candidates: [String]) -> String? {
    let typed = Array(word.utf8)
    guard typed.count <= 200 else { return nil }
    var best: (distance: Int, word: String)?
    for candidate in candidates where candidate.utf8.count <= 200 {
        let distance = editDistance(typed, Array(candidate.utf8))
        let limit = max(1, max(typed.count, candidate.utf8.count) / 3)
        if distance <= limit, distance < best?.distance ?? Int.max { best = (distance, candidate) }
    }
    return best?.word
}

/// The number of single edits between two byte strings (optimal string alignment).
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var before: [Int] = []
    var previous = Array(0...right.count)
    for (row, a) in left.enumerated() {
        var current = [row + 1]
        current.reserveCapacity(right.count + 1)
        for (column, b) in right.enumerated() {
            var cost = min(previous[column] + (a == b ? 0 : 1), previous[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, a == right[column - 1], left[row - 1] == b {
                cost = min(cost, before[column - 1] + 1)
            }
            current.append(cost)
        }
        before = previous
        previous = current
    }
    return previous[right.count]
}
