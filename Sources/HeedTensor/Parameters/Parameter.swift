/// How a parameter begins when a model is made and not loaded.
public enum Initialiser: Sendable, Equatable {
    /// 0
    case zeros
    /// 1
    case ones
    /// Normal with mean 0 and this standard deviation.
    case normal(Float)
    /// Uniform in −bound ..< bound.
    case uniform(Float)
}

/// A learned tensor: a name and a place in every buffer of the model's layout, not the numbers themselves.
///
/// The same value declares, initialises, loads and checks the tensor. Cost: none; parameters are small values.
public struct Parameter: Sendable, Hashable {
    /// The place in the layout's list.
    public let index: Int
    /// The full name, scopes joined by dots.
    public let name: String
    /// The lengths of the axes; matrices are [out, in].
    public let shape: [Int]

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }

    public static func == (a: Parameter, b: Parameter) -> Bool { a.index == b.index && a.name == b.name }
    public func hash(into hasher: inout Hasher) { hasher.combine(index) }
}

/// Where parameters are declared: a path of names.
///
/// `scope / "attention"` is the scope below; `scope.parameter("weight", [out, in], .normal(0.02))` declares a tensor.
public struct ParameterScope {
    let registry: ParameterRegistry
    /// The names down to here, joined by dots; empty at the top.
    public let path: String

    /// The scope `name` below this one.
    public static func / (scope: ParameterScope, name: String) -> ParameterScope {
        ParameterScope(registry: scope.registry, path: scope.path.isEmpty ? name : scope.path + "." + name)
    }

    /// The scope of the `index`-th of several below this one.
    public static func / (scope: ParameterScope, index: Int) -> ParameterScope { scope / String(index) }

    /// Declares a tensor that a file gives and no training moves, 0 unless loaded.
    public func constant(_ name: String, _ shape: [Int]) -> Parameter {
        registry.add(path.isEmpty ? name : path + "." + name, shape, .zeros, decays: false, learned: false)
    }

    /// Declares a tensor. Tensors of two or more dimensions decay in AdamW unless `decays` says otherwise.
    public func parameter(
        _ name: String, _ shape: [Int], _ initial: Initialiser, decays: Bool? = nil
    ) -> Parameter {
        registry.add(
            path.isEmpty ? name : path + "." + name, shape, initial, decays: decays ?? (shape.count >= 2))
    }
}

/// The list that a model's constructor fills.
final class ParameterRegistry {
    struct Entry: Sendable {
        let parameter: Parameter
        let initial: Initialiser
        let decays: Bool
        let learned: Bool
    }
    private(set) var entries: [Entry] = []
    /// What adapters add, by the place of the matrix.
    private(set) var updates: [Int: [LowRankUpdate]] = [:]

    /// What adapters add to look-ups, by the place of the table.
    private(set) var lookups: [Int: [LowRankUpdate]] = [:]

    func add(_ update: LowRankUpdate, toLookupsIn table: Parameter) { lookups[table.index, default: []].append(update) }

    func add(_ update: LowRankUpdate, to matrix: Parameter) { updates[matrix.index, default: []].append(update) }

    func add(
        _ name: String, _ shape: [Int], _ initial: Initialiser, decays: Bool, learned: Bool = true
    ) -> Parameter {
        let parameter = Parameter(index: entries.count, name: name, shape: shape)
        entries.append(Entry(parameter: parameter, initial: initial, decays: decays, learned: learned))
        return parameter
    }
}
