import ArgumentParser
import Heed
import HeedProcessor
import HeedTensor

/// `heed bench`: speeds on this machine beside what the machine can do.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure speeds on this machine.",
        discussion: """
            heed bench train --preset gpt2 --batch 4 --context 64
            heed bench gemm --threads 1 --json
            mpirun -n 2 heed bench train --threads 1 --batch 16

            Medians of repeated runs, with the machine's own limits measured in the same run: a speed is worth quoting \
            as a share of a limit, or beside another program run in the same hour.
            """)

    /// What is measured.
    enum Workload: String, ExpressibleByArgument, CaseIterable {
        case machine, gemm, train, decode, prefill, translate, tokenizer
    }

    @Argument(help: "What to measure.")
    var workload: Workload = .machine

    @Option(help: ArgumentHelp("The shape of the model: gpt2, or transformer-base for translate.", valueName: "name"))
    var preset: String?

    @Option(
        help: ArgumentHelp(
            "Tokens of the vocabulary; the preset's where not given, 512 for tokenizer.", valueName: "n"))
    var vocabSize: Int?

    @Option(
        help: ArgumentHelp(
            "Sequences at once. (default: 4; 32 for encoder-decoders, 1 for decode and prefill)", valueName: "n"))
    var batch: Int?

    @Option(
        help: ArgumentHelp(
            "Tokens of a sequence. (default: 64; 32 on each side for encoder-decoders, 512 for prefill)",
            valueName: "n"))
    var context: Int?

    @Option(help: ArgumentHelp("Dropout everywhere while training; the preset's rates if none.", valueName: "p"))
    var dropout: Double?

    @Option(help: ArgumentHelp("Label smoothing while training.", valueName: "x"))
    var labelSmoothing = 0.0

    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("Beams while translating, one run for each.", valueName: "n"))
    var beams: [Int] = [1, 4]

    @Option(
        name: [.long, .customLong("weights")],
        help: ArgumentHelp(
            "The operands of matrix products; f16, int8 and int4 where models only run.",
            valueName: "f32|bf16|f16|int8|int4"))
    var dtype = WeightForm.float32

    @Option(
        help: ArgumentHelp(
            "What decode remembers of earlier tokens. (default: f32)", valueName: "f32|bf16|f16|int8|none"))
    var cache: CacheKind?

    @Option(help: ArgumentHelp("Seconds to measure, warm-up apart.", valueName: "s"))
    var seconds = 10.0

    @Flag(help: "Also show what each kind of step of one pass takes.")
    var profile = false

    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        if let batch { try check("--batch", batch, in: 1...65_536) }
        if let context { try check("--context", context, in: 1...1_048_576) }
        if let vocabSize { try check("--vocab-size", vocabSize, in: 2...1 << 24) }
        if let dropout { try check("--dropout", dropout, in: 0...0.999) }
        try check("--label-smoothing", labelSmoothing, in: 0...0.999)
        for count in beams { try check("--beams", count, in: 1...1_024) }
        try check("--seconds", seconds, in: 0.1...3_600)
        if let cache, workload != .decode {
            throw ValidationError("--cache \(cache.rawValue): only decode has a cache, not \(workload.rawValue).")
        }
        if [.gemm, .train].contains(workload), ![.float32, .bfloat16].contains(dtype) {
            throw ValidationError("--dtype: expected f32 or bf16 for \(workload.rawValue), got \(dtype.rawValue).")
        }
    }

    func run() throws {
        guard workload == .train else { return try run(SingleRank()) }
        try RankedJob.run { try run($0.communicator) }
    }

    private func run(_ communicator: any Communicator) throws {
        let runtime = try compute.runtime()
        var report = JSONObject()
        report["workload"] = .string(workload.rawValue)
        report["instruction_set"] = .string(runtime.kernels.instructionSet.rawValue)
        report["threads"] = .integer(runtime.team.count)
        let probe = MachineProbe(runtime)
        let peak = probe.peakOperations()
        report["machine_gflops"] = .number(rounded(peak / 1e9))
        report["machine_read_gb_per_second"] = .number(rounded(try probe.readBandwidth() / 1e9))
        switch workload {
        case .machine:
            let bf16 = probe.peakOperations(.bfloat16)
            report["machine_bf16_gflops"] = .number(rounded(bf16 / 1e9))
            report["machine_int8_gops"] = .number(rounded(probe.peakOperations(.int8) / 1e9))
            report["fastest_products"] = .string(bf16 > peak ? "bf16" : "f32")
        case .gemm: report["products"] = .array(try ProductBench(runtime, precision).run(seconds: seconds))
        case .train:
            var options = StepOptions()
            options.precision = precision
            options.dropout = dropout.map { Float($0) }
            options.labelSmoothing = Float(labelSmoothing)
            try TrainingBench(
                runtime, shape, batch: batch, context: context, options: options, communicator: communicator
            ).run(seconds: seconds, profile: profile, into: &report)
        case .translate:
            try TranslationBench(runtime, shape, weights: dtype)
                .run(
                    batch: batch ?? 32, context: context ?? 32, beams: beams, seconds: seconds, profile: profile,
                    into: &report)
        case .tokenizer:
            try TokenizerBench(threads: runtime.team.count)
                .run(vocabulary: vocabSize ?? 512, seconds: seconds, into: &report)
        case .decode:
            try DecodingBench(runtime, shape, weights: dtype)
                .decode(batch: batch ?? 1, cache: cache ?? .float32, seconds: seconds, into: &report)
        case .prefill:
            try DecodingBench(runtime, shape, weights: dtype)
                .prefill(batch: batch ?? 1, context: context ?? 512, seconds: seconds, into: &report)
        }
        guard communicator.rank == 0 else { return }
        if output.json {
            try StandardOutput.writeLine(.object(report))
        } else {
            for (key, value) in report { try Bench.printLine(key, value) }
        }
    }

    private var precision: Precision { dtype == .bfloat16 ? .bfloat16 : .float32 }

    private var shape: BenchShape {
        BenchShape(preset: preset ?? (workload == .translate ? "transformer-base" : "gpt2"), vocabulary: vocabSize)
    }

    private static func printLine(_ key: String, _ value: JSON) throws {
        if let rows = value.arrayValue {
            for row in rows {
                let cells = row.objectValue?.map { "\($0.key) \($0.value.serialised())" } ?? []
                try StandardOutput.writeLine("  " + cells.joined(separator: ", "))
            }
        } else {
            let name = String(key.map { $0 == "_" ? " " : $0 })
            let padding = String(repeating: " ", count: max(1, 30 - name.count))
            try StandardOutput.writeLine(name + padding + (value.stringValue ?? value.serialised()))
        }
    }
}

/// A kind of step with what it took, for reports.
func profileRow(_ row: (name: String, seconds: Double, calls: Int)) -> JSON {
    [
        "step": .string(row.name), "calls": .integer(row.calls), "milliseconds": .number(rounded(row.seconds * 1e3)),
    ]
}

/// Four significant digits: more would claim a repeatability that no machine has.
func rounded(_ value: Double) -> Double {
    guard value != 0, value.isFinite else { return 0 }
    var scale = 1.0
    while abs(value) * scale < 1_000 { scale *= 10 }
    while abs(value) * scale >= 10_000 { scale /= 10 }
    let result = (value * scale).rounded() / scale
    return result
}
