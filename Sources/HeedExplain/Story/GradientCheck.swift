import HeedModels
import HeedSupport
import HeedTensor

/// A gradient held against central differences, in one direction of all its elements.
///
/// The direction is the gradient's own and a random one together, so that both a wrong size and a wrong element show.
public struct GradientCheck: Sendable {
    /// Whether it is of a value that flows or of something learned.
    public enum Kind: String, Sendable {
        /// A value that flows.
        case value
        /// Something learned.
        case parameter
    }

    /// Which of the two.
    public let kind: Kind
    /// The path of the value's layer, or the parameter's name.
    public let path: String
    /// The operation that makes the value or reads the parameter, and the formulas of both directions.
    public let operation, formula, gradientFormula: String
    /// The extents.
    public let shape: [Int]
    /// √(sum of squares) of the gradient.
    public let size: Double
    /// The slope in that direction by the gradient, and by (L(x + h) − L(x − h)) / 2h at two h, extrapolated to 0.
    public let byGradient, byDifferences: Double
    /// What differences in 32 bits cannot tell: how much the slopes at the two h differ, and the rounding of L.
    public let uncertainty: Double

    /// |difference| / the larger slope; 0 within three times the uncertainty of differences (a choice of experts that
    /// changes between two h is off by 7/3 of it).
    public var error: Double {
        let apart = abs(byGradient - byDifferences)
        return apart <= 3 * uncertainty ? 0 : apart / max(abs(byGradient), abs(byDifferences))
    }
    /// Whether the two agree as far as differences in 32 bits, over the corners of ReLU, can tell.
    public var agrees: Bool { error <= 0.05 }
}

extension Explanation {
    /// Checks the gradient of the target's logit by every value and every learned tensor.
    ///
    /// Cost: four forward passes for each. While it runs, the weights change; at the end they are as before.
    /// - Throws: `HeedError` without a head, when memory is refused, or what `mayGoOn` throws.
    public func gradientChecks(seed: UInt64 = 1, mayGoOn: () throws -> Void = {}) throws -> [GradientCheck] {
        try whole.subject.requireHead()
        guard let target else { return [] }
        return try valueChecks(target, seed, mayGoOn) + parameterChecks(target, seed, mayGoOn)
    }

    /// How many checks there are.
    public var gradientCheckCount: Int {
        // Within attention: scores, scale, softmax, and offsets where there are some.
        whole.places.nodes.count + whole.subject.model.weights.layout.parameters.count
            + whole.places.attentions.reduce(0) {
                $0 + ($1.operation.bias == nil && $1.operation.shape.slopes.isEmpty ? 3 : 4)
            }
    }

    /// The checks of every value that flows.
    func valueChecks(
        _ target: Int, _ seed: UInt64, _ mayGoOn: () throws -> Void
    ) throws -> [GradientCheck] {
        let places = whole.places
        let edited = try whole.subject.editing(Set(places.nodes.indices), rows: whole.wantedRows)
        let checks: [GradientCheck] = try places.nodes.indices.compactMap { place in
            try mayGoOn()
            guard let values = whole.values(place), let gradient = values.gradient, let edit = edited.edits[place]
            else { return nil }
            let node = places.nodes[place]
            let numbers = gradient.array
            let slope = Slope(numbers, values: values.array, seed: seed, place: UInt64(place))
            let found = slope.measured { amount in
                edit.shift(by: slope.direction, times: amount)
                return Double(edited.logit(target, row: whole.answerRow))
            }
            edit.clear()
            return GradientCheck(
                kind: .value, path: node.path, operation: node.operation.name, formula: node.operation.formula,
                gradientFormula: node.operation.gradientFormula, shape: [values.rows, values.columns],
                size: slope.size, byGradient: slope.expected, byDifferences: found.slope,
                uncertainty: found.uncertainty)
        }
        return checks + (try attentionChecks(edited, target, seed, mayGoOn))
    }

    private func parameterChecks(
        _ target: Int, _ seed: UInt64, _ mayGoOn: () throws -> Void
    ) throws -> [GradientCheck] {
        let subject = whole.subject
        let pass = try subject.pass(for: .training, rows: [subject.position]) { recorded, _ in
            let logits = recorded.logits(recorded.states)
            return (logits: logits?.kept(), seed: logits?.seeded())
        }
        pass.outputs.seed?.choose(row: 0, column: target)
        return try GradientCheck.ofParameters(pass, seed: seed, mayGoOn: mayGoOn) {
            pass.forward()
            return Double(pass.outputs.logits.map { pass[$0][0, target] } ?? 0)
        }
    }
}

