import ArgumentParser
import Heed
import HeedSupport
import Synchronization

/// Where the text comes from and how it is cut.
struct TrainingDataOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Text, JSONL, token (.bin) or row (.safetensors) files, or patterns such as 'part-*.jsonl'.",
            valueName: "file"))
    var data: [String] = []

    @Option(
        help: ArgumentHelp(
            "Measure the loss on another file, or on the last part of the data.", valueName: "file|fraction"))
    var validation: String?

    @Option(
        name: [.long, .customLong("block-size")],
        help: ArgumentHelp(
            "Tokens of a window; a new model is made for as many. (default: the model's own, at most 256)",
            valueName: "T"))
    var context: Int?

    @Option(help: ArgumentHelp("The order of windows: shuffled or sequential.", valueName: "order"))
    var order: String = "shuffled"

    @Option(
        help: ArgumentHelp(
            "How files of text are written: auto tells lines of JSON by the name .jsonl.", valueName: "auto|text|json"))
    var format = InputFormat.auto

    @Option(
        help: ArgumentHelp(
            "At a line of JSON that cannot be used: stop, or skip it and count it.", valueName: "stop|skip"))
    var onError = LineErrorPolicy.stop

    mutating func validate() throws { data = try expandPatterns(data) }

    /// Takes note of lines that are left out, where that was asked for.
    func skipping(_ skipped: SkippedLines) -> (@Sendable (HeedError) -> Void)? {
        guard onError == .skip else { return nil }
        return { skipped.add($0) }
    }
}

/// Lines of training data that were left out: told one by one at first, then counted.
final class SkippedLines: Sendable {
    private let count = Atomic<Int>(0)

    func add(_ error: HeedError) {
        if count.add(1, ordering: .relaxed).newValue <= 20 { StandardError.writeLine("heed: \(error.description)") }
    }

    /// Says how many there were, if any.
    func tell() {
        let number = count.load(ordering: .relaxed)
        if number > 0 { StandardError.writeLine("heed: \(counted(number, "line")) of the data left out.") }
    }
}
