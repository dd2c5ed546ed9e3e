#!/usr/bin/env python3
"""Compares two builds of heed, row by row of the benchmarks, in one run.

  python3 Scripts/compare-programs.py BEFORE AFTER [--rows X1,D1] [--rounds 8]

Runs take turns in random order: where the system happens to put a program's memory may change its speed by several
percent, and what one program frees the next one gets, so a fixed order would favour one of them. Prints the median of
each program with its quartiles, and the ratio of the medians, the later over the earlier. Needs nothing but Python and
the two programs.
"""
import argparse
import json
import random
import statistics
import subprocess
import sys

ROWS = {
    "TK": "tokenizer --threads 1 --seconds 2",
    "T1": "train --preset gpt2 --batch 4 --context 64 --threads 2 --seconds 4",
    "T2": "train --preset gpt2 --batch 1 --context 1024 --threads 2 --seconds 4",
    "T5": "train --preset char --batch 12 --context 64 --threads 2 --seconds 2",
    "T6": "train --preset char-large --batch 16 --context 256 --threads 2 --seconds 4",
    "T8": "train --preset block --batch 2 --context 5 --threads 1 --seconds 1",
    "T9": "train --preset transformer-base --vocab-size 10000 --batch 32 --context 32 --dropout 0.1"
          " --label-smoothing 0.1 --threads 2 --seconds 4",
    "D1": "decode --preset gpt2 --batch 1 --threads 2 --seconds 3",
    "D5": "decode --preset gpt2 --batch 16 --threads 2 --seconds 3",
    "P1": "prefill --preset gpt2 --batch 1 --context 512 --threads 2 --seconds 2",
    "X1": "translate --preset transformer-base --vocab-size 10000 --batch 32 --context 32 --beams 4 --threads 2"
          " --seconds 3",
}
SPEEDS = "target_tokens_per_second", "tokens_per_second", "decode_tokens_per_second", "megabytes_per_second"


def speed(value):
    """The first speed in a report."""
    if isinstance(value, dict):
        for name in SPEEDS:
            if name in value:
                return value[name]
        value = list(value.values())
    for part in value if isinstance(value, list) else []:
        found = speed(part)
        if found is not None:
            return found
    return None


def measure(program, row):
    out = subprocess.run([program, "bench", *ROWS[row].split(), "--json"], capture_output=True, text=True)
    if out.returncode:
        sys.exit(f"{program} bench {ROWS[row]}: {out.stderr.strip()}")
    found = speed(json.loads(out.stdout.strip().splitlines()[-1]))
    return found if found is not None else sys.exit(f"{program} bench {ROWS[row]}: no speed in its report")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="the earlier program")
    parser.add_argument("after", help="the later program")
    parser.add_argument("--rows", default=",".join(ROWS), help="which rows, of " + ",".join(ROWS))
    parser.add_argument("--rounds", type=int, default=8, help="runs of each program and row")
    options = parser.parse_args()
    rows = options.rows.split(",")
    unknown = [row for row in rows if row not in ROWS]
    if unknown or options.rounds < 2:
        parser.error(f"no such row: {', '.join(unknown)}" if unknown else "quartiles need 2 rounds at least")
    print("| row | before | after | after / before |\n|---|---|---|---|", flush=True)
    for row in rows:
        runs = ["before", "after"] * options.rounds
        random.shuffle(runs)
        speeds = {"before": [], "after": []}
        for name in runs:
            speeds[name].append(measure(getattr(options, name), row))
        cells = []
        for name in ("before", "after"):
            low, middle, high = statistics.quantiles(speeds[name], n=4)
            cells.append(f"{middle:,.1f} ({low:,.1f}–{high:,.1f})")
        ratio = statistics.median(speeds["after"]) / statistics.median(speeds["before"])
        print(f"| {row} | {cells[0]} | {cells[1]} | {ratio:.3f} |", flush=True)


if __name__ == "__main__":
    main()
