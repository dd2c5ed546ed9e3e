import CHeedKernels
import HeedSupport
import HeedTensor

/// Adafactor: see `Optimiser.adafactor`.
///
/// Every rank measures all tensors, whose means are few numbers, and updates its slice; so a matrix may lie in several
/// slices. Cost: four passes over the gradients at memory speed.
final class FactoredUpdate: WholeTensorRule {
    /// Means of squares: of a matrix those of rows, then those of columns; of a vector those of its numbers.
    let shared: MomentBuffer?

    private let state: MomentBuffer
    private let tensors: [Tensor]
    private let team: Team
    private let parameters: ParameterBuffer
    private let gradients: ParameterBuffer
    private let slice: Range<Int>
    private let decay: Float
    private let rates: UnsafeMutablePointer<heed_adam_rates>
    private let sums: UnsafeMutablePointer<Double>
    private let factors: UnsafeMutablePointer<Float>
    private let limits: UnsafeMutablePointer<Float>
    private let measuring: StepList
    private let squaring: StepList
    private let updating: StepList

    private struct Tensor {
        let tensor: OptimisedTensor
        /// The first of its means, sums and factors.
        let first: Int
        let columns: Int
        let rows: Int
        var means: Int { columns + rows }
    }

    /// ε₁ of the paper.
    private static let smallest = 1e-30

    init(
        _ parameters: ParameterBuffer, gradients: ParameterBuffer, tensors: [OptimisedTensor], decay: Float,
        slice: Range<Int>, rates: UnsafeMutablePointer<heed_adam_rates>, runtime: Runtime
    ) throws {
        let kernels = runtime.kernels.table.pointee
        let decayed = parameters.layout.decayed
        var first = 0
        let placed = tensors.map { tensor in
            let place = Tensor(
                tensor: tensor, first: first, columns: tensor.columns ?? tensor.count,
                rows: tensor.columns == nil ? 0 : tensor.rows)
            first += place.means
            return place
        }
        state = try MomentBuffer(0..<first)
        shared = state
        (self.tensors, team, self.parameters, self.gradients) = (placed, runtime.team, parameters, gradients)
        (self.slice, self.decay, self.rates) = (slice, decay, rates)
        sums = .allocate(capacity: max(first, 1))
        sums.initialize(repeating: 0, count: max(first, 1))
        factors = .allocate(capacity: max(first, 1))
        factors.initialize(repeating: 0, count: max(first, 1))
        limits = .allocate(capacity: max(placed.count, 1))
        limits.initialize(repeating: 1, count: max(placed.count, 1))
        let (measuring, squaring, updating) = (StepList(), StepList(), StepList())
        for (index, tensor) in placed.enumerated() where tensor.rows > 0 {
            var row = 0
            for place in tensor.tensor.places {
                let ours = place.clamped(to: slice)
                let arguments = heed_factors(
                    parameter: parameters.base + place.lowerBound, gradient: gradients.base + place.lowerBound,
                    rows: Int64(place.count / tensor.columns), columns: Int64(tensor.columns),
                    row_sums: sums + tensor.first + row, column_sums: sums + tensor.first + tensor.rows,
                    row_factors: factors + tensor.first + row, column_factors: factors + tensor.first + tensor.rows,
                    first: Int64(ours.lowerBound - place.lowerBound), last: Int64(ours.upperBound - place.lowerBound),
                    decay: place.lowerBound < decayed ? decay : 0, limit: limits + index, rates: rates)
                measuring.add(kernels.factor_row_sums, arguments, count: place.count)
                measuring.add(kernels.factor_column_sums, arguments, count: place.count)
                squaring.add(kernels.factor_squares, arguments, count: place.count)
                if !ours.isEmpty { updating.add(kernels.factor_update, arguments, count: ours.count) }
                row += place.count / tensor.columns
            }
        }
        (self.measuring, self.squaring, self.updating) = (measuring, squaring, updating)
    }

    deinit {
        sums.deallocate()
        factors.deallocate()
        limits.deallocate()
    }

    func prepare() {}

    func apply(step: Int) {
        let fresh = ExactMathematics.pow(Double(step), -0.8)
        for tensor in tensors where tensor.rows > 0 {
            (sums + tensor.first + tensor.rows).update(repeating: 0, count: tensor.columns)
        }
        measuring.run(on: team)
        for tensor in tensors where tensor.rows > 0 { factorise(tensor, fresh) }
        squaring.run(on: team)
        for (index, tensor) in tensors.enumerated() {
            guard tensor.rows > 0 else {
                updateVector(tensor, fresh)
                continue
            }
            var sum = 0.0
            for row in 0..<tensor.rows { sum += sums[tensor.first + row] }
            limits[index] = FactoredUpdate.limit(sum, tensor.tensor.count)
        }
        updating.run(on: team)
    }

    /// 1/max(1, RMS).
    private static func limit(_ squares: Double, _ count: Int) -> Float {
        Float(1 / max(1, (squares / Double(max(count, 1))).squareRoot()))
    }

    /// Turns the sums of a matrix into its means and factors.
    private func factorise(_ tensor: Tensor, _ fresh: Double) {
        func take(_ index: Int, _ count: Int) {
            let mean = sums[index] / Double(count) + FactoredUpdate.smallest
            state.values[index] = Float((1 - fresh) * Double(state.values[index]) + fresh * mean)
        }
        let (firstColumn, end) = (tensor.first + tensor.rows, tensor.first + tensor.means)
        for index in tensor.first..<firstColumn { take(index, tensor.columns) }
        for index in firstColumn..<end { take(index, tensor.rows) }
        var mean = 0.0
        for index in tensor.first..<firstColumn { mean += Double(state.values[index]) }
        mean /= Double(tensor.rows)
        for index in tensor.first..<firstColumn {
            factors[index] = Float((mean / Double(state.values[index])).squareRoot())
        }
        for index in firstColumn..<end { factors[index] = Float(1 / Double(state.values[index]).squareRoot()) }
    }

    /// A vector keeps the mean of every number's square; there are few of them.
    private func updateVector(_ tensor: Tensor, _ fresh: Double) {
        let (rate, clip) = (rates.pointee.rate, rates.pointee.clip)
        var squares = 0.0
        var index = tensor.first
        for place in tensor.tensor.places {
            for element in place {
                let gradient = Double(gradients.base[element] * clip)
                let mean =
                    (1 - fresh) * Double(state.values[index]) + fresh * (gradient * gradient + FactoredUpdate.smallest)
                state.values[index] = Float(mean)
                factors[index] = Float(gradient / Double(state.values[index]).squareRoot())
                squares += Double(factors[index]) * Double(factors[index])
                index += 1
            }
        }
        let limit = FactoredUpdate.limit(squares, tensor.tensor.count)
        index = tensor.first
        for place in tensor.tensor.places {
            let keep = 1 - rate * (place.lowerBound < parameters.layout.decayed ? decay : 0)
            for element in place {
                if slice.contains(element) {
                    parameters.base[element] = parameters.base[element] * keep - rate * limit * factors[index]
                }
                index += 1
            }
        }
    }
}
