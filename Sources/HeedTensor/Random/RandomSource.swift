import CHeedKernels

/// What random numbers are for: part of every counter, so that no two uses share numbers. Every use is a case here.
public enum RandomPurpose: UInt32, Sendable, CaseIterable {
    /// The first numbers of a new model.
    case initialisation = 1
    /// Made-up data.
    case sampling = 2
    /// The order of windows and rows of training data.
    case shuffle = 3
    /// Stories that `heed demo` makes up.
    case stories = 4
    /// The order of batches of sentence pairs.
    case pairs = 5
    /// Dropout sites count up from here, a million of them at most.
    case dropout = 16
    /// Ids that are drawn while decoding.
    case decoding = 0x534D_504C
    /// Ids that beam search draws.
    case beams = 0x534D_504D

    /// The number in the counter, of one of several sites of this purpose.
    public func number(site: UInt32 = 0) -> UInt32 { rawValue + site }
}

/// Counter-based random numbers: each depends on seed, purpose, step and index, never on who asked first.
///
/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
public struct RandomSource: Sendable {
    let seed: UInt64
    let purpose: UInt32
    let step: UInt32

    /// The numbers of one purpose in one step.
    public init(seed: UInt64, purpose: RandomPurpose, step: UInt32) {
        self.seed = seed
        self.purpose = purpose.rawValue
        self.step = step
    }

    /// The words `start ..< start + words.count`; `start` is a multiple of 4.
    public func fill(_ words: UnsafeMutableBufferPointer<UInt32>, from start: UInt64 = 0) {
        guard let base = words.baseAddress, !words.isEmpty else { return }
        heed_philox(seed, purpose, step, start, base, Int64(words.count))
    }

    /// One word.
    public func word(_ index: UInt64) -> UInt32 {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4) { four in
            four.initialize(repeating: 0)
            fill(four, from: index & ~3)
            return four[Int(index & 3)]
        }
    }

    /// A number in 0 ..< 1 with 53 random bits, from words 2·index and 2·index + 1.
    public func unit(_ index: UInt64) -> Double {
        let high = UInt64(word(2 * index) >> 5)
        let low = UInt64(word(2 * index + 1) >> 6)
        return Double(high << 26 | low) * 0x1p-53
    }

    /// Uniform numbers in −bound ..< bound.
    package func fillUniform(_ values: UnsafeMutableBufferPointer<Float>, bound: Float) {
        forBlocks(of: values) { block, words in
            for i in block.indices {
                block[i] = (Float(words[i] >> 8) * 0x1p-24 * 2 - 1) * bound
            }
        }
    }

    /// Normal numbers by the Box-Muller transform: r = √(−2 ln u₁), r cos 2πu₂ and r sin 2πu₂.
    func fillNormal(_ values: UnsafeMutableBufferPointer<Float>, deviation: Float) {
        let kernels = heed_kernels_for(HEED_PORTABLE)
        forBlocks(of: values) { block, words in
            let pairs = (block.count + 1) / 2
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 4 * pairs) { memory in
                memory.initialize(repeating: 0)
                guard let base = memory.baseAddress else { return }
                let (logs, angles) = (base, base + pairs)
                let (cosines, sines) = (base + 2 * pairs, base + 3 * pairs)
                for i in 0..<pairs {
                    logs[i] = (Float(words[2 * i] >> 8) + 1) * 0x1p-24
                    angles[i] = Float(words[2 * i + 1] >> 8) * (0x1p-24 * 2 * Float.pi)
                }
                func map(_ from: UnsafeMutablePointer<Float>, _ to: UnsafeMutablePointer<Float>, _ f: heed_function) {
                    var call = heed_map(x: from, y: to, count: Int64(pairs), function: Int32(f.rawValue))
                    kernels?.pointee.map(&call, 0, 1)
                }
                map(angles, cosines, HEED_COS)
                map(angles, sines, HEED_SIN)
                map(logs, logs, HEED_LOG)
                for i in 0..<pairs {
                    let radius = (-2 * logs[i]).squareRoot() * deviation
                    block[2 * i] = radius * cosines[i]
                    if 2 * i + 1 < block.count { block[2 * i + 1] = radius * sines[i] }
                }
            }
        }
    }

    private func forBlocks(
        of values: UnsafeMutableBufferPointer<Float>,
        _ body: (UnsafeMutableBufferPointer<Float>, UnsafeMutableBufferPointer<UInt32>) -> Void
    ) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4096) { words in
            words.initialize(repeating: 0)
            var start = 0
            while start < values.count {
                let end = min(start + 4096, values.count)
                fill(words, from: UInt64(start))
                body(UnsafeMutableBufferPointer(rebasing: values[start..<end]), words)
                start = end
            }
        }
    }
}
