import HeedProcessor
import HeedRun
import HeedSupport
import HeedTensor
import HeedWeights
import TestFixtures
import Testing

@testable import HeedModels

@Suite("Adapters in the PEFT layout")
struct AdapterTests {
    static let given = ["gpt2", "llama", "qwen2", "bert_classifier"]

    @Test(
        "logits, loss and gradients against PEFT's float64 numbers", .enabled(if: Shared.isThere), arguments: given,
        TestBackend.allCases)
    func golden(name: String, backend: TestBackend) throws {
        let folder = Shared.fixture("lora", name)
        let model = try Model.load(
            folder: joinPath(folder, "hf"), Adaptation(adapter: .folder(joinPath(folder, "adapter"))))
        let golden = try SafetensorsFile(path: joinPath(folder, "golden.safetensors"))
        var options = PassOptions()
        options.gradients = true
        let output = try ForwardPass(model, options: options, runtime: backend.make())
            .run(Golden.inputs(golden, "lm"))
        #expect(try Golden.expect(output, golden, "lm") > 4)
        // Nothing but the adapter's tensors has a gradient.
        let gradients = output.entries.map(\.name).filter { $0.hasPrefix("grad.") }
        #expect(!gradients.isEmpty && gradients.allSatisfy { $0.hasPrefix("grad.base_model.model.") })
    }

    @Test("merged weights against PEFT's", .enabled(if: Shared.isThere), arguments: given)
    func merged(name: String) throws {
        let folder = Shared.fixture("lora", name)
        let golden = try SafetensorsFile(path: joinPath(folder, "golden.safetensors"))
        let target = temporaryPath("merged")
        defer { try? removeTree(target) }
        try merge(joinPath(folder, "hf"), joinPath(folder, "adapter"), into: target)
        let output = try ForwardPass(
            Model.load(folder: target), options: PassOptions(), runtime: Runtime(threads: 1)
        ).run(Golden.inputs(golden, "lm"))
        let reference = try golden.doubles("merged.f64.logits")
        let off = Golden.largest(try Golden.floats(output, "logits"), reference)
        #expect(off <= 2e-5 * max(1, reference.map(abs).max() ?? 0), "\(off)")
    }

    private func merge(_ model: String, _ adapter: String, into target: String) throws {
        try createDirectory(target)
        try writeAtomically(
            path: joinPath(target, "config.json"), bytes: try readFile(joinPath(model, "config.json")))
        let copy = try TensorCopy(MergedTensors(folder: model, adapter: adapter), to: .safetensors, type: nil)
        try writeSafetensors(path: joinPath(target, "model.safetensors"), copy.tensors { _ in })
    }

    // MARK: Without files of others

    /// A small decoder in a folder of its own.
    private func base(tied: Bool = true) throws -> String {
        let folder = temporaryPath("base")
        var shape = DecoderConfiguration.gpt2(width: 16, layers: 2, heads: 2, vocabulary: 29, context: 12)
        shape.tied = tied
        try Model(shape, family: .gpt2, seed: 4).save(folder: folder)
        return folder
    }

    private func logits(_ model: Model) throws -> [Float] {
        var input = TensorFile(place: "test")
        input.append("input_ids", shape: [2, 5], integers: [1, 2, 3, 4, 5, 28, 0, 7, 7, 7])
        let output = try ForwardPass(model, options: PassOptions(), runtime: Runtime(threads: 1)).run(input)
        return try Golden.floats(output, "logits")
    }

    private func new(_ targets: ModuleChoice, rank: Int = 3) -> Adaptation {
        Adaptation(adapter: .new(AdapterConfiguration(rank: rank, alpha: 6, targets: targets), seed: 5))
    }

    /// Moves every trained number a little.
    private func disturb(_ model: Model) throws {
        let numbers = try model.weights.change()
        for index in 0..<model.weights.layout.trained { numbers.base[index] += Float(index % 7 - 3) * 0.02 }
        model.weights.settle()
    }

