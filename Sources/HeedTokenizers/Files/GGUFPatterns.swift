import HeedSupport

/// How byte-level tokenizers inside GGUF files cut text, under the names of `tokenizer.ggml.pre`.
///
/// Each is a list of patterns, one cut after another, whose matches and what lies between them are pieces. Source: the
/// `tokenizer.json` of the published models and the names that llama.cpp gives them.
struct GGUFPattern {
    let expressions: [String]
    /// Whether a piece that is a token is that token, whatever the merges say.
    var ignoresMerges = false
    /// Whether a begin mark goes before texts where the file says nothing.
    var addsBegin = false
    /// Whether text is composed first.
    var composes = false

    init(_ expressions: [String], ignoresMerges: Bool = false, addsBegin: Bool = false, composes: Bool = false) {
        self.expressions = expressions
        self.ignoresMerges = ignoresMerges
        self.addsBegin = addsBegin
        self.composes = composes
    }

    /// The pattern of a name, or nil for one that is not known.
    static func named(_ name: String) -> GGUFPattern? { table[name] }

    static var names: [String] { table.keys.sorted() }

    /// The name under which llama.cpp knows a way to cut, or nil where it has none.
    static func name(of expressions: [String], ignoresMerges: Bool, composes: Bool) -> String? {
        let common = ["gpt-2", "llama-bpe", "qwen2", "starcoder", "gpt-4o", "tekken", "dbrx", "mpt", "stablelm2"]
        let names = common + names.filter { $0 != "default" && !common.contains($0) }
        let fitting = names.filter { table[$0]?.expressions == expressions }
        return fitting.first { table[$0]?.ignoresMerges == ignoresMerges && table[$0]?.composes == composes }
            ?? fitting.first { table[$0]?.composes == composes } ?? fitting.first
    }

    /// The stage that cuts.
    func stage() throws -> any PreTokenizerStage {
        if expressions == [KnownPatterns.gpt2] { return ByteLevelPreTokenizer() }
        var stages: [any PreTokenizerStage] = try expressions.map {
            SplitPreTokenizer(try Pattern(expression: $0), .isolated)
        }
        stages.append(ByteLevelPreTokenizer(usesPattern: false))
        return SequencePreTokenizer(stages)
    }

    private static let contractions = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)"#
    /// A letter or mark that is no small one, and one that is no capital.
    private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
    private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
    private static let tail = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let digits = [#"\p{N}"#, KnownPatterns.gpt2]
    private static let bloom = #" ?[^(\s|.,!?…。，、।۔،)]+"#
    private static let deepSeekWords =
        ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"##
        + tail

    /// DeepSeek's list of letters that have a case.
    private static let casedLetters =
        "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u{1F7D}ᾀ-ᾴᾶ-ᾼ"
        + "\u{1FBE}ῂ-ῄῆ-ῌῐ-\u{1FD3}ῖ-\u{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u{2126}ℨ\u{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"

    /// Words in mixed case apart, with contractions at their ends where `suffix` has them.
    private static func cased(_ suffix: String, digits: String) -> String {
        #"[^\r\n\p{L}\p{N}]?\#(upper)*\#(lower)+\#(suffix)|[^\r\n\p{L}\p{N}]?\#(upper)+\#(lower)*\#(suffix)|"#
            + #"\#(digits)| ?[^\s\p{L}\p{N}]+[\r\n/]*|\#(tail)"#
    }

    private static let table: [String: GGUFPattern] = {
        let gpt2 = GGUFPattern([KnownPatterns.gpt2])
        let llama3 = GGUFPattern([KnownPatterns.cl100k], ignoresMerges: true, addsBegin: true)
        let cl100k = GGUFPattern([KnownPatterns.cl100k])
        let qwen2 = GGUFPattern([KnownPatterns.qwen2], composes: true)
        let single = GGUFPattern(digits)
        let gpt4o = GGUFPattern([cased("\(contractions)?", digits: #"\p{N}{1,3}"#)])
        let deepSeek3 = GGUFPattern([#"\p{N}{1,3}"#, "[一-龥぀-ゟ゠-ヿ]+", deepSeekWords])
        let bailing = GGUFPattern([
            #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
        ])
        let poro = GGUFPattern([bloom])
        let fallback = GGUFPattern([
            #"[\p{P}\$\+<=>\^~\|]+"#, KnownPatterns.gpt2, #"\p{N}+"#, "[0-9][0-9][0-9]",
        ])
        let groups: [(names: String, pattern: GGUFPattern)] = [
            (
                "gpt-2 gpt2 phi-2 jais trillion granite-docling exaone4 jina-es jina-de jina-v2-es jina-v2-de "
                    + "jina-v1-en jina-v2-code roberta-bpe gigachat a.x-4.0 mellum modern-bert", gpt2
            ),
            ("mpt olmo", GGUFPattern([KnownPatterns.gpt2], composes: true)),
            ("llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", llama3),
            ("dbrx smaug-bpe chatglm-bpe", cl100k),
            ("glm4 glm5", GGUFPattern([KnownPatterns.cl100k], ignoresMerges: true)),
            ("qwen2 deepseek-r1-qwen megrez kormo f2llmv2", qwen2),
            ("stablelm2 hunyuan solar-open grok-2", GGUFPattern([KnownPatterns.qwen2])),
            (
                "qwen35",
                GGUFPattern(
                    [
                        contractions + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"#
                            + tail
                    ], composes: true)
            ),
            ("starcoder refact smollm codeshell exaone minerva-7b mellum2", single),
            ("command-r", GGUFPattern(digits, composes: true)),
            ("gpt-4o llama4 kanana2 minimax-m2", gpt4o),
            (
                "tekken",
                GGUFPattern([cased("", digits: #"\p{N}"#)], ignoresMerges: true, addsBegin: true)
            ),
            (
                "falcon",
                GGUFPattern([#"[\p{P}\$\+<=>\^~\|`]+"#, KnownPatterns.gpt2, "[0-9][0-9][0-9]"])
            ),
            (
                "deepseek-coder",
                GGUFPattern([#"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, "[一-龥ࠀ-一가-퟿]+", #"\p{N}"#])
            ),
            (
                "deepseek-llm",
                GGUFPattern([
                    #"[\r\n]"#, #"\s?[\#(casedLetters)]+"#, #"\s?[!-/:-~！-／：-～‘-‟　-。]+"#, #"\s+$"#,
                    "[一-龥ࠀ-一가-퟿]+", #"\p{N}+"#,
                ])
            ),
            ("deepseek-v3 hunyuan-dense joyai-llm", deepSeek3),
            ("bailingmoe bailingmoe2 llada-moe", bailing),
            (
                "seed-coder",
                GGUFPattern([
                    contractions
                        + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|"# + tail
                ])
            ),
            ("bloom poro-chat gpt3-finnish", poro),
            ("viking", GGUFPattern([bloom, #"\p{N}"#])),
            ("superbpe", GGUFPattern([#"\p{N}+"#, #"(?=(\d{3})+(?!\d))"#])),
            ("default", fallback),
        ]
        var table: [String: GGUFPattern] = [:]
        for group in groups {
            for name in group.names.split(separator: " ") { table[String(name)] = group.pattern }
        }
        return table
    }()
}
