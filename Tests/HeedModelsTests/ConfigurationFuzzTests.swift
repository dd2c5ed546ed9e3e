import HeedSupport
import HeedTensor
import HeedTexts
import HeedWeights
import TestFixtures
import Testing

@testable import HeedModels

/// Whatever is done to a `config.json` or an `adapter_config.json`, reading it ends in a shape that can be declared or in
/// a message of one paragraph. `HEED_FUZZ` sets how many of each kind there are.
@Suite("Damaged configurations")
struct ConfigurationFuzzTests {
    static let count = fuzzCount(4000)

    /// Values that configurations do not expect.
    private static let strange: [JSON] = [
        .null, true, false, 0, -1, 1, 2, 3, 64, 16_384, 1_048_576, 67_108_864, 1_073_741_824, .integer(.max),
        .integer(.min), 0.5, -0.0, 1e300, 1e-300, "", "gelu", "linear", "yarn", "(", "(a*)*b", [], [1, 2], [[]], [:],
        ["rope_type": "longrope", "short_factor": [1], "long_factor": [1e300]],
    ]

    /// Every value of `json` by its way from the root.
    private static func ways(_ json: JSON) -> [[String]] {
        if let object = json.objectValue {
            return object.keys.flatMap { key in [[key]] + ways(object[key] ?? .null).map { [key] + $0 } }
        }
        return (json.arrayValue ?? []).enumerated().flatMap { index, element in
            [["\(index)"]] + ways(element).map { ["\(index)"] + $0 }
        }
    }

    /// `json` with the value at the end of `way` replaced, or left out where `change` returns nil.
    private static func changed(_ json: JSON, _ way: ArraySlice<String>, _ change: (JSON) -> JSON?) -> JSON? {
        guard let key = way.first else { return change(json) }
        if var object = json.objectValue {
            object[key] = object[key].flatMap { changed($0, way.dropFirst(), change) }
            return .object(object)
        }
        guard var array = json.arrayValue, let index = Int(key), array.indices.contains(index) else { return json }
        if let new = changed(array[index], way.dropFirst(), change) {
            array[index] = new
        } else {
            array.remove(at: index)
        }
        return .array(array)
    }

    /// A copy with one to three faults in its values and, now and then, in its bytes.
    private static func damaged(_ sound: JSON, keys: [String], _ random: inout SplitMix) -> [UInt8] {
        var json = sound
        for _ in 0...Int.random(in: 0..<3, using: &random) {
            guard let way = ways(json).randomElement(using: &random) else { break }
            let value = strange.randomElement(using: &random) ?? .null
            let choice = Int.random(in: 0..<8, using: &random)
            if choice == 0, var object = json.objectValue, let key = keys.randomElement(using: &random) {
                object[key] = value
                json = .object(object)
                continue
            }
            json =
                changed(json, way[...]) { old in
                    switch choice {
                    case 1: nil
                    case 2: old.intValue.map { .integer($0 &* 2) } ?? .array([old])
                    case 3: old.intValue.map { .integer($0 &+ 1) } ?? value
                    default: value
                    }
                } ?? json
        }
        var bytes = Array(json.serialised().utf8)
        if Int.random(in: 0..<8, using: &random) == 0 {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            bytes[at] = .random(in: 0...255, using: &random)
        }
        return bytes
    }

    /// Runs `read` on damaged copies of `sound`; some must be refused, in a message that names `place`, and some read.
    private func damage(_ sound: [JSON], place: String = "fuzz.json", _ read: ([UInt8]) throws -> Void) throws {
        var random = SplitMix(state: 20_261_129)
        let keys = Array(Set(sound.flatMap { $0.objectValue?.keys ?? [] })).sorted()
        for json in sound { try read(Array(json.serialised().utf8)) }
        var refused = 0
        for round in 0..<Self.count {
            do {
                try read(Self.damaged(sound[round % sound.count], keys: keys, &random))
            } catch let error as HeedError {
                refused += 1
                if error.description.contains("\n") || !error.description.contains(place) {
                    Issue.record("\(error)")
                }
            }
        }
        #expect(refused > Self.count / 20 && refused < Self.count)
    }

