import CHeedKernels
import HeedSupport
import HeedTensor

/// Elements whose squares the kernel adds in one sum.
private let blockLength = 4096
/// From how many elements on more than one thread is worth waking.
private let sharedFrom = 16_384

/// Gradient norm, clip and AdamW over the contiguous buffers of a model: one pass each at memory speed.
///
/// `θ ← θ − η·λ·θ; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; θ ← θ − η · (m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε)`
/// (Loshchilov and Hutter 2019, algorithm 2). λ touches the layout's decayed range only; frozen parameters have neither
/// gradient nor moments. Memory: two moments.
public final class AdamWUpdate {
    /// First moments, `m`.
    public let first: ParameterBuffer
    /// Second moments, `v`.
    public let second: ParameterBuffer

    private let parameters: ParameterBuffer
    private let gradients: ParameterBuffer
    private let team: Team
    private let rates: UnsafeMutablePointer<heed_adam_rates>
    private let sums: UnsafeMutablePointer<Double>
    private let blocks: Int
    private let normStep: Owned<heed_square_sum>
    private var updateSteps: [Owned<heed_adamw>] = []
    private let normList: UnsafeMutableBufferPointer<Step>
    private let updateList: UnsafeMutableBufferPointer<Step>

    /// An argument struct at a fixed address.
    private final class Owned<Arguments> {
        let pointer: UnsafeMutablePointer<Arguments>
        init(_ arguments: Arguments) {
            pointer = .allocate(capacity: 1)
            pointer.initialize(to: arguments)
        }
        deinit { pointer.deallocate() }
    }

    /// Makes zero moments for `parameters`.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public init(_ parameters: ParameterBuffer, gradients: ParameterBuffer, decay: Float, runtime: Runtime) throws {
        let layout = parameters.layout
        let kernels = runtime.kernels.table.pointee
        self.parameters = parameters
        self.gradients = gradients
        team = runtime.team
        first = try ParameterBuffer(layout, trainedOnly: true)
        second = try ParameterBuffer(layout, trainedOnly: true)
        rates = .allocate(capacity: 1)
        rates.initialize(to: heed_adam_rates())
        blocks = (layout.trained + blockLength - 1) / blockLength
        sums = .allocate(capacity: max(blocks, 1))
        sums.initialize(repeating: 0, count: max(blocks, 1))
        normStep = Owned(heed_square_sum(x: gradients.base, count: Int64(layout.trained), sums: sums))
        func step(_ kernel: @escaping heed_kernel, _ arguments: UnsafeRawPointer, _ count: Int) -> Step {
            Step(kernel: kernel, arguments: arguments, rows: nil, shareFrom: count < sharedFrom ? Int32.max : 0)
        }
        normList = .allocate(capacity: 1)
        normList.initialize(repeating: step(kernels.square_sum, normStep.pointer, layout.trained))
        for (range, decays) in [(0..<layout.decayed, true), (layout.decayed..<layout.trained, false)] {
            guard !range.isEmpty else { continue }
            updateSteps.append(
                Owned(
                    heed_adamw(
                        parameter: parameters.base + range.lowerBound, gradient: gradients.base + range.lowerBound,
                        first: first.base + range.lowerBound, second: second.base + range.lowerBound,
                        count: Int64(range.count), decay: decays ? decay : 0, rates: rates)))
        }
        updateList = .allocate(capacity: updateSteps.count)
        _ = updateList.initialize(
            from: updateSteps.map { step(kernels.adamw, $0.pointer, Int($0.pointer.pointee.count)) })
    }

    deinit {
        rates.deallocate()
        sums.deallocate()
        normList.deallocate()
        updateList.deallocate()
    }

    /// Returns √Σg², summed in fixed blocks: the same bits for any number of threads.
    public func gradientNorm() -> Double {
        team.run(UnsafeBufferPointer(normList))
        var sum = 0.0
        for block in 0..<blocks { sum += sums[block] }
        return sum.squareRoot()
    }

    /// Makes optimiser step `step` (from 1) with learning rate `rate`, gradients multiplied by `clip`; leaves them zero.
    public func apply(step: Int, rate: Double, beta1: Double, beta2: Double, epsilon: Double, clip: Double) {
        rates.pointee = heed_adam_rates(
            rate: Float(rate), beta1: Float(beta1), beta2: Float(beta2), epsilon: Float(epsilon),
            correction1: Float(1 - AdamWUpdate.power(beta1, step)),
            correction2: Float(1 - AdamWUpdate.power(beta2, step)), clip: Float(clip))
        team.run(UnsafeBufferPointer(updateList))
    }

    /// βᵗ by squaring, so that the bits do not depend on a system's library.
    private static func power(_ base: Double, _ exponent: Int) -> Double {
        var (result, factor, rest) = (1.0, base, exponent)
        while rest > 0 {
            if rest & 1 == 1 { result *= factor }
            factor *= factor
            rest >>= 1
        }
        return result
    }
}