    @Test("a new adapter changes no bit; what it has learned is saved, loaded and merged")
    func life() throws {
        let folder = try base()
        defer { try? removeTree(folder) }
        let plain = try logits(Model.load(folder: folder))
        let model = try Model.load(folder: folder, new(.names(["c_attn", "c_proj", "c_fc"])))
        #expect(try logits(model) == plain)
        #expect(model.weights.layout.trainedCount == 2 * (3 * (16 + 48) + 3 * (16 + 16) + 2 * 3 * (16 + 64)))
        try disturb(model)
        let learned = try logits(model)
        #expect(learned != plain)

        let adapter = temporaryPath("adapter")
        let target = temporaryPath("merged")
        defer {
            try? removeTree(adapter)
            try? removeTree(target)
        }
        try model.saveTrained(folder: adapter)
        #expect(try listDirectory(adapter).sorted() == ["adapter_config.json", "adapter_model.safetensors"])
        #expect(try logits(Model.load(folder: folder, Adaptation(adapter: .folder(adapter)))) == learned)
        try merge(folder, adapter, into: target)
        let off = zip(try logits(Model.load(folder: target)), learned).map { abs($0 - $1) }.max() ?? 1
        #expect(off < 1e-5)
    }

    @Test(
        "adapters read the base's numbers where it has them, and give the same bits", arguments: WeightForm.allCases)
    func sharing(form: WeightForm) throws {
        let folder = try base(tied: false)
        let adapter = temporaryPath("adapter")
        defer { for path in [folder, adapter] { try? removeTree(path) } }
        var configuration = AdapterConfiguration(rank: 3, alpha: 6, targets: .names(["c_attn", "wte"]))
        configuration.saved = ["lm_head"]
        let trained = try Model.load(folder: folder, Adaptation(adapter: .new(configuration, seed: 5)))
        try disturb(trained)
        try trained.saveTrained(folder: adapter)

        let whole = try Model.load(folder: folder, weights: form)
        let plain = try logits(whole)
        let alone = try Model.load(folder: folder, .running(adapter), weights: form)
        let shared = try Model.load(folder: folder, .running(adapter), weights: form, sharing: whole)
        #expect(try logits(shared) == logits(alone))
        #expect(try logits(shared) != plain && logits(whole) == plain)
        // What the adapter updates is the base's; what it keeps whole, and its own matrices, are not.
        var own: [String] = []
        for parameter in shared.weights.layout.parameters {
            let there = whole.weights.layout.parameters.first { $0.name == parameter.name }
            let base = try there.map { try whole.weights.rows($0).baseAddress } ?? nil
            if try shared.weights.rows(parameter).baseAddress != base { own.append(parameter.name) }
        }
        #expect(own.count == 7 && own.filter { $0.hasPrefix("adapter.") }.count == 6, "\(own)")

        let error = #expect(throws: HeedError.self) { try shared.weights.change() }
        #expect(error?.kind == .usage)
        try disturb(whole)
        #expect(try logits(shared) != logits(alone))
        // A copy of all numbers is its own.
        _ = try shared.weights.all()
        let copied = try shared.weights.layout.parameters.first.map { try shared.weights.rows($0).baseAddress }
        #expect(try copied != whole.weights.layout.parameters.first.map { try whole.weights.rows($0).baseAddress })

        let other = form == .bfloat16 ? WeightForm.float32 : .bfloat16
        #expect(throws: HeedError.self) {
            try Model.load(folder: folder, .running(adapter), weights: other, sharing: whole)
        }
        #expect(throws: HeedError.self) {
            try Model.load(folder: folder, weights: form, sharing: alone)
        }
    }

    @Test(
        "an adapter on the output matrix, tied to the table or not, leaves the table alone", arguments: [true, false])
    func head(tied: Bool) throws {
        let folder = try base(tied: tied)
        defer { try? removeTree(folder) }
        let model = try Model.load(folder: folder, new(.names(["lm_head"])))
        try disturb(model)
        var input = TensorFile(place: "test")
        input.append("input_ids", shape: [1, 4], integers: [1, 2, 3, 4])
        input.append("labels", shape: [1, 4], integers: [1, 2, 3, 4])
        var options = PassOptions()
        options.gradients = true
        let fast = try ForwardPass(model, options: options, runtime: Runtime(threads: 2)).run(input)
        let slow = try ForwardPass(model, options: options, runtime: TestBackend.reference.make()).run(input)
        #expect(fast.entries.map(\.name) == slow.entries.map(\.name) && fast.entries.count == 4)
        for entry in fast.entries {
            let other = try Golden.floats(slow, entry.name).map(Double.init)
            #expect(Golden.largest(try Golden.floats(fast, entry.name), other) < 1e-5, "\(entry.name)")
        }
    }

    @Test(
        "an adapter on the look-ups of a table is saved, loaded and merged, and leaves the output matrix alone",
        arguments: [true, false])
    func lookups(tied: Bool) throws {
        let folder = try base(tied: tied)
        let adapter = temporaryPath("adapter")
        let target = temporaryPath("merged")
        defer { for path in [folder, adapter, target] { try? removeTree(path) } }
        let plain = try logits(Model.load(folder: folder))
        let model = try Model.load(folder: folder, new(.names(["wte", "c_attn"])))
        #expect(try logits(model) == plain)
        try disturb(model)
        var input = TensorFile(place: "test")
        input.append("input_ids", shape: [1, 4], integers: [1, 2, 3, 4])
        input.append("labels", shape: [1, 4], integers: [1, 2, 3, 4])
        var options = PassOptions()
        options.gradients = true
        let fast = try ForwardPass(model, options: options, runtime: Runtime(threads: 2)).run(input)
        let slow = try ForwardPass(model, options: options, runtime: TestBackend.reference.make()).run(input)
        let prefix = "grad.base_model.model.transformer.wte.lora_embedding_"
        #expect(fast[prefix + "A"]?.shape == [3, 29] && fast[prefix + "B"]?.shape == [16, 3])
        for entry in fast.entries {
            let other = try Golden.floats(slow, entry.name).map(Double.init)
            #expect(Golden.largest(try Golden.floats(fast, entry.name), other) < 1e-5, "\(entry.name)")
        }
        let learned = try logits(model)
        try model.saveTrained(folder: adapter)
        #expect(try logits(Model.load(folder: folder, Adaptation(adapter: .folder(adapter)))) == learned)
        guard !tied else {
            let error = #expect(throws: HeedError.self) { try merge(folder, adapter, into: target) }
            #expect(error?.description.contains("wte") == true)
            return
        }
        try merge(folder, adapter, into: target)
        let off = zip(try logits(Model.load(folder: target)), learned).map { abs($0 - $1) }.max() ?? 1
        #expect(off < 1e-5 && learned != plain)
    }

    @Test("a table that is kept whole and is the output matrix too is refused: PEFT would change one of the two")
    func keptTable() throws {
        let configuration = { () -> AdapterConfiguration in
            var made = AdapterConfiguration(rank: 2, alpha: 4, targets: .names(["c_attn"]))
            made.saved = ["wte"]
            return made
        }()
        for tied in [true, false] {
            let folder = try base(tied: tied)
            defer { try? removeTree(folder) }
            let load = { try Model.load(folder: folder, Adaptation(adapter: .new(configuration, seed: 1))) }
            if tied {
                let error = #expect(throws: HeedError.self) { try load() }
                #expect(error?.description.contains("wte") == true)
            } else {
                let moving = try load().weights.layout
                #expect(moving.parameters.contains { moving.isTrained($0) && $0.name == "embedding.tokens" })
            }
        }
    }

    @Test("patterns and layers choose modules, ranks and scales as PEFT's rules say")
    func patterns() throws {
        let folder = try base()
        let adapter = temporaryPath("adapter")
        defer {
            try? removeTree(folder)
            try? removeTree(adapter)
        }
        var configuration = AdapterConfiguration(rank: 2, alpha: 8, targets: .names(["c_attn", "mlp.c_fc"]))
        configuration.layers = [1]
        configuration.rankPattern = [(try NamePattern(#"(.*\.)?(h\.\d\.attn\.c_attn)"#), 4)]
        configuration.alphaPattern = [(try NamePattern(#"(.*\.)?(c_fc)"#), 5)]
        configuration.dividesByRoot = true
        let model = try Model.load(
            folder: folder, Adaptation(adapter: .new(configuration, seed: 1)))
        let updates = model.weights.layout.updates.values.flatMap { $0 }.sorted { $0.up.name < $1.up.name }
        #expect(
            updates.map(\.up.name) == ["adapter.transformer.h.1.attn.c_attn.up", "adapter.transformer.h.1.mlp.c_fc.up"])
        #expect(updates.map { $0.down.shape[0] } == [4, 2])
        #expect(updates.map(\.scale) == [8 / 2, Float(5 / 2.0.squareRoot())])
        configuration.excluded = .expression(try NamePattern(".*attn.*"))
        let fewer = try Model.load(folder: folder, Adaptation(adapter: .new(configuration, seed: 1)))
        #expect(fewer.weights.layout.updates.values.flatMap { $0 }.count == 1)
    }

    @Test("frozen tensors stay out of the trained range; a pattern without effect is an error")
    func freezing() throws {
        let folder = try base()
        defer { try? removeTree(folder) }
        var adaptation = Adaptation()
        adaptation.frozen = [try NamePattern(#"transformer\.(wte|wpe)\.weight"#), try NamePattern(#".*\.h\.0\..*"#)]
        let model = try Model.load(folder: folder, adaptation)
        let moving = model.checkpoint.filter { model.weights.layout.isTrained($0.parameter) }.map(\.name)
        #expect(
            moving.count == 14
                && moving.allSatisfy { $0.hasPrefix("transformer.h.1.") || $0.hasPrefix("transformer.ln_f.") })
        adaptation.frozen = [try NamePattern("nothing")]
        #expect(throws: HeedError.self) { try Model.load(folder: folder, adaptation) }
        adaptation.frozen = [try NamePattern(".*")]
        #expect(throws: HeedError.self) { try Model.load(folder: folder, adaptation) }
    }

    @Test(
        "what is not implemented or broken is refused by name",
        arguments: [
            ("use_dora", JSON.bool(true)), ("bias", "all"), ("lora_bias", true), ("init_lora_weights", "pissa"),
            ("layer_replication", [[0, 1]]), ("trainable_token_indices", [1]), ("something_new", 3),
            ("peft_type", "IA3"), ("r", 0), ("r", 5000), ("lora_alpha", "x"), ("target_modules", .null),
            ("target_modules", ["wpe"]), ("target_modules", ["wte"]), ("target_modules", ["nowhere"]),
            ("target_modules", "(c_attn"),
            ("target_modules", ["c_fc"]), ("rank_pattern", ["c_attn": 7]), ("modules_to_save", ["ln_f"]),
        ] as [(String, JSON)])
    func refused(key: String, value: JSON) throws {
        let folder = try base()
        let adapter = temporaryPath("adapter")
        defer {
            try? removeTree(folder)
            try? removeTree(adapter)
        }
        try Model.load(folder: folder, new(.names(["c_attn"]))).saveTrained(folder: adapter)
        let path = joinPath(adapter, "adapter_config.json")
        var document = try #require(try JSON.load(path: path).objectValue)
        let load = { try Model.load(folder: folder, Adaptation(adapter: .folder(adapter))) }
        _ = try load()
        document[key] = value
        try writeAtomically(path: path, text: JSON.object(document).serialised())
        // A module that is to be kept whole but has no tensors in the file began as the model's own.
        if key == "modules_to_save" {
            _ = try load()
            return
        }
        let error = #expect(throws: HeedError.self) { try load() }
        let text = error?.description ?? ""
        #expect(text.contains(key) || text.contains("lora_"), "\(text)")
    }

    @Test("an adapter's file with a tensor too many, too few or of another shape is refused by name")
    func files() throws {
        let folder = try base()
        let adapter = temporaryPath("adapter")
        defer {
            try? removeTree(folder)
            try? removeTree(adapter)
        }
        try Model.load(folder: folder, new(.names(["c_attn"]))).saveTrained(folder: adapter)
        let path = joinPath(adapter, "adapter_model.safetensors")
        let whole = try TensorFile(path: path)
        for change in 0..<3 {
            var file = TensorFile(place: "test")
            for (index, entry) in whole.entries.enumerated() {
                guard case .floats(let values) = entry.values, !(change == 0 && index == 1) else { continue }
                let shape = change == 1 && index == 0 ? entry.shape.reversed() : entry.shape
                file.append(entry.name, shape: shape, values)
            }
            if change == 2 { file.append("base_model.model.other.lora_A.weight", shape: [1], [0]) }
            try file.write(path: path)
            let error = #expect(throws: HeedError.self) {
                try Model.load(folder: folder, Adaptation(adapter: .folder(adapter)))
            }
            #expect(error?.description.contains("lora_") == true)
        }
    }
}
