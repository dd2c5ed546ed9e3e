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
    func readme() async throws -> [Int] {
        // The prompt, continued: at once, or as it is written.
        let generator = try TextGenerator(path("heed-demo"))
        var options = generator.options
        options.samples = true
        options.temperature = 0.8
        print(try generator.generate("One morning Mia", options: options).text)
        for try await piece in generator.stream("One morning Mia", options: options) { print(piece, terminator: "") }

        // One pass: any tensor of the model, by name.
        var input = TensorFile()
        input.append("input_ids", shape: [1, 4], integers: [47, 78, 69, 396])
        let output = try ForwardPass(generator.model, options: PassOptions(), runtime: Runtime()).run(input)
        print(output["logits"]?.shape ?? [])  // [1, 4, 512]
        // end
        return output["logits"]?.shape ?? []
    }

    // Documentation/Architecture.md, 1
    func pass(_ model: Model, _ decoder: TransformerDecoder, _ batch: TokenBatch, _ runtime: Runtime) throws -> Int {
        let pass = try runtime.pass(model.weights, for: .inference, maximumLength: 64) { trace in
            decoder.logits(decoder(batch, in: trace)).kept()
        }
        pass.forward()
        let logits = pass[pass.outputs].array
        // end
        return logits.count
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
    func families() throws -> Int {
        let translator = try Translator(path("de-en"))
        var options = translator.options
        options.numBeams = 5
        options.numReturnSequences = 3
        for best in try translator.translations(of: ["Ein Hund läuft."], options: options)[0] {
            print(best.text, best.score ?? 0)
        }
        // end
        return options.numReturnSequences
    }

    // Documentation/Library.md, 1
    func writing() async throws -> Int {
        let generator = try TextGenerator(path("heed-demo"))
        var options = generator.options  // what the model's folder says, and its end ids
        options.samples = true
        options.temperature = 0.8
        options.maxNewTokens = 40
        print(try generator.generate("One morning Mia", options: options).text)
        let several = try generator.generate(["The sun", "The moon"])  // decoded together, each as if alone

        // As it is written; a task that is cancelled ends the work.
        for try await piece in generator.stream("One morning Mia", options: options) {
            print(piece, terminator: "")
        }
        // end
        return several.count
    }

    // Documentation/Library.md, 2
    func answering() throws {
        let chat = try TextGenerator(path("chat-model"))
        let messages: [ChatMessage] = [.system("You answer briefly."), .user("What is a transformer?")]
        print(try chat.answer(messages).text)
        // end
    }

    // Documentation/Library.md, 3
    func reading() throws -> [Float] {
        let embedder = try TextEmbedder(path("encoder"))
        let vectors = try embedder.embed(["A man eats", "Someone has lunch"])
        print(TextEmbedder.cosine(vectors[0], vectors[1]))

        let classifier = try TextClassifier(path("topics"))
        for result in try classifier.classify(["What a film", "Never again"]) {
            print(result.label, result.probability)
        }

        let filler = try MaskFiller(path("encoder"))
        print(try filler.fill("The cat [MASK] on the mat.")[0].guesses[0].token)

        let translator = try Translator(path("de-en"))
        print(try translator.translate(["Guten Morgen", "Gute Nacht"]))
        // end
        return vectors[0]
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
