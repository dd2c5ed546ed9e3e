import HeedSupport
import HeedTensor
import HeedWeights

/// An adapter on a model: small matrices beside frozen ones, in the layout of PEFT's folders.
public struct Adapter: Sendable {
    /// What `adapter_config.json` says.
    public let configuration: AdapterConfiguration
    /// Its tensors under the names of its files: A and B of every module, and modules that are kept whole.
    public let checkpoint: [CheckpointTensor]
    /// `adapter_config.json` as it is written.
    let document: JSONObject

    /// Writes `adapter_config.json` alone.
    public func saveConfiguration(folder: String) throws {
        try writeAtomically(
            path: joinPath(folder, "adapter_config.json"),
            text: JSON.object(document).serialised(pretty: true) + "\n")
    }

    /// What the bits of training depend on beside the shapes of its tensors, as one line.
    public var identity: String {
        var known = configuration.json(task: nil, base: nil, transposed: false)
        for key in ["base_model_name_or_path", "revision", "inference_mode", "task_type", "fan_in_fan_out"] {
            known[key] = nil
        }
        return JSON.object(known).serialised()
    }

    /// Writes the tensors alone, so that PEFT loads the folder. What is kept whole stands there under the name of PEFT's
    /// files and under that of PEFT's own model, because programs look for either.
    public func writeWeights(path: String, _ weights: Weights) throws {
        let all = try weights.all()
        try writeSafetensors(path: path, checkpoint.flatMap { tensor in tensor.everyName.map { $0.write(from: all) } })
    }
}

extension CheckpointTensor {
    /// The tensor once under each of its names.
    public var everyName: [CheckpointTensor] {
        [self] + aliases.map { CheckpointTensor($0, parameter, rows: rows, transposed: transposed, shift: shift) }
    }
}

/// What is put on a model when it is loaded, and what of it training moves.
public struct Adaptation: Sendable {
    /// Where an adapter comes from.
    public enum Source: Sendable {
        /// A folder in PEFT's layout.
        case folder(String)
        /// A new one, whose numbers begin as PEFT's do, from a seed.
        case new(AdapterConfiguration, seed: UInt64)
    }

    /// The adapter, where there is one. With one, training moves its tensors alone.
    public var adapter: Source?
    /// Rate of dropout before the adapter's matrices in training; nil: what its configuration says.
    public var dropout: Float?
    /// Tensors that training leaves as they are, by their published names.
    public var frozen: [NamePattern] = []

    /// The model as it is.
    public init(adapter: Source? = nil) { self.adapter = adapter }

    /// The model with the adapter of a folder in PEFT's layout, to be run and not trained: without dropout. nil: as it is.
    public static func running(_ folder: String?) -> Adaptation {
        var adaptation = Adaptation(adapter: folder.map { .folder($0) })
        adaptation.dropout = 0
        return adaptation
    }

    /// The plan of the adapter on a model of these tensors, its own tensors, and what to name in messages.
    func plan(
        _ checkpoint: [CheckpointTensor]
    ) throws -> (plan: AdapterPlan, source: (any TensorSource)?, place: String)? {
        switch adapter {
        case nil: return nil
        case .new(var configuration, _):
            let hasHead = checkpoint.contains { $0.parameter.name == "classifier.weight" }
            // The names under which families have heads, as PEFT has them.
            if configuration.savesHead, hasHead { configuration.saved = ["classifier", "score"] }
            return (try AdapterPlan(configuration, checkpoint, source: nil, place: "the adapter"), nil, "the adapter")
        case .folder(let folder):
            let configuration = try AdapterConfiguration(folder: folder)
            let source = try openAdapter(folder)
            return (try AdapterPlan(configuration, checkpoint, source: source, place: folder), source, folder)
        }
    }

    /// The parameters that training moves; nil: all.
    ///
    /// - Throws: `HeedError` naming a pattern that matches nothing, or a part of a parameter.
    func moving(_ model: [CheckpointTensor], _ adapter: [CheckpointTensor]?) throws -> Set<Parameter>? {
        guard adapter != nil || !frozen.isEmpty else { return nil }
        let tensors = adapter ?? model
        func isFrozen(_ tensor: CheckpointTensor) -> Bool {
            frozen.contains { pattern in tensor.names.contains { pattern.matches($0) } }
        }
        for pattern in frozen where !tensors.contains(where: { $0.names.contains { pattern.matches($0) } }) {
            throw HeedError(
                .usage, "--freeze \(quoted(pattern.source)) matches no tensor that would be trained",
                expected: "an expression for whole names such as "
                    + tensors.prefix(3).map(\.name).joined(separator: ", "))
        }
        let still = tensors.filter(isFrozen)
        let moving = Set(tensors.filter { !isFrozen($0) }.map(\.parameter))
        if let torn = still.first(where: { moving.contains($0.parameter) }) {
            throw HeedError(
                .unsupported, "--freeze names \(quoted(torn.name, limit: 200)), which is one matrix with others here",
                advice: "Freeze them together, such as queries, keys and values of a layer")
        }
        guard !moving.isEmpty else { throw HeedError(.usage, "--freeze leaves nothing to train") }
        return moving
    }
}

/// Opens the tensors of an adapter's folder.
private func openAdapter(_ folder: String) throws -> any TensorSource {
    for name in ["adapter_model.safetensors", "adapter_model.bin"] {
        let path = joinPath(folder, name)
        if fileExists(path) { return try openTensors(path: path) }
    }
    throw HeedError(
        .missing, "there are no weights of an adapter in this folder", in: folder,
        expected: "adapter_model.safetensors or adapter_model.bin")
}

/// The numbers of a model and of the adapter on it.
struct AdaptedSource: WeightSource {
    let model: CheckpointSource
    /// The adapter's files; nil where its matrices are new.
    let adapter: CheckpointSource?
    /// The parameters that are in no file of the model, with how they begin.
    let own: [Int: Initialiser]
    let seed: UInt64

    func read(_ parameter: Parameter, into values: UnsafeMutableBufferPointer<Float>) throws {
        guard let initial = own[parameter.index] else {
            try model.read(parameter, into: values)
            // What is kept whole counts before the model's own.
            try adapter?.read(parameter, into: values)
            return
        }
        if let adapter {
            try adapter.read(parameter, into: values)
        } else {
            initial.fill(values, seed: seed, of: parameter)
        }
    }

    func withStoredRows<Result>(
        of parameter: Parameter, _ body: (StoredRows) throws -> Result
    ) throws -> Result? {
        try isModels(parameter) ? model.withStoredRows(of: parameter, body) : nil
    }

    func numberForm(of parameter: Parameter) -> RowForm? {
        isModels(parameter) ? model.numberForm(of: parameter) : nil
    }

    /// Whether the model's files alone say what a parameter holds.
    func isModels(_ parameter: Parameter) -> Bool {
        own[parameter.index] == nil && adapter?.has(parameter) != true
    }
}
