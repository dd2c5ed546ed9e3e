import ArgumentParser
import HeedGenerate
import HeedSupport

extension BeamStopping: ExpressibleByArgument {}
extension ContextOverflow: ExpressibleByArgument {}
extension CacheKind: ExpressibleByArgument {}

/// A comma-separated list of ids.
struct IdList: ExpressibleByArgument {
    let ids: [Int32]

    init?(argument: String) {
        var ids: [Int32] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let id = Int32(part.trimmingSpaces) else { return nil }
            ids.append(id)
        }
        self.ids = ids
    }
}

extension Substring {
    /// The text without spaces at its ends.
    var trimmingSpaces: Substring {
        var rest = self
        while rest.first == " " { rest.removeFirst() }
        while rest.last == " " { rest.removeLast() }
        return rest
    }
}

/// How tokens are chosen: the options of Hugging Face's generation, under their names.
struct DecodingOptions: ParsableArguments {
    /// New tokens where none are asked for.
    static let usualNewTokens = 128

    @Option(
        name: [.long, .customShort("n"), .customLong("n-predict")],
        help: ArgumentHelp(
            "At most this many new tokens. (default: \(usualNewTokens), or as many as the model's context holds)",
            valueName: "n"))
    var maxNewTokens: Int?

    @Option(help: ArgumentHelp("No end before this many new tokens.", valueName: "n"))
    var minNewTokens = 0

    @Flag(name: [.long, .customLong("do-sample")], help: "Draw tokens at random; any filter below does the same.")
    var sample = false

    @Option(
        name: [.long, .customLong("temp")],
        help: ArgumentHelp("Divide the logits by this; 0 is greedy. (default: 1)", valueName: "x"))
    var temperature: Double?

    @Option(help: ArgumentHelp("Only the k most likely tokens.", valueName: "k"))
    var topK: Int?

    @Option(help: ArgumentHelp("Only the most likely tokens that sum to this probability.", valueName: "p"))
    var topP: Double?

    @Option(help: ArgumentHelp("Only tokens of at least this share of the likeliest one.", valueName: "p"))
    var minP: Double?

    @Option(help: ArgumentHelp("Only the most typical tokens that sum to this probability.", valueName: "p"))
    var typicalP: Double?

    @Option(help: ArgumentHelp("Only tokens of at least this probability.", valueName: "p"))
    var epsilonCutoff: Double?

    @Option(help: ArgumentHelp("Only tokens above a probability that falls with the entropy.", valueName: "p"))
    var etaCutoff: Double?

    @Option(help: ArgumentHelp("Each of these filters leaves at least so many tokens.", valueName: "n"))
    var minTokensToKeep = 1

    @Option(help: ArgumentHelp("Make tokens seen before less likely.", valueName: "x"))
    var repetitionPenalty = 1.0

    @Option(help: ArgumentHelp("Let no sequence of n tokens occur twice.", valueName: "n"))
    var noRepeatNgramSize = 0

    @Option(help: ArgumentHelp("Ids that are never generated.", valueName: "a,b"))
    var suppressTokens: IdList?

    @Option(help: ArgumentHelp("The id that every sequence starts with.", valueName: "id"))
    var forcedBosTokenId: Int?

    @Option(help: ArgumentHelp("Ids of which the last possible token is one.", valueName: "a,b"))
    var forcedEosTokenId: IdList?

    @Option(
        help: ArgumentHelp("Ids that never follow each other so; may be given several times.", valueName: "a,b"))
    var badWordsIds: [IdList] = []

    @Option(
        name: [.long, .customLong("beams")],
        help: ArgumentHelp("Search with so many beams. (default: 1; 4 for translate)", valueName: "n"))
    var numBeams: Int?

    @Option(help: ArgumentHelp("Divide a beam's score by its length to this power. (default: 1)", valueName: "x"))
    var lengthPenalty: Double?