    @Test("config.json")
    func configurations() throws {
        try damage(SmallConfiguration.all.map { .object($0) }) { bytes in
            let reader = try ConfigurationReader(
                JSON.parse(bytes, in: "fuzz.json", maximumDepth: 64), file: "fuzz.json")
            let (family, configuration, _) = try Family.read(reader)
            // Declaring takes time by the layer; what it needs to hold is the same for few.
            guard ModelSize(configuration).matrices < 300 else { return }
            let (architecture, layout) = ParameterLayout.declare { configuration.declare(in: $0) }
            #expect(layout.count > 0)
            #expect(!family.definition.tensors(architecture).isEmpty)
        }
    }

    /// The files of a sentence encoder, of which the one under test is written anew for each damage.
    @Test(
        "modules.json and what it leads to",
        arguments: ["modules.json", "1_Pooling/config.json", "sentence_bert_config.json"])
    func modules(file: String) throws {
        let folder = temporaryPath("modules")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        try createDirectory(joinPath(folder, "1_Pooling"))
        let sound: [String: [JSON]] = [
            "modules.json": [
                [
                    ["idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"],
                    ["idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"],
                    ["idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"],
                ]
            ],
            "1_Pooling/config.json": [
                [
                    "word_embedding_dimension": 384, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true,
                    "pooling_mode_max_tokens": true, "pooling_mode_mean_sqrt_len_tokens": false,
                ],
                ["pooling_mode": "cls"],
            ],
            "sentence_bert_config.json": [["max_seq_length": 256, "do_lower_case": false]],
        ]
        for (name, jsons) in sound {
            for json in jsons.prefix(1) {
                try writeAtomically(path: joinPath(folder, name), bytes: Array(json.serialised().utf8))
            }
        }
        try damage(sound[file] ?? [], place: folder) { bytes in
            try overwrite(joinPath(folder, file), bytes)
            #expect(!(try SentencePooling(folder: folder).ways.isEmpty))
            #expect(try SentenceEmbedder.longest(folder: folder) ?? 1 > 0)
        }
    }

    @Test("adapter_config.json")
    func adapters() throws {
        let sound: [JSON] = [
            [
                "peft_type": "LORA", "r": 4, "lora_alpha": 8, "lora_dropout": 0.1, "bias": "none",
                "target_modules": ["c_attn", "mlp.c_fc"], "modules_to_save": ["wpe"], "use_rslora": false,
                "rank_pattern": ["h.1.attn.c_attn": 2], "alpha_pattern": [#"h\.\d\.mlp\.c_fc"#: 3],
                "layers_to_transform": [1], "layers_pattern": "h", "fan_in_fan_out": true, "task_type": "CAUSAL_LM",
            ],
            [
                "peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": #".*\.(c_attn|c_proj)"#,
                "exclude_modules": ["lm_head"], "init_lora_weights": true, "use_dora": false,
            ],
            ["peft_type": "LORA", "target_modules": "all-linear"],
        ]
        let shape = DecoderConfiguration.gpt2(width: 16, layers: 2, heads: 2, vocabulary: 20, context: 16)
        let checkpoint = try Model(shape, family: .gpt2, seed: 1).checkpoint
        try damage(sound) { bytes in
            let reader = try ConfigurationReader(
                JSON.parse(bytes, in: "fuzz.json", maximumDepth: 64), file: "fuzz.json")
            let plan = try AdapterPlan(AdapterConfiguration(reader), checkpoint, source: nil, place: "fuzz.json")
            let (tensors, layout) = try ParameterLayout.declare {
                try plan.declare(in: $0, dropout: nil, place: "fuzz.json")
            }
            #expect(!tensors.isEmpty && layout.updates.values.allSatisfy { $0.allSatisfy { $0.scale.isFinite } })
        }
    }
}
