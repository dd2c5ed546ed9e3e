import CHeedKernels
import HeedSupport
import TestFixtures
import Testing

/// Adam in its decoupled form and clipping against PyTorch, step by step.
@Suite(.enabled(if: Shared.operations != nil, "needs the shared fixtures"))
struct GoldenUpdateTests {
    @Test(
        "AdamW",
        arguments: [
            ("opt_adam", 0.0), ("opt_adam_noam_betas", 0.0), ("opt_adamw", 0.1), ("opt_adamw_groups", 0.1),
            ("opt_adamw_clip", 0.01),
        ])
    func adamw(_ name: String, _ usualDecay: Double) throws {
        let golden = try Golden(name)
        let steps = try #require(golden.figures["steps"]?.intValue)
        let rate = try #require(golden.figures["lr"]?.doubleValue)
        let betas = (golden.figures["betas"]?.arrayValue ?? [.number(0.9), .number(0.999)]).compactMap(\.doubleValue)
        let epsilon = golden.figures["eps"]?.doubleValue ?? 1e-8
        let decay = golden.figures["weight_decay"]?.doubleValue ?? usualDecay
        let limit = golden.figures["clip_grad_norm"]?.doubleValue
        for isa in instructionSets {
            let kernels = Machine(isa: isa).kernels
            var parameters = (0..<3).map { golden["param0.\($0)"].floats }
            var first = parameters.map { $0.map { _ in Float(0) } }
            var second = first
            for step in 1...steps {
                var clip = 1.0
                if let limit {
                    var square = 0.0
                    for i in 0..<3 { square += try squareSum(kernels, golden["grad.\(step - 1).\(i)"].floats) }
                    let norm = square.squareRoot()
                    let expected = try #require(golden.figures["grad_norms.f64"]?[step - 1]?.doubleValue)
                    #expect(abs(norm - expected) <= 2e-5 * expected)
                    clip = min(1, limit / (norm + 1e-6))
                }
                let rates = heed_adam_rates(
                    rate: Float(rate), beta1: Float(betas[0]), beta2: Float(betas[1]), epsilon: Float(epsilon),
                    correction1: Float(1 - power(betas[0], Double(step))),
                    correction2: Float(1 - power(betas[1], Double(step))), clip: Float(clip))
                for i in 0..<3 {
                    let count = parameters[i].count
                    let result = withMemory { memory -> [[Float]] in
                        var call = heed_adamw()
                        call.parameter = memory.floats(parameters[i])
                        call.gradient = memory.floats(golden["grad.\(step - 1).\(i)"].floats)
                        call.first = memory.floats(first[i])
                        call.second = memory.floats(second[i])
                        call.count = Int64(count)
                        call.decay = name == "opt_adamw_groups" && i == 1 ? 0 : Float(decay)
                        call.rates = UnsafePointer(memory.value(rates))
                        run(kernels.adamw, call, parts: 2)
                        return [call.parameter, call.first, call.second, call.gradient].map { $0.array(count) }
                    }
                    let outputs = try #require(result)
                    (parameters[i], first[i], second[i]) = (outputs[0], outputs[1], outputs[2])
                    #expect(outputs[3].allSatisfy { $0 == 0 })
                    if let expected = golden.tensors["param\(step).f64.\(i)"] {
                        #expect(agrees(parameters[i], expected.values), "parameter \(i) after \(step) steps")
                    }
                }
            }
            for i in 0..<3 {
                #expect(agrees(first[i], golden["state_final.f64.exp_avg.\(i)"].values))
                #expect(agrees(second[i], golden["state_final.f64.exp_avg_sq.\(i)"].values))
            }
        }
    }

    @Test("the norm of all gradients")
    func norm() throws {
        let golden = try Golden("clip_grad_norm")
        let expected = try #require(golden.figures["norm.1.0.f64"]?.doubleValue)
        for isa in instructionSets {
            var square = 0.0
            for i in 0..<3 { square += try squareSum(Machine(isa: isa).kernels, golden["in.\(i)"].floats) }
            #expect(abs(square.squareRoot() - expected) <= 1e-6 * expected)
        }
    }

    private func squareSum(_ kernels: heed_kernels, _ x: [Float]) throws -> Double {
        let blocks = (x.count + 4095) / 4096
        return try #require(
            withMemory { memory in
                let sums = memory.doubles(blocks)
                run(
                    kernels.square_sum, heed_square_sum(x: memory.floats(x), count: Int64(x.count), sums: sums),
                    parts: 2)
                return (0..<blocks).reduce(0.0) { $0 + sums[$1] }
            })
    }
}