    @Option(help: ArgumentHelp("When a beam search ends. (default: false)", valueName: "true|false|never"))
    var earlyStopping: BeamStopping?

    @Option(help: ArgumentHelp("How many sequences to give for each prompt.", valueName: "n"))
    var numReturnSequences = 1

    @Option(help: ArgumentHelp("Ids that end a sequence; those of the model where not given.", valueName: "a,b"))
    var eosTokenIds: IdList?

    @Option(
        help: ArgumentHelp("Accepted for likeness; sequences are not padded, by default or otherwise.", valueName: "id")
    )
    var padTokenId: Int?

    @Option(help: ArgumentHelp("End a sequence whose text holds this; may be given several times.", valueName: "text"))
    var stop: [String] = []

    @Option(help: ArgumentHelp("The seed of all draws.", valueName: "n"))
    var seed: UInt64 = 0

    @Option(
        help: ArgumentHelp(
            "Past the model's positions, stop with an error or forget the oldest tokens.", valueName: "error|slide"))
    var contextOverflow = ContextOverflow.error

    @Option(help: ArgumentHelp("How many of the oldest tokens to forget at a time.", valueName: "n"))
    var slideStep = 1

    /// Whether tokens are drawn: asked for, or implied by a filter.
    var draws: Bool {
        sample || temperature != nil || topK != nil || topP != nil || minP != nil || typicalP != nil
            || epsilonCutoff != nil || etaCutoff != nil
    }

    func validate() throws {
        if let stop = stop.first(where: \.isEmpty) {
            throw ValidationError("--stop: expected some text, got \(quoted(stop)).")
        }
        if !stop.isEmpty, numBeams ?? 1 > 1 {
            throw ValidationError("--stop: a beam search has no text before its end. Leave out --num-beams.")
        }
        // Values that make no sense are found before a model is read; how many sequences there can be is the
        // command's business, which may search with beams unasked.
        var options = options(ends: [])
        if !options.isRandom, options.numBeams == 1 { options.numReturnSequences = 1 }
        do { try options.validate() } catch let error as HeedError { throw ValidationError(error.description) }
    }

    /// Throws unless decoding with so many beams gives as many sequences as are asked for.
    func checkSequences(beams: Int) throws {
        var options = options(ends: [])
        options.numBeams = beams
        do { try options.validate() } catch let error as HeedError { throw ValidationError(error.description) }
    }

    /// The options for a model.
    ///
    /// - Parameter ends: the model's own end ids.
    func options(ends: [Int32]) -> GenerationOptions {
        var options = GenerationOptions()
        options.maxNewTokens = maxNewTokens ?? max(DecodingOptions.usualNewTokens, minNewTokens)
        options.minNewTokens = minNewTokens
        options.samples = draws
        options.temperature = temperature ?? options.temperature
        options.topK = topK ?? options.topK
        options.topP = topP ?? options.topP
        options.minP = minP ?? options.minP
        options.typicalP = typicalP ?? options.typicalP
        options.epsilonCutoff = epsilonCutoff ?? options.epsilonCutoff
        options.etaCutoff = etaCutoff ?? options.etaCutoff
        options.minTokensToKeep = minTokensToKeep
        options.repetitionPenalty = repetitionPenalty
        options.noRepeatNgramSize = noRepeatNgramSize
        options.suppressedTokens = suppressTokens?.ids ?? []
        options.badWords = badWordsIds.map(\.ids)
        options.forcedBeginToken = forcedBosTokenId.map { Int32(clamping: $0) }
        options.forcedEndTokens = forcedEosTokenId?.ids ?? []
        options.endTokens = eosTokenIds?.ids ?? ends
        options.numBeams = numBeams ?? 1
        options.lengthPenalty = lengthPenalty ?? options.lengthPenalty
        options.earlyStopping = earlyStopping ?? options.earlyStopping
        options.numReturnSequences = numReturnSequences
        options.seed = seed
        options.contextOverflow = contextOverflow
        options.slideStep = slideStep
        return options
    }
}
