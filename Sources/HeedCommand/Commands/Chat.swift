#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import ArgumentParser
import Heed
import HeedSupport

/// `heed chat`: a conversation in the terminal.
struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with a chat model in the terminal.",
        discussion: """
            heed chat MODEL --system "You answer briefly." --temperature 0.7

            What you type goes through the model's chat template with everything said before; the answer comes as it is \
            written. A line that ends with \\ continues in the next, and so does everything between two lines of \"\"\". \
            Ctrl-C stops an answer. /help lists the commands: /reset, /system, /undo, /retry, /history, /save, /load, \
            /set, /quit. In a pipe every line is a message, and only answers are printed.
            """)

    @Argument(help: ArgumentHelp("The model: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(help: ArgumentHelp("The system message.", valueName: "text"))
    var system: String?

    @Option(help: ArgumentHelp("Continue a conversation from /save, or any JSON of messages.", valueName: "file"))
    var load: String?

    @Option(help: ArgumentHelp("Tools that the template tells the model of: a JSON array.", valueName: "file"))
    var tools: String?

    @OptionGroup(title: "Conversations") var chat: ChatTemplateOptions
    @OptionGroup(title: "Choosing tokens") var decoding: DecodingOptions

    @Option(help: ArgumentHelp("What is remembered of earlier tokens.", valueName: "f32|bf16|f16|int8|none"))
    var cache = CacheKind.float32

    @OptionGroup var form: WeightOption
    @OptionGroup var adapter: AdapterOption
    @OptionGroup var compute: ComputeOptions

    func validate() throws {
        if decoding.numBeams ?? 1 > 1 || decoding.numReturnSequences ?? 1 > 1 {
            throw ValidationError(
                "A conversation has one answer at a time: leave out --num-beams and --num-return-sequences.")
        }
        if decoding.isContrastive { throw ValidationError("--penalty-alpha: expected only with heed generate.") }
    }

    func run() throws {
        var history = ChatHistory()
        if let load { try history.load(load) }
        if let system { history.system = system }
        if let tools {
            let list = try JSON.load(path: tools)
            guard list.arrayValue != nil else {
                throw HeedError(
                    .badInput, "the tools are no list", in: tools, expected: "a JSON array", got: list.kindName)
            }
            history.tools = list
        }
        let tokenizer = try Tokenizer.load(path: model)
        let prompter = chat.prompter(model: model, tokenizer: .success(tokenizer))
        _ = try prompter.template(hasTools: history.tools != nil)
        let loaded = try adapter.load(model, weights: form.weights)
        guard case .decoder = loaded.architecture else {
            throw HeedError(.unsupported, "the model answers no conversation", in: model, expected: "a decoder")
        }
        var modelOptions = DecodingModelOptions()
        modelOptions.cache = cache
        let running = try DecodingModel(loaded, runtime: try compute.runtime(), options: modelOptions)
        let defaults = try decoding.defaults(folder: model)
        var options = decoding.options(defaults, ends: loaded.usableEnds, context: running.contextLength)
        // An answer ends by itself; where no length is asked for it may take the room that there is.
        if decoding.maxNewTokens == nil, !defaults.setsLength { options.maxNewTokens = running.contextLength }
        (options.numBeams, options.numReturnSequences) = (1, 1)
        try options.validate(vocabulary: running.vocabulary)
        let isInteractive = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
        if isInteractive { ChatInterrupt.install() }
        decoding.tell(defaults, for: options)
        let model = ChatModel(
            model: running, tokenizer: tokenizer, options: options,
            stops: decoding.stop.isEmpty ? defaults.stopStrings : decoding.stop)
        var session = ChatSession(
            prompter: prompter, history: history, isInteractive: isInteractive, answerer: model.answer)
        try session.run()
        try Signals.check()
    }
}
