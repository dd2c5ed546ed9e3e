import HeedTensor

/// What each part of a model adds to the target's logit directly, the last norm's factor held as it is (Elhage et al.
/// 2021, "A Mathematical Framework for Transformer Circuits"). Parts add up to the logit.
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
    /// What offsets of the last norm and the head add.
    public let rest: Float
}

extension WholePass {
    /// The direct parts of the target's logit at the explained row; wants the backward pass.
    ///
    /// Nil where the way from the stream to the logits is more than a norm and a matrix, as behind an encoder.
    func logitAttribution() throws -> LogitAttribution? {
        if case .encoder = subject.layers { return nil }
        guard let last = places.states.last?.last, let target, let answer = values(last), let gradient = answer.gradient
        else { return nil }
        let row = subject.position
        let reading = gradient.withRow(row) { $0.map { Double($0) } }
        // The linear function of the stream that the logit is, once the norm's factor is held.
        var direction = reading
        var stream = last
        if let norm = places.nodes[last].operation as? NormaliseOperation, let before = input(last, 0),
            let x = values(before)
        {
            stream = before
            direction = try held(norm, x.withRow(row) { $0.map { Double($0) } }, reading)
        }
        func project(_ values: [Double]) -> Double { zip(values, direction).reduce(0) { $0 + $1.0 * $1.1 } }
        func numbers(_ place: Int) -> [Double] { values(place)?.withRow(row) { $0.map { Double($0) } } ?? [] }
        var parts: [LogitAttribution.Part] = []
        while let before = residual(stream) {
            let added = zip(numbers(stream), numbers(before)).map { $0 - $1 }
            parts.append(
                LogitAttribution.Part(
                    path: places.nodes[stream].path, value: Float(project(added)),
                    heads: try heads(stream, direction, row)))
            stream = before
        }
        parts.append(
            LogitAttribution.Part(
                path: places.nodes[stream].path, value: Float(project(numbers(stream))), heads: []))
        let logit = Double(self.answer.indices.contains(target) ? self.answer[target] : 0)
        let rest = logit - parts.reduce(0.0) { $0 + Double($1.value) }
        return LogitAttribution(parts: parts.reversed(), rest: Float(rest))
    }

    /// The gradient by the norm's input when mean and factor of the row are held: mean and factor are linear then.
    private func held(_ norm: NormaliseOperation, _ x: [Double], _ reading: [Double]) throws -> [Double] {
        let count = Double(x.count)
        let mean = norm.kind == .layer ? x.reduce(0, +) / count : 0
        let square = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
        let factor = 1 / (square + Double(norm.epsilon)).squareRoot()
        let gain = try norm.gain.map { try subject.model.weights.rows($0).map { Double($0) } }
        var direction = reading.enumerated().map { $1 * factor * (gain?[$0] ?? 1) }
        if norm.kind == .layer {
            let mean = direction.reduce(0, +) / count
            direction = direction.map { $0 - mean }
        }
        return direction
    }

    /// The place that makes input `index` of the operation at `place`.
    func input(_ place: Int, _ index: Int) -> Int? {
        let inputs = places.nodes[place].inputs
        return inputs.indices.contains(index) ? places.maker[inputs[index]] : nil
    }

    /// The place of the stream that the operation at `place` adds to: of two that are added, the one made first.
    private func residual(_ place: Int) -> Int? {
        guard let sum = places.nodes[place].operation as? CombineOperation else {
            return places.nodes[place].operation.passThrough.flatMap { input(place, $0) }
        }
        guard sum.hasSecond else { return nil }
        return [sum.a == 1 ? input(place, 0) : nil, sum.b == 1 ? input(place, 1) : nil].compactMap { $0 }.min()
    }

    /// What each head adds, where the operation at `place` maps heads' answers straight to the stream.
    private func heads(_ place: Int, _ direction: [Double], _ row: Int) throws -> [Float] {
        var (place, scale) = (place, 1.0)
        if let sum = places.nodes[place].operation as? CombineOperation, let stream = residual(place) {
            let first = input(place, 0)
            guard let answer = first == stream ? input(place, 1) : first else { return [] }
            (place, scale) = (answer, Double(first == stream ? sum.b : sum.a))
        }
        guard let linear = places.nodes[place].operation as? LinearOperation, linear.activation == .identity,
            let before = input(place, 0), let attention = places.nodes[before].operation as? AttendOperation,
            let answers = values(before)
        else { return [] }
        let matrix = try subject.model.weights.rows(linear.weight)
        let (columns, width) = (linear.inColumns, attention.shape.width)
        var back = [Double](repeating: 0, count: columns)
        for out in 0..<linear.outColumns {
            for column in 0..<columns { back[column] += direction[out] * Double(matrix[out * columns + column]) }
        }
        return answers.withRow(row) { answers in
            (0..<attention.shape.heads).map { head in
                Float(
                    scale * (head * width..<(head + 1) * width).reduce(0.0) { $0 + back[$1] * Double(answers[$1]) })
            }
        }
    }
}
