#!/usr/bin/env python3
"""Checks, for every family, that Heed and transformers read each other's folders to the same numbers.

    python3 Scripts/check-models.py --heed .build/release/heed [--only gpt2,llama] [--steps 20]

For each family a small model with random weights is made by transformers and saved. Then
- `heed pass` on that folder gives the logits that transformers gives,
- the folder that `heed convert` writes loads with the Auto class, every tensor read, and gives the same logits,
- `heed train` for some steps gives the losses of the same steps in PyTorch, and what it saved loads to its logits.

Needs Python 3.9 with `torch`, `transformers`, `safetensors` and numpy; nothing is fetched. Exit code 0: all equal.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.numpy import load_file, save_file  # noqa: E402

# The largest difference, as a share of the largest number.
LIMIT, LOSS_LIMIT = 5e-5, 2e-4

VOCABULARY, WIDTH, HEADS, LAYERS, CONTEXT = 96, 32, 4, 2, 48
PLAIN = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
             intermediate_size=64, max_position_embeddings=CONTEXT, pad_token_id=0, bos_token_id=1, eos_token_id=2,
             hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attention_dropout=0.0)
GROUPED = dict(PLAIN, num_key_value_heads=2, head_dim=8)
SEQ2SEQ = dict(vocab_size=VOCABULARY, d_model=WIDTH, encoder_layers=LAYERS, decoder_layers=LAYERS,
               encoder_attention_heads=HEADS, decoder_attention_heads=HEADS, encoder_ffn_dim=64, decoder_ffn_dim=64,
               max_position_embeddings=CONTEXT, dropout=0.0, pad_token_id=1, bos_token_id=0, eos_token_id=2,
               decoder_start_token_id=2)
EXPERTS = dict(num_experts_per_tok=2, router_aux_loss_coef=0.0)
T5 = dict(vocab_size=VOCABULARY, d_model=WIDTH, d_kv=8, d_ff=64, num_layers=LAYERS, num_heads=HEADS, dropout_rate=0.0,
          pad_token_id=0, eos_token_id=1, decoder_start_token_id=0)
GEMMA = dict(GROUPED, query_pre_attn_scalar=8, sliding_window=8)

# Family: class of the configuration, class of the model, keys.
FAMILIES = {
    "gpt2": ("GPT2Config", "GPT2LMHeadModel", dict(
        vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, n_positions=CONTEXT, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=2)),
    "llama": ("LlamaConfig", "LlamaForCausalLM", GROUPED),
    "mistral": ("MistralConfig", "MistralForCausalLM", dict(GROUPED, sliding_window=8)),
    "mixtral": ("MixtralConfig", "MixtralForCausalLM", dict(GROUPED, num_local_experts=4, **EXPERTS)),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", GROUPED),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", GROUPED),
    "qwen3_moe": ("Qwen3MoeConfig", "Qwen3MoeForCausalLM", dict(
        GROUPED, num_experts=4, moe_intermediate_size=24, decoder_sparse_step=1, **EXPERTS)),
    "gemma": ("GemmaConfig", "GemmaForCausalLM", GROUPED),
    "gemma2": ("Gemma2Config", "Gemma2ForCausalLM", dict(GEMMA, attn_implementation="eager")),
    "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM", GEMMA),
    "phi3": ("Phi3Config", "Phi3ForCausalLM", dict(GROUPED, original_max_position_embeddings=CONTEXT)),
    "olmo2": ("Olmo2Config", "Olmo2ForCausalLM", GROUPED),
    "gpt_neox": ("GPTNeoXConfig", "GPTNeoXForCausalLM", dict(PLAIN, rotary_pct=0.5)),
    "starcoder2": ("Starcoder2Config", "Starcoder2ForCausalLM", dict(
        GROUPED, residual_dropout=0.0, embedding_dropout=0.0)),
    "granite": ("GraniteConfig", "GraniteForCausalLM", dict(
        GROUPED, embedding_multiplier=2.0, residual_multiplier=0.5, logits_scaling=1.5)),
    "smollm3": ("SmolLM3Config", "SmolLM3ForCausalLM", GROUPED),
    "opt": ("OPTConfig", "OPTForCausalLM", dict(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, ffn_dim=64,
        max_position_embeddings=CONTEXT, dropout=0.0, pad_token_id=1, bos_token_id=2, eos_token_id=2,
        word_embed_proj_dim=WIDTH)),
    "bloom": ("BloomConfig", "BloomForCausalLM", dict(
        vocab_size=VOCABULARY, hidden_size=WIDTH, n_layer=LAYERS, n_head=HEADS, hidden_dropout=0.0,
        attention_dropout=0.0)),
    "bert": ("BertConfig", "BertForMaskedLM", PLAIN),
    "roberta": ("RobertaConfig", "RobertaForMaskedLM", dict(PLAIN, pad_token_id=1, bos_token_id=0)),
    "xlm_roberta": ("XLMRobertaConfig", "XLMRobertaForMaskedLM", dict(PLAIN, pad_token_id=1, bos_token_id=0)),
    "distilbert": ("DistilBertConfig", "DistilBertForMaskedLM", dict(
        vocab_size=VOCABULARY, dim=WIDTH, n_layers=LAYERS, n_heads=HEADS, hidden_dim=64,
        max_position_embeddings=CONTEXT, dropout=0.0, attention_dropout=0.0, pad_token_id=0)),
    "mpnet": ("MPNetConfig", "MPNetForMaskedLM", dict(PLAIN, pad_token_id=1, bos_token_id=0)),
    "electra": ("ElectraConfig", "ElectraForMaskedLM", dict(PLAIN, embedding_size=16)),
    "electra_discriminator": ("ElectraConfig", "ElectraForPreTraining", dict(PLAIN, embedding_size=16)),
    "modernbert": ("ModernBertConfig", "ModernBertForMaskedLM", dict(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=4, num_attention_heads=HEADS, intermediate_size=64,
        max_position_embeddings=CONTEXT, local_attention=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        cls_token_id=1, sep_token_id=2, attn_implementation="eager")),
    "marian": ("MarianConfig", "MarianMTModel", dict(SEQ2SEQ, decoder_start_token_id=1, scale_embedding=True)),
    "bart": ("BartConfig", "BartForConditionalGeneration", dict(SEQ2SEQ, forced_eos_token_id=2)),
    "mbart": ("MBartConfig", "MBartForConditionalGeneration", SEQ2SEQ),
    "m2m_100": ("M2M100Config", "M2M100ForConditionalGeneration", dict(
        SEQ2SEQ, encoder_layerdrop=0.0, decoder_layerdrop=0.0, attention_dropout=0.0)),
    "pegasus": ("PegasusConfig", "PegasusForConditionalGeneration", dict(SEQ2SEQ, pad_token_id=0, eos_token_id=1)),
    "t5": ("T5Config", "T5ForConditionalGeneration", dict(T5, feed_forward_proj="relu")),
    "mt5": ("MT5Config", "MT5ForConditionalGeneration", T5),
}


# Tables that follow from the configuration: not stored, and made by transformers when it loads.
DERIVED = {"pegasus": ("model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight")}


class Difference(Exception):
    pass


class Checker:
    def __init__(self, heed, work, steps):
        self.heed, self.work, self.steps, self.failed, self.passed = heed, work, steps, 0, 0

    def run(self, *arguments):
        call = subprocess.run([self.heed, *map(str, arguments)], capture_output=True, text=True)
        if call.returncode:
            raise Difference(f"heed {' '.join(map(str, arguments))}: {call.stderr.strip()}")

    def rows(self, kind, count):
        """Rows without padding, so that every position counts; ids that are nowhere special."""
        generator = np.random.default_rng(7)
        rows = {"input_ids": generator.integers(3, VOCABULARY, (count, 16))}
        rows["labels"] = rows["input_ids"].copy() if kind == "decoder" else generator.integers(
            0 if kind == "discriminator" else 3, 2 if kind == "discriminator" else VOCABULARY, (count, 16))
        if kind == "encoder":
            rows["labels"][:, ::3] = -100
        return {name: value.astype(np.int64) for name, value in rows.items()}

    def pass_logits(self, folder, rows):
        save_file(rows, os.path.join(self.work, "in.safetensors"))
        self.run("pass", folder, "--input", os.path.join(self.work, "in.safetensors"), "--output",
                 os.path.join(self.work, "out.safetensors"))
        found = load_file(os.path.join(self.work, "out.safetensors"))
        os.remove(os.path.join(self.work, "out.safetensors"))
        return found.get("logits", found.get("prediction_logits")), float(found["loss"].reshape(()))

    @staticmethod
    def their_logits(model, rows):
        with torch.no_grad():
            out = model(**{name: torch.from_numpy(value) for name, value in rows.items()})
        return out.logits.numpy(), float(out.loss)

    @staticmethod
    def near(what, ours, theirs, limit=LIMIT):
        ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        if ours.shape != theirs.shape:
            raise Difference(f"{what}: shape {ours.shape}, expected {theirs.shape}")
        worst = np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-9)
        if not worst <= limit:
            raise Difference(f"{what}: {worst:.1e} of the largest (limit {limit:.0e})")
        return worst

    @staticmethod
    def load(model_class, folder, derived=()):
        """Loads a folder and refuses tensors that are missing, but for those derived, or left over."""
        model, info = model_class.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
        info["missing_keys"] = set(info["missing_keys"]) - set(derived)
        left = {key: sorted(info[key]) for key in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[key]}
        if left:
            raise Difference(f"loading {folder}: {left}")
        return model.eval()

    def family(self, name):
        configuration_name, model_name, keys = FAMILIES[name]
        kind = "seq2seq" if ("Conditional" in model_name or "MTModel" in model_name) else (
            "encoder" if "MaskedLM" in model_name else "discriminator" if "PreTraining" in model_name else "decoder")
        auto = {"decoder": transformers.AutoModelForCausalLM, "encoder": transformers.AutoModelForMaskedLM,
                "seq2seq": transformers.AutoModelForSeq2SeqLM, "discriminator": transformers.AutoModelForPreTraining}[kind]
        derived = DERIVED.get(name, ())
        torch.manual_seed(1)
        keys = dict(keys)
        attention = keys.pop("attn_implementation", "eager")
        configuration = getattr(transformers, configuration_name)(**keys)
        configuration._attn_implementation = attention
        model = getattr(transformers, model_name)(configuration).eval()
        with torch.no_grad():
            for parameter in filter(lambda parameter: parameter.requires_grad, model.parameters()):
                # Biases and norms are not to be what they start as.
                parameter.add_(0.05 * torch.randn_like(parameter))
        theirs = os.path.join(self.work, name)
        ours = theirs + "-heed"
        model.save_pretrained(theirs)
        rows = self.rows(kind, 2)
        want, want_loss = self.their_logits(model, rows)
        got, got_loss = self.pass_logits(theirs, rows)
        worst = max(self.near("heed's logits of transformers' folder", got, want),
                    self.near("the loss", got_loss, want_loss))
        self.run("convert", theirs, ours)
        again, _ = self.their_logits(self.load(auto, ours, derived), rows)
        worst = max(worst, self.near("transformers' logits of heed's folder", again, want))
        if self.steps:
            self.train(kind, auto, model, theirs, ours + "-trained", derived)
        return worst

    def train(self, kind, auto, model, theirs, trained, derived):
        batch = 2
        rows = self.rows(kind, batch * self.steps)
        data = os.path.join(self.work, "rows.safetensors")
        save_file(rows, data)
        log = os.path.join(self.work, "log.jsonl")
        self.run("train", "--init", theirs, "--data", data, "--output", trained, "--order", "sequential", "--batch",
                 batch, "--context", 16, "--steps", self.steps, "--lr", "1e-3", "--warmup", 0, "--schedule", "constant",
                 "--weight-decay", "0.1", "--clip", "1", "--dropout", "0", "--log", log, "--quiet")
        losses = [row["loss"] for row in map(json.loads, open(log)) if "loss" in row]
        os.remove(log)
        matrices = [p for p in model.parameters() if p.dim() >= 2 and p.requires_grad]
        others = [p for p in model.parameters() if p.dim() < 2 and p.requires_grad]
        optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=1e-3,
            betas=(0.9, 0.95), eps=1e-8)
        expected = []
        for step in range(self.steps):
            part = {key: torch.from_numpy(value[step * batch:(step + 1) * batch]) for key, value in rows.items()}
            optimiser.zero_grad()
            loss = model(**part).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            expected.append(float(loss))
        self.near("the losses of training", losses, expected, LOSS_LIMIT)
        held = {key: value[:2] for key, value in rows.items()}
        got, _ = self.pass_logits(trained, held)
        again, _ = self.their_logits(self.load(auto, trained, derived), held)
        self.near("transformers' logits of the trained folder", again, got)

    def check(self, name):
        try:
            worst = self.family(name)
            self.passed += 1
            print(f"ok    {name:21} {worst:.1e}", flush=True)
        except Exception as error:  # every failure is one line, and the next family follows
            self.failed += 1
            print(f"FAIL  {name:21} {type(error).__name__}: {str(error)[:500]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heed", default=".build/release/heed")
    parser.add_argument("--only", help="families with commas between; all if none")
    parser.add_argument("--steps", type=int, default=20, help="steps of training; 0 for none")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as work:
        checker = Checker(os.path.abspath(arguments.heed), work, arguments.steps)
        for name in arguments.only.split(",") if arguments.only else FAMILIES:
            checker.check(name)
        print(f"{checker.passed} families equal, {checker.failed} not")
        sys.exit(1 if checker.failed else 0)


if __name__ == "__main__":
    main()
