import ArgumentParser
import Heed
import HeedSupport

/// Other segmentations than the best: for `heed tokenizer encode`.
struct SegmentationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Print the n most probable segmentations with their scores (unigram models). (default: off)",
            discussion: "One array per text, best first: [{\"ids\":[…],\"score\":…},…], no special tokens.",
            valueName: "n"))
    var best: Int?

    @Option(
        help: ArgumentHelp(
            "Draw a random segmentation with probability proportional to exp(x · score) (unigram models). (default: off)",
            discussion: "Small numbers draw more evenly; 0.1 to 0.5 are usual in training.", valueName: "x"))
    var sample: Float?

    @Option(
        help: ArgumentHelp(
            "BPE dropout: leave each merge out with this probability at every step; 0.1 is usual in training. "
                + "(default: off)",
            valueName: "p"))
    var dropout: Double?

    @Option(help: ArgumentHelp("The seed of --sample and --dropout; the same seed draws the same.", valueName: "n"))
    var seed: UInt64 = 0

    /// Whether one of them was asked for.
    var isAsked: Bool { best != nil || sample != nil || dropout != nil }

    func validate() throws {
        if [best != nil, sample != nil, dropout != nil].filter({ $0 }).count > 1 {
            throw ValidationError("Give only one of --best, --sample and --dropout.")
        }
        if let best { try check("--best", best, in: 1...1024) }
        if let sample, !sample.isFinite || sample < 0 { throw ValidationError("--sample takes a number from 0 on.") }
        if let dropout, !(0...1).contains(dropout) { throw ValidationError("--dropout takes a probability, 0 to 1.") }
    }

    /// What is printed for a text.
    ///
    /// - Throws: `HeedError` where the tokenizer's model has no such segmentations.
    func result(
        of text: [UInt8], _ tokenizer: Tokenizer, addingSpecialTokens: Bool, using generator: inout SeededGenerator
    ) throws -> JSON {
        func list(_ ids: [TokenID]) -> JSON { .array(ids.map { .integer(Int($0)) }) }
        if let best {
            return .array(
                try tokenizer.best(best, of: text).map { ["ids": list($0.ids), "score": .number($0.score)] })
        }
        let ids =
            if let dropout {
                try tokenizer.sample(text, dropout: dropout, using: &generator)
            } else {
                try tokenizer.sample(text, sharpness: sample ?? 1, using: &generator)
            }
        return list(tokenizer.finished(ids, addingSpecialTokens: addingSpecialTokens))
    }
}

/// Random numbers from a seed (Steele et al. 2014, SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
