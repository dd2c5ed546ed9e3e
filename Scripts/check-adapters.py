#!/usr/bin/env python3
"""Checks that PEFT reads the adapters that Heed trains, to the logits that Heed gives.

    python3 Scripts/check-adapters.py --heed .build/release/heed

Makes small random models of several families with `transformers`, trains a LoRA adapter on each for a few steps with Heed
(ranks, rsLoRA and heads that are kept whole among them), loads it with PeftModel.from_pretrained and compares logits with
`heed pass --adapter`, and with the folder that `heed convert --adapter` makes. Needs Python 3.9, `torch`, `transformers`,
`peft` and `safetensors`; nothing is fetched. Exit code 0: all equal.
"""
import argparse
import os
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

LLAMA_LIKE = dict(vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                  num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)


def models():
    """Name, configuration, class, and the options of `heed train`."""
    import transformers as t
    lm, sc = "AutoModelForCausalLM", "AutoModelForSequenceClassification"
    yield "gpt2", t.GPT2Config(vocab_size=97, n_positions=64, n_embd=32, n_layer=2, n_head=4), lm, ["--lora-targets", "c_attn,c_proj,c_fc"]
    yield "llama", t.LlamaConfig(**LLAMA_LIKE), lm, ["--lora-targets", "q_proj,v_proj", "--rslora"]
    yield "qwen2", t.Qwen2Config(**LLAMA_LIKE), lm, []
    yield "mistral", t.MistralConfig(**LLAMA_LIKE), lm, ["--lora-targets", "all-linear", "--lora-alpha", "3"]
    yield "gpt_neox", t.GPTNeoXConfig(vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                                      max_position_embeddings=64), lm, ["--lora-targets", "query_key_value,dense"]
    yield "phi3", t.Phi3Config(**LLAMA_LIKE), lm, ["--lora-targets", "qkv_proj,gate_up_proj"]
    yield "llama head", t.LlamaConfig(**LLAMA_LIKE), lm, ["--lora-targets", "lm_head,o_proj"]
    yield "llama table", t.LlamaConfig(**LLAMA_LIKE), lm, ["--lora-targets", "embed_tokens,q_proj"]
    bert = dict(vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                max_position_embeddings=64, num_labels=3, pad_token_id=0)
    yield "bert", t.BertConfig(**bert), sc, ["--lora-targets", "query,value"]
    yield "roberta", t.RobertaConfig(**{**bert, "max_position_embeddings": 66, "pad_token_id": 1}), sc, ["--lora-targets", "query,key"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--heed", default=".build/release/heed")
    heed = os.path.abspath(parser.parse_args().heed)
    import torch
    import transformers
    from peft import PeftModel
    from safetensors.torch import load_file, save_file

    def run(*words):
        call = subprocess.run([heed, *map(str, words)], capture_output=True, text=True)
        if call.returncode:
            raise RuntimeError(f"heed {' '.join(map(str, words))}: {call.stderr.strip()}")

    failed = 0
    for name, config, kind, options in models():
        with tempfile.TemporaryDirectory() as work:
            path = lambda part: os.path.join(work, part)
            torch.manual_seed(1)
            auto = getattr(transformers, kind)
            auto.from_config(config).save_pretrained(path("base"))
            ids = torch.randint(3, 97, (24, 10))
            labels = ids.clone() if "Causal" in kind else torch.randint(0, 3, (24,))
            save_file({"input_ids": ids, "labels": labels}, path("rows.safetensors"))
            save_file({"input_ids": ids[:2].contiguous()}, path("in.safetensors"))
            try:
                run("train", "--init", path("base"), "--data", path("rows.safetensors"), "--output", path("adapter"), "--lora-rank", 4,
                    "--steps", 12, "--batch", 4, "--lr", 0.01, "--quiet", *options)
                run("pass", path("base"), "--adapter", path("adapter"), "--input", path("in.safetensors"), "--output", path("apart.safetensors"))
                run("convert", path("base"), path("merged"), "--adapter", path("adapter"))
                model = auto.from_pretrained(path("base"))
                with torch.no_grad():
                    plain = model.eval()(ids[:2]).logits
                    wanted = PeftModel.from_pretrained(model, path("adapter")).eval()(ids[:2]).logits
                    merged = auto.from_pretrained(path("merged")).eval()(ids[:2]).logits
                apart = load_file(path("apart.safetensors"))["logits"]
                off = max((apart - wanted).abs().max().item(), (merged - wanted).abs().max().item())
                moved = (plain - wanted).abs().max().item()
                good = off <= 5e-5 and moved > 1e-3
                print(f"{'ok  ' if good else 'FAIL'} {name}: logits differ by {off:.1e}; the adapter moves them by {moved:.1e}")
            except Exception as why:
                good = False
                print(f"FAIL {name}: {str(why)[:400]}")
            failed += not good
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
