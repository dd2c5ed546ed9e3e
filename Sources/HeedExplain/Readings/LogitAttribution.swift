import HeedTensor

/// What each part of a model adds to the target's logit directly (Elhage et al. 2021, "A Mathematical Framework for
/// Transformer Circuits"): the way from the stream to the logit with every factor held as it was, that of a norm as that
/// of a head's function f(x) = f(x)/x · x, is linear. Parts and offsets add up to the logit.
public struct LogitAttribution: Sendable {
    /// A part that writes to the stream.
    public struct Part: Sendable {
        /// The path of the layer that writes.
        public let path: String
        /// What it adds.
        public let value: Float
        /// What each head adds, where the part is attention whose heads can be told apart.
        public let heads: [Float]
    }

    /// The parts from the embedding up.
    public let parts: [Part]
    /// What offsets of norms and of the head add.
    public let rest: Float
}

extension WholePass {
    /// The direct parts of the target's logit at the explained row.
    ///
    /// Nil where the way from the stream to the logits is no chain of norms, matrices, functions and a chosen row.
    func logitAttribution(of target: Int) throws -> LogitAttribution? {
        guard let last = places.states.last?.last, let (direction, row) = try self.direction(of: target, to: last)
        else {
            return nil
        }
        var walk = StreamWalk(pass: self, place: last, direction: direction, row: row)
        while try walk.step() {}
        let logit = Double(answer.indices.contains(target) ? answer[target] : 0)
        let rest = logit - walk.parts.reduce(0.0) { $0 + Double($1.value) }
        return LogitAttribution(parts: walk.parts.reversed(), rest: Float(rest))
    }

    /// What the logit of `target` multiplies the value at `end` with, and the row of it that it reads.
    private func direction(of target: Int, to end: Int) throws -> (direction: [Double], row: Int)? {
        var (place, row) = (places.nodes.count - 1, answerRow)
        guard let logits = values(place), (0..<logits.columns).contains(target) else { return nil }
        var direction = [Double](repeating: 0, count: logits.columns)
        direction[target] = 1
        while place != end {
            guard let before = input(place, 0), before < place else { return nil }
            switch places.nodes[place].operation {
            case let norm as NormaliseOperation: direction = try held(norm, numbers(before, row), direction)
            case let linear as LinearOperation where !linear.addsResidual:
                if linear.activation != .identity {
                    let inner = try product(linear, numbers(before, row))
                    direction = held(numbers(place, row), by: inner, direction)
                }
                direction = try transposedProduct(linear.weight, direction)
            case is ActivateOperation, is CapOperation:
                direction = held(numbers(place, row), by: numbers(before, row), direction)
            case let scale as CombineOperation where !scale.hasSecond:
                direction = direction.map { $0 * Double(scale.a) }
            case let gather as GatherOperation:
                if case .firsts = gather.picked { row = 0 } else { row = subject.position }
            default: return nil
            }
            place = before
        }
        return (direction, row)
    }

    fileprivate func numbers(_ place: Int, _ row: Int) -> [Double] {
        values(place)?.withRow(row) { $0.map { Double($0) } } ?? []
    }

    /// f(x) = f(x)/x · x, the factor held.
    private func held(_ values: [Double], by x: [Double], _ direction: [Double]) -> [Double] {
        direction.indices.map { x[$0] == 0 ? 0 : direction[$0] * values[$0] / x[$0] }
    }

    /// The norm with mean and factor of the row held: both are linear then.
    fileprivate func held(_ norm: NormaliseOperation, _ x: [Double], _ reading: [Double]) throws -> [Double] {
        let count = Double(x.count)
        let mean = norm.kind == .layer ? x.reduce(0, +) / count : 0
        let square = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
        let factor = 1 / (square + Double(norm.epsilon)).squareRoot()
        let gain = try norm.gain.map { try subject.model.weights.rows($0).map { Double($0) } }
        let direction = reading.enumerated().map { $1 * factor * (gain?[$0] ?? 1) }
        guard norm.kind == .layer else { return direction }
        let middle = direction.reduce(0, +) / count
        return direction.map { $0 - middle }
    }

    /// W · x + b.
    private func product(_ linear: LinearOperation, _ x: [Double]) throws -> [Double] {
        let matrix = try subject.model.weights.rows(linear.weight)
        let offsets = try linear.bias.map { try subject.model.weights.rows($0) }
        return (0..<linear.outColumns).map { out in
            x.indices.reduce(Double(offsets?[out] ?? 0)) { $0 + Double(matrix[out * x.count + $1]) * x[$1] }
        }
    }

