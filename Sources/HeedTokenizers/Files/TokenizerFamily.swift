import HeedSupport

/// The tokenizers whose classic files have conventions of their own.
enum TokenizerFamily: Sendable {
    case bert, mpnet
    case gpt2, roberta, qwen2, gptNeoX
    case llama, gemma
    case t5, xlmRoberta, camembert, mBART, mBART50, nllb, pegasus, albert, xlnet
    case marian, m2m100
    /// A class of no conventions: what the files themselves say.
    case plain

    /// The family that the files of a folder name, by the class or by the kind of model; nil where they name none.
    ///
    /// - Throws: `HeedError` of kind `unsupported` for a class whose conventions are not known here.
    init?(_ settings: TokenizerSettings) throws {
        if let name = settings.className {
            if let family = Self.classes[name] {
                self = family
                return
            }
            if Self.others.contains(name) {
                throw HeedError(
                    .unsupported, "the tokenizer class \(quoted(name)) has rules for ids that are not known",
                    in: settings.place, advice: "Save the tokenizer as tokenizer.json and use that")
            }
        }
        guard let type = settings.modelType, let family = Self.models[type] else { return nil }
        self = family
    }

    private static let classes: [String: TokenizerFamily] = [
        "BertTokenizer": .bert, "DistilBertTokenizer": .bert, "ElectraTokenizer": .bert, "MobileBertTokenizer": .bert,
        "ConvBertTokenizer": .bert, "LayoutLMTokenizer": .bert, "LxmertTokenizer": .bert,
        "SqueezeBertTokenizer": .bert, "RetriBertTokenizer": .bert, "DPRContextEncoderTokenizer": .bert,
        "DPRQuestionEncoderTokenizer": .bert, "DPRReaderTokenizer": .bert, "MPNetTokenizer": .mpnet,
        "GPT2Tokenizer": .gpt2, "CodeGenTokenizer": .gpt2, "RobertaTokenizer": .roberta, "BartTokenizer": .roberta,
        "LEDTokenizer": .roberta, "LongformerTokenizer": .roberta, "MvpTokenizer": .roberta,
        "Qwen2Tokenizer": .qwen2, "GPTNeoXTokenizer": .gptNeoX, "LlamaTokenizer": .llama,
        "CodeLlamaTokenizer": .llama, "GemmaTokenizer": .gemma, "T5Tokenizer": .t5, "MT5Tokenizer": .t5,
        "XLMRobertaTokenizer": .xlmRoberta, "CamembertTokenizer": .camembert, "MBartTokenizer": .mBART,
        "MBart50Tokenizer": .mBART50, "NllbTokenizer": .nllb, "PegasusTokenizer": .pegasus,
        "AlbertTokenizer": .albert, "XLNetTokenizer": .xlnet, "MarianTokenizer": .marian, "M2M100Tokenizer": .m2m100,
        "PreTrainedTokenizer": .plain, "TokenizersBackend": .plain,
    ]

    /// Classes of `transformers` that decide ids in ways of their own.
    private static let others: Set<String> = [
        "BarthezTokenizer", "BartphoTokenizer", "BertGenerationTokenizer", "BertJapaneseTokenizer", "BertweetTokenizer",
        "BigBirdTokenizer", "BioGptTokenizer", "BlenderbotTokenizer", "BlenderbotSmallTokenizer", "ByT5Tokenizer",
        "CLIPTokenizer", "CTRLTokenizer", "CanineTokenizer", "CpmTokenizer", "DebertaTokenizer", "DebertaV2Tokenizer",
        "FNetTokenizer", "FSMTTokenizer", "FlaubertTokenizer", "FunnelTokenizer", "GPTSw3Tokenizer",
        "GPTNeoXJapaneseTokenizer", "HerbertTokenizer", "LayoutXLMTokenizer", "LukeTokenizer", "MLukeTokenizer",
        "OpenAIGPTTokenizer", "PLBartTokenizer", "PhobertTokenizer", "ProphetNetTokenizer", "ReformerTokenizer",
        "RemBertTokenizer", "RoCBertTokenizer", "RoFormerTokenizer", "SeamlessM4TTokenizer", "SiglipTokenizer",
        "Speech2TextTokenizer", "SpeechT5Tokenizer", "SplinterTokenizer", "TapasTokenizer", "UdopTokenizer",
        "VitsTokenizer", "Wav2Vec2CTCTokenizer", "WhisperTokenizer", "XGLMTokenizer", "XLMTokenizer",
    ]

    private static let models: [String: TokenizerFamily] = [
        "bert": .bert, "distilbert": .bert, "electra": .bert, "mpnet": .mpnet, "gpt2": .gpt2, "gptj": .gpt2,
        "gpt_neo": .gpt2, "opt": .gpt2, "phi": .gpt2, "starcoder2": .gpt2, "roberta": .roberta, "bart": .roberta,
        "qwen2": .qwen2, "qwen3": .qwen2, "qwen3_moe": .qwen2, "gpt_neox": .gptNeoX, "gemma": .gemma,
        "gemma2": .gemma, "gemma3_text": .gemma, "gemma3": .gemma, "t5": .t5, "mt5": .t5, "umt5": .t5,
        "xlm-roberta": .xlmRoberta, "camembert": .camembert, "mbart": .mBART, "pegasus": .pegasus,
        "albert": .albert, "xlnet": .xlnet, "marian": .marian, "m2m_100": .m2m100,
    ]
}
