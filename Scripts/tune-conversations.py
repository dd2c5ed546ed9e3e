#!/usr/bin/env python3
"""Fine-tunes a small model on conversations whose answers can be checked: fully, and as a LoRA adapter.

    Scripts/tune-conversations.py OUTPUT [--seed 1] [--threads 2]

Makes up a village: people, each with a town, a trade, an animal and a colour. A base model learns plain sentences about
them in which everything is said at random, so it has the words and knows nothing. Conversations with roles (system, user,
assistant) then ask for the facts in three of four ways each; the fourth way of asking for a fact is held out. An answer
is right if it names the fact and no other of its kind. Prints settings, curves, the share of right answers and ten answers
before and after. HEED names the program (default: .build/release/heed). Takes a few minutes on two cores.
"""
import argparse
import json
import os
import random
import subprocess
import time

KINDS = {
    "town": (
        "Oslo Turin Lyon Porto Ghent Krakow Bergen Malaga Graz Riga Cork Basel Pisa Delft Nantes Brno".split(),
        ["{n} lives in {v}.", "The home of {n} is in {v}.", "{n} has a house in {v}."],
        ["Where does {n} live?", "In which town is the home of {n}?", "What town does {n} live in?",
         "Can you tell me where {n} has a house?"],
    ),
    "trade": (
        "baker nurse pilot tailor farmer smith teacher painter sailor lawyer cook miller singer weaver judge potter".split(),
        ["{n} works as a {v}.", "The trade of {n} is that of a {v}.", "By trade {n} is a {v}."],
        ["What does {n} do for a living?", "What is the trade of {n}?", "As what does {n} work?",
         "Can you tell me the work of {n}?"],
    ),
    "animal": (
        "cat dog goat horse parrot rabbit goose pony turtle donkey canary sheep hen ferret lizard pigeon".split(),
        ["{n} keeps a {v}.", "The animal of {n} is a {v}.", "At home {n} has a {v}."],
        ["Which animal does {n} keep?", "What animal lives with {n}?", "What is the animal of {n}?",
         "Can you tell me which animal {n} has?"],
    ),
    "colour": (
        "red blue green yellow white black grey brown purple orange pink silver".split(),
        ["{n} likes {v} best.", "The colour of {n} is {v}.", "{n} always wears {v}."],
        ["Which colour does {n} like best?", "What is the colour of {n}?", "What colour does {n} wear?",
         "Can you tell me the colour that {n} likes?"],
    ),
}
NAMES = (
    "Anna Boris Clara David Elena Felix Greta Henrik Ida Jonas Karin Lukas Marta Nils Olga Pavel Rosa Simon Tilda Ugo "
    "Vera Walter Xenia Yann Zora Albert Bianca Cosmo Dora Emil Frida Gustav"
).split()
SYSTEM = "You know the village and answer in one sentence."
TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}<|endoftext|>{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def make_data(folder, seed):
    """Writes the base text and the conversations; returns the held-out questions."""
    dice = random.Random(seed)
    facts = {(name, kind): dice.choice(values[0]) for name in NAMES for kind, values in KINDS.items()}
    with open(f"{folder}/base.txt", "w") as file:
        for _ in range(5000):
            name, parts = dice.choice(NAMES), []
            for kind in dice.sample(sorted(KINDS), 2):
                values, statements, questions = KINDS[kind]
                if dice.random() < 0.3:
                    parts.append(dice.choice(questions).format(n=name))
                parts.append(dice.choice(statements).format(n=name, v=dice.choice(values)))
            file.write(" ".join(parts) + "\n")
    asked, held = [], []
    for place, (name, kind) in enumerate(facts):
        # Another way for every kind of the next person, so that each way is known from other people.
        for way, question in enumerate(KINDS[kind][2]):
            (held if way == (place + place // len(KINDS)) % 4 else asked).append((name, kind, question.format(n=name)))

    def answer(name, kind):
        return KINDS[kind][1][0].format(n=name, v=facts[name, kind])

    with open(f"{folder}/conversations.jsonl", "w") as file:
        for _ in range(10):
            dice.shuffle(asked)
            for start in range(0, len(asked), 3):
                messages = [{"role": "system", "content": SYSTEM}]
                for name, kind, question in asked[start:start + 3]:
                    messages.append({"role": "user", "content": question})
                    messages.append({"role": "assistant", "content": answer(name, kind)})
                file.write(json.dumps({"messages": messages}) + "\n")
    with open(f"{folder}/questions.jsonl", "w") as file:
        for _, _, question in held:
            messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
            file.write(json.dumps({"messages": messages}) + "\n")
    return [(question, kind, facts[name, kind]) for name, kind, question in held]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", default="2")
    options = parser.parse_args()
    heed = os.environ.get("HEED", ".build/release/heed")
    folder = options.output
    os.makedirs(folder, exist_ok=True)
    questions = make_data(folder, options.seed)

    def run(*words):
        words = [heed, *words, "--threads", options.threads]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def train(name, *words):
        start = time.time()
        log = f"{folder}/{name}.jsonl"
        run("train", "--output", f"{folder}/{name}", "--log", log, "--overwrite", "--quiet", *words)
        with open(log) as file:
            losses = [json.loads(line)["loss"] for line in file]
        points = [0, len(losses) // 4, len(losses) // 2, 3 * len(losses) // 4, len(losses) - 1]
        curve = ", ".join(f"{losses[i]:.3f}" for i in points)
        return {"seconds": time.time() - start, "curve": curve, "words": " ".join(words)}

    def answers(*model):
        lines = run("generate", *model, "--input", f"{folder}/questions.jsonl", "--json", "--max-new-tokens", "24",
                    "--quiet").splitlines()
        assert len(lines) == len(questions)
        return [json.loads(line)["sequences"][0]["text"].strip() for line in lines]

    def is_right(text, kind, fact):
        words = text.replace(".", " ").replace(",", " ").split()
        return [value for value in KINDS[kind][0] if value in words] == [fact]

    base = f"{folder}/base"
    runs = {"base": train(
        "base", "--data", f"{folder}/base.txt", "--preset", "tiny", "--vocab-size", "1024", "--context", "128",
        "--batch", "16", "--steps", "400")}
    with open(f"{base}/chat_template.jinja", "w") as file:
        file.write(TEMPLATE)
    conversations = ["--init", base, "--data", f"{folder}/conversations.jsonl", "--batch", "16"]
    runs["full"] = train("full", *conversations, "--steps", "600", "--lr", "1e-3")
    runs["lora"] = train("lora", *conversations, "--steps", "1000", "--lr", "2e-3", "--lora-rank", "32")
    found = {
        "before": answers(base), "full": answers(f"{folder}/full"), "lora": answers(base, "--adapter", f"{folder}/lora")
    }
    print("| | settings | loss at the start, a quarter, half, three quarters, the end | seconds |\n|---|---|---|---|")
    for name, row in runs.items():
        settings = row["words"].replace(folder + "/", "")
        print(f"| {name} | `{settings}` | {row['curve']} | {row['seconds']:.0f} |")
    print(f"\nRight answers to {len(questions)} held-out questions:\n\n| before | full | LoRA |\n|---|---|---|")
    right = {
        name: sum(is_right(text, kind, fact) for text, (_, kind, fact) in zip(texts, questions))
        for name, texts in found.items()
    }
    print("| " + " | ".join(f"{right[n]} ({100 * right[n] / len(questions):.1f} %)" for n in found) + " |")
    print("\nEvery thirteenth question:\n\n| question | right | before | full | LoRA |\n|---|---|---|---|---|")
    for place in range(0, 130, 13):
        question, _, fact = questions[place]
        cells = [question, fact] + [found[name][place].replace("|", "/").replace("\n", " ")[:60] for name in found]
        print("| " + " | ".join(cells) + " |")


main()
