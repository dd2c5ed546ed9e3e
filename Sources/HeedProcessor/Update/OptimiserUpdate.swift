import CHeedKernels
import HeedSupport
import HeedTensor

/// A rule that sees tensors as a whole, where each rank has a slice of the numbers.
protocol WholeTensorRule: AnyObject {
    /// What it remembers of all tensors; every rank has all of it.
    var shared: MomentBuffer? { get }
    /// Works on the slice's gradients, before the ranks show each other theirs.
    func prepare()
    /// Makes step `step` for the slice's numbers from the gradients of all ranks.
    func apply(step: Int)
}

/// Gradient norm, clip and an optimiser's rule over the contiguous buffers of a model: one pass each at memory speed.
///
/// λ touches the layout's decayed range only; frozen parameters have neither gradient nor moments. Where several ranks
/// share the work, each updates a slice of the numbers and remembers moments of that slice alone (Rajbhandari et al.
/// 2020, "ZeRO", stage 1). Memory: the optimiser's moments of the slice.
public final class OptimiserUpdate {
    /// The rule.
    public let optimiser: Optimiser
    /// What it remembers of the slice.
    public let moments: [MomentBuffer]
    /// What it remembers of all numbers, the same on every rank.
    public var shared: MomentBuffer? { rule?.shared }
    /// The trained numbers that are updated here; begins at a multiple of `blockLength`.
    public let slice: Range<Int>
    /// Elements whose squares are added in one sum.
    public static let blockLength = 4096

    private let team: Team
    private let gradients: ParameterBuffer
    private let rates: UnsafeMutablePointer<heed_adam_rates>
    private let sums: UnsafeMutablePointer<Double>
    private let blocks: Int
    private let squareSum: heed_kernel
    private let norm = StepList()
    private let update = StepList()
    private let rule: (any WholeTensorRule)?

    /// Makes zero moments for `parameters`.
    ///
    /// - `tensors`: all trained tensors, for optimisers that see them as a whole.
    /// - `slice`: the trained numbers to update, from a multiple of `blockLength` on; nil: all.
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public init(
        _ parameters: ParameterBuffer, gradients: ParameterBuffer, tensors: [OptimisedTensor] = [],
        optimiser: Optimiser = .adamW, decay: Float, slice: Range<Int>? = nil, runtime: Runtime
    ) throws {
        let layout = parameters.layout
        let kernels = runtime.kernels.table.pointee
        let slice = slice ?? 0..<layout.trained
        self.optimiser = optimiser
        self.slice = slice
        self.gradients = gradients
        team = runtime.team
        let moments = try (0..<optimiser.moments).map { _ in try MomentBuffer(slice) }
        self.moments = moments
        rates = .allocate(capacity: 1)
        rates.initialize(to: heed_adam_rates())
        blocks = (layout.trained + OptimiserUpdate.blockLength - 1) / OptimiserUpdate.blockLength
        sums = .allocate(capacity: max(blocks, 1))
        sums.initialize(repeating: 0, count: max(blocks, 1))
        norm.add(
            kernels.square_sum,
            heed_square_sum(
                x: gradients.base + slice.lowerBound, count: Int64(slice.count),
                sums: sums + slice.lowerBound / OptimiserUpdate.blockLength), count: slice.count)
        squareSum = kernels.square_sum
        let matrices = tensors.filter { $0.isHidden && $0.columns != nil }
        // What is changed number by number.
        var single = [0..<layout.decayed, layout.decayed..<layout.trained]
        switch optimiser {
        case .adafactor:
            single = []
            rule = try FactoredUpdate(
                parameters, gradients: gradients, tensors: tensors, decay: decay, slice: slice, rates: rates,
                runtime: runtime)
        case .muon:
            single = OptimiserUpdate.cut(single, without: matrices.flatMap(\.places))
            rule = try MuonUpdate(
                parameters, gradients: gradients, matrices: matrices, momentum: moments[0], decay: decay, slice: slice,
                rates: rates, runtime: runtime)
        case .adamW, .adam, .lion, .sgd: rule = nil
        }
        addSteps(single, of: parameters, decay: decay, kernels: kernels)
    }

    deinit {
        rates.deallocate()
        sums.deallocate()
    }

