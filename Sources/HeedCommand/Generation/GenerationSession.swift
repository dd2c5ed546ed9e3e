import HeedGenerate
import HeedSupport
import HeedTokenizers
import HeedWeights

/// One call of `heed generate`: ids to the generator, text and figures to the user.
struct GenerationSession {
    let prompts: [GivenPrompt]
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
        if streams, prompts.count > 1 || options.numReturnSequences > 1 || options.numBeams > 1 {
            throw HeedError(
                .usage, "only a single sequence without beams can be shown as it comes", in: "--stream",
                advice: "Leave out --stream, or ask for one sequence of one prompt")
        }
    }

    /// Generates and prints.
    mutating func run(_ generator: Generator, probabilities path: String?, vocabulary: Int) throws {
        var hooks = GenerationHooks()
        hooks.isInterrupted = { Signals.isStopRequested }
        var watches: [TextWatch] = []
        if let tokenizer, streams || !stops.isEmpty {
            for prompt in prompts {
                for _ in 0..<options.copiesOfPrompt {
                    watches.append(TextWatch(tokenizer, prompt: prompt.shownIds, stops: stops))
                }
            }
            let copies = options.copiesOfPrompt
            let (streams, json) = (streams, json)
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
        }
        var distributions: [Float] = []
        if path != nil { hooks.onDistribution = { distributions.append(contentsOf: $0) } }
        let result = try generator.generate(prompts.map(\.generation), hooks: hooks)
        if streams { try endStream(&watches) }
        if let path {
            var file = TensorFile(place: path)
            file.append("probabilities", shape: [distributions.count / vocabulary, vocabulary], distributions)
            try file.write(path: path)
        }
        for (prompt, sequences) in zip(prompts, result.sequences) {
            if json {
                try StandardOutput.writeLine(try report(prompt, sequences, result))
            } else if !streams {
                try show(prompt, sequences)
            }
        }
    }

    private func endStream(_ watches: inout [TextWatch]) throws {
        guard !watches.isEmpty else { return }
        let rest = try watches[0].finish() + "\n"
        if json { StandardError.write(rest) } else { try StandardOutput.write(rest) }
    }

    private func report(_ prompt: GivenPrompt, _ sequences: [GeneratedSequence], _ result: GenerationResult) throws
        -> JSON
    {
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
                "prefill_seconds": .number(result.prefillSeconds), "decode_seconds": .number(result.decodeSeconds),
                "decode_tokens_per_second": .number(result.decodeTokensPerSecond),
            ],
        ]
    }

    private func show(_ prompt: GivenPrompt, _ sequences: [GeneratedSequence]) throws {
        let several = prompts.count > 1 || sequences.count > 1
        for (number, sequence) in sequences.enumerated() {
            if several {
                let score = sequence.score.map { ", score \(fixed($0, 4))" } ?? ""
                try StandardOutput.writeLine("— \(prompt.place), sequence \(number + 1)\(score)")
            }
            if let tokenizer {
                try StandardOutput.writeLine(try text(prompt, sequence, tokenizer))
            } else {
                try StandardOutput.writeLine(sequence.ids.map { "\($0)" }.joined(separator: ","))
            }
        }
    }

    private func text(_ prompt: GivenPrompt, _ sequence: GeneratedSequence, _ tokenizer: Tokenizer) throws -> String {
        try continuation(of: prompt.shownIds, by: sequence.ids, tokenizer)
    }
}
