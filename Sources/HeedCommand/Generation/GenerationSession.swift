import HeedGenerate
import HeedSupport
import HeedTexts
import HeedTokenizers
import HeedWeights

/// One call of `heed generate`: ids to the generator, text and figures to the user.
struct GenerationSession {
    /// What is continued; nil for a line of the input that gave nothing to continue.
    let prompts: [GivenPrompt?]
    let tokenizer: Tokenizer?
    let options: GenerationOptions
    let stops: [String]
    let streams: Bool
    let json: Bool

    /// Refuses what cannot be shown.
    func check() throws {
        if tokenizer == nil, !stops.isEmpty || streams {
            throw HeedError(
                .missing, "there is no tokenizer in the model's folder, so ids have no text",
                in: stops.isEmpty ? "--stream" : "--stop")
        }
        if !stops.isEmpty, options.numBeams > 1 {
            throw HeedError(
                .usage, "a beam search has no text before its end that could hold a stop text", in: "--stop",
                advice: "Leave out --num-beams, or the texts")
        }
        if streams, prompts.count > 1 || options.numReturnSequences > 1 || options.numBeams > 1 {
            throw HeedError(
                .usage, "only a single sequence without beams can be shown as it comes", in: "--stream",
                advice: "Leave out --stream, or ask for one sequence of one prompt")
        }
    }

    /// Generates and prints.
    func run(_ generator: Generator, probabilities path: String?) throws {
        var distributions: [Float] = []
        let result = try generate(
            prompts.compactMap(\.self), generator,
            onDistribution: path == nil ? nil : { distributions.append(contentsOf: $0) })
        let vocabulary = generator.model.vocabulary
        if let path {
            var file = TensorFile(place: path)
            file.append(
                "probabilities", shape: [distributions.count / vocabulary, vocabulary], distributions)
            try file.write(path: path)
        }
        var sequences = result.sequences[...]
        for prompt in prompts {
            guard let prompt, let sequences = sequences.popFirst() else {
                try StandardOutput.writeLine()
                continue
            }
            if json {
                try StandardOutput.writeLine(try report(prompt, sequences, result))
            } else if !streams {
                try show(prompt, sequences)
            }
        }
    }

    /// Decodes prompts together, streaming where asked.
    private func generate(
        _ prompts: [GivenPrompt], _ generator: Generator,
        onDistribution: ((UnsafeBufferPointer<Float>) throws -> Void)?
    ) throws -> GenerationResult {
        var hooks = GenerationHooks()
        hooks.isInterrupted = { Signals.isStopRequested }
        hooks.onDistribution = onDistribution
        guard let tokenizer, streams || !stops.isEmpty else {
            return try generator.generate(prompts.map(\.generation), hooks: hooks)
        }
        let copies = options.copiesOfPrompt
        var watches = prompts.flatMap { prompt in
            (0..<copies).map { _ in TextWatch(tokenizer, prompt: prompt.shownIds, stops: stops) }
        }
        if streams, let prompt = prompts.first { try begin(prompt, tokenizer) }
        hooks.onToken = { event in
            let (text, found) = try watches[event.prompt * copies + event.sequence].append(event.id)
            if streams, !text.isEmpty {
                if json {
                    StandardError.write(text)
                } else {
                    try StandardOutput.write(text)
                    try StandardOutput.flush()
                }
            }
            return !found
        }
        let result = try generator.generate(prompts.map(\.generation), hooks: hooks)
        if streams {
            let rest = try watches[0].finish() + "\n"
            if json { StandardError.write(rest) } else { try StandardOutput.write(rest) }
        }
        return result
    }

    private func report(
        _ prompt: GivenPrompt, _ sequences: [GeneratedSequence], _ result: GenerationResult
    ) throws -> JSON {
        [
            "sequences": .array(
                try sequences.map { sequence in
                    var object: JSONObject = [
                        "ids": .array(sequence.ids.map { .integer(Int($0)) }),
                        "text": try tokenizer.map { .string(try text(prompt, sequence, $0)) } ?? .null,
                        "finish_reason": .string(sequence.finishReason.rawValue),
                    ]
                    object["score"] = sequence.score.map { .number($0) }
                    return .object(object)
                }),
            "prompt_tokens": .integer(prompt.ids.count),
            "timing": [
                "prefill_seconds": .number(result.prefillSeconds),
                "decode_seconds": .number(result.decodeSeconds),
                "decode_tokens_per_second": .number(result.decodeTokensPerSecond),
            ],
        ]
    }

    /// On a terminal the prompt stands before what continues it; a pipe gets what is new.
    private func begin(_ prompt: GivenPrompt, _ tokenizer: Tokenizer) throws {
        guard !json, Terminal.output.isInteractive, !prompt.shownIds.isEmpty else { return }
        try StandardOutput.write(Terminal.output.styled(try tokenizer.decode(prompt.shownIds), .dim))
        try StandardOutput.flush()
    }

    private func show(_ prompt: GivenPrompt, _ sequences: [GeneratedSequence]) throws {
        if prompts.count > 1 || LineShare.current != nil { try StandardOutput.writeLine("— \(prompt.place)") }
        for (number, sequence) in sequences.enumerated() {
            if sequences.count > 1 {
                let score = sequence.score.map { "  (score \(fixed($0, 4)))" } ?? ""
                try StandardOutput.writeLine("\(number + 1).\(score)")
            }
            if let tokenizer {
                try begin(prompt, tokenizer)
                try StandardOutput.writeLine(try text(prompt, sequence, tokenizer))
            } else {
                try StandardOutput.writeLine(sequence.ids.map { "\($0)" }.joined(separator: ","))
            }
        }
    }

    private func text(_ prompt: GivenPrompt, _ sequence: GeneratedSequence, _ tokenizer: Tokenizer) throws -> String {
        try tokenizer.continuation(of: prompt.shownIds, by: sequence.ids)
    }
}
