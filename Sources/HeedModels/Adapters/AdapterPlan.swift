import HeedSupport
import HeedTensor
import HeedWeights

/// Which tensors of a model an adapter updates or replaces, and under which names files have its own tensors.
struct AdapterPlan {
    /// A matrix that is updated, or a table whose look-ups are.
    struct Module {
        /// The name of the module in the model's class.
        let name: String
        /// Its matrix.
        let tensor: CheckpointTensor
        let rank: Int
        let scale: Float
        /// Whether look-ups in the table are updated, and products with it are not.
        var isLookup = false
        /// The names of A and B in files.
        var down: String { AdapterPlan.prefix + name + (isLookup ? ".lora_embedding_A" : ".lora_A.weight") }
        var up: String { AdapterPlan.prefix + name + (isLookup ? ".lora_embedding_B" : ".lora_B.weight") }
        /// The extents of A and B in files.
        var downShape: [Int] { [rank, tensor.extents[isLookup ? 0 : 1]] }
        var upShape: [Int] { [tensor.extents[isLookup ? 1 : 0], rank] }
        /// Whether the matrix is a table and an output matrix in one.
        var isTied: Bool { AdapterPlan.isTied(tensor) }
    }

    /// A tensor of a module that is kept whole.
    struct Kept {
        /// The name in files.
        let name: String
        /// The name in PEFT's own model, under which some files have it.
        let longName: String
        let tensor: CheckpointTensor
    }

    static let prefix = "base_model.model."
    /// Names of modules that make logits over ids from a table that may be tied.
    private static let heads = [
        "lm_head", "embed_out", "output_projection", "cls.predictions.decoder", "lm_head.decoder", "proj_out",
        "vocab_projector", "generator_lm_head", "decoder",
    ]

    let configuration: AdapterConfiguration
    private(set) var modules: [Module] = []
    private(set) var kept: [Kept] = []

    /// Matches a configuration with a model's tensors.
    ///
    /// - Parameters:
    ///   - checkpoint: the tensors of the model.
    ///   - source: the tensors of the adapter; nil: a new adapter.
    ///   - place: the folder or option to name in messages.
    /// - Throws: `HeedError` naming a module that no adapter can be on, or a tensor that is missing, unknown or of
    ///   another shape.
    init(
        _ configuration: AdapterConfiguration, _ checkpoint: [CheckpointTensor], source: (any TensorSource)?,
        place: String
    ) throws {
        self.configuration = configuration
        for tensor in checkpoint {
            try addModule(tensor, source, place)
            try addKept(tensor, source, place)
        }
        guard !modules.isEmpty || !kept.isEmpty else {
            let names = checkpoint.filter { AdapterPlan.isLinear($0) }.prefix(12).compactMap {
                AdapterPlan.module($0.name)
            }
            throw HeedError(
                source == nil ? .usage : .badInput, "target_modules names no linear layer of the model", in: place,
                expected: "modules such as " + names.joined(separator: ", "),
                got: configuration.targets.json.serialised())
        }
        if let source {
            try check(source)
        } else if case .names(let names) = configuration.targets {
            // Layers that are left out by their number or by name are there all the same.
            let there = checkpoint.filter { AdapterPlan.isLinear($0) }.compactMap { AdapterPlan.module($0.name) }
            let all = there + modules.map(\.name)
            for name in names where !all.contains(where: { $0 == name || $0.hasSuffix("." + name) }) {
                let others = Set(there.compactMap { $0.split(separator: ".").last.map { String($0) } })
                throw HeedError(
                    .usage, "\(quoted(name)) names no linear layer of the model", in: place,
                    expected: "some of " + others.sorted().joined(separator: ", "),
                    advice: nearest(name, among: Array(others)).map { "The nearest is \(quoted($0))" })
            }
        }
    }

    /// Names of a module, without `.weight`, or nil.
    private static func module(_ name: String) -> String? {
        name.hasSuffix(".weight") ? String(name.dropLast(7)) : nil
    }

