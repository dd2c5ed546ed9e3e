import HeedSupport
import HeedTensor
import HeedWeights

/// What `adapter_config.json` says of a LoRA adapter in the PEFT layout (Hu et al. 2021; rsLoRA: Kalajdzievski 2023).
public struct AdapterConfiguration: Sendable {
    /// r of modules that no pattern names.
    public var rank: Int
    /// α of modules that no pattern names; products are scaled by α/r.
    public var alpha: Double
    /// Whether products are scaled by α/√r instead (rsLoRA).
    public var dividesByRoot = false
    /// Rate of dropout on what enters A, in training.
    public var dropout: Float = 0
    /// The modules that it is on.
    public var targets: ModuleChoice
    /// Modules that it is not on all the same.
    public var excluded: ModuleChoice?
    /// The layers that it is on; nil: all.
    public var layers: [Int]?
    /// What stands before the number of a layer in names; empty: any word.
    public var layerWords: [NamePattern] = []
    /// r of modules that a pattern names, the first counting.
    public var rankPattern: [(pattern: NamePattern, value: Double)] = []
    /// α of modules that a pattern names, the first counting.
    public var alphaPattern: [(pattern: NamePattern, value: Double)] = []
    /// Modules that are trained and kept whole.
    public var saved: [String] = []
    /// Whether a classifier's head is trained and kept whole where nothing else is named.
    public var savesHead = false
    /// Every key as the file has it; empty for a new adapter.
    public private(set) var document = JSONObject()

    /// A new adapter.
    public init(rank: Int, alpha: Double, targets: ModuleChoice) {
        self.rank = rank
        self.alpha = alpha
        self.targets = targets
    }

    /// Keys that change no number of a pass: where the adapter is from, how it began, what other programs do.
    private static let harmless: Set<String> = [
        "base_model_name_or_path", "revision", "inference_mode", "peft_version", "auto_mapping", "task_type",
        "megatron_core", "megatron_config", "qalora_group_size", "fan_in_fan_out", "eva_config", "lora_ga_config",
        "ensure_weight_tying", "runtime_config",
    ]
    /// Ways to begin that leave the model as it is.
    private static let plainBeginnings: [JSON] = [true, false, "gaussian", "eva", "orthogonal"]

    /// Reads the `adapter_config.json` of `folder`.
    ///
    /// - Throws: `HeedError` naming the key that is missing, wrong, or changes numbers in a way that is not implemented.
    public init(folder: String) throws {
        let path = joinPath(folder, "adapter_config.json")
        guard fileExists(path) else {
            throw HeedError(
                .missing, "there is no adapter in this folder", in: folder,
                expected: "adapter_config.json and adapter_model.safetensors, as PEFT saves them")
        }
        try self.init(ConfigurationReader(path: path))
    }

    init(_ reader: ConfigurationReader) throws {
        let path = reader.file
        document = reader.object
        let kind = try reader.string("peft_type")
        guard kind == "LORA" else {
            throw HeedError(
                .unsupported, "an adapter of this peft_type is not implemented", in: path, expected: "LORA",
                got: quoted(kind))
        }
        rank = try reader.integer("r", in: 1...LowRankUpdate.largestRank, default: 8)
        alpha = try reader.double("lora_alpha", in: -1e9...1e9, default: 8)
        dividesByRoot = try reader.bool("use_rslora", default: false)
        dropout = Float(try reader.double("lora_dropout", in: 0...0.999, default: 0))
        guard let targets = try ModuleChoice(reader, "target_modules") else {
            throw reader.contradiction("target_modules", "is missing", expected: "a list of names or an expression")
        }
        self.targets = targets
        excluded = try ModuleChoice(reader, "exclude_modules")
        layers = try reader.optionalIntegers("layers_to_transform", in: 0...1 << 20)
        if layers?.isEmpty == true { layers = nil }
        if layers != nil, case .expression = targets {
            throw reader.contradiction("layers_to_transform", "stands beside an expression in target_modules")
        }
        let words = reader.value("layers_pattern")
        layerWords = try (words?.stringValue.map { $0.isEmpty ? [] : [$0] } ?? reader.strings("layers_pattern"))
            .map { try NamePattern($0, in: path + ", layers_pattern") }
        rankPattern = try AdapterConfiguration.pattern(reader, "rank_pattern", 1...Double(LowRankUpdate.largestRank))
        alphaPattern = try AdapterConfiguration.pattern(reader, "alpha_pattern", -1e9...1e9)
        saved = try reader.strings("modules_to_save")
        try AdapterConfiguration.checkOthers(reader)
    }

