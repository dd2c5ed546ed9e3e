/// Where a variable lies: a place among those of a macro, recursive loop, block or of the whole template.
struct Variable: Hashable {
    let owner: Int
    let place: Int
}

/// The variables of one macro, recursive loop, block or of the whole template, which live as long as one run of it.
final class Routine {
    let number: Int
    let parent: Routine?
    private(set) var count = 0

    init(number: Int, parent: Routine?) {
        self.number = number
        self.parent = parent
    }

    func newVariable() -> Variable {
        defer { count += 1 }
        return Variable(owner: number, place: count)
    }

    /// How many routines outwards the owner of a variable is.
    func hops(to variable: Variable) -> Int {
        var hops = 0
        var routine = self
        while routine.number != variable.owner, let parent = routine.parent {
            hops += 1
            routine = parent
        }
        return hops
    }
}

/// What a variable is when its scope begins.
enum Origin {
    /// Set by a call or a loop.
    case parameter
    /// Looked up among the variables that the caller of the template gave.
    case context
    /// The value of a variable around it.
    case outer(Variable)
    /// No value yet.
    case nothing
}

/// The names of one scope, as Jinja sees them: a name that a scope sets is its own variable in the whole scope, which
/// begins with the value of the variable of that name around it.
struct Symbols {
    private let enclosing: [Symbols]
    private let routine: Routine
    private let level: Level
    private(set) var variables: [String: Variable] = [:]
    private(set) var origins: [Variable: Origin] = [:]
    private(set) var stores: Set<String> = []

    /// Variables of the scope by name; copies of the scope for branches share them.
    private final class Level {
        var variables: [String: Variable] = [:]
    }

    /// A scope inside of another, or one without surroundings.
    init(_ routine: Routine, inside parent: Symbols? = nil) {
        self.routine = routine
        enclosing = parent.map { [$0] } ?? []
        level = Level()
    }

    private var parent: Symbols? { enclosing.first }

    /// The variable of a name here or around, or nil.
    func find(_ name: String) -> Variable? { variables[name] ?? parent?.find(name) }

    private mutating func define(_ name: String, _ origin: Origin) -> Variable {
        let variable = level.variables[name] ?? routine.newVariable()
        level.variables[name] = variable
        variables[name] = variable
        origins[variable] = origin
        return variable
    }

    /// The scope sets the name.
    mutating func store(_ name: String) {
        stores.insert(name)
        if variables[name] != nil { return }
        _ = define(name, parent?.find(name).map { .outer($0) } ?? .nothing)
    }

    /// The scope reads the name.
    mutating func load(_ name: String) {
        if find(name) == nil { _ = define(name, .context) }
    }

    /// A call or loop sets the name.
    @discardableResult
    mutating func parameter(_ name: String) -> Variable {
        stores.insert(name)
        return define(name, .parameter)
    }

    /// Takes in what the branches of an `if` do, of which any or none may run.
    mutating func merge(_ branches: [Symbols]) {
        var set: Set<String> = []
        for branch in branches { set.formUnion(branch.stores) }
        set.subtract(stores)
        for branch in branches {
            variables.merge(branch.variables) { $1 }
            origins.merge(branch.origins) { $1 }
            stores.formUnion(branch.stores)
        }
        for name in set {
            guard let variable = find(name) else { continue }
            origins[variable] = parent?.find(name).map { .outer($0) } ?? .context
        }
    }

    /// All names that this scope and those around it set, for blocks that see them.
    var allStores: [String: Variable] {
        var result = parent?.allStores ?? [:]
        for name in stores { if let variable = find(name) { result[name] = variable } }
        return result
    }
}