    /// What is left of `ranges` without `places`; some of it may be empty.
    private static func cut(_ ranges: [Range<Int>], without places: [Range<Int>]) -> [Range<Int>] {
        var left = ranges
        for place in places {
            left = left.flatMap { range in
                [
                    range.lowerBound..<max(range.lowerBound, min(range.upperBound, place.lowerBound)),
                    min(range.upperBound, max(range.lowerBound, place.upperBound))..<range.upperBound,
                ]
            }
        }
        return left
    }

    /// Adds the steps that change `ranges` of the parameters number by number, as far as the slice goes.
    private func addSteps(
        _ ranges: [Range<Int>], of parameters: ParameterBuffer, decay: Float, kernels: heed_kernels
    ) {
        func moment(_ index: Int, _ element: Int) -> UnsafeMutablePointer<Float>? {
            index < moments.count ? moments[index].values.baseAddress.map { $0 + element - slice.lowerBound } : nil
        }
        let kernel: heed_kernel =
            switch optimiser {
            case .adamW, .muon, .adafactor: kernels.adamw
            case .adam: kernels.adam
            case .lion: kernels.lion
            case .sgd: kernels.sgd
            }
        for range in ranges.map({ $0.clamped(to: slice) }) where !range.isEmpty {
            update.add(
                kernel,
                heed_adamw(
                    parameter: parameters.base + range.lowerBound, gradient: gradients.base + range.lowerBound,
                    first: moment(0, range.lowerBound), second: moment(1, range.lowerBound),
                    count: Int64(range.count), decay: range.lowerBound < parameters.layout.decayed ? decay : 0,
                    rates: rates),
                count: range.count)
        }
    }

    /// Returns √Σg², summed in fixed blocks: the same bits for any number of threads and ranks.
    ///
    /// - Parameter collect: fills in the sums of the blocks of other slices.
    public func gradientNorm(
        collect: (UnsafeMutableBufferPointer<Double>) throws -> Void = { _ in }
    ) rethrows -> Double {
        norm.run(on: team)
        try collect(UnsafeMutableBufferPointer(start: sums, count: blocks))
        return sum.squareRoot()
    }

    /// Adds up the squares of some gradients as they stand here, which begin and end with blocks.
    public func measure(_ elements: Range<Int>) {
        let arguments = heed_square_sum(
            x: gradients.base + elements.lowerBound, count: Int64(elements.count),
            sums: sums + elements.lowerBound / OptimiserUpdate.blockLength)
        withUnsafePointer(to: arguments) { arguments in
            let step = Step(
                kernel: squareSum, arguments: UnsafeRawPointer(arguments), rows: nil,
                shareFrom: elements.count < StepList.sharedFrom ? Int32.max : 0)
            withUnsafePointer(to: step) { team.run(UnsafeBufferPointer(start: $0, count: 1)) }
        }
    }

    /// Σg² of all gradients, as they were when each was last measured.
    public var measured: Double { sum }

    private var sum: Double {
        var sum = 0.0
        for block in 0..<blocks { sum += sums[block] }
        return sum
    }

    /// Makes optimiser step `step` (from 1) with learning rate `rate`, gradients multiplied by `clip`; leaves them zero.
    ///
    /// `gather` fills in the gradients of other slices; it is asked of rules that see whole tensors.
    public func apply(
        step: Int, rate: Double, beta1: Double, beta2: Double, epsilon: Double, clip: Double,
        gather: (UnsafeMutableBufferPointer<Float>) throws -> Void
    ) rethrows {
        rates.pointee = heed_adam_rates(
            rate: Float(rate), beta1: Float(beta1), beta2: Float(beta2), epsilon: Float(epsilon),
            correction1: Float(1 - OptimiserUpdate.power(beta1, step)),
            correction2: Float(1 - OptimiserUpdate.power(beta2, step)), clip: Float(clip))
        update.run(on: team)
        guard let rule else { return }
        rule.prepare()
        try gather(UnsafeMutableBufferPointer(start: gradients.base, count: gradients.count))
        rule.apply(step: step)
        gradients.base.update(repeating: 0, count: gradients.count)
    }

    /// The same where this process has all gradients.
    public func apply(step: Int, rate: Double, beta1: Double, beta2: Double, epsilon: Double, clip: Double) {
        apply(step: step, rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, clip: clip) { _ in }
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
