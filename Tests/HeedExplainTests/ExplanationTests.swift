import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedWeights
import TestFixtures
import Testing

@testable import HeedExplain

@Suite("Readings of a pass")
struct ExplanationTests {
    private func explanation(
        _ small: SmallModel, target: Int? = nil, readings: Set<Reading> = Set(Reading.allCases)
    ) throws -> Explanation {
        try Explanation(
            small.model(), small.input, target: target, readings: readings, runtime: try Runtime(threads: 2))
    }

    @Test("the lens behind the last block is the logits, bit for bit", arguments: SmallModel.allCases)
    func lens(_ small: SmallModel) throws {
        let file = try explanation(small, readings: [.lens]).tensors()
        guard small.hasHead else {
            #expect(file["logits"] == nil)
            return
        }
        let logits = try #require(file["logits"])
        #expect(file["logit_lens.2"]?.values == logits.values && file["logit_lens.3"] == nil)
        #expect(file["logit_lens.0"]?.values != logits.values)
    }

    @Test("weights of a row sum to 1, and so do roll-outs", arguments: SmallModel.allCases)
    func attention(_ small: SmallModel) throws {
        let explanation = try explanation(small, readings: [.attention])
        let maps = explanation.attentionMaps()
        #expect(maps.count == (small.input.source.isEmpty ? 2 : 6))
        for map in maps {
            for row in 0..<map.heads * map.queries {
                let sum = map.weights[row * map.keys..<(row + 1) * map.keys].reduce(0, +)
                #expect(abs(sum - 1) < 1e-5)
            }
        }
        for rollout in explanation.rollouts() {
            #expect(rollout.layers.count == 2)
            for layer in rollout.layers {
                for row in 0..<rollout.queries {
                    let sum = layer[row * rollout.keys..<(row + 1) * rollout.keys].reduce(0, +)
                    #expect(abs(sum - 1) < 1e-5)
                }
            }
        }
        #expect(try explanation.largestAttentionDifference() < 1e-5)
    }

