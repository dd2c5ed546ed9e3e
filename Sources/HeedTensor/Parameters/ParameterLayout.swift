/// Where each parameter lies in the buffers of a model: trained and decayed, trained and not decayed, frozen.
///
/// Values, gradients and both moments share one layout, so that clip and AdamW are one pass over two ranges. Frozen
/// parameters come last: gradients and moments end before them.
public struct ParameterLayout: Sendable {
    /// Every parameter in the order of declaration.
    public let parameters: [Parameter]
    /// The elements of a buffer, padding included.
    public let count: Int
    /// The elements that weight decay touches: `0 ..< decayed`.
    public let decayed: Int
    /// The elements that training moves: `0 ..< trained`.
    public let trained: Int
    /// What adapters add to matrices, by the place of the matrix.
    public let updates: [Int: [LowRankUpdate]]
    /// What adapters add to look-ups, by the place of the table.
    public let lookups: [Int: [LowRankUpdate]]
    private let offsets: [Int]
    private let initials: [Initialiser]
    private let isTrained: [Bool]

    /// Collects what `declare` declares in a fresh scope, and returns its result beside the layout.
    ///
    /// - `isFrozen`: whether a parameter, by its name, is left as it is by training.
    public static func declare<Model>(
        isFrozen: (String) -> Bool = { _ in false }, _ declare: (ParameterScope) throws -> Model
    ) rethrows -> (model: Model, layout: ParameterLayout) {
        let registry = ParameterRegistry()
        let model = try declare(ParameterScope(registry: registry, path: ""))
        return (model, ParameterLayout(registry, isFrozen: isFrozen))
    }

    init(_ registry: ParameterRegistry, isFrozen: (String) -> Bool) {
        let entries = registry.entries
        updates = registry.updates
        lookups = registry.lookups
        parameters = entries.map(\.parameter)
        initials = entries.map(\.initial)
        let isTrained = entries.map { $0.learned && !isFrozen($0.parameter.name) }
        self.isTrained = isTrained
        var offsets = [Int](repeating: 0, count: entries.count)
        var next = 0
        /// Places the parameters that are `wanted` and returns the end of their range.
        func place(_ wanted: (Int) -> Bool) -> Int {
            for index in entries.indices where wanted(index) {
                offsets[index] = next
                next += (entries[index].parameter.count + 15) / 16 * 16  // every tensor begins on a cache line
            }
            return next
        }
        decayed = place { isTrained[$0] && entries[$0].decays }
        trained = place { isTrained[$0] && !entries[$0].decays }
        count = place { !isTrained[$0] }
        self.offsets = offsets
    }

    /// The first element of `parameter` in every buffer.
    public func offset(of parameter: Parameter) -> Int { offsets[parameter.index] }

    /// The number of trained numbers, padding not counted.
    public var trainedCount: Int { parameters.reduce(0) { $0 + (isTrained($1) ? $1.count : 0) } }

    /// Whether training moves `parameter`.
    public func isTrained(_ parameter: Parameter) -> Bool { isTrained[parameter.index] }

    /// The parameter that holds element `offset` of a buffer, for messages.
    public func parameter(at offset: Int) -> Parameter? {
        parameters.first { self.offset(of: $0) <= offset && offset < self.offset(of: $0) + $0.count }
    }

    /// How `parameter` begins.
    public func initial(of parameter: Parameter) -> Initialiser { initials[parameter.index] }
}
