#!/usr/bin/env python3
"""Measures reading and continuing text beside llama.cpp, CTranslate2 and PyTorch, all in one run.

    python3 Scripts/compare-decode.py --heed .build/release/heed --llama DIR [--rounds 3] [--threads 2] [--only D1,P1]

The model is a GPT-2 124M of random weights, made once in --work. Rows: D1 to D4 continue one prompt of 32 tokens by 128
in fp32, bf16, int8 and int4 (Q8_0 and Q4_0 for llama.cpp); D5 to D7 continue 16 at once; P1 to P3 read 512 tokens. Every
round measures every program once, in turn, so that drift of the machine meets all of them; the medians and the ratio of
Heed to the best of the others are printed, with the processor's name and its limits. Run it on an otherwise idle machine.

DIR holds `llama-bench` and `llama-batched-bench`. Python needs `torch`, `transformers` and `ctranslate2`. A program that
is missing or refuses a form is left out of that row. Exit code 0: every row was measured by Heed and one other program.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

# Row: form, sequences, and whether it reads 512 tokens in place of writing 128.
ROWS = {"D1": ("f32", 1, False), "D2": ("bf16", 1, False), "D3": ("int8", 1, False), "D4": ("int4", 1, False),
        "D5": ("f32", 16, False), "D6": ("bf16", 16, False), "D7": ("int8", 16, False),
        "P1": ("f32", 1, True), "P2": ("bf16", 1, True), "P3": ("int8", 1, True)}
GGUF = {"f32": "f32", "bf16": "bf16", "int8": "q8_0", "int4": "q4_0"}
PROMPT, NEW, READ, VOCABULARY = 32, 128, 512, 50257


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout


class Heed:
    def __init__(self, options):
        self.options = options

    def measure(self, form, batch, reads):
        work = ["prefill", "--context", str(READ)] if reads else ["decode", "--cache", self.options.cache]
        report = json.loads(run(
            self.options.heed, "bench", *work, "--preset", "gpt2", "--batch", str(batch), "--weights", form,
            "--threads", str(self.options.threads), "--seconds", str(self.options.seconds), "--json"))
        return report["tokens_per_second"]


class Llama:
    def __init__(self, options):
        self.options = options

    def model(self, form):
        path = os.path.join(self.options.work, f"gpt2-{GGUF[form]}.gguf")
        if not os.path.exists(path):
            run(self.options.heed, "convert", os.path.join(self.options.work, "hf"), path, "--dtype", GGUF[form])
        return path

    def measure(self, form, batch, reads):
        threads = ["-t", str(self.options.threads)]
        if batch == 1:
            lengths = ["-p", str(READ), "-n", "0"] if reads else ["-p", "0", "-n", str(NEW)]
            report = run(os.path.join(self.options.llama, "llama-bench"), "-m", self.model(form), *lengths, *threads,
                         "-r", "2", "-o", "json")
            return json.loads(report)[0]["avg_ts"]
        report = run(os.path.join(self.options.llama, "llama-batched-bench"), "-m", self.model(form), *threads,
                     "-npp", str(PROMPT), "-ntg", str(NEW), "-npl", str(batch), "-c", str(batch * (PROMPT + NEW)),
                     "--output-format", "jsonl")
        lines = [json.loads(line) for line in report.splitlines() if line.startswith("{")]
        return lines[-1]["speed_tg"]


class CTranslate2:
    types = {"f32": "float32", "int8": "int8"}

    def __init__(self, options):
        import ctranslate2
        self.module, self.options, self.generators = ctranslate2, options, {}
        self.folder = os.path.join(options.work, "ct2")
        if not os.path.exists(self.folder):
            self.convert()

    def convert(self):
        from ctranslate2.converters import transformers as converters
        from transformers import GPT2LMHeadModel

        class Names:
            bos_token, eos_token, unk_token = "<0>", "<1>", "<2>"

            def get_vocab(self):
                return {f"<{number}>": number for number in range(VOCABULARY)}

            def __len__(self):
                return VOCABULARY

        source = os.path.join(self.options.work, "hf")

        class Converter(converters.TransformersConverter):
            def _load(self):
                return converters._MODEL_LOADERS["GPT2Config"](GPT2LMHeadModel.from_pretrained(source), Names())

        Converter(source).convert(self.folder, force=True)

    def seconds(self, generator, batch, prompt, new):
        prompts = [[f"<{(31 * place + 7 * row) % (VOCABULARY - 3) + 3}>" for place in range(prompt)]
                   for row in range(batch)]
        began = time.perf_counter()
        generator.generate_batch(prompts, max_length=new, min_length=new, beam_size=1, sampling_topk=1,
                                 include_prompt_in_result=False, end_token="<1>")
        return time.perf_counter() - began

    def measure(self, form, batch, reads):
        if form not in self.types:
            return None
        # One model at a time, so that the others find their memory.
        generator = self.module.Generator(
            self.folder, device="cpu", compute_type=self.types[form], intra_threads=self.options.threads,
            inter_threads=1)
        if reads:
            self.seconds(generator, 1, READ, 1)
            return READ / min(self.seconds(generator, 1, READ, 1) for _ in range(2))
        first = min(self.seconds(generator, batch, PROMPT, 1) for _ in range(2))
        return batch * (NEW - 1) / (self.seconds(generator, batch, PROMPT, NEW) - first)


class PyTorch:
    def __init__(self, options):
        import torch
        import transformers
        self.torch, self.options = torch, options
        self.types = {"f32": torch.float32, "bf16": torch.bfloat16}
        torch.set_num_threads(options.threads)
        self.load = lambda kind: transformers.GPT2LMHeadModel.from_pretrained(
            os.path.join(options.work, "hf"), dtype=kind).eval()

    def measure(self, form, batch, reads):
        if form not in self.types:
            return None
        model = self.load(self.types[form])

        def seconds(prompt, new):
            ids = self.torch.arange(batch * prompt).reshape(batch, prompt) % VOCABULARY
            began = time.perf_counter()
            with self.torch.inference_mode():
                if new == 0:
                    model(ids, logits_to_keep=1)
                else:
                    model.generate(ids, attention_mask=self.torch.ones_like(ids), max_new_tokens=new,
                                   min_new_tokens=new, do_sample=False, pad_token_id=0)
            return time.perf_counter() - began

        if reads:
            seconds(READ, 0)
            return READ / min(seconds(READ, 0) for _ in range(2))
        first = min(seconds(PROMPT, 1) for _ in range(2))
        return batch * (NEW - 1) / (seconds(PROMPT, NEW) - first)


def make_model(work):
    folder = os.path.join(work, "hf")
    if os.path.exists(os.path.join(folder, "model.safetensors")):
        return
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(folder)


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--heed", default=".build/release/heed")
    parser.add_argument("--llama", help="the folder of llama.cpp's programs")
    parser.add_argument("--work", default="compare-decode", help="where the model is kept in its forms")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4, help="how long Heed measures a row in a round")
    parser.add_argument("--cache", default="f32", help="the form of Heed's cache; llama.cpp's is f16")
    parser.add_argument("--only", help="rows, as D1,P1")
    options = parser.parse_args()
    rows = options.only.split(",") if options.only else list(ROWS)
    os.makedirs(options.work, exist_ok=True)
    make_model(options.work)
    programs = {"Heed": Heed(options)}
    if options.llama:
        programs["llama.cpp"] = Llama(options)
    for name, kind in (("CTranslate2", CTranslate2), ("PyTorch", PyTorch)):
        try:
            programs[name] = kind(options)
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    limits = json.loads(run(options.heed, "bench", "machine", "--threads", str(options.threads), "--json"))
    print(f"{processor()}, {options.threads} threads, {options.rounds} rounds")
    print(", ".join(f"{key} {limits[key]}" for key in limits if key not in ("workload", "threads")))
    found = {row: {name: [] for name in programs} for row in rows}
    refused = set()
    for number in range(options.rounds):
        for row in rows:
            for name, program in programs.items():
                if (row, name) in refused:
                    continue
                try:
                    speed = program.measure(*ROWS[row])
                except (RuntimeError, ValueError, KeyError, IndexError) as error:
                    print(f"{row}, {name}: {error}", file=sys.stderr)
                    speed = None
                if speed is None:
                    refused.add((row, name))
                else:
                    found[row][name].append(speed)
            print(f"round {number + 1}, {row} done", file=sys.stderr)
    print("| row | " + " | ".join(programs) + " | ratio to the best other |")
    print("|---|" + "---|" * (len(programs) + 1))
    whole = True
    for row in rows:
        medians = {name: statistics.median(speeds) for name, speeds in found[row].items() if speeds}
        others = [speed for name, speed in medians.items() if name != "Heed"]
        form, batch, reads = ROWS[row]
        label = f"{row} {form}" + (f", batch {batch}" if batch > 1 else "") + (", reads 512" if reads else "")
        cells = [f"{medians[name]:,.1f}" if name in medians else "–" for name in programs]
        ratio = f"{medians['Heed'] / max(others):.2f}" if others and "Heed" in medians else "–"
        whole = whole and ratio != "–"
        print(f"| {label} | " + " | ".join(cells) + f" | {ratio} |")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
