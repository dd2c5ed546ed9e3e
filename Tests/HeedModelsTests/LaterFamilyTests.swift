import HeedProcessor
import HeedRun
import HeedSupport
import HeedTensor
import HeedWeights
import TestFixtures
import Testing

@testable import HeedModels

/// Small configurations of the families after the first seven, in today's spelling and in that of older files.
enum SmallConfiguration {
    private static let sizes: JSONObject = [
        "vocab_size": 20, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 4, "max_position_embeddings": 32, "pad_token_id": 0,
    ]

    private static func llama(_ name: String, _ more: JSONObject = [:]) -> JSONObject {
        var keys = sizes
        keys["model_type"] = .string(name)
        for key in more.keys { keys[key] = more[key] }
        return keys
    }

    private static func bert(_ name: String, _ architecture: String, _ more: JSONObject = [:]) -> JSONObject {
        var keys: JSONObject = [
            "vocab_size": 20, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 32, "pad_token_id": 1,
        ]
        keys["model_type"] = .string(name)
        keys["architectures"] = [.string(architecture)]
        for key in more.keys { keys[key] = more[key] }
        return keys
    }

    private static func bart(_ name: String, _ more: JSONObject = [:]) -> JSONObject {
        var keys: JSONObject = [
            "vocab_size": 20, "d_model": 16, "encoder_layers": 2, "encoder_ffn_dim": 24, "encoder_attention_heads": 2,
            "decoder_layers": 1, "decoder_ffn_dim": 20, "decoder_attention_heads": 4, "max_position_embeddings": 32,
        ]
        keys["model_type"] = .string(name)
        for key in more.keys { keys[key] = more[key] }
        return keys
    }

    static let all: [JSONObject] = [
        llama("mistral", ["sliding_window": 5]), llama("mistral", ["sliding_window": .null]),
        llama("qwen2", ["use_sliding_window": true, "sliding_window": 4, "max_window_layers": 1]),
        llama("qwen3", ["attention_bias": true]), llama("gemma"),
        llama("gemma2", ["sliding_window": 4, "query_pre_attn_scalar": 20]),
        llama(
            "gemma3_text",
            [
                "sliding_window": 4, "sliding_window_pattern": 2, "rope_local_base_freq": 9000, "rope_theta": 500000,
                "rope_scaling": ["rope_type": "linear", "factor": 8],
            ]),
        llama(
            "phi3",
            [
                "rope_scaling": ["type": "su", "short_factor": [1, 2], "long_factor": [3, 4]],
                "original_max_position_embeddings": 16, "partial_rotary_factor": 1,
            ]),
        llama("smollm3", ["no_rope_layers": [1, 0, 1]]), llama("olmo2", ["num_key_value_heads": 4]),
        llama("granite", ["embedding_multiplier": 12, "attention_multiplier": 0.1, "logits_scaling": 8]),
        llama("starcoder2"), llama("mixtral", ["num_local_experts": 4, "num_experts_per_tok": 2]),
        llama(
            "qwen3_moe",
            ["num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8, "mlp_only_layers": [1]]),
        llama(
            "llama",
            ["rope_scaling": ["type": "yarn", "factor": 4, "original_max_position_embeddings": 8], "rope_theta": 100]),
        llama("llama", ["rope_scaling": ["type": "dynamic", "factor": 2]]),
        [
            "model_type": "gpt_neox", "vocab_size": 20, "hidden_size": 16, "intermediate_size": 24,
            "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 32, "rotary_pct": 0.25,
            "rotary_emb_base": 5000,
        ],
        [
            "model_type": "opt", "vocab_size": 20, "hidden_size": 16, "ffn_dim": 24, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 32, "do_layer_norm_before": false,
        ],
        bert("distilbert", "DistilBertForMaskedLM", ["dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24]),
        bert(
            "distilbert", "DistilBertForSequenceClassification",
            ["dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "id2label": ["0": "good", "1": "bad"]]),
        bert("xlm-roberta", "XLMRobertaForMaskedLM"), bert("xlm-roberta", "XLMRobertaForSequenceClassification"),
        bert("camembert", "CamembertModel"), bert("mpnet", "MPNetModel"), bert("mpnet", "MPNetForMaskedLM"),
        bert("electra", "ElectraForMaskedLM", ["embedding_size": 8]), bert("electra", "ElectraModel"),
        bert("electra", "ElectraForPreTraining", ["embedding_size": 8, "hidden_act": "relu"]),
        bert("electra", "ElectraForSequenceClassification", ["embedding_size": 16, "num_labels": 3]),
        bert("modernbert", "ModernBertForMaskedLM", ["local_attention": 6, "global_rope_theta": 5000]),
        bert("modernbert", "ModernBertForTokenClassification", ["num_labels": 3]),
        bart("mbart"), bart("m2m_100"), bart("pegasus", ["pad_token_id": 0]),
        [
            "model_type": "mt5", "vocab_size": 20, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 2,
            "num_heads": 4, "tie_word_embeddings": false,
        ],
        ["model_type": "bloom", "vocab_size": 20, "n_embed": 16, "num_attention_heads": 2, "n_layer": 2],
    ]
}

@Suite("Families after the first seven")
struct LaterFamilyTests {
    static let goldens = ["families-decoder", "families-encoder", "families-seq2seq"].flatMap { kind in
        ((try? listDirectory(Shared.fixture(kind))) ?? []).sorted().map { kind + "/" + $0 }
    }

    @Test("what is written is read again", arguments: SmallConfiguration.all.indices)
    func roundTrip(index: Int) throws {
        let keys = SmallConfiguration.all[index]
        let folder = temporaryPath("family")
        defer { try? removeTree(folder) }
        try createDirectory(folder)
        let path = joinPath(folder, "given.json")
        try writeAtomically(path: path, text: JSON.object(keys).serialised())
        let model = try Model.new(configuration: path, seed: 5)
        try model.save(folder: folder)
        let again = try Model.load(folder: folder)
        #expect(again.warnings == [])
        #expect(again.architecture.configuration == model.architecture.configuration)
        let (old, new) = (try model.weights.all(), try again.weights.all())
        for tensor in model.checkpoint { #expect(tensor.stored(in: old) == tensor.stored(in: new), "\(tensor.name)") }
        #expect((0..<old.count).allSatisfy { abs(old.base[$0] - new.base[$0]) <= 1e-7 })
    }

    @Test("logits, loss and gradients against PyTorch", .enabled(if: Shared.isThere), arguments: goldens)
    func golden(place: String) throws {
        let folder = Shared.fixture(place)
        let golden = try SafetensorsFile(path: joinPath(folder, "golden.safetensors"))
        let model = try Model.load(folder: joinPath(folder, "hf"))
        #expect(model.warnings == [])
        var options = PassOptions()
        options.gradients = true
        let output = try ForwardPass(model, options: options, runtime: Runtime(threads: 2))
            .run(Golden.inputs(golden, "lm"))
        // Its head answers at every position, of padding too.
        let isElectra = place.hasSuffix("/electra")
        let isEncoder = place.hasPrefix("families-encoder")
        #expect(try Golden.expect(output, golden, "lm", masked: { _ in isEncoder && !isElectra }, limit: 5e-5) > 10)
    }
}
