import CHeedKernels
import HeedSupport
import HeedTensor

/// From how many elements on more than one thread is worth waking.
private let sharedFrom = 16_384

/// Gradient norm, clip and an optimiser's rule over the contiguous buffers of a model: one pass each at memory speed.
///
/// λ touches the layout's decayed range only; frozen parameters have neither gradient nor moments. Where several ranks
/// share the work, each updates a slice of the numbers and remembers moments of that slice alone (Rajbhandari et al.
/// 2020, "ZeRO", stage 1). Memory: the optimiser's moments of the slice.
public final class OptimiserUpdate {
    /// The rule.
    public let optimiser: Optimiser
    /// What it remembers.
    public let moments: [MomentBuffer]
    /// The trained numbers that are updated here; begins at a multiple of `blockLength`.
    public let slice: Range<Int>
    /// Elements whose squares are added in one sum.
    public static let blockLength = 4096

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
    /// - `slice`: the trained numbers to update, from a multiple of `blockLength` on; nil: all.
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public init(
        _ parameters: ParameterBuffer, gradients: ParameterBuffer, optimiser: Optimiser = .adamW, decay: Float,
        slice: Range<Int>? = nil, runtime: Runtime
    ) throws {
        let layout = parameters.layout
        let kernels = runtime.kernels.table.pointee
        let slice = slice ?? 0..<layout.trained
        self.optimiser = optimiser
        self.slice = slice
        team = runtime.team
        let moments = try (0..<optimiser.moments).map { _ in try MomentBuffer(slice) }
        self.moments = moments
        rates = .allocate(capacity: 1)
        rates.initialize(to: heed_adam_rates())
        blocks = (layout.trained + OptimiserUpdate.blockLength - 1) / OptimiserUpdate.blockLength
        sums = .allocate(capacity: max(blocks, 1))
        sums.initialize(repeating: 0, count: max(blocks, 1))
        normStep = Owned(
            heed_square_sum(
                x: gradients.base + slice.lowerBound, count: Int64(slice.count),
                sums: sums + slice.lowerBound / OptimiserUpdate.blockLength))
        func step(_ kernel: @escaping heed_kernel, _ arguments: UnsafeRawPointer, _ count: Int) -> Step {
            Step(kernel: kernel, arguments: arguments, rows: nil, shareFrom: count < sharedFrom ? Int32.max : 0)
        }
        normList = .allocate(capacity: 1)
        normList.initialize(repeating: step(kernels.square_sum, normStep.pointer, slice.count))
        func moment(_ index: Int, _ element: Int) -> UnsafeMutablePointer<Float>? {
            index < moments.count ? moments[index].values.baseAddress.map { $0 + element - slice.lowerBound } : nil
        }
        for (whole, decays) in [(0..<layout.decayed, true), (layout.decayed..<layout.trained, false)] {
            let range = whole.clamped(to: slice)
            guard !range.isEmpty else { continue }
            updateSteps.append(
                Owned(
                    heed_adamw(
                        parameter: parameters.base + range.lowerBound, gradient: gradients.base + range.lowerBound,
                        first: moment(0, range.lowerBound), second: moment(1, range.lowerBound),
                        count: Int64(range.count), decay: decays ? decay : 0, rates: rates)))
        }
        let kernel: heed_kernel =
            switch optimiser {
            case .adamW: kernels.adamw
            case .adam: kernels.adam
            case .lion: kernels.lion
            case .sgd: kernels.sgd
            }
        updateList = .allocate(capacity: updateSteps.count)
        _ = updateList.initialize(
            from: updateSteps.map { step(kernel, $0.pointer, Int($0.pointer.pointee.count)) })
    }

    deinit {
        rates.deallocate()
        sums.deallocate()
        normList.deallocate()
        updateList.deallocate()
    }

    /// Returns √Σg², summed in fixed blocks: the same bits for any number of threads and ranks.
    ///
    /// - Parameter collect: fills in the sums of the blocks of other slices.
    public func gradientNorm(
        collect: (UnsafeMutableBufferPointer<Double>) throws -> Void = { _ in }
    ) rethrows -> Double {
        team.run(UnsafeBufferPointer(normList))
        try collect(UnsafeMutableBufferPointer(start: sums, count: blocks))
        var sum = 0.0
        for block in 0..<blocks { sum += sums[block] }
        return sum.squareRoot()
    }

    /// Makes optimiser step `step` (from 1) with learning rate `rate`, gradients multiplied by `clip`; leaves them zero.
    public func apply(step: Int, rate: Double, beta1: Double, beta2: Double, epsilon: Double, clip: Double) {
        rates.pointee = heed_adam_rates(
            rate: Float(rate), beta1: Float(beta1), beta2: Float(beta2), epsilon: Float(epsilon),
            correction1: Float(1 - OptimiserUpdate.power(beta1, step)),
            correction2: Float(1 - OptimiserUpdate.power(beta2, step)), clip: Float(clip))
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
