import CHeedKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One operation with one set of inputs: the kernel, a slow oracle in double precision, and the kernel's gradient.
/// From a list of these come the tests of values, of gradients, of parts and of instruction sets.
struct OperationCase: Sendable, CustomStringConvertible {
    var name: String
    var inputs: [[Float]]
    /// The kernel's outputs from the inputs.
    var forward: @Sendable (Machine, Memory, [[Float]]) -> [[Float]]
    /// The same in double precision.
    var oracle: @Sendable ([[Double]]) -> [[Double]]
    /// The kernel's gradients of Σ outputs · seeds, one array per input; empty for inputs without one.
    var gradient: (@Sendable (Machine, Memory, [[Float]], [[Float]]) -> [[Float]])?
    /// Largest difference from the oracle, as a part of max(1, largest value of the oracle).
    var tolerance = 1e-6
    var gradientTolerance = 1e-6
    /// Outputs beyond this many have no gradient of their own in the kernels: their seeds are zero.
    var seeded = Int.max

    var description: String { name }

    /// Seeds for the outputs of this case.
    func seeds() -> [[Float]] {
        let wide = inputs.map { $0.map(Double.init) }
        var numbers = Numbers(77)
        return oracle(wide).enumerated().map {
            $0.offset < seeded ? numbers.array($0.element.count) : [Float](repeating: 0, count: $0.element.count)
        }
    }

    func outputs(_ machine: Machine) -> [[Float]]? {
        withMemory { forward(machine, $0, inputs) }
    }

    func gradients(_ machine: Machine, seeds: [[Float]]) -> [[Float]]? {
        guard let gradient else { return [] }
        return withMemory { gradient(machine, $0, inputs, seeds) }
    }

    /// Central differences of the oracle: d(Σ outputs · seeds) / d(input element).
    func differences(seeds: [[Float]], input: Int) -> [Double] {
        var wide = inputs.map { $0.map(Double.init) }
        let weights = seeds.map { $0.map(Double.init) }
        func loss(_ values: [[Double]]) -> Double {
            var sum = 0.0
            for (output, weight) in zip(oracle(values), weights) {
                for (y, w) in zip(output, weight) where w != 0 { sum += y * w }
            }
            return sum
        }
        return inputs[input].indices.map { i in
            let x = wide[input][i]
            let step = 1e-5 * max(1, abs(x))
            wide[input][i] = x + step
            let up = loss(wide)
            wide[input][i] = x - step
            let down = loss(wide)
            wide[input][i] = x
            return (up - down) / (2 * step)
        }
    }
}

/// The largest |a − b|, infinite when the counts differ or one is NaN and the other not.
func largestDifference(_ a: [Float], _ b: [Double]) -> Double {
    guard a.count == b.count else { return .infinity }
    var worst = 0.0
    for (x, y) in zip(a, b) {
        if x.isNaN && y.isNaN || Double(x) == y { continue }
        let difference = abs(Double(x) - y)
        if !(difference <= worst) { worst = difference.isNaN ? .infinity : difference }
    }
    return worst
}

func largestMagnitude(_ values: [Double]) -> Double { values.reduce(0) { max($0, abs($1)) } }

/// ‖a − b‖₂ and ‖b‖₂.
func distance(_ a: [Float], _ b: [Double]) -> (difference: Double, size: Double) {
    guard a.count == b.count else { return (.infinity, 0) }
    var difference = 0.0
    var size = 0.0
    for (x, y) in zip(a, b) {
        difference += (Double(x) - y) * (Double(x) - y)
        size += y * y
    }
    return (difference.squareRoot(), size.squareRoot())
}

func sameBits(_ a: [[Float]], _ b: [[Float]]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { sameBits($0, $1) }
}
