import CHeedKernels
import HeedSupport
import HeedTensor

/// Muon's steps of hidden matrices: see `Optimiser.muon`.
///
/// Each rank keeps momentum of its slice; the matrices that reach into the slice are made orthogonal whole, so that the
/// bits do not depend on where slices end. Cost: per number of a matrix of smaller side n about 20·n operations.
final class MuonUpdate: WholeTensorRule {
    let shared: MomentBuffer? = nil

    private let matrices: [OptimisedTensor]
    private let parameters: ParameterBuffer
    private let gradients: ParameterBuffer
    private let momentum: MomentBuffer
    private let slice: Range<Int>
    private let decay: Float
    private let rates: UnsafeMutablePointer<heed_adam_rates>
    private let orthogonaliser: Orthogonaliser

    /// - Parameter momentum: of the slice.
    init(
        _ parameters: ParameterBuffer, gradients: ParameterBuffer, matrices: [OptimisedTensor], momentum: MomentBuffer,
        decay: Float, slice: Range<Int>, rates: UnsafeMutablePointer<heed_adam_rates>, runtime: Runtime
    ) throws {
        self.matrices = matrices.filter { matrix in
            matrix.count > 0 && matrix.places.contains { !$0.clamped(to: slice).isEmpty }
        }
        (self.parameters, self.gradients, self.momentum) = (parameters, gradients, momentum)
        (self.decay, self.slice, self.rates) = (decay, slice, rates)
        orthogonaliser = try Orthogonaliser(self.matrices.map { ($0.rows, $0.columns ?? 1) }, runtime)
    }

    /// Takes the gradient into the momentum and leaves what is to be made orthogonal in its place.
    func prepare() {
        let (beta, clip) = (rates.pointee.beta1, rates.pointee.clip)
        for matrix in matrices {
            for place in matrix.places {
                let ours = place.clamped(to: slice)
                guard !ours.isEmpty, let start = momentum.values.baseAddress else { continue }
                let moments = start + (ours.lowerBound - slice.lowerBound)
                let values = gradients.base + ours.lowerBound
                for index in 0..<ours.count {
                    let gradient = values[index] * clip
                    let moment = beta * moments[index] + (1 - beta) * gradient
                    moments[index] = moment
                    values[index] = (1 - beta) * gradient + beta * moment
                }
            }
        }
    }

    func apply(step: Int) {
        for matrix in matrices {
            let (rows, columns) = (matrix.rows, matrix.columns ?? 1)
            var next = 0
            for place in matrix.places {
                (orthogonaliser.input + next).update(from: gradients.base + place.lowerBound, count: place.count)
                next += place.count
            }
            let result = orthogonaliser.run(rows: rows, columns: columns)
            let rate = rates.pointee.rate
            let factor = Float(0.2 * Double(max(rows, columns)).squareRoot() * Double(rate))
            next = 0
            for place in matrix.places {
                let keep = 1 - rate * (place.lowerBound < parameters.layout.decayed ? decay : 0)
                let ours = place.clamped(to: slice)
                let (values, start) = (parameters.base, next - place.lowerBound)
                for element in ours { values[element] = values[element] * keep - factor * result[start + element] }
                next += place.count
            }
        }
    }
}

/// Makes a matrix about orthogonal by five rounds of `X ← aX + (bA + cA²)X` with `A = XXᵀ`, beginning with X/‖X‖, or
/// with `A = XᵀX` on the other side where that is smaller (Jordan et al. 2024): singular values end between 0.7 and 1.2.
///
/// Products are those of the kernels, in fp32: the same bits for any number of threads.
final class Orthogonaliser {
    /// Where the matrix is put.
    var input: UnsafeMutablePointer<Float> { values.floats }

    private static let coefficients: (a: Float, b: Float, c: Float) = (3.4445, -4.7750, 2.0315)
    private static let rounds = 5
    private static let smallest = 1e-7

    private let team: Team
    private let table: heed_kernels
    private let values: AlignedMemory
    private let other: AlignedMemory
    private let square: AlignedMemory
    private let fourth: AlignedMemory
    private let scratch: AlignedMemory
    private let stride: Int64
    /// The numbers of rows that windows read.
    private let counts: UnsafeMutablePointer<Int32>

