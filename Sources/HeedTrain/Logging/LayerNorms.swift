import HeedModels
import HeedTensor

/// Norms of gradients by layer: where in a model a jump comes from.
public struct LayerNorms {
    /// A layer and the norm of its gradient, before clipping.
    public struct Entry: Sendable, Equatable {
        /// What published names begin with: `transformer.h.3`, or a whole name outside the layers.
        public let name: String
        /// √(sum of squares) of its gradient.
        public let norm: Double
    }

    private let names: [String]
    /// The elements of each layer.
    private let places: [[Range<Int>]]

    /// The layers of what training of `model` moves.
    init(_ model: Model) {
        var (names, places): ([String], [[Range<Int>]]) = ([], [])
        let layout = model.weights.layout
        var seen: Set<Parameter> = []
        for tensor in model.trainedTensors where layout.isTrained(tensor.parameter) {
            guard seen.insert(tensor.parameter).inserted else { continue }
            let name = LayerNorms.layer(of: tensor.name)
            let start = layout.offset(of: tensor.parameter)
            let range = start..<start + tensor.parameter.count
            if let index = names.firstIndex(of: name) {
                places[index].append(range)
            } else {
                names.append(name)
                places.append([range])
            }
        }
        (self.names, self.places) = (names, places)
    }

    /// A published name up to its first number, or without its last word.
    static func layer(of name: String) -> String {
        let parts = name.split(separator: ".")
        let number = parts.firstIndex { Int($0) != nil }
        return parts[..<(number.map { $0 + 1 } ?? max(parts.count - 1, 1))].joined(separator: ".")
    }

    /// The norms; each rank adds up its slice. Cost: one pass over the gradients.
    func measure(
        _ gradients: ParameterBuffer, slice: Range<Int>, _ communicator: any Communicator
    ) throws -> [Entry] {
        let own = places.map { ranges in
            ranges.reduce(0.0) { sum, range in
                var sum = sum
                for index in range.clamped(to: slice) {
                    let value = Double(gradients.base[index])
                    sum += value * value
                }
                return sum
            }
        }
        let all = try communicator.gathered(own, fill: 0)
        return names.indices.map { index in
            var sum = 0.0
            for rank in 0..<communicator.size { sum += all[rank * names.count + index] }
            return Entry(name: names[index], norm: sum.squareRoot())
        }
    }
}
