import Heed

// The code samples of the documents, word for word but for `path(…)` around what they load: `DocumentTests` holds the
// documents to them, and runs them.

/// Where the samples' folders and files lie in this run.
struct SampleFolder: Sendable {
    let root: String

    func path(_ name: String) -> String { joinPath(root, name) }

    /// Samples print; tests need not.
    private func print(_ items: Any..., terminator: String = "\n") {}

    // README.md, 1
    func readme() throws -> [Int] {
        let tokenizer = try Tokenizer.load(path: path("heed-demo"))
        let model = try Model.load(folder: path("heed-demo"))
        let runtime = try Runtime()

        // The prompt, continued.
        var options = GenerationOptions()
        options.samples = true
        options.temperature = 0.8
        options.maxNewTokens = 40
        let prompt = GenerationPrompt(ids: tokenizer.ids(of: "One morning Mia"))
        let result = try Generator(model: DecodingModel(model, runtime: runtime), options: options).generate([prompt])
        print(try tokenizer.decode(result.sequences[0][0].ids))

        // One pass: any tensor of the model, by name.
        var input = TensorFile()
        input.append("input_ids", shape: [1, 4], integers: [47, 78, 69, 396])
        let output = try ForwardPass(model, options: PassOptions(), runtime: runtime).run(input)
        print(output["logits"]?.shape ?? [])  // [1, 4, 512]
        // end
        return output["logits"]?.shape ?? []
    }

    // Documentation/Architecture.md, 1
    func architecture(_ model: Model, _ decoder: Decoder, _ batch: TokenBatch, _ runtime: Runtime) throws -> [Float] {
        let pass = try runtime.pass(model.weights, for: .inference, maximumLength: 64) { trace in
            decoder.logits(decoder(batch, in: trace)).kept()
        }
        pass.forward()
        let logits = pass[pass.outputs].array
        // end
        return logits
    }

    // Documentation/Generation.md, 1
    func generation() throws -> (DecodingModel, GenerationOptions, Int) {
        let model = try Model.load(folder: path("my-model"))
        let decoding = try DecodingModel(model, runtime: try Runtime())
        var options = GenerationOptions()
        options.samples = true
        options.temperature = 0.8
        options.topP = 0.95
        var hooks = GenerationHooks()
        hooks.onToken = { event in
            print(event.id)
            return true  // false ends the sequence
        }
        let result = try Generator(model: decoding, options: options)
            .generate([GenerationPrompt(ids: [464, 3797])], hooks: hooks)
        // end
        return (decoding, options, result.sequences[0][0].ids.count)
    }

    // Documentation/Generation.md, 2
    func decoding(_ decoding: DecodingModel, _ options: GenerationOptions) throws -> Int {
        let batch = DecodingBatch(decoding)
        let row = try batch.join(GenerationPrompt(ids: [464, 3797]), options: options)
        while !batch.rows.isEmpty {
            try batch.step()
            for token in batch.tokens where token.row === row { print(token.id) }
            // Others may join here, fork, or leave.
        }
        // end
        return row.history.count - row.promptCount
    }

    // Documentation/Families.md, 1
    func families() throws -> (GenerationResult, [[Double]]) {
        let model = try Model.load(folder: path("de-en"))
        let runtime = try Runtime()
        let decoding = try DecodingModel(model, runtime: runtime)
        var options = GenerationOptions()
        options.numBeams = 5
        options.earlyStopping = BeamStopping.yes
        options.endTokens = [0]
        // ids: the decoder's start, and a prefix.
        let result = try Generator(model: decoding, options: options)
            .generate([GenerationPrompt(ids: [1], source: [57, 8, 120, 0])])

        let classifier = try TextClassifier(Model.load(folder: path("topics")), runtime: runtime)
        let probabilities = try classifier.probabilities([[101, 2023, 102]])
        // end
        return (result, probabilities)
    }

    // Documentation/Tokenizers.md, 1
    func tokenizers() throws -> (ids: [Int32], text: String) {
        var tokenizer = try Tokenizer.load(path: path("gpt2"))  // a folder or a file
        let ids = tokenizer.ids(of: "The cat sat on")  // [464, 3797, 3332, 319]
        let text = try tokenizer.decode(ids)

        let encoding = try tokenizer.encode("The cat", pair: "sat on")  // ids, types, masks, offsets into the bytes
        print(encoding.unknownCharacters)  // characters that the vocabulary lacks
        tokenizer.truncation = Truncation(maximumLength: 128, stride: 16)  // the rest is in encoding.overflow
        tokenizer.padding = Padding(target: .longest, id: 50256, token: "<|endoftext|>")

        var stream = StreamDecoder(tokenizer)  // never half a character
        for id in ids { print(try stream.append(id), terminator: "") }
        print(try stream.finish())

        var random = SystemRandomNumberGenerator()
        _ = try tokenizer.sample(Array("unaffordable".utf8), dropout: 0.1, using: &random)  // BPE dropout
        // Unigram models: tokenizer.best(3, of:), tokenizer.sample(_:sharpness:using:)

        let trained = try ByteLevelBPETrainer(vocabularySize: 32_000).train(files: [path("corpus.txt")])
        try trained.save(to: path("my-tokenizer"))
        // end
        return (ids, text)
    }
}
