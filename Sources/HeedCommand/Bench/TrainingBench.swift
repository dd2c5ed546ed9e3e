import Heed
import HeedProcessor
import HeedSupport

/// Whole optimiser steps of a model with random weights on random ids; of an encoder-decoder, on pairs as long on both
/// sides, whose target tokens are counted. Under a launcher all ranks share each step.
struct TrainingBench {
    private let runtime: Runtime
    private let family: Family
    private let configuration: Configuration
    private let preset: String
    private let options: StepOptions
    private let communicator: any Communicator

    init(
        _ runtime: Runtime, _ shape: BenchShape, batch: Int?, context: Int?, options given: StepOptions,
        communicator: any Communicator
    ) throws {
        self.runtime = runtime
        self.communicator = communicator
        preset = shape.preset
        var options = given
        var configuration: Configuration
        if preset == "block" {
            // One block of 8 channels: almost pure overhead.
            family = .gpt2
            configuration = .decoder(.gpt2(width: 8, layers: 1, heads: 2, vocabulary: 65, context: 64))
        } else {
            let preset = try shape.known
            family = preset.family
            configuration = shape.adapted(preset.configuration)
        }
        let translates = if case .encoderDecoder = configuration { true } else { false }
        options.batch = batch ?? (translates ? 32 : 4)
        options.context = context ?? (translates ? 32 : 64)
        options.shards = communicator.size
        try options.cutIntoShards()
        configuration = configuration.holding(options.context)
        self.configuration = configuration
        self.options = options
    }

    private struct RandomIds: BatchSource {
        let options: StepOptions
        let vocabulary: Int
        /// nil for a model that reads no source.
        let sourceVocabulary: Int?

        func fill(_ input: StepInput, step: Int, part: Int) throws {
            if let sourceVocabulary { fill(input.source, sourceVocabulary, step &+ 1) }
            fill(input.tokens, vocabulary, step)
        }

        private func fill(_ batch: TokenBatch, _ vocabulary: Int, _ step: Int) {
            for row in 0..<options.batch {
                let first = row * options.context
                // Written in place: a benchmark of steps must not measure arrays.
                for column in 0..<options.context {
                    let index = UInt64(first + column)
                    batch.ids[first + column] = Int32((index &* 2_654_435_761 &+ UInt64(step)) % UInt64(vocabulary))
                    batch.positions[first + column] = Int32(column)
                    batch.targets[first + column] = Int32((index &* 40_503 &+ 7) % UInt64(vocabulary))
                }
                batch.offsets[row + 1] = Int32(first + options.context)
                batch.lengths[row] = Int32(options.context)
                batch.sequenceTargets[row] = Int32(row & 1)
            }
            batch.rows.current = options.batch * options.context
            batch.sequences.current = options.batch
        }
    }

    func run(seconds: Double, profile: Bool, into report: inout JSONObject) throws {
        let model = try Model(configuration, family: family, seed: 1)
        let training = try TrainingStep(model, options, runtime: runtime, communicator: communicator)
        let source = RandomIds(
            options: options, vocabulary: model.architecture.vocabulary,
            sourceVocabulary: model.architecture.readsSource ? model.architecture.sourceVocabulary : nil)
        var number = 0
        var waited: [Double] = []
        let timings = try Timings(
            budget: seconds,
            agreed: { [communicator] wanted in
                guard communicator.size > 1 else { return wanted }
                waited.append(training.waited)
                return try communicator.isTrueAnywhere(communicator.rank == 0 && wanted)
            }
        ) {
            number += 1
            _ = try training.run(step: number, rate: 1e-4, from: source)
        }
        let tokens = Double(options.batch * options.accumulate * options.context)
        let operations = 3 * tokens * configuration.operationsPerToken(context: options.context)
        report["preset"] = .string(preset)
        report["vocabulary"] = .integer(model.architecture.vocabulary)
        report["batch"] = .integer(options.batch * options.accumulate)
        report["context"] = .integer(options.context)
        report["dtype"] = .string(options.precision == .float32 ? "f32" : "bf16")
        if let dropout = options.dropout { report["dropout"] = .number(Double(dropout)) }
        report["steps"] = .integer(timings.seconds.count)
        report["milliseconds_per_step"] = .number(rounded(timings.median * 1e3))
        report["milliseconds_per_step_least"] = .number(rounded(timings.least * 1e3))
        report["milliseconds_per_step_most"] = .number(rounded(timings.most * 1e3))
        report["tokens_per_second"] = .number(rounded(tokens / timings.median))
        if communicator.size > 1 {
            report["ranks"] = .integer(communicator.size)
            report["milliseconds_waiting"] = .number(rounded(waited.sorted()[waited.count / 2] * 1e3))
        }
        report["gflops"] = .number(rounded(operations / timings.median / 1e9))
        if profile { report["profile"] = .array(training.pass.profile().map(profileRow)) }
        report["peak_memory_mb"] = .number(rounded(Double(peakMemory()) / 1_048_576))
    }
}
