import HeedSupport
import HeedTensor

/// Adds the gradients of the shards of a step in a fixed binary tree: ((0 + 1) + (2 + 3)) + ….
///
/// Shards come one after another in one buffer. Memory: log₂ of the number of shards more buffers.
final class ShardSum {
    private let gradients: ParameterBuffer
    /// Sums of 2ˡ shards that wait for their neighbours, by l.
    private var waiting: [ParameterBuffer] = []
    private var isWaiting: [Bool]

    /// - Parameter shards: how many shards are added up here, a power of two.
    init(_ gradients: ParameterBuffer, shards: Int) throws {
        self.gradients = gradients
        isWaiting = [Bool](repeating: false, count: max(shards, 1).trailingZeroBitCount)
        for _ in isWaiting { waiting.append(try ParameterBuffer(gradients.layout, trainedOnly: true)) }
    }

    /// Takes the gradients of the next shard; behind the last the buffer holds the sum of all, before that zeros.
    func add() {
        guard isWaiting.contains(false) else {
            addLast(0..<gradients.count)
            return finish()
        }
        let count = gradients.count
        let values = gradients.base
        for level in isWaiting.indices {
            let other = waiting[level].base
            guard isWaiting[level] else {
                other.update(from: values, count: count)
                values.update(repeating: 0, count: count)
                isWaiting[level] = true
                return
            }
            isWaiting[level] = false
            for index in 0..<count { values[index] = other[index] + values[index] }
        }
    }

    /// Makes of some gradients of the last shard the sum of all, before others are there; each once, then `finish`.
    func addLast(_ elements: Range<Int>) {
        let values = gradients.base
        for level in waiting {
            let other = level.base
            for index in elements { values[index] = other[index] + values[index] }
        }
    }

    /// Ends a step whose last shard was added in parts.
    func finish() {
        for level in isWaiting.indices { isWaiting[level] = false }
    }
}
