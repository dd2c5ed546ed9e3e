#!/usr/bin/env python3
"""Measures whole training steps beside PyTorch, eager and compiled, all in one run; and how two ranks scale.

    python3 Scripts/compare-training.py --heed .build/release/heed [--rounds 3] [--seconds 6] [--only T1,T5,S1]

Rows T1 to T10 are steps of forward pass, backward pass and AdamW on random weights and ids: T1 and T2 a GPT-2 124M in fp32,
T3 and T4 the same in bf16; T5 a character model of 0.8M parameters, T6 and T7 one of 10.7M with dropout 0.2 in fp32 and
bf16; T9 and T10 an encoder-decoder of the base shape in fp32 and bf16, of which target tokens are counted. In bf16 PyTorch
runs under autocast. Every round measures every program once, in turn and in a process of its own, so that drift of the
machine meets all of them and memory is given back; the medians and the ratios of Heed to both forms of PyTorch are printed,
with the processor's name and its limits. Run it on an otherwise idle machine.

Rows S1 (the 10.7M model) and S2 (GPT-2 124M) hold two ranks of one thread against one process of two threads; MPIRUN names
the launcher.

Python needs `torch`; its compiler needs a C++ compiler. What fails or takes longer than --limit is left out of its row and
named. Exit code 0: every T row was measured by Heed and one form of PyTorch, every S row by both.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time

GPT2 = dict(preset="gpt2", layers=12, heads=12, width=768, positions=1024, vocabulary=50257)
SMALL = dict(preset="char", layers=4, heads=4, width=128, positions=64, vocabulary=65, bias=False)
LARGE = dict(preset="char-large", layers=6, heads=6, width=384, positions=256, vocabulary=65, dropout=0.2, bias=False)
BASE = dict(preset="transformer-base", vocabulary=10000, dropout=0.1)
# Row: shape, form, sequences, tokens of one.
ROWS = {"T1": (GPT2, "f32", 4, 64), "T2": (GPT2, "f32", 1, 1024), "T3": (GPT2, "bf16", 4, 64),
        "T4": (GPT2, "bf16", 1, 1024), "T5": (SMALL, "f32", 12, 64), "T6": (LARGE, "f32", 16, 256),
        "T7": (LARGE, "bf16", 16, 256), "T9": (BASE, "f32", 32, 32), "T10": (BASE, "bf16", 32, 32)}
SCALING = {"S1": (LARGE, "f32", 16, 256), "S2": (GPT2, "f32", 8, 64)}
PROGRAMS = ["Heed", "PyTorch", "PyTorch compiled"]
LAYOUTS = ["1 rank, 2 threads", "2 ranks, 1 thread"]


def launcher():
    command = os.environ.get("MPIRUN", "mpirun")
    version = subprocess.run([command, "--version"], capture_output=True, text=True).stdout
    return [command, *(["--allow-run-as-root"] if "Open MPI" in version else []), "-n", "2"]


def run(options, *command):
    """What the last line of a program's output says."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.limit)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"took more than {options.limit} s")
    if done.returncode != 0:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise RuntimeError(last[:300])
    return json.loads(done.stdout.strip().splitlines()[-1])


def bench(options, row, threads, *before):
    shape, form, batch, context = row
    words = [*before, options.heed, "bench", "train", "--preset", shape["preset"], "--batch", str(batch), "--context",
             str(context), "--dtype", form, "--threads", str(threads), "--seconds", str(options.seconds), "--json"]
    if shape is BASE:
        words += ["--vocab-size", str(shape["vocabulary"]), "--dropout", str(shape["dropout"]), "--label-smoothing", "0.1"]
    return run(options, *words)


def measure(options, name, program):
    if name in SCALING:
        return bench(options, SCALING[name], *((2,) if program == LAYOUTS[0] else (1, *launcher())))
    if program == "Heed":
        return bench(options, ROWS[name], options.threads)
    return run(options, sys.executable, os.path.abspath(__file__), "--peer", name, "--threads", str(options.threads),
               "--seconds", str(options.seconds), *(["--compiled"] if program.endswith("compiled") else []))


