import Heed
import TestFixtures
import Testing

@Suite("Texts in, texts out")
struct TextTests {
    private static let lines = [
        "The cat sat on the old mat, and the dog slept beside it.",
        "A hat on a cat is that; and this is the mat of the old dog.", "Das Mädchen übt für die Prüfung.",
    ]

    /// A folder with a corpus, removed at the end.
    private func withFolder(_ body: (_ folder: String, _ corpus: String) async throws -> Void) async throws {
        let folder = temporaryPath("texts")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        let corpus = joinPath(folder, "corpus.txt")
        let text = [[String]](repeating: TextTests.lines, count: 20).joined().map { $0 + "\n" }.joined()
        try writeAtomically(path: corpus, text: text)
        try await body(folder, corpus)
    }

    private func decoder(in folder: String, _ corpus: String) throws -> String {
        let path = joinPath(folder, "decoder")
        try Model(
            .decoder(.gpt2(width: 16, layers: 1, heads: 2, vocabulary: 300, context: 48)), family: .gpt2, seed: 5
        ).save(folder: path)
        try ByteLevelBPETrainer(vocabularySize: 300).train(files: [corpus]).save(to: path)
        try writeAtomically(
            path: joinPath(path, "generation_config.json"),
            text: "{\"do_sample\": true, \"temperature\": 0.7, \"max_new_tokens\": 9}")
        return path
    }

