/// What a step counts, at fixed addresses: a step of a small model takes microseconds.
final class StepTally {
    /// Counted targets by micro-batch and loss.
    let counts: UnsafeMutableBufferPointer<Int>
    /// Tokens by micro-batch.
    let tokens: UnsafeMutableBufferPointer<Int>
    /// Counted targets of the step by loss.
    let total: UnsafeMutableBufferPointer<Int>
    /// Sums of losses by shard and loss.
    let sums: UnsafeMutableBufferPointer<Double>
    /// Squared norms of the shards' gradients.
    let squares: UnsafeMutableBufferPointer<Double>

    init(parts: Int, shards: Int, losses: Int) {
        func zeros<Value: Numeric>(_ count: Int) -> UnsafeMutableBufferPointer<Value> {
            let memory = UnsafeMutableBufferPointer<Value>.allocate(capacity: count)
            memory.initialize(repeating: 0)
            return memory
        }
        (counts, tokens, total) = (zeros(parts * losses), zeros(parts), zeros(losses))
        (sums, squares) = (zeros(shards * losses), zeros(shards))
    }

    deinit {
        counts.deallocate()
        tokens.deallocate()
        total.deallocate()
        sums.deallocate()
        squares.deallocate()
    }

    /// Adds up the counted targets of all micro-batches; returns whether there are any.
    func addUp() -> Bool {
        var any = false
        for loss in total.indices {
            var sum = 0
            for part in tokens.indices { sum += counts[part * total.count + loss] }
            total[loss] = sum
            any = any || sum > 0
        }
        return any
    }
}