    /// Whether a tensor is a table and an output matrix in one.
    private static func isTied(_ tensor: CheckpointTensor) -> Bool {
        tensor.parameter.name.hasPrefix("embedding.")
            && tensor.names.contains { name in module(name).map { heads.contains($0) } ?? false }
    }

    /// Whether a product with the matrix is recorded as a linear layer's.
    private static func isLinear(_ tensor: CheckpointTensor) -> Bool {
        let parameter = tensor.parameter
        guard parameter.shape.count == 2, !parameter.name.contains(".experts.") else { return false }
        return parameter.name.hasSuffix(".weight") || parameter.name == "head"
    }

    private mutating func addModule(_ tensor: CheckpointTensor, _ source: (any TensorSource)?, _ place: String) throws {
        let isTable = tensor.parameter.shape.count == 2 && tensor.parameter.name.hasPrefix("embedding.")
        let names = tensor.names.compactMap { AdapterPlan.module($0) }
        // A table is a linear layer under the names of the output matrix that it is tied to.
        let usable =
            AdapterPlan.isLinear(tensor)
            ? names : isTable ? names.filter { AdapterPlan.heads.contains($0) } : []
        func isHead(_ name: String) -> Bool {
            AdapterPlan.heads.contains(name) || tensor.parameter.name == "classifier.weight"
        }
        if let name = names.first(where: { !usable.contains($0) && configuration.isOn($0, isHead: true) }),
            configuration.savedModule(of: tensor.name) == nil
        {
            // PEFT puts no dropout before a look-up, and no adapter on tables that several modules share.
            guard tensor.parameter.name == "embedding.tokens" else {
                throw HeedError(
                    .unsupported, "target_modules names \(quoted(name, limit: 200)), on which no adapter can be",
                    in: place,
                    expected: "linear layers and tables of tokens: no positions, no norms, no experts, and no tables "
                        + "that an encoder and a decoder share")
            }
            modules.append(
                Module(
                    name: name, tensor: tensor, rank: configuration.rank(of: name),
                    scale: configuration.scale(of: name), isLookup: true))
        }
        let spelled = usable.first { name in
            source.map { $0.tensor(named: AdapterPlan.prefix + name + ".lora_A.weight") != nil } ?? false
        }
        guard let name = spelled ?? usable.first else { return }
        guard configuration.isOn(name, isHead: isHead(name)), configuration.savedModule(of: name + ".weight") == nil
        else { return }
        modules.append(
            Module(
                name: name, tensor: tensor, rank: configuration.rank(of: name), scale: configuration.scale(of: name)))
    }

    private mutating func addKept(_ tensor: CheckpointTensor, _ source: (any TensorSource)?, _ place: String) throws {
        for name in tensor.names {
            guard let module = configuration.savedModule(of: name) else { continue }
            let long = AdapterPlan.prefix + module + ".modules_to_save" + String(name.dropFirst(module.count))
            let short = AdapterPlan.prefix + name
            if let source, source.tensor(named: short) == nil, source.tensor(named: long) == nil { continue }
            if name != tensor.name, AdapterPlan.heads.contains(module) {
                throw HeedError(
                    .unsupported,
                    "modules_to_save names \(quoted(module)), which is one matrix with the embedding table",
                    in: place, advice: "Untie them in the model first (tie_word_embeddings false)")
            }
            // PEFT's copy of the table leaves the output matrix as it was.
            guard !AdapterPlan.isTied(tensor) else {
                throw HeedError(
                    .unsupported,
                    "modules_to_save names \(quoted(module, limit: 200)), which is one matrix with the output matrix",
                    in: place, advice: "Untie them in the model first (tie_word_embeddings false)")
            }
            guard tensor.rows == nil else {
                throw HeedError(
                    .unsupported,
                    "modules_to_save names \(quoted(module, limit: 200)), which is a part of a larger matrix here",
                    in: place, advice: "Train it through target_modules")
            }
            kept.append(Kept(name: short, longName: long, tensor: tensor))
            return
        }
    }

