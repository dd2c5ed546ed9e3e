/// A choice that every layer of a stack makes alike, or each for itself.
public enum PerLayer<Choice: Sendable & Equatable>: Sendable, Equatable {
    /// The same in every layer.
    case all(Choice)
    /// One after the other, from the first again where the stack has more layers than choices.
    case pattern([Choice])

    /// The choice of layer `layer`, counted from 0; nil only for an empty pattern.
    public subscript(layer: Int) -> Choice? {
        switch self {
        case .all(let choice): choice
        case .pattern(let choices): choices.isEmpty ? nil : choices[layer % choices.count]
        }
    }

    /// The different choices, in the order of the layers.
    public var distinct: [Choice] {
        switch self {
        case .all(let choice): [choice]
        case .pattern(let choices):
            choices.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        }
    }
}
