/// A buffer and its life: from the first event that uses it to the last.
///
/// Event i is the forward pass of operation i, event 2n − 1 − i its backward pass.
public struct BufferRequest: Sendable {
    /// Its size in fp32.
    public let bytes: Int
    /// The first event that uses it.
    public var firstUse: Int
    /// The last event that uses it.
    public var lastUse: Int
}

/// Places buffers in one arena by lifetime: two buffers may share addresses when they are never alive together.
///
/// Largest first, each at the lowest address that is free for its whole life. Cost: buffers², at plan time only.
public struct ArenaLayout: Sendable {
    /// The bytes of the arena.
    public private(set) var byteCount = 0
    /// The first byte of every buffer.
    public private(set) var offsets: [Int]

    init(_ requests: [BufferRequest]) {
        offsets = [Int](repeating: 0, count: requests.count)
        let order = requests.indices.sorted {
            requests[$0].bytes != requests[$1].bytes ? requests[$0].bytes > requests[$1].bytes : $0 < $1
        }
        var placed: [(offset: Int, end: Int, request: Int)] = []  // ascending by offset
        for index in order {
            let request = requests[index]
            let bytes = (request.bytes + 63) / 64 * 64
            var offset = 0
            for other in placed {
                let life = requests[other.request]
                if life.lastUse < request.firstUse || life.firstUse > request.lastUse { continue }
                if other.offset >= offset + bytes { break }
                offset = max(offset, other.end)
            }
            offsets[index] = offset
            byteCount = max(byteCount, offset + bytes)
            let position = placed.firstIndex { $0.offset > offset } ?? placed.count
            placed.insert((offset, offset + bytes, index), at: position)
        }
    }
}