    /// Room for matrices of these shapes.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    init(_ shapes: [(rows: Int, columns: Int)], _ runtime: Runtime) throws {
        team = runtime.team
        table = runtime.kernels.table.pointee
        func memory(_ count: Int) throws -> AlignedMemory { try AlignedMemory(byteCount: max(count, 16) * 4) }
        let largest = shapes.map { $0.rows * $0.columns }.max() ?? 0
        let side = shapes.map { min($0.rows, $0.columns) }.max() ?? 0
        (values, other) = (try memory(largest), try memory(largest))
        (square, fourth) = (try memory(side * side), try memory(side * side))
        stride =
            shapes.map { shape in
                let (short, long) = (Int64(min(shape.rows, shape.columns)), Int64(max(shape.rows, shape.columns)))
                return max(
                    heed_linear_scratch(long, short, short, Int32(HEED_F32.rawValue)),
                    heed_linear_scratch(short, short, long, Int32(HEED_F32.rawValue)))
            }.max() ?? 64
        scratch = try AlignedMemory(byteCount: Int(stride) * runtime.team.count)
        counts = .allocate(capacity: 2)
        counts.initialize(repeating: 0, count: 2)
    }

    deinit { counts.deallocate() }

    /// Returns where the result lies, until the next call.
    func run(rows: Int, columns: Int) -> UnsafeMutablePointer<Float> {
        let count = rows * columns
        var (x, y) = (values.floats, other.floats)
        var squares = 0.0
        for index in 0..<count { squares += Double(x[index]) * Double(x[index]) }
        let scale = Float(1 / max(squares.squareRoot(), Orthogonaliser.smallest))
        for index in 0..<count { x[index] *= scale }
        let short = min(rows, columns)
        (counts[0], counts[1]) = (Int32(rows), Int32(short))
        let (a, b, c) = Orthogonaliser.coefficients
        for _ in 0..<Orthogonaliser.rounds {
            if rows <= columns {
                product(x, x, rows: 1, in: columns, out: rows, to: square.floats)
            } else {
                square.floats.update(repeating: 0, count: short * short)
                run(
                    table.linear_weight_gradient,
                    heed_linear_weight_gradient(
                        window: window(0), dy: x, dy_stride: Int64(columns), x: x, x_stride: Int64(columns),
                        dweight: square.floats, dbias: nil, in: Int32(columns), out: Int32(columns),
                        precision: Int32(HEED_F32.rawValue), scratch: place))
            }
            product(square.floats, square.floats, rows: 1, in: short, out: short, to: fourth.floats)
            combine(square.floats, b, fourth.floats, c, rows: 1, columns: short)
            if rows <= columns {
                run(
                    table.linear_input_gradient,
                    heed_linear_input_gradient(
                        window: window(1), dy: fourth.floats, dy_stride: Int64(rows), weight: x, activation_input: nil,
                        dx: y, dx_stride: Int64(columns), in: Int32(columns), out: Int32(rows), accumulate: 0,
                        activation: Activation.identity.code, precision: Int32(HEED_F32.rawValue), scratch: place))
            } else {
                product(x, fourth.floats, rows: 0, in: columns, out: columns, to: y)
            }
            combine(x, a, y, 1, rows: 0, columns: columns)
            swap(&x, &y)
        }
        return x
    }

    private var place: heed_scratch { heed_scratch(base: scratch.base, stride: stride) }

    private func window(_ index: Int) -> heed_window { heed_window(rows: counts + index, first: 0, limit: Int32.max) }

    /// `y = x · wᵀ`, as many rows as `counts[rows]` says.
    private func product(
        _ x: UnsafeMutablePointer<Float>, _ w: UnsafeMutablePointer<Float>, rows: Int, in width: Int, out: Int,
        to y: UnsafeMutablePointer<Float>
    ) {
        run(
            table.linear,
            heed_linear(
                window: window(rows), x: x, x_stride: Int64(width), weight: w, panels: nil, stored: nil, bias: nil,
                residual: nil, residual_stride: 0, pre: nil, y: y, y_stride: Int64(out), in: Int32(width),
                out: Int32(out), activation: Activation.identity.code, precision: Int32(HEED_F32.rawValue),
                scratch: place))
    }

    /// `z ← a·x + b·z`.
    private func combine(
        _ x: UnsafeMutablePointer<Float>, _ a: Float, _ z: UnsafeMutablePointer<Float>, _ b: Float, rows: Int,
        columns: Int
    ) {
        run(table.combine, heed_combine(window: window(rows), x: x, z: z, y: z, a: a, b: b, columns: Int32(columns)))
    }

    private func run<Arguments>(_ kernel: @escaping heed_kernel, _ arguments: Arguments) {
        withUnsafePointer(to: arguments) { pointer in
            let step = Step(kernel: kernel, arguments: UnsafeRawPointer(pointer), rows: nil, shareFrom: 0)
            withUnsafePointer(to: step) { team.run(UnsafeBufferPointer(start: $0, count: 1)) }
        }
    }
}