    /// Holds the tensors of a file against the plan.
    private func check(_ source: any TensorSource) throws {
        var known: Set<String> = []
        for module in modules {
            for (name, shape) in [(module.down, module.downShape), (module.up, module.upShape)] {
                _ = try source.required(name, shape: shape, reason: "as adapter_config.json and the model say")
                known.insert(name)
            }
        }
        for kept in kept {
            known.formUnion([kept.name, kept.longName])
            let name = source.tensor(named: kept.name) == nil ? kept.longName : kept.name
            _ = try source.required(name, shape: kept.tensor.storedShape, reason: "as the model says")
            if try source.differ([kept.name], [kept.longName]) {
                throw HeedError(
                    .badInput,
                    "the tensors \(quoted(kept.name, limit: 200)) and \(quoted(kept.longName, limit: 200)) are one, but "
                        + "differ", in: source.place)
            }
        }
        guard let strange = source.tensors.first(where: { !known.contains($0.name) }) else { return }
        let isVariant = strange.name.contains("lora_magnitude")
        throw HeedError(
            isVariant ? .unsupported : .badInput,
            "the tensor \(quoted(strange.name, limit: 200)) "
                + (isVariant
                    ? "is of a kind of adapter that is not implemented"
                    : "belongs to no module of the model that adapter_config.json names"),
            in: source.place,
            advice: nearest(strange.name, among: Array(known)).map {
                "The nearest known name is \(quoted($0, limit: 200))"
            }
        )
    }

    /// Declares A and B of every module in `scope`, says what they update, and returns the tensors of a file.
    ///
    /// - Parameter dropout: the rate in training; nil: the configuration's.
    /// - Throws: `HeedError` naming a module whose rows do not lie together.
    func declare(in scope: ParameterScope, dropout: Float?, place: String) throws -> [CheckpointTensor] {
        var tensors: [CheckpointTensor] = []
        for module in modules {
            let (out, width) = (module.tensor.extents[0], module.tensor.extents[1])
            let own = scope / module.name
            if module.isLookup {
                // As PEFT has it: A begins with zeros, B at random.
                let down = own.parameter("down", [out, module.rank], .zeros)
                let up = own.parameter("up", module.upShape, .normal(1))
                scope.updateLookups(
                    in: module.tensor.parameter,
                    with: LowRankUpdate(down: down, up: up, firstRow: 0, scale: module.scale))
                tensors.append(CheckpointTensor(module.down, down, transposed: true))
                tensors.append(CheckpointTensor(module.up, up))
                continue
            }
            // Kaiming's uniform start with a = √5, as PEFT has it.
            let down = own.parameter("down", [module.rank, width], .uniform(1 / Float(width).squareRoot()))
            let up = own.parameter("up", [out, module.rank], .zeros)
            let first = module.tensor.rows?.map(\.lowerBound).min() ?? 0
            let end = module.tensor.rows?.map(\.upperBound).max() ?? out
            guard end - first == out else {
                throw HeedError(
                    .unsupported, "an adapter on \(quoted(module.name, limit: 200)), whose rows do not lie together",
                    in: place)
            }
            scope.update(
                module.tensor.parameter,
                with: LowRankUpdate(
                    down: down, up: up, firstRow: first, scale: module.scale, dropout: dropout ?? configuration.dropout)
            )
            tensors.append(CheckpointTensor(module.down, down))
            let rows = module.tensor.rows.flatMap { rows in
                rows.count > 1 ? rows.map { $0.lowerBound - first..<$0.upperBound - first } : nil
            }
            tensors.append(CheckpointTensor(module.up, up, rows: rows))
        }
        for kept in kept {
            tensors.append(
                CheckpointTensor(
                    kept.name, kept.tensor.parameter, transposed: kept.tensor.transposed, shift: kept.tensor.shift,
                    aliases: [kept.longName]))
        }
        return tensors
    }
}
