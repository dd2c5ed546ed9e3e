import Heed

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Whole optimiser steps of a model with random weights on random ids.
struct TrainingBench {
    private let runtime: Runtime
    private let configuration: DecoderConfiguration
    private let preset: String
    private let options: StepOptions

    init(_ runtime: Runtime, preset: String, batch: Int, context: Int, precision: Precision) throws {
        self.runtime = runtime
        self.preset = preset
        var options = StepOptions()
        options.batch = batch
        options.context = context
        options.precision = precision
        options.dropout = nil
        self.options = options
        if preset == "block" {
            // One block of 8 channels: almost pure overhead.
            configuration = .gpt2(width: 8, layers: 1, heads: 2, vocabulary: 65, context: max(context, 5))
        } else {
            var configuration = try Preset.named(preset).decoderConfiguration
            configuration.context = max(configuration.context, context)
            self.configuration = configuration
        }
    }

    private struct RandomIds: BatchSource {
        let options: StepOptions
        let vocabulary: Int
        func fill(_ batch: TokenBatch, step: Int, part: Int) throws {
            batch.clear()
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
            }
            batch.rows.current = options.batch * options.context
            batch.sequences.current = options.batch
        }
    }

    func run(seconds: Double, profile: Bool, into report: inout JSONObject) throws {
        let model = try Model(configuration, family: .gpt2, seed: 1)
        let training = try TrainingStep(model, options, runtime: runtime)
        let source = RandomIds(options: options, vocabulary: configuration.vocabulary)
        var number = 0
        let timings = try Timings(budget: seconds) {
            number += 1
            _ = try training.run(step: number, rate: 1e-4, from: source)
        }
        let tokens = Double(options.batch * options.context)
        let operations = 3 * tokens * configuration.operationsPerToken(keys: Double(options.context + 1) / 2)
        report["preset"] = .string(preset)
        report["batch"] = .integer(options.batch)
        report["context"] = .integer(options.context)
        report["dtype"] = .string(options.precision == .float32 ? "f32" : "bf16")
        report["steps"] = .integer(timings.seconds.count)
        report["milliseconds_per_step"] = .number(rounded(timings.median * 1e3))
        report["milliseconds_per_step_least"] = .number(rounded(timings.least * 1e3))
        report["milliseconds_per_step_most"] = .number(rounded(timings.most * 1e3))
        report["tokens_per_second"] = .number(rounded(tokens / timings.median))
        report["gflops"] = .number(rounded(operations / timings.median / 1e9))
        if profile {
            report["profile"] = .array(
                training.plan.profile().map { row in
                    [
                        "step": .string(row.name), "calls": .integer(row.calls),
                        "milliseconds": .number(rounded(row.seconds * 1e3)),
                    ]
                })
        }
        report["peak_memory_mb"] = .number(rounded(peakMemory()))
    }

    private func peakMemory() -> Double {
        var usage = rusage()
        #if canImport(Darwin)
            getrusage(RUSAGE_SELF, &usage)
            return Double(usage.ru_maxrss) / 1_048_576
        #else
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
            return Double(usage.ru_maxrss) / 1_024
        #endif
    }
}
