import HeedRun
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedWeights
import TestFixtures
import Testing

@testable import HeedModels

@Suite("A pass against PyTorch's float64 numbers")
struct ForwardPassTests {
    static let cases = [("gpt2", "tiny_a"), ("gpt2", "tiny_b"), ("llama", "llama_a")]

    @Test(
        "logits, states, attention, loss, gradients", .enabled(if: Shared.isThere), arguments: cases,
        TestBackend.allCases)
    func golden(_ place: (family: String, name: String), backend: TestBackend) throws {
        let (family, name) = place
        let folder = Shared.fixture(family, name)
        let model = try Model.load(folder: joinPath(folder, "hf"))
        let golden = try SafetensorsFile(path: joinPath(folder, "golden.safetensors"))
        var options = PassOptions()
        options.everything = true
        options.gradients = true
        let output = try ForwardPass(model, options: options, runtime: backend.make())
            .run(Golden.inputs(golden, "lm"))
        var compared = 0
        for tensor in golden.tensors where tensor.name.hasPrefix("lm.f64.") {
            let ours = try Golden.floats(output, String(tensor.name.dropFirst(7)))
            let reference = try golden.doubles(tensor.name)
            #expect(Golden.largest(ours, reference) <= 2e-5 * max(1, reference.map(abs).max() ?? 0), "\(tensor.name)")
            compared += 1
        }
        #expect(compared > 4)
        for tensor in golden.tensors where tensor.name.hasPrefix("lm.grad.f64.") {
            let ours = try Golden.floats(output, "grad." + String(tensor.name.dropFirst(12)))
            let reference = try golden.doubles(tensor.name)
            let off = Golden.norm(zip(ours, reference).map { Double($0) - $1 })
            #expect(off <= 2e-5 * Golden.norm(reference) + 1e-6, "\(tensor.name): \(off) of \(Golden.norm(reference))")
        }
    }

    @Test("the forward-only plan has the training plan's bits", .enabled(if: Shared.isThere), arguments: cases)
    func inferenceEqualsTraining(family: String, name: String) throws {
        let folder = Shared.fixture(family, name)
        let model = try Model.load(folder: joinPath(folder, "hf"))
        let golden = try SafetensorsFile(path: joinPath(folder, "golden.safetensors"))
        var options = PassOptions()
        options.everything = true
        let input = try Golden.inputs(golden, "lm")
        let forward = try ForwardPass(model, options: options, runtime: Runtime(threads: 1)).run(input)
        for tensor in golden.tensors where tensor.name.hasPrefix("lm.f64.") {
            let ours = try Golden.floats(forward, String(tensor.name.dropFirst(7)))
            let reference = try golden.doubles(tensor.name)
            #expect(Golden.largest(ours, reference) <= 2e-5 * max(1, reference.map(abs).max() ?? 0), "\(tensor.name)")
        }
        options.gradients = true
        let both = try ForwardPass(model, options: options, runtime: Runtime(threads: 2)).run(input)
        for entry in forward.entries { #expect(both[entry.name] == entry, "\(entry.name)") }
    }
}