def decoder(torch, shape):
    """A GPT-2 as PyTorch's users write it: fused attention, one table for input and output."""
    nn, functional = torch.nn, torch.nn.functional
    width, rate, bias = shape["width"], shape.get("dropout", 0.0), shape.get("bias", True)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList([nn.LayerNorm(width, bias=bias) for _ in range(2)])
            self.attention = nn.Linear(width, 3 * width, bias=bias)
            self.mix = nn.Linear(width, width, bias=bias)
            self.inner = nn.Linear(width, 4 * width, bias=bias)
            self.outer = nn.Linear(4 * width, width, bias=bias)

        def forward(self, x):
            sequences, length, _ = x.shape
            parts = self.attention(self.norms[0](x)).view(sequences, length, 3, shape["heads"], -1)
            query, key, value = parts.permute(2, 0, 3, 1, 4)
            found = functional.scaled_dot_product_attention(
                query, key, value, is_causal=True, dropout_p=rate if self.training else 0.0)
            x = x + functional.dropout(self.mix(found.transpose(1, 2).reshape(x.shape)), rate, self.training)
            inner = functional.gelu(self.inner(self.norms[1](x)), approximate="tanh")
            return x + functional.dropout(self.outer(inner), rate, self.training)

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(shape["vocabulary"], width)
            self.places = nn.Embedding(shape["positions"], width)
            self.blocks = nn.ModuleList([Block() for _ in range(shape["layers"])])
            self.norm = nn.LayerNorm(width, bias=bias)
            for parameter in self.parameters():
                if parameter.dim() > 1:
                    nn.init.normal_(parameter, std=0.02)

        def forward(self, ids, targets):
            x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
            x = functional.dropout(x, rate, self.training)
            for block in self.blocks:
                x = block(x)
            logits = functional.linear(self.norm(x), self.tokens.weight)
            return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    return Decoder()


def translator(torch, shape, length):
    """PyTorch's own encoder-decoder; like Heed's, one table for source, target and output."""
    nn, functional = torch.nn, torch.nn.functional

    class Translator(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Transformer(512, 8, 6, 6, 2048, dropout=shape["dropout"], batch_first=True)
            self.table = nn.Embedding(shape["vocabulary"], 512)
            nn.init.normal_(self.table.weight, std=512 ** -0.5)
            places = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, 512, 2) / 512)
            self.register_buffer("places", torch.cat([places.sin(), places.cos()], 1))
            self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))
            self.drop = nn.Dropout(shape["dropout"])

        def embedded(self, ids):
            return self.drop(self.table(ids) * math.sqrt(512) + self.places)

        def forward(self, source, ids, targets):
            x = self.body(self.embedded(source), self.embedded(ids), tgt_mask=self.mask, tgt_is_causal=True)
            logits = functional.linear(x, self.table.weight)
            return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), label_smoothing=0.1)

    return Translator()


def peer(options):
    """PyTorch's side of a row: median tokens per second of whole steps after a warm-up."""
    import torch
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    shape, form, batch, context = ROWS[options.peer]
    model = translator(torch, shape, context) if shape is BASE else decoder(torch, shape)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    loss = torch.compile(model) if options.compiled else model

    def step():
        ids = torch.randint(0, shape["vocabulary"], (batch, context + 1))
        source = [torch.randint(0, shape["vocabulary"], (batch, context))] if shape is BASE else []
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=form == "bf16"):
            value = loss(*source, ids[:, :-1], ids[:, 1:])
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        if not math.isfinite(value.item()):
            raise ValueError("the loss is not finite")
        return time.perf_counter() - began

    for _ in range(3):
        step()
    seconds, began = [], time.perf_counter()
    while len(seconds) < 3 or time.perf_counter() - began < options.seconds:
        seconds.append(step())
    print(json.dumps({"tokens_per_second": batch * context / statistics.median(seconds), "steps": len(seconds)}))


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


