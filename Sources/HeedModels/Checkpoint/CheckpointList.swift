import HeedLayers
import HeedTensor

/// The tensors of a checkpoint, collected under published names.
struct CheckpointList {
    private(set) var tensors: [CheckpointTensor] = []
    private let bodyPrefix: String
    private let writesPrefix: Bool

    /// - Parameters:
    ///   - bodyPrefix: what names of the body begin with where heads stand on it.
    ///   - writesPrefix: whether heads stand on it.
    init(bodyPrefix: String = "", writesPrefix: Bool = false) {
        self.bodyPrefix = bodyPrefix
        self.writesPrefix = writesPrefix
    }

    mutating func add(
        _ name: String, _ parameter: Parameter?, rows: Range<Int>? = nil, aliases: [String] = [],
        optional: Bool = false
    ) {
        guard let parameter else { return }
        tensors.append(CheckpointTensor(name, parameter, rows: rows, aliases: aliases, optional: optional))
    }

    /// `name.weight` and `name.bias`.
    mutating func add(_ name: String, _ linear: Linear?, rows: Range<Int>? = nil) {
        guard let linear else { return }
        add(name + ".weight", linear.weight, rows: rows)
        add(name + ".bias", linear.bias, rows: rows)
    }

    /// `name.weight` and `name.bias`; very old files say gamma and beta.
    mutating func add(_ name: String, _ norm: Norm?) {
        guard let norm else { return }
        add(name + ".weight", norm.gain, aliases: [name + ".gamma"])
        add(name + ".bias", norm.offset, aliases: [name + ".beta"])
    }

    /// The parts of an attention layer, each under its own published name.
    mutating func add(
        _ attention: Attention?, query: String, key: String, value: String, output: String
    ) {
        guard let attention else { return }
        let shape = attention.shape
        let queries = shape.heads * shape.width
        let keys = shape.keyHeads * shape.width
        if let memory = attention.memoryProjection {
            add(query, attention.projection)
            add(key, memory, rows: 0..<keys)
            add(value, memory, rows: keys..<2 * keys)
        } else {
            add(query, attention.projection, rows: 0..<queries)
            add(key, attention.projection, rows: queries..<queries + keys)
            add(value, attention.projection, rows: queries + keys..<queries + 2 * keys)
        }
        add(output, attention.output)
    }

    /// A tensor of the body, which files name with and without the prefix.
    mutating func addBody(
        _ name: String, _ parameter: Parameter?, rows: Range<Int>? = nil, oldName: String? = nil
    ) {
        let (first, second) = writesPrefix ? (bodyPrefix + name, name) : (name, bodyPrefix + name)
        var aliases = [second]
        if let oldName { aliases += [bodyPrefix + oldName, oldName] }
        add(first, parameter, rows: rows, aliases: aliases)
    }

    mutating func addBody(_ name: String, _ linear: Linear?, rows: Range<Int>? = nil) {
        guard let linear else { return }
        addBody(name + ".weight", linear.weight, rows: rows)
        addBody(name + ".bias", linear.bias, rows: rows)
    }

    mutating func addBody(_ name: String, _ norm: Norm?) {
        guard let norm else { return }
        addBody(name + ".weight", norm.gain, oldName: name + ".gamma")
        addBody(name + ".bias", norm.offset, oldName: name + ".beta")
    }
}
