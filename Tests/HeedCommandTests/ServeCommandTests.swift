#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import Heed
import HeedSupport
import Testing

@testable import HeedCommand

@Suite("heed serve and replay")
struct ServeCommandTests {
    private func run(_ words: String...) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }

    @Test("the server is found beside heed, or in Server of its checkout")
    func program() throws {
        let folder = temporaryPath("serve")
        defer { try? removeTree(folder) }
        let build = joinPath(folder, ".build/x86_64-unknown-linux-gnu/release")
        let own = joinPath(folder, "Server/.build/release")
        for folder in [build, own] { try createDirectory(folder) }
        let heed = joinPath(build, "heed")
        #expect(Serve.program(beside: heed) == nil)
        let inCheckout = joinPath(own, "heed-serve")
        try writeAtomically(path: inCheckout, text: "#!/bin/sh\n")
        #expect(Serve.program(beside: heed) == nil, "a file that cannot be run is none")
        chmod(inCheckout, 0o755)
        #expect(Serve.program(beside: heed) == inCheckout)
        let beside = joinPath(build, "heed-serve")
        try writeAtomically(path: beside, text: "#!/bin/sh\n")
        chmod(beside, 0o755)
        #expect(Serve.program(beside: heed) == beside)
        #expect(Serve.program(beside: "/usr/bin/heed") == nil)
    }

    @Test("an answer is computed again from its receipt, and a difference is told")
    func replay() throws {
        let folder = temporaryPath("replay")
        defer { try? removeTree(folder) }
        let path = joinPath(folder, "model")
        let shape = DecoderConfiguration.gpt2(width: 16, layers: 1, heads: 2, vocabulary: 40, context: 64)
        try Model(shape, family: .gpt2, seed: 3).save(folder: path)
        var options = GenerationOptions()
        options.samples = true
        options.seed = UInt64.max - 3
        options.maxNewTokens = 9
        options.biases = [TokenBias([4], 1.5)]
        options.endTokens = [0]
        options.maxLength = 30
        var computing = DecodingModelOptions()
        computing.cache = .int8
        let model = try DecodingModel(Model.load(folder: path), runtime: Runtime(threads: 1), options: computing)
        let batch = DecodingBatch(model)
        let prompts = [GenerationPrompt(ids: [5, 6]), GenerationPrompt(ids: [7])]
        let rows = try (0..<4).map { try batch.join(prompts[$0 / 2], options: options, number: $0) }
        while !batch.rows.isEmpty { try batch.step() }
        var receipt = Receipt(
            version: "1", model: "model", modelHash: try ModelFiles.hash(path),
            computation: .init(numbers: "f32", cache: .int8, instructionSet: "avx2"), prompts: prompts,
            options: options, form: nil,
            choices: rows.enumerated().map {
                .init(prompt: $0.offset / 2, number: $0.offset, ids: Array($0.element.newIds))
            })
        #expect(try Receipt(receipt.json, in: "x") == receipt)
        // Receipts of before said nothing of the cache: it was in 32-bit floats.
        var before = try #require(receipt.json.objectValue)
        before["cache"] = nil
        #expect(try Receipt(.object(before), in: "x").computation.cache == .float32)
        before["cache"] = "f33"
        #expect(throws: HeedError.self) { try Receipt(.object(before), in: "x") }
        let file = joinPath(folder, "answer.json")
        try writeAtomically(path: file, text: JSON.object(["id": "x", "receipt": receipt.json]).serialised())
        #expect(run("replay", file, "--model", path) == 0)
        #expect(run("replay", file, "--model", path, "--json") == 0)
        let first = receipt.choices[0]
        receipt.choices[0] = .init(prompt: 0, number: 0, ids: [(first.ids[0] + 1) % 40] + first.ids.dropFirst())
        try writeAtomically(path: file, text: receipt.json.serialised())
        #expect(run("replay", file, "--model", path) == 1)
        try writeAtomically(path: file, text: "{\"format\": \"other\"}")
        #expect(run("replay", file, "--model", path) == 1)
    }
}