extension GradientCheck {
    /// Checks the gradient of L by every learned tensor of a training pass.
    ///
    /// `loss` runs the pass and returns L. Cost: four passes for each. The weights are as before at the end.
    static func ofParameters<Outputs>(
        _ pass: Pass<Outputs>, seed: UInt64, mayGoOn: () throws -> Void, _ loss: () -> Double
    ) throws -> [GradientCheck] {
        pass.forward()
        pass.backward()
        pass.finishGradients()
        let operations = pass.trace.nodes.map(\.operation)
        let numbers = try pass.weights.change()
        defer { pass.weights.settle() }
        // Copies, because whoever computes L may run backward too.
        let gradients = numbers.layout.parameters.map { parameter in
            pass.gradients.map { Array($0[parameter]) } ?? []
        }
        return try zip(numbers.layout.parameters, gradients).enumerated().compactMap { index, pair in
            let (parameter, gradient) = pair
            try mayGoOn()
            guard !gradient.isEmpty,
                let operation = operations.first(where: { $0.parameters.contains(parameter) })
            else { return nil }
            let own = numbers[parameter]
            let before = Array(own)
            defer { _ = own.update(from: before) }
            let slope = Slope(
                gradient, values: before, seed: seed, place: UInt64(1 << 20 + index),
                leavingOut: paddingElements(of: parameter, operations))
            let found = slope.measured { amount in
                for element in before.indices {
                    own[element] = before[element] + Float(amount) * slope.direction[element]
                }
                return loss()
            }
            return GradientCheck(
                kind: .parameter, path: parameter.name, operation: operation.name, formula: operation.formula,
                gradientFormula: operation.gradientFormula, shape: parameter.shape, size: slope.size,
                byGradient: slope.expected, byDifferences: found.slope, uncertainty: found.uncertainty)
        }
    }

    /// The elements of a table's row that by convention has no gradient.
    private static func paddingElements(of parameter: Parameter, _ operations: [any TensorOperation]) -> Range<Int> {
        for case let embed as EmbedOperation in operations where embed.table == parameter {
            if let padding = embed.padding { return padding * embed.width..<(padding + 1) * embed.width }
        }
        return 0..<0
    }
}

extension ValueEdit {
    /// Makes `y = x + amount · direction`.
    func shift(by direction: [Float], times amount: Double) {
        for (index, value) in direction.enumerated() {
            set(row: index / shape.columns, column: index % shape.columns, factor: 1, offset: Float(amount) * value)
        }
    }
}

/// A direction for one check, and what the gradient says of it.
struct Slope {
    let direction: [Float]
    let size: Double
    let expected: Double
    private let step: Double

    init(_ gradient: [Float], values: [Float], seed: UInt64, place: UInt64, leavingOut: Range<Int> = 0..<0) {
        size = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let share = size > 0 ? 1 / size : 0
        let random = 1 / Double(max(gradient.count, 1)).squareRoot()
        var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ place
        let size = size
        direction = gradient.enumerated().map { index, value in
            // SplitMix64 (Steele et al. 2014): one bit of it chooses the sign.
            state = state &+ 0x9E37_79B9_7F4A_7C15
            var word = state
            word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
            let sign = (word ^ (word >> 31)) & 1 == 0 ? 1.0 : -1.0
            if leavingOut.contains(index) { return 0 }
            return Float((size > 0 ? Double(value) * share : 0) + random * sign)
        }
        expected = zip(gradient, direction).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        // Far enough to be seen over rounding, not so far that the value is another.
        let length = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        step = min(0.05 / max(abs(expected), 1e-6), max(0.02 * length, 0.02))
    }

    func measured(_ loss: (Double) -> Double) -> (slope: Double, uncertainty: Double) {
        let first = measured(loss, step)
        let isClose = abs(first.slope - expected) <= 0.01 * abs(expected) + first.uncertainty
        guard !isClose else { return first }
        // Functions with corners, such as ReLU: a shorter way crosses fewer of them.
        let second = measured(loss, step / 8)
        return abs(second.slope - expected) < abs(first.slope - expected) ? second : first
    }

    private func measured(_ loss: (Double) -> Double, _ step: Double) -> (slope: Double, uncertainty: Double) {
        var largest = 0.0
        func difference(_ h: Double) -> Double {
            let (above, below) = (loss(h), loss(-h))
            largest = max(largest, abs(above), abs(below))
            return (above - below) / (2 * h)
        }
        let (far, near) = (difference(step), difference(step / 2))
        // A pass rounds L to about 2⁻²⁰ of its size.
        return ((4 * near - far) / 3, abs(near - far) + largest / 1_048_576 / step)
    }
}