    /// Wᵀ · v.
    fileprivate func transposedProduct(_ weight: Parameter, _ vector: [Double]) throws -> [Double] {
        let matrix = try subject.model.weights.rows(weight)
        let columns = matrix.count / max(vector.count, 1)
        var result = [Double](repeating: 0, count: columns)
        result.withUnsafeMutableBufferPointer { result in
            for (row, value) in vector.enumerated() where value != 0 {
                for column in 0..<columns { result[column] += value * Double(matrix[row * columns + column]) }
            }
        }
        return result
    }

    /// The place that makes input `index` of the operation at `place`.
    fileprivate func input(_ place: Int, _ index: Int) -> Int? {
        let inputs = places.nodes[place].inputs
        return inputs.indices.contains(index) ? places.maker[inputs[index]] : nil
    }
}

/// The way down the stream, from the state that is read to the embedding.
private struct StreamWalk {
    let pass: WholePass
    /// The place that made what is left of the stream.
    var place: Int
    /// What the logit multiplies it with.
    var direction: [Double]
    let row: Int
    var parts: [LogitAttribution.Part] = []

    private func operation(_ place: Int) -> any TensorOperation { pass.places.nodes[place].operation }

    private func project(_ values: [Double]) -> Double { zip(values, direction).reduce(0) { $0 + $1.0 * $1.1 } }

    /// Goes through a norm, or past one part; false at the bottom.
    mutating func step() throws -> Bool {
        if let norm = operation(place) as? NormaliseOperation, let before = pass.input(place, 0) {
            direction = try pass.held(norm, pass.numbers(before, row), direction)
            place = before
            return true
        }
        let own = pass.numbers(place, row)
        guard let before = residual(place) else {
            append(own, [])
            return false
        }
        append(zip(own, pass.numbers(before, row)).map { $0 - $1 }, try heads(place))
        place = before
        return true
    }

    private mutating func append(_ added: [Double], _ heads: [Float]) {
        parts.append(
            LogitAttribution.Part(path: pass.places.nodes[place].path, value: Float(project(added)), heads: heads))
    }

    /// The place whose value low-rank updates were added to, and these.
    private func updated(_ place: Int) -> (place: Int, updates: [Int]) {
        var (place, updates) = (place, [Int]())
        while operation(place) is LowRankOperation, let before = pass.input(place, 0) {
            updates.append(place)
            place = before
        }
        return (place, updates)
    }

    /// The place of the stream that the operation at `place` adds to: of two that are added, the one made first.
    private func residual(_ place: Int) -> Int? {
        let place = updated(place).place
        guard let sum = operation(place) as? CombineOperation else {
            return operation(place).passThrough.flatMap { pass.input(place, $0) }
        }
        guard sum.hasSecond else { return nil }
        return [sum.a == 1 ? pass.input(place, 0) : nil, sum.b == 1 ? pass.input(place, 1) : nil].compactMap { $0 }
            .min()
    }

    /// What each head adds, where the operation at `place` maps heads' answers straight to the stream.
    private func heads(_ place: Int) throws -> [Float] {
        var (place, scale) = (place, 1.0)
        if let sum = operation(place) as? CombineOperation, let stream = residual(place) {
            let first = pass.input(place, 0)
            guard let answer = first == stream ? pass.input(place, 1) : first else { return [] }
            (place, scale) = (answer, Double(first == stream ? sum.b : sum.a))
        }
        let (product, updates) = updated(place)
        guard let linear = operation(product) as? LinearOperation, linear.activation == .identity,
            let before = pass.input(product, 0), let attention = operation(before) as? AttendOperation
        else { return [] }
        let answers = pass.numbers(before, row)
        let width = attention.shape.width
        var back = try pass.transposedProduct(linear.weight, direction)
        for update in updates { try add(update, to: &back) }
        return (0..<attention.shape.heads).map { head in
            Float(scale * (head * width..<(head + 1) * width).reduce(0.0) { $0 + back[$1] * answers[$1] })
        }
    }

    /// Adds the direction through the low-rank update at `place`: y += s · (x · Aᵀ) · Bᵀ.
    private func add(_ place: Int, to back: inout [Double]) throws {
        guard let update = operation(place) as? LowRankOperation, var narrow = pass.input(place, 1) else { return }
        var scale = 1.0
        if let scaled = operation(narrow) as? CombineOperation, let before = pass.input(narrow, 0) {
            (scale, narrow) = (Double(scaled.a), before)
        }
        guard let down = operation(narrow) as? LinearOperation else { return }
        let own = Array(direction[update.first..<update.first + update.outColumns])
        let inner = try pass.transposedProduct(update.weight, own).map { scale * $0 }
        for (column, value) in try pass.transposedProduct(down.weight, inner).enumerated() { back[column] += value }
    }
}