    /// Numbers by the pattern of a module's name, of which PEFT lets the end match.
    private static func pattern(
        _ reader: ConfigurationReader, _ key: String, _ range: ClosedRange<Double>
    ) throws -> [(pattern: NamePattern, value: Double)] {
        guard let object = try reader.optionalObject(key) else { return [] }
        return try object.object.keys.map { name in
            let value = try object.double(name, in: range)
            guard key != "rank_pattern" || value == value.rounded() else {
                throw reader.contradiction(key, "holds a rank that is no integer", got: "\(value)")
            }
            return (try NamePattern("(.*\\.)?(\(name))", in: reader.file + ", " + key), value)
        }
    }

    /// Refuses by name what changes numbers and is not implemented; empty and false values change none.
    private static func checkOthers(_ reader: ConfigurationReader) throws {
        for key in reader.unasked where !harmless.contains(key) {
            guard let value = reader.value(key) else { continue }
            let isPlain =
                switch key {
                case "bias": value == "none"
                case "init_lora_weights": plainBeginnings.contains(value)
                default: value == false || value.objectValue?.isEmpty == true || value.arrayValue?.isEmpty == true
                }
            guard isPlain else {
                throw HeedError(
                    .unsupported, "\(key) changes the numbers of an adapter in a way that is not implemented",
                    in: reader.file, expected: key == "bias" ? "\"none\"" : "no such key, null or false",
                    got: value.arrayValue == nil && value.objectValue == nil ? value.serialised() : value.kindName)
            }
        }
    }

    /// Whether the adapter is on `module`, by PEFT's rules; `isHead`: whether the module makes logits.
    func isOn(_ module: String, isHead: Bool) -> Bool {
        if let excluded, excluded.contains(module, isHead: isHead) { return false }
        guard targets.contains(module, isHead: isHead) else { return false }
        guard let layers, case .names = targets else { return true }
        return layer(of: module).map { layers.contains($0) } ?? false
    }

    /// The number of the layer that `module` is in: the last number of its name that stands within it behind a word.
    private func layer(of module: String) -> Int? {
        let parts = module.split(separator: ".")
        guard parts.count > 3 else { return nil }
        for index in stride(from: parts.count - 2, through: 2, by: -1) {
            guard let number = Int(parts[index]), number >= 0 else { continue }
            if layerWords.isEmpty || layerWords.contains(where: { $0.matches(String(parts[index - 1])) }) {
                return number
            }
        }
        return nil
    }

    /// r of a module.
    func rank(of module: String) -> Int {
        rankPattern.first { $0.pattern.matches(module) }.map { Int($0.value) } ?? rank
    }

    /// s of a module: α/r, or α/√r.
    func scale(of module: String) -> Float {
        let alpha = alphaPattern.first { $0.pattern.matches(module) }?.value ?? alpha
        let rank = Double(rank(of: module))
        return Float(alpha / (dividesByRoot ? rank.squareRoot() : rank))
    }

    /// What PEFT's name of a tensor in a module that is kept whole begins with, or nil: the part of `name` that ends
    /// with the module that `modules_to_save` names.
    func savedModule(of name: String) -> String? {
        let parts = name.split(separator: ".").map(String.init)
        for end in 1..<max(parts.count, 1) {
            let module = parts[..<end].joined(separator: ".")
            if saved.contains(where: { module == $0 || module.hasSuffix("." + $0) }) { return module }
        }
        return nil
    }

    /// The file's content: as it was read, or as PEFT writes a new one.
    ///
    /// - Parameters:
    ///   - task: PEFT's word for what the model does.
    ///   - base: the folder of the model.
    ///   - transposed: whether the model's files have the matrices as [in, out].
    func json(task: String?, base: String?, transposed: Bool) -> JSONObject {
        guard document.isEmpty else { return document }
        return [
            "alpha_pattern": .object([:]), "auto_mapping": .null,
            "base_model_name_or_path": base.map { .string($0) } ?? .null, "bias": "none",
            "fan_in_fan_out": .bool(transposed), "inference_mode": true, "init_lora_weights": true,
            "layers_pattern": .null, "layers_to_transform": .null, "lora_alpha": .number(alpha),
            "lora_dropout": .number(Double(dropout)),
            "modules_to_save": saved.isEmpty ? .null : .array(saved.map { .string($0) }), "peft_type": "LORA",
            "r": .integer(rank), "rank_pattern": .object([:]), "revision": .null,
            "target_modules": targets.json, "task_type": task.map { .string($0) } ?? .null,
            "use_dora": false, "use_rslora": .bool(dividesByRoot),
        ]
    }
}