    @Test("the steps of a head lead to the weights of the fast path", arguments: SmallModel.allCases)
    func steps(_ small: SmallModel) throws {
        let explanation = try explanation(small, readings: [])
        for name in explanation.attentionNames {
            for (layer, head, row) in [(0, 0, 3), (1, 1, 2), (1, 0, 0)] {
                let steps = try #require(
                    try explanation.attentionSteps(name, layer: layer, head: head, row: row))
                #expect(steps.weightDifference < 1e-5 && steps.difference < 1e-5, "\(name) \(layer) \(head)")
                #expect(steps.weights.contains { $0 > 0 })
            }
            let kinds = try explanation.story().flatMap(\.steps).first { !$0.parts.isEmpty }?.parts.map(\.kind) ?? []
            #expect(kinds.contains(.offset) == (small == .slopes || small == .relative))
            #expect(kinds.contains(.mask) == (explanation.streams.count == 1 && !small.isEncoder))
            #expect(try explanation.attentionSteps(name, layer: 9, head: 0, row: 0) == nil)
            #expect(try explanation.attentionSteps(name, layer: 0, head: 9, row: 0) == nil)
        }
    }

    @Test("every gradient agrees with central differences", arguments: SmallModel.allCases.filter(\.hasHead))
    func gradients(_ small: SmallModel) throws {
        let explanation = try explanation(small, readings: [])
        func numbers() throws -> [Float] {
            let all = try explanation.whole.subject.model.weights.all()
            return Array(UnsafeBufferPointer(start: all.base, count: all.count))
        }
        let before = try numbers()
        let checks = try explanation.gradientChecks(seed: 4)
        #expect(checks.contains { $0.kind == .parameter } && checks.contains { $0.kind == .value })
        for step in ["scores", "scale", "softmax"] { #expect(checks.contains { $0.operation == "attention: \(step)" }) }
        #expect(checks.count <= explanation.gradientCheckCount)
        for check in checks {
            #expect(check.agrees, "\(check.path) \(check.operation): \(check.byGradient), \(check.byDifferences)")
        }
        #expect(checks.count { $0.size > 1e-3 } > checks.count / 2)
        #expect(try numbers() == before)
    }

    @Test("integrated gradients add up to what the logit gains", arguments: [SmallModel.gpt2, .original])
    func integrated(_ small: SmallModel) throws {
        let explanation = try explanation(small, target: 7, readings: [.integrated])
        let found = try #require(explanation.integratedGradients)
        let sum = found.attributions.flatMap(\.values).reduce(0, +)
        let gain = explanation.logits[7] - found.baseline
        #expect(abs(sum - gain) < 0.05 * max(abs(gain), 1) && abs(gain) > 0.1)
    }

    @Test(
        "a head at zero is a head whose columns of the output matrix are zero", arguments: [SmallModel.gpt2, .original])
    func ablation(_ small: SmallModel) throws {
        let model = try small.model()
        let runtime = try Runtime(threads: 1)
        let found = try Explanation(model, small.input, target: 7, readings: [.ablation], runtime: runtime).headAblation
        #expect(
            found.map(\.name)
                == (small == .gpt2
                    ? ["head_ablation"] : ["encoder_head_ablation", "decoder_head_ablation", "cross_head_ablation"]))
        let stack = small == .gpt2 ? try model.decoder.stack : try model.encoderDecoder.encoder
        for head in 0..<2 {
            let numbers = try model.weights.change()
            let matrix = stack.blocks[1].attention.output.weight
            let before = Array(numbers[matrix])
            for index in before.indices where index % 16 / 8 == head { numbers[matrix][index] = 0 }
            let changed = try Explanation(model, small.input, target: 7, readings: [], runtime: runtime)
            #expect(abs(changed.logits[7] - found[0].logits[2 + head]) < 1e-5)
            _ = numbers[matrix].update(from: before)
            model.weights.settle()
        }
    }

    @Test("parts add up to the logit where there are no offsets", arguments: SmallModel.allCases.filter(\.hasHead))
    func attribution(_ small: SmallModel) throws {
        let target = small == .classifier || small == .tokenClassifier ? 1 : 7
        let explanation = try explanation(small, target: target, readings: [.attribution])
        let found = try #require(explanation.attribution)
        // Offsets of new models are zero: what is left over is what the parts do not explain.
        #expect(abs(found.rest) < 1e-4 && abs(explanation.logits[target]) > 1e-3)
        let halves = small == .original || small == .relative ? 6 : 4
        #expect(found.parts.count > halves)
        for part in found.parts where !part.heads.isEmpty {
            #expect(abs(part.value - part.heads.reduce(0, +)) < 1e-4)
        }
        #expect(found.parts.contains { !$0.heads.isEmpty } == (small != .slopes))
    }

    @Test("an adapter is explained with the model that it is on")
    func adapter() throws {
        let folder = temporaryPath("adapted")
        defer { try? removeTree(folder) }
        try Model(.gpt2(width: 16, layers: 2, heads: 2, vocabulary: 29, context: 12), family: .gpt2, seed: 4)
            .save(folder: folder)
        let configuration = AdapterConfiguration(rank: 3, alpha: 6, targets: .names(["c_attn", "c_proj", "c_fc"]))
        let model = try Model.load(folder: folder, Adaptation(adapter: .new(configuration, seed: 5)))
        let numbers = try model.weights.change()
        for index in 0..<model.weights.layout.trained { numbers.base[index] += Float(index % 7 - 3) * 0.02 }
        model.weights.settle()
        let explanation = try Explanation(
            model, SmallModel.gpt2.input, target: 3, readings: [.attribution, .ablation],
            runtime: try Runtime(threads: 1))
        #expect(try explanation.story().flatMap(\.steps).contains { $0.name == "low-rank update" })
        let found = try #require(explanation.attribution)
        #expect(abs(found.rest) < 1e-4 && found.parts.count > 4)
        let heads = found.parts.filter { !$0.heads.isEmpty }
        #expect(heads.count == 2)
        for part in heads { #expect(abs(part.value - part.heads.reduce(0, +)) < 1e-4 && abs(part.value) > 1e-3) }
        let checks = try explanation.gradientChecks()
        #expect(checks.allSatisfy(\.agrees) && checks.contains { $0.kind == .parameter })
    }

    @Test("a block whose whole input is another's answers as the other")
    func patching() throws {
        let model = try SmallModel.gpt2.model()
        let runtime = try Runtime(threads: 1)
        let other = try Explanation(model, ExplainedInput([9]), target: 3, readings: [], runtime: runtime)
        let found = try Explanation(
            model, ExplainedInput([4]), target: 3, against: ExplainedInput([9]), readings: [.patching],
            runtime: runtime)
        #expect(found.logits[3] != other.logits[3])
        #expect(found.patching.map(\.name) == ["activation_patching", "head_patching"])
        for logit in found.patching[0].logits { #expect(abs(logit - other.logits[3]) < 1e-6) }
        let error = #expect(throws: HeedError.self) {
            try Explanation(
                model, ExplainedInput([4, 5]), against: ExplainedInput([9]), readings: [.patching], runtime: runtime)
        }
        #expect(error?.description.contains("same length") == true)
    }

    @Test("what a model cannot take is named")
    func errors() throws {
        let runtime = try Runtime(threads: 1)
        func message(_ small: SmallModel, _ input: ExplainedInput, target: Int? = nil) throws -> String {
            let model = try small.model()
            let error = #expect(throws: HeedError.self) {
                try Explanation(model, input, target: target, readings: [], runtime: runtime)
            }
            return error?.description ?? ""
        }
        #expect(try message(.gpt2, ExplainedInput([])).contains("the prompt"))
        #expect(try message(.gpt2, ExplainedInput([Int32](repeating: 1, count: 13))).contains("12"))
        #expect(try message(.gpt2, ExplainedInput([29])).contains("29"))
        #expect(try message(.gpt2, ExplainedInput([-1])).contains("-1"))
        #expect(try message(.gpt2, ExplainedInput([1]), target: 29).contains("target"))
        #expect(try message(.gpt2, ExplainedInput([1], position: 1)).contains("position"))
        #expect(try message(.original, ExplainedInput([1])).contains("source"))
        #expect(try message(.masked, ExplainedInput([1], types: [7])).contains("type"))
        #expect(try message(.headless, ExplainedInput([1]), target: 0).contains("head"))
    }

    @Test("the numbers of PyTorch", .enabled(if: Shared.given("explain/tiny_a.json") != nil))
    func golden() throws {
        let folder = Shared.fixture("explain")
        for name in try listDirectory(folder) where name.hasSuffix(".json") {
            let notes = try JSON.load(path: joinPath(folder, name))
            let golden = try TensorFile(path: joinPath(folder, name.replacing(".json", with: ".safetensors")))
            guard case .object(let members) = notes, case .string(let path)? = members["model"],
                case .integer(let target)? = members["target_token"], case .integers(let ids)? = golden["ids"]?.values
            else {
                Issue.record("\(name) is not of the known form")
                continue
            }
            let found = try Explanation(
                Model.load(folder: Shared.fixture(path)), ExplainedInput(ids.map { Int32($0) }), target: target,
                runtime: try Runtime(threads: 2)
            ).tensors()
            let names = [
                "grad_times_input": "gradient_times_input",
                "integrated_gradients_64_midpoints": "integrated_gradients",
                "head_ablation_target_logit": "head_ablation",
            ]
            var compared = 0
            for entry in golden.entries {
                guard case .doubles(let wanted) = entry.values,
                    case .floats(let values)? = found[names[entry.name] ?? entry.name]?.values
                else { continue }
                let largest = wanted.map { abs($0) }.max() ?? 0
                let off = zip(wanted, values).map { abs($0 - Double($1)) }.max() ?? .infinity
                #expect(values.count == wanted.count && off <= 2e-5 * max(1, largest), "\(entry.name): \(off)")
                compared += 1
            }
            #expect(compared >= 10)
        }
    }
}
