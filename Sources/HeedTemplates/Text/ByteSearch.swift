/// The first place of `part` in `text` from `start` on, or nil. An empty part is found at once.
///
/// Cost: linear, for any text and part (Knuth, Morris and Pratt 1977).
func find(_ part: [UInt8], in text: [UInt8], from start: Int, to end: Int? = nil) -> Int? {
    let end = end ?? text.count
    guard start >= 0, start + part.count <= end else { return nil }
    return text.withUnsafeBufferPointer { text in
        part.withUnsafeBufferPointer { part in
            search(length: end - start, partLength: part.count, { text[start + $0] }, { part[$0] }).map { start + $0 }
        }
    }
}

/// The last place of `part` in `text` between `start` and `end`, or nil.
func findLast(_ part: [UInt8], in text: [UInt8], from start: Int, to end: Int) -> Int? {
    guard start >= 0, start + part.count <= end else { return nil }
    return text.withUnsafeBufferPointer { text in
        part.withUnsafeBufferPointer { part in
            let found = search(
                length: end - start, partLength: part.count, { text[end - 1 - $0] }, { part[part.count - 1 - $0] })
            return found.map { end - $0 - part.count }
        }
    }
}

/// Whether `part` stands at `offset`.
func hasPart(_ part: [UInt8], in text: [UInt8], at offset: Int) -> Bool {
    guard offset >= 0, offset + part.count <= text.count else { return false }
    return part.indices.allSatisfy { text[offset + $0] == part[$0] }
}

@inline(__always)
private func search(
    length: Int, partLength: Int, _ text: (Int) -> UInt8, _ part: (Int) -> UInt8
) -> Int? {
    if partLength == 0 { return 0 }
    let first = part(0)
    if partLength <= 16 {
        var at = 0
        while at + partLength <= length {
            if text(at) == first {
                var matched = 1
                while matched < partLength, text(at + matched) == part(matched) { matched += 1 }
                if matched == partLength { return at }
            }
            at += 1
        }
        return nil
    }
    // border[i]: the longest proper prefix of the part that ends at i.
    var border = [Int32](repeating: 0, count: partLength)
    var matched = 0
    for at in 1..<partLength {
        while matched > 0, part(at) != part(matched) { matched = Int(border[matched - 1]) }
        if part(at) == part(matched) { matched += 1 }
        border[at] = Int32(truncatingIfNeeded: matched)
    }
    matched = 0
    for at in 0..<length {
        while matched > 0, text(at) != part(matched) { matched = Int(border[matched - 1]) }
        if text(at) == part(matched) { matched += 1 }
        if matched == partLength { return at + 1 - partLength }
    }
    return nil
}