    @Test("a generated text is that of the same ids, alone, in a batch and streamed")
    func generating() async throws {
        try await withFolder { folder, corpus in
            let path = try decoder(in: folder, corpus)
            let runtime = try Runtime(threads: 1)
            let generator = try TextGenerator(path, runtime: runtime)
            #expect(generator.options.samples && generator.options.maxNewTokens == 9)
            let tokenizer = try Tokenizer.load(path: path)
            let model = try DecodingModel(Model.load(folder: path), runtime: runtime)
            let prompts = ["The cat", "A"]
            let expected = try Generator(model: model, options: generator.options)
                .generate(prompts.map { GenerationPrompt(ids: tokenizer.ids(of: $0)) })
            let together = try generator.generate(prompts)
            for (texts, sequences) in zip(together, expected.sequences) {
                #expect(texts.map(\.ids) == sequences.map(\.ids))
                #expect(texts[0].text == (try tokenizer.decode(sequences[0].ids)))
            }
            #expect(try generator.generate("The cat") == together[0][0])
            var pieces = ""
            for try await piece in generator.stream("The cat") { pieces += piece }
            #expect(pieces == together[0][0].text)
            // A stop text ends the text that holds it.
            let letter = String(try #require(together[0][0].text.first))
            let stopped = try generator.generate("The cat", stops: [letter])
            #expect(stopped.finishReason == .stop && stopped.ids.count < together[0][0].ids.count)
        }
    }

    @Test("work ends with its task, and mistakes arrive at whoever awaits")
    func ending() async throws {
        try await withFolder { folder, corpus in
            let generator = try TextGenerator(decoder(in: folder, corpus), runtime: Runtime(threads: 1))
            let task = Task { () -> Bool in
                while !Task.isCancelled { await Task.yield() }
                do { _ = try generator.generate("The cat") } catch is CancellationError { return true }
                return false
            }
            task.cancel()
            #expect(try await task.value)
            // Whoever stops listening ends the work: the generator is free again.
            for try await _ in generator.stream("The cat") { break }
            #expect(try generator.generate("The cat").ids.count == 9)
            var options = generator.options
            options.numBeams = 2
            await #expect(throws: HeedError.self) {
                for try await _ in generator.stream("The cat", options: options) {}
            }
            await #expect(throws: HeedError.self) {
                for try await _ in generator.streamAnswer([.user("Who?")]) {}
            }
            #expect(throws: HeedError.self) { try generator.generate("") }
        }
    }

    @Test("a conversation goes through the model's template")
    func answering() async throws {
        try await withFolder { folder, corpus in
            let path = try decoder(in: folder, corpus)
            try writeAtomically(
                path: joinPath(path, "chat_template.jinja"),
                text: "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:")
            let generator = try TextGenerator(path, runtime: Runtime(threads: 1))
            let answer = try generator.answer([.user("The cat")])
            #expect(answer == (try generator.generate("user: The cat\nassistant:")))
            var pieces = ""
            for try await piece in generator.streamAnswer([.user("The cat")]) { pieces += piece }
            #expect(pieces == answer.text)
        }
    }

    @Test("vectors take the special tokens and no padding, and cut what is too long")
    func embedding() async throws {
        try await withFolder { folder, corpus in
            let path = joinPath(folder, "encoder")
            let words = try WordPieceTrainer(vocabularySize: 120).train(files: [corpus])
            try createDirectory(path)
            try words.save(to: path)
            let tokenizer = try Tokenizer.load(path: path)
            let size = tokenizer.vocabularySize
            try Model(
                .encoder(.bert(width: 16, layers: 1, heads: 2, vocabulary: size, context: 12, head: .maskedLanguage)),
                family: .bert, seed: 5
            ).save(folder: path)
            let runtime = try Runtime(threads: 1)
            let embedder = try TextEmbedder(path, runtime: runtime)
            let texts = ["The cat sat", "a", TextTests.lines[1]]
            let vectors = try embedder.embed(texts)
            for (text, vector) in zip(texts, vectors) {
                var ids = try tokenizer.encode(text).ids
                if ids.count > 12 { ids = ids.prefix(11) + ids.suffix(1) }
                var input = TensorFile()
                input.append("input_ids", shape: [1, ids.count], integers: ids.map { Int64($0) })
                let pass = try ForwardPass(embedder.model, options: PassOptions(), runtime: runtime).run(input)
                guard case .floats(let states)? = pass["last_hidden_state"]?.values else {
                    return #expect(Bool(false), "no states")
                }
                for column in 0..<16 {
                    let mean = (0..<ids.count).reduce(0) { $0 + Double(states[$1 * 16 + column]) } / Double(ids.count)
                    #expect(abs(mean - Double(vector[column])) < 1e-5)
                }
            }
            #expect(try embedder.embed("a") == vectors[1])
            #expect(abs(TextEmbedder.cosine(vectors[0], vectors[0]) - 1) < 1e-9)

            let filler = try MaskFiller(path, runtime: runtime)
            let places = try filler.fill("the [MASK] sat on [MASK]", count: size)
            #expect(places.count == 2)
            #expect(places.allSatisfy { abs($0.guesses.reduce(0) { $0 + $1.probability } - 1) < 1e-9 })
            #expect(throws: HeedError.self) { try filler.fill("nothing is masked") }
            #expect(throws: HeedError.self) { try TextClassifier(path) }
        }
    }

    @Test("translations are those of the same ids, whatever the batch, and too long sources keep their end")
    func translating() async throws {
        try await withFolder { folder, corpus in
            let path = joinPath(folder, "pairs")
            try Model(
                .encoderDecoder(.original(width: 16, layers: 1, heads: 2, inner: 16, vocabulary: 300, context: 12)),
                family: .marian, specials: SpecialIds(ends: [7]), seed: 5
            ).save(folder: path)
            try ByteLevelBPETrainer(vocabularySize: 300).train(files: [corpus]).save(to: path)
            let runtime = try Runtime(threads: 1)
            let translator = try Translator(path, runtime: runtime)
            #expect(translator.options.numBeams == 4)
            let texts = ["A cat", TextTests.lines[0], ""]
            let together = try translator.translations(of: texts)
            #expect(try translator.translations(of: texts, batch: 1) == together)
            let layers = try translator.model.encoderDecoder
            let model = try DecodingModel(translator.model, runtime: runtime)
            for (text, found) in zip(texts, together) {
                var source = translator.source.ids(of: text) + [7]
                if source.count > 12 { source = source.prefix(11) + [7] }
                let expected = try Generator(model: model, options: translator.options).generate([
                    GenerationPrompt(ids: [Int32(layers.configuration.start)], source: source)
                ])
                #expect(found.map(\.ids) == expected.sequences[0].map(\.ids))
            }
        }
    }

    @Test("a stored model embeds as sentence-transformers does", .enabled(if: Shared.isThere))
    func goldenVectors() throws {
        let folder = Shared.path("models", "minilm-f16")
        let golden = try JSON.load(path: Shared.path("fixtures", "given", "minilm", "embeddings.json"))
        let texts = golden["sentences"]?.arrayValue?.compactMap(\.stringValue) ?? []
        try #require(!texts.isEmpty)
        let stored = try SafetensorsFile(
            path: Shared.path("fixtures", "given", "minilm", "embeddings.safetensors"))
        let embedder = try TextEmbedder(folder, runtime: Runtime(threads: 1))
        let expected = try stored.doubles("embeddings_f16_weights.f64")
        for (index, vector) in try embedder.embed(texts).enumerated() {
            for (column, value) in vector.enumerated() {
                #expect(abs(Double(value) - expected[index * embedder.width + column]) < 1e-5)
            }
        }
    }
}
