import ArgumentParser
import Heed
import HeedSupport

/// Which part of a model learns: all, all but some tensors, or an adapter beside it.
struct TrainedPartOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Train a LoRA adapter of so many ranks, and not the model.",
            discussion: "The output is a folder in the PEFT layout; heed convert --adapter merges it.", valueName: "r"))
    var loraRank: Int?

    @Option(help: ArgumentHelp("The adapter's products are scaled by α/r. (default: twice the rank)", valueName: "α"))
    var loraAlpha: Double?

    @Option(
        help: ArgumentHelp(
            "The linear layers that the adapter is on: the last words of their names, with commas. "
                + "(default: all-linear, which leaves out the output matrix)", valueName: "a,b"))
    var loraTargets: String?

    @Option(help: ArgumentHelp("Rate of dropout before the adapter's matrices. (default: 0)", valueName: "x"))
    var loraDropout: Double?

    @Flag(help: "Scale the adapter's products by α/√r instead (rsLoRA).")
    var rslora = false

    @Option(
        help: ArgumentHelp(
            "Modules that are trained and kept whole beside the adapter, with commas. (default: a classifier's head)",
            valueName: "a,b"))
    var modulesToSave: String?

    @Option(help: ArgumentHelp("Go on training this adapter: a folder in the PEFT layout.", valueName: "folder"))
    var adapter: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Leave tensors as they are whose whole names match an expression; they cost neither gradients nor products.",
            valueName: "pattern"))
    var freeze: [String] = []

    /// The option that asks for an adapter, where one is given.
    var adapterOption: String? { loraRank != nil ? "--lora-rank" : adapter != nil ? "--adapter" : nil }

    /// The options that are given.
    var given: [String] {
        [adapterOption].compactMap { $0 } + details + (freeze.isEmpty ? [] : ["--freeze"])
    }

    private var details: [String] {
        [
            ("--lora-alpha", loraAlpha != nil), ("--lora-targets", loraTargets != nil),
            ("--lora-dropout", loraDropout != nil), ("--rslora", rslora), ("--modules-to-save", modulesToSave != nil),
        ].filter(\.1).map(\.0)
    }

    func validate() throws {
        if let loraRank { try check("--lora-rank", loraRank, in: 1...LowRankUpdate.largestRank) }
        if let loraDropout { try check("--lora-dropout", loraDropout, in: 0...0.99) }
        if let loraAlpha, !loraAlpha.isFinite || abs(loraAlpha) > 1e9 {
            throw ValidationError("--lora-alpha: expected a finite number, got \(loraAlpha).")
        }
        if loraRank != nil, adapter != nil {
            throw ValidationError("--lora-rank and --adapter: expected a new adapter or one to continue.")
        }
        if let option = details.first, loraRank == nil {
            throw ValidationError("\(option): expected --lora-rank beside it.")
        }
    }

    /// What is put on the model that is loaded.
    ///
    /// - Parameter dropout: one rate everywhere, where it is asked for.
    func adaptation(seed: UInt64, dropout: Float?) throws -> Adaptation {
        var adaptation = Adaptation()
        adaptation.dropout = loraDropout == nil ? dropout : nil
        adaptation.frozen = try freeze.map { try NamePattern($0, in: "--freeze") }
        if let adapter { adaptation.adapter = .folder(adapter) }
        if let loraRank {
            func words(_ text: String) -> [String] { text.split(separator: ",").map { String($0) } }
            let targets = loraTargets ?? "all-linear"
            var configuration = AdapterConfiguration(
                rank: loraRank, alpha: loraAlpha ?? Double(2 * loraRank),
                targets: targets == "all-linear" ? .allLinear : .names(words(targets)))
            configuration.dividesByRoot = rslora
            configuration.dropout = Float(loraDropout ?? 0)
            configuration.saved = modulesToSave.map(words) ?? []
            configuration.savesHead = modulesToSave == nil
            adaptation.adapter = .new(configuration, seed: seed)
        }
        return adaptation
    }
}