def label(name):
    shape, form, batch, context = {**ROWS, **SCALING}[name]
    return f"{name} {shape['preset']} {form}, {batch} × {context}"


def print_training(rows, found):
    print("| row, tokens/s | " + " | ".join(PROGRAMS) + " | ratio to PyTorch | to PyTorch compiled |")
    print("|---|" + "---|" * (len(PROGRAMS) + 2))
    whole = True
    for row in rows:
        medians = {name: statistics.median(speeds) for name, speeds in found[row].items() if speeds}
        cells = [f"{medians[name]:,.0f}" if name in medians else "–" for name in PROGRAMS]
        ratios = [f"{medians['Heed'] / medians[name]:.2f}" if name in medians and "Heed" in medians else "–"
                  for name in PROGRAMS[1:]]
        whole = whole and ratios != ["–", "–"]
        print(f"| {label(row)} | " + " | ".join(cells + ratios) + " |")
    return whole


def print_scaling(rows, found, exposed):
    print("| row, tokens/s | " + " | ".join(LAYOUTS) + " | efficiency | ms per step waiting for the other rank |")
    print("|---|" + "---|" * (len(LAYOUTS) + 2))
    whole = True
    for row in rows:
        medians = [statistics.median(found[row][name]) if found[row][name] else None for name in LAYOUTS]
        cells = [f"{speed:,.0f}" if speed else "–" for speed in medians]
        ratio = f"{medians[1] / medians[0]:.2f}" if all(medians) else "–"
        whole = whole and ratio != "–"
        waiting = f"{statistics.median(exposed[row]):.1f}" if exposed[row] else "–"
        print(f"| {label(row)} | " + " | ".join(cells + [ratio, waiting]) + " |")
    return whole


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--heed", default=".build/release/heed")
    parser.add_argument("--work", default="compare-training", help="where PyTorch keeps what it compiled")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6, help="how long a program measures a row in a round")
    parser.add_argument("--limit", type=float, default=400, help="seconds after which a program is left out of a row")
    parser.add_argument("--only", help="rows, as T1,T5,S1; all T rows if none")
    parser.add_argument("--peer", choices=list(ROWS), help=argparse.SUPPRESS)
    parser.add_argument("--compiled", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(options)
    names = options.only.split(",") if options.only else list(ROWS)
    unknown = [name for name in names if name not in ROWS and name not in SCALING]
    if unknown:
        parser.error(f"--only: no row {', '.join(unknown)}; there are {', '.join([*ROWS, *SCALING])}")
    # What one round compiled is there in the next.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.abspath(options.work))
    limits = run(options, options.heed, "bench", "machine", "--threads", str(options.threads), "--json")
    print(f"{processor()}, {options.threads} threads, {options.rounds} rounds of {options.seconds:g} s")
    print(", ".join(f"{key} {limits[key]}" for key in limits if key not in ("workload", "threads")), flush=True)
    found = {name: {program: [] for program in (LAYOUTS if name in SCALING else PROGRAMS)} for name in names}
    exposed = {name: [] for name in names}
    refused = set()
    for number in range(options.rounds):
        for name in names:
            for program in found[name]:
                if (name, program) in refused:
                    continue
                try:
                    report = measure(options, name, program)
                    found[name][program].append(report["tokens_per_second"])
                except (RuntimeError, OSError, ValueError, KeyError, IndexError) as error:
                    print(f"{name}, {program} is left out: {error}", file=sys.stderr, flush=True)
                    refused.add((name, program))
                    continue
                if "milliseconds_waiting" in report:
                    exposed[name].append(report["milliseconds_waiting"])
                print(f"round {number + 1}, {name}, {program}: {report['tokens_per_second']:,.1f}", file=sys.stderr,
                      flush=True)
    training, scaling = [name for name in names if name in ROWS], [name for name in names if name in SCALING]
    whole = print_training(training, found) if training else True
    if scaling:
        whole = print_scaling(scaling, found, exposed) and whole
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
