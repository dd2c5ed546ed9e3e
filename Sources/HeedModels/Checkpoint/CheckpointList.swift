import HeedLayers
import HeedTensor

/// The tensors of a checkpoint, collected under published names.
struct CheckpointList {
    private(set) var tensors: [CheckpointTensor] = []
    private let bodyPrefix: String
    private let writesPrefix: Bool

    /// - Parameters:
    ///   - bodyPrefix: what names of the body begin with where heads stand on it; files without it are read too.
    ///   - writesPrefix: whether heads stand on it.
    init(bodyPrefix: String = "", writesPrefix: Bool = false) {
        self.bodyPrefix = bodyPrefix
        self.writesPrefix = writesPrefix
    }

    // MARK: Outside the body

    mutating func add(
        _ name: String, _ parameter: Parameter?, aliases: [String] = [], overriding: [String] = [],
        optional: Bool = false
    ) {
        guard let parameter else { return }
        tensors.append(
            CheckpointTensor(name, parameter, aliases: aliases, overriding: overriding, optional: optional))
    }

    /// `name.weight` and `name.bias`.
    mutating func add(_ name: String, _ linear: Linear?) {
        add(name + ".weight", linear?.weight)
        add(name + ".bias", linear?.bias)
    }

    /// `name.weight` and `name.bias`; very old files say gamma and beta.
    mutating func add(_ name: String, _ norm: Norm?) {
        add(name + ".weight", norm?.gain, aliases: [name + ".gamma"])
        add(name + ".bias", norm?.offset, aliases: [name + ".beta"])
    }

    /// The output matrix of a decoder, where it is not its table.
    mutating func addHead(_ name: String, _ decoder: TransformerDecoder) {
        if decoder.output.weight != decoder.embedding.table { add(name, decoder.output.weight) }
    }

    // MARK: The body, whose names come with and without a prefix

    /// A tensor of the body.
    mutating func addBody(
        _ name: String, _ parameter: Parameter?, rows: [Range<Int>]? = nil, transposed: Bool = false,
        shift: Float = 0, aliases: [String] = [], oldName: String? = nil
    ) {
        guard let parameter else { return }
        let names = [name, oldName].compactMap { $0 }
        var spellings = names
        if !bodyPrefix.isEmpty {
            spellings = names.flatMap { writesPrefix ? [bodyPrefix + $0, $0] : [$0, bodyPrefix + $0] }
        }
        tensors.append(
            CheckpointTensor(
                spellings[0], parameter, rows: rows, transposed: transposed, shift: shift,
                aliases: spellings.dropFirst() + aliases))
    }

    /// `name.weight` and `name.bias`.
    mutating func addBody(_ name: String, _ linear: Linear?, rows: Range<Int>? = nil, transposed: Bool = false) {
        addBody(name + ".weight", linear?.weight, rows: rows.map { [$0] }, transposed: transposed)
        addBody(name + ".bias", linear?.bias, rows: rows.map { [$0] })
    }

    /// `name.weight` and `name.bias`; very old files say gamma and beta. Some files keep gains less 1.
    mutating func addBody(_ name: String, _ norm: Norm?, shift: Float = 0) {
        addBody(name + ".weight", norm?.gain, shift: shift, oldName: name + ".gamma")
        addBody(name + ".bias", norm?.offset, oldName: name + ".beta")
    }

    /// The parts of an attention layer, each under its own published name.
    mutating func addBody(_ attention: Attention?, query: String, key: String, value: String, output: String) {
        guard let attention else { return }
        let queries = attention.shape.heads * attention.shape.width
        let keys = attention.shape.keyHeads * attention.shape.width
        switch attention.reading {
        case .memory(let queryMap, let memory):
            addBody(query, queryMap)
            addBody(key, memory, rows: 0..<keys)
            addBody(value, memory, rows: keys..<2 * keys)
        case .itself(let projection):
            addBody(query, projection, rows: 0..<queries)
            addBody(key, projection, rows: queries..<queries + keys)
            addBody(value, projection, rows: queries + keys..<queries + 2 * keys)
        }
        addBody(output, attention.output)
    }

    /// Queries, keys and values of each head side by side, `[heads, 3, width]`, as GPT-NeoX and BLOOM have them.
    mutating func addBody(_ attention: Attention, headsOfAll name: String, output: String) {
        let (heads, width) = (attention.shape.heads, attention.shape.width)
        let rows = (0..<heads).flatMap { head in
            (0..<3).map { part -> Range<Int> in
                let first = (part * heads + head) * width
                return first..<first + width
            }
        }
        addBody(name + ".weight", attention.ownProjection?.weight, rows: rows)
        addBody(name + ".bias", attention.ownProjection?.bias, rows: rows)
        addBody(output, attention.output)
    }

    /// The parts of a mixture of experts under the names that `names` gives to gate, up and down of an expert.
    mutating func addBody(
        _ experts: Experts, router: String, _ names: (Int) -> (gate: String, up: String, down: String)
    ) {
        let inner = experts.shape.inner
        addBody(router, experts.router)
        for expert in 0..<experts.shape.count {
            let (gate, up, down) = names(expert)
            addBody(gate + ".weight", experts.up[expert], rows: [0..<inner])
            addBody(up + ".weight", experts.up[expert], rows: [inner..<2 * inner])
            addBody(down + ".weight", experts.down[expert])
        }
    }

    /// The parts of a gated feed-forward layer, each under its own published name.
    mutating func addBody(_ feedForward: FeedForward?, gate: String, up: String, down: String) {
        guard let feedForward else { return }
        let inner = feedForward.inner
        addBody(gate, feedForward.up, rows: 0..<inner)
        addBody(up, feedForward.up, rows: inner..<2 * inner)
        addBody(down, feedForward.down)
    }
}

extension TransformerDecoder {
    /// `names` where the output matrix is the table, which files may then hold under those too.
    func tiedHead(_ names: [String]) -> [String] { output.weight == embedding.table ? names : [] }
}

extension Attention {
    /// The one matrix q | k | v, where the layer reads its own sequence.
    var ownProjection: Linear? {
        if case .itself(let projection) = reading { projection } else { nil }
    }
}
