import HeedSupport
import HeedTensor
import HeedWeights

/// A model with its numbers: what a folder in the Hugging Face layout holds, tokenizer aside.
public final class Model: Sendable {
    /// The family whose names and files the model has.
    public let family: Family
    /// The layers.
    public let architecture: Architecture
    /// Every number, read from the files when it is first asked for.
    public let weights: Weights
    /// Published names.
    public let checkpoint: [CheckpointTensor]
    /// The adapter on it, where there is one.
    public let adapter: Adapter?
    /// The ids that start, end and fill texts.
    public let specials: SpecialIds
    /// `config.json` as it is written.
    public let document: JSONObject
    /// What a user should know of the folder that the model was read from: sentences without a full stop.
    public let warnings: [String]

    /// A new model; its numbers begin as declared, from `seed`.
    ///
    /// - Throws: `HeedError` when memory is refused.
    public convenience init(
        _ configuration: DecoderConfiguration, family: Family, specials: SpecialIds = SpecialIds(), seed: UInt64
    ) throws {
        try self.init(.decoder(configuration), family: family, specials: specials, seed: seed)
    }

    /// A new model; its numbers begin as declared, from `seed`.
    ///
    /// - Throws: `HeedError` when memory is refused or the family has no such configuration.
    public convenience init(
        _ configuration: Configuration, family: Family, specials: SpecialIds = SpecialIds(),
        weights: WeightForm = .stored, seed: UInt64
    ) throws {
        let document = try family.document(configuration, specials)
        try self.init(family, configuration, document, specials, weights)
        try self.weights.all().initialise(seed: seed)
    }

    private init(
        _ family: Family, _ configuration: Configuration, _ document: JSONObject, _ specials: SpecialIds,
        _ form: WeightForm
    ) throws {
        self.family = family
        self.document = document
        self.specials = specials
        warnings = []
        let (architecture, layout) = ParameterLayout.declare { configuration.declare(in: $0) }
        self.architecture = architecture
        checkpoint = family.definition.tensors(architecture)
        adapter = nil
        weights = try Weights(layout, form: form)
    }

    private init(_ folder: ModelFolder, _ adaptation: Adaptation, _ form: WeightForm, sharing base: Model?) throws {
        family = folder.family
        document = folder.document
        specials = folder.specials
        var moving: Set<String>?
        let (made, layout) = try ParameterLayout.declare(isFrozen: { moving?.contains($0) == false }) { scope in
            let made = try DeclaredModel(folder, adaptation, in: scope)
            moving = made.moving
            return made
        }
        (architecture, checkpoint, adapter) = (made.architecture, made.checkpoint, made.adapter)
        // Files are held against the configuration before any memory is asked for.
        var folder = folder
        try folder.check(made.checkpoint)
        warnings = folder.warnings
        let source = CheckpointSource(folder.source, made.checkpoint)
        guard let adapter = made.adapter else {
            weights = try Weights(
                layout, from: source, form: form, sharing: base?.shared(with: layout, document, form) { _ in true })
            return
        }
        let seed: UInt64 = if case .new(_, let seed)? = adaptation.adapter { seed } else { 0 }
        let adapted = AdaptedSource(
            model: source, adapter: made.files.map { CheckpointSource($0, adapter.checkpoint) },
            own: Dictionary(uniqueKeysWithValues: made.own.map { ($0.index, layout.initial(of: $0)) }), seed: seed)
        weights = try Weights(
            layout, from: adapted, form: form,
            sharing: base?.shared(with: layout, document, form, where: adapted.isModels))
    }

    /// What of the numbers a model of `layout` shares: parameters of the same name and shape that `isSame` says yes to.
    ///
    /// - Throws: `HeedError` (`usage`) where the two are not one model in one form.
    private func shared(
        with layout: ParameterLayout, _ document: JSONObject, _ form: WeightForm, where isSame: (Parameter) -> Bool
    ) throws -> SharedWeights {
        guard adapter == nil, document == self.document, form == weights.form else {
            throw HeedError(
                .usage, "a model cannot share numbers with one that has an adapter, or is of another folder or form",
                expected: "the same config.json, and the form \(weights.form.rawValue)", got: form.rawValue)
        }
        var own: [String: Parameter] = [:]
        for parameter in weights.layout.parameters { own[parameter.name] = parameter }
        var parameters: [Int: Parameter] = [:]
        for parameter in layout.parameters where isSame(parameter) {
            guard let there = own[parameter.name], there.shape == parameter.shape else { continue }
            parameters[parameter.index] = there
        }
        return SharedWeights(weights, parameters)
    }

    /// Reads a folder with `config.json` and safetensors, and puts on it what `adaptation` says.
    ///
    /// - `weights`: the form in which products read the matrices.
    /// - `base`: the same folder's model without an adapter, in the same form. All numbers but the adapter's are read
    ///   there, so that several adapters on one model have it in memory once; none of them can be trained.
    /// - Throws: `HeedError` naming file and key or tensor: missing, malformed, of another shape, not finite.
    public static func load(
        folder: String, _ adaptation: Adaptation = Adaptation(), weights: WeightForm = .stored,
        sharing base: Model? = nil
    ) throws -> Model {
        try Model(ModelFolder(folder), adaptation, weights, sharing: base)
    }

    /// Writes `config.json`, `generation_config.json` and `model.safetensors` into `folder`, each by rename.
    ///
    /// `transformers` loads the folder as the class that `config.json` names. The weights come last, so that a
    /// folder that has them is whole.
    public func save(folder: String) throws {
        try createDirectory(folder)
        try saveConfiguration(folder: folder)
        try writeWeights(path: joinPath(folder, "model.safetensors"))
    }

    /// Writes `generation_config.json` and `config.json` alone.
    public func saveConfiguration(folder: String) throws {
        guard family != .unpublished else {
            throw HeedError(
                .unsupported, "the model has a shape that no published family has words for", in: folder,
                advice: "Choose a family that has, to save it.")
        }
        var generation = specials.document()
        if case .encoderDecoder(let layers) = architecture {
            generation["decoder_start_token_id"] = .integer(layers.configuration.start)
        }
        try writeAtomically(
            path: joinPath(folder, "generation_config.json"),
            text: JSON.object(generation).serialised(pretty: true) + "\n")
        try writeAtomically(
            path: joinPath(folder, "config.json"), text: JSON.object(document).serialised(pretty: true) + "\n")
    }

    /// Writes the weights alone; a record of what the former ones gave goes.
    public func writeWeights(path: String) throws {
        try removeFile(joinPath(parentPath(path), ModelFolderFiles.verification))
        let numbers = try weights.all()
        try writeSafetensors(path: path, checkpoint.map { $0.write(from: numbers) })
    }
}
