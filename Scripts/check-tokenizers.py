#!/usr/bin/env python3
"""Checks that transformers reads the tokenizers that Heed saves to the ids that Heed gives.

    python3 Scripts/check-tokenizers.py --heed .build/release/heed

Trains every kind of tokenizer on a small text, with and without its options, loads each folder with
AutoTokenizer.from_pretrained, alone and beside the configuration of several kinds of model, and compares ids (special
tokens and ends included) and decoded texts on awkward strings. Then trains models for two steps and does the same with
their folders. Needs Python 3.9 and `transformers`; nothing is fetched. Exit code 0: all equal.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

TEXT = [
    "The cat sat on the old mat, and the dog slept beside it.",
    "A hat on a cat is that; and this is the mat of the old dog.",
    "Do not eat the hat of the dog! It's 12 years old, isn't it?",
    "Das Mädchen übt für die Prüfung, café au lait, naïve Œuvre.",
    "日本語のテキスト と 한국어 텍스트 и русский текст",
    "def f(x):\n    return x + 1  # two  spaces",
] * 20

STRINGS = [
    "The cat sat on the mat.", "  leading and trailing  ", "two  spaces\tand tabs", "line\nbreak\r\nand\n\nmore", "",
    " ", "\n", "it's, isn't, they'll, WE'VE", "café Œuvre ÀÉ ﬁ Ａ…", "日本語 テキスト", "한국어 텍스트 русский",
    "👍🏽 emoji 🏳️‍🌈", "1234567 3.14 1,000", "x = [1, 2]; // y", "zzz qqq unknown ξψ", "▁mark ▁▁ marks",
    "<s> a </s> b <pad> <unk> [MASK] [CLS] <|endoftext|>", "a</s>b<|endoftext|> c", "A" * 120, "e\u0301 \u00ad soft \ufeff",
]

MODELS = [None, {"model_type": "gpt2"}, {"model_type": "llama"}, {"model_type": "bert"}, {"model_type": "roberta"},
          {"model_type": "marian"}, {"model_type": "t5"}, {"model_type": "bart"}]


class Checker:
    def __init__(self, heed, work):
        self.heed, self.work, self.failed, self.passed = heed, work, 0, 0

    def run(self, *arguments):
        call = subprocess.run([self.heed, *arguments], capture_output=True, text=True)
        if call.returncode:
            raise RuntimeError(f"heed {' '.join(arguments)}: {call.stderr.strip()}")
        return call.stdout

    def lines(self, name, rows):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as handle:
            handle.writelines(json.dumps(row) + "\n" for row in rows)
        return path

    def compare(self, label, folder):
        """Ids, with and without special tokens, and decoded texts."""
        from transformers import AutoTokenizer
        try:
            theirs = AutoTokenizer.from_pretrained(folder)
            texts = self.lines("texts.jsonl", STRINGS)
            for option, special in ([], True), (["--no-special-tokens"], False):
                ours = [json.loads(line) for line in self.run(
                    "tokenizer", "encode", "--tokenizer", folder, "--jsonl", texts, *option).splitlines()]
                for text, ids in zip(STRINGS, ours, strict=True):
                    want = theirs(text, add_special_tokens=special)["input_ids"]
                    if ids != want:
                        raise AssertionError(f"{text!r}: heed {ids}, transformers {want}")
            rows = [ids for ids in ours if ids]
            decoded = self.run("tokenizer", "decode", "--tokenizer", folder, "--jsonl", self.lines("ids.jsonl", rows))
            for ids, text in zip(rows, map(json.loads, decoded.splitlines()), strict=True):
                want = theirs.decode(ids, skip_special_tokens=True)
                # Heed takes spaces before punctuation away where a WordPiece decoder says so; newer transformers
                # takes fewer.
                if text != want and "".join(text.split()) != "".join(want.split()):
                    raise AssertionError(f"{ids}: heed {text!r}, transformers {want!r}")
        except Exception as error:  # every failure is one line, and the next check goes on
            self.failed += 1
            print(f"FAIL  {label}: {type(error).__name__}: {str(error)[:400]}")
            return
        self.passed += 1
        print(f"ok    {label}")

    def with_models(self, label, folder):
        """Alone and beside the configuration of several kinds of model."""
        path = os.path.join(folder, "config.json")
        for model in MODELS:
            if model:
                with open(path, "w", encoding="utf-8") as handle:
                    json.dump(model, handle)
            self.compare(f"{label} beside {model['model_type'] if model else 'nothing'}", folder)
        os.remove(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heed", required=True, help="the built program")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        checker = Checker(os.path.abspath(options.heed), work)
        text = os.path.join(work, "text.txt")
        with open(text, "w", encoding="utf-8") as handle:
            handle.write("\n".join(TEXT) + "\n")
        bert = [word for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") for word in ("--special", token)]
        kinds = [
            ("byte-bpe", ["--special", "<|endoftext|>"]), ("byte-bpe", []), ("byte-bpe", ["--special", "</s>", "--special", "<pad>"]),
            ("wordpiece", bert), ("wordpiece", [*bert, "--cased"]),
            ("unigram", []), ("unigram", ["--byte-fallback"]), ("unigram", ["--keep-spaces"]), ("unigram", ["--normalization", "identity"]),
            ("sentencepiece-bpe", []), ("sentencepiece-bpe", ["--byte-fallback", "--special", "<pad>"]),
            ("sentencepiece-bpe", ["--keep-spaces", "--normalization", "identity"]), ("char", []), ("word", []),
        ]
        for number, (kind, extra) in enumerate(kinds):
            label = " ".join([kind, *[word for word in extra if not word.startswith("[") and word != "--special"]])
            folder = os.path.join(work, f"tokenizer-{number}")
            size = "500" if kind not in ("char", "word") else "120" if kind == "char" else "60"
            try:
                checker.run("tokenizer", "train", "--kind", kind, "--vocab-size", size, *extra, "--output", folder, text)
            except RuntimeError as error:
                checker.failed += 1
                print(f"FAIL  {label}: {error}")
                continue
            checker.with_models(label, folder)
        shape = ["--steps", "2", "--batch", "2", "--context", "32"]
        runs = [
            ("a model of characters", ["--data", text, "--tokenizer-kind", "char"]),
            ("a model of byte-level BPE", ["--data", text, "--tokenizer-kind", "byte-bpe", "--vocab-size", "400"]),
            ("a translation model", ["--source", text, "--target", text, "--tokenizer-kind", "byte-bpe", "--vocab-size", "400"]),
        ]
        for number, (label, arguments) in enumerate(runs):
            folder = os.path.join(work, f"model-{number}")
            try:
                checker.run("train", *arguments, *shape, "--output", folder)
            except RuntimeError as error:
                checker.failed += 1
                print(f"FAIL  {label}: {error}")
                continue
            checker.compare(label, folder)
        print(f"{checker.passed} equal, {checker.failed} failed")
        return 1 if checker.failed else 0


if __name__ == "__main__":
    sys.exit(main())
