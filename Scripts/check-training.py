#!/usr/bin/env python3
"""Holds training runs against each other, to the bit.

    Scripts/check-training.py FOLDER [kills] [ranks] [hosts] [lines]

kills: a LoRA adapter with dropout and shuffling, killed twenty times at random moments and resumed, against a run left
alone. ranks: one process, two and four ranks, for every optimiser with state of another kind. hosts: two ranks in network
namespaces with addresses of their own (as root), of which one is killed; one process goes on. lines: results of generate,
embed and tokenizer encode by three ranks against those of one process. HEED names the program, MPIRUN the launcher.
"""
import hashlib
import os
import random
import signal
import subprocess
import sys
import time

HEED = os.path.abspath(os.environ.get("HEED", ".build/release/heed"))
MPIRUN = os.environ.get("MPIRUN", "mpirun")
OPEN_MPI = ["--allow-run-as-root", "--oversubscribe"]
FAILURES = []


def sha(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def compare(what, expected, found):
    print(f"{'equal' if expected == found else 'DIFFERENT'}: {what}: {found[:16]}", flush=True)
    if expected != found:
        FAILURES.append(what)


def run(words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout


def launch(count):
    version = subprocess.run([MPIRUN, "--version"], capture_output=True, text=True).stdout
    return [MPIRUN, *(OPEN_MPI if "Open MPI" in version else []), "-n", str(count), HEED]


def text(path):
    dice = random.Random(5)
    words = "the cat sat on a mat and slept while rain fell over old roofs of our town until morning came".split()
    with open(path, "w") as file:
        for _ in range(3000):
            file.write(" ".join(dice.choice(words) for _ in range(9)) + ".\n")


def options(folder, output, steps=240):
    return ["train", "--data", f"{folder}/text.txt", "--output", f"{folder}/{output}", "--steps", str(steps), "--layers", "2",
            "--heads", "4", "--width", "64", "--context", "32", "--vocab-size", "512", "--batch", "8", "--dropout", "0.1",
            "--save-every", "9", "--quiet", "--overwrite"]


def kills(folder):
    run([HEED, *options(folder, "base", 30)])

    def words(output):
        return [HEED, "train", "--init", f"{folder}/base", "--data", f"{folder}/text.txt", "--output", f"{folder}/{output}",
                "--steps", "600", "--batch", "8", "--dropout", "0.1", "--lora-rank", "4", "--lora-dropout", "0.1",
                "--save-every", "7", "--log", f"{folder}/{output}.jsonl", "--quiet"]

    begin = time.time()
    run(words("alone") + ["--overwrite"])
    seconds = time.time() - begin
    dice, killed, finished = random.Random(), 0, False
    first = True
    while not finished:
        process = subprocess.Popen(words("killed") + (["--overwrite"] if first else ["--resume"]),
                                   stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            process.wait(dice.uniform(0.05, seconds / 6) if killed < 20 else None)
            finished = process.returncode == 0
            assert finished, "the run failed by itself"
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        # Before the first save there is nothing to resume, and a new run begins anew.
        first = first and not os.path.exists(f"{folder}/killed/training/state.safetensors")
    name = "adapter_model.safetensors"
    compare(f"{killed} kills", sha(f"{folder}/alone/{name}"), sha(f"{folder}/killed/{name}"))


def ranks(folder):
    for optimiser in ["adamw", "sgd", "muon", "adafactor"]:
        expected = None
        for count in [1, 2, 4]:
            words = options(folder, f"ranks-{count}", 60) + ["--shards", "8", "--optimizer", optimiser, "--threads", "1"]
            run(([HEED] if count == 1 else launch(count)) + words)
            found = sha(f"{folder}/ranks-{count}/model.safetensors")
            expected = expected or found
            compare(f"{optimiser}, {count} ranks", expected, found)


def hosts(folder):
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    names = ["heed-a", "heed-b"]
    for name in names:
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
        ip("netns", "add", name)
    try:
        ip("link", "add", "heed-va", "netns", names[0], "type", "veth", "peer", "name", "heed-vb", "netns", names[1])
        for place, name in enumerate(names):
            ip("-n", name, "addr", "add", f"10.77.0.{place + 1}/24", "dev", "heed-v" + "ab"[place])
            ip("-n", name, "link", "set", "heed-v" + "ab"[place], "up")
            ip("-n", name, "link", "set", "lo", "up")
        agent = f"{folder}/agent"
        with open(agent, "w") as file:
            file.write('#!/bin/sh\nshift\nexec ip netns exec heed-b unshare -u sh -c "hostname heed-b; $*"\n')
        os.chmod(agent, 0o755)
        net = "10.77.0.0/24"
        both = ["ip", "netns", "exec", names[0], "unshare", "-u", "sh", "-c", 'hostname heed-a; exec "$@"', "sh",
                "mpirun", "--allow-run-as-root", "--host", "10.77.0.1:1,10.77.0.2:1", "--mca", "plm_rsh_agent", agent,
                "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", net, "--mca", "oob_tcp_if_include", net, "-n",
                "2", HEED]
        common = ["--shards", "8", "--threads", "1"]
        run([HEED] + options(folder, "one", 90) + common)
        expected = sha(f"{folder}/one/model.safetensors")
        run(both + options(folder, "hosts", 90) + common)
        compare("two hosts", expected, sha(f"{folder}/hosts/model.safetensors"))
        process = subprocess.Popen(both + options(folder, "lost", 90) + common, stderr=subprocess.PIPE, text=True)
        state = f"{folder}/lost/training/state.safetensors"
        while not os.path.exists(state) and process.poll() is None:
            time.sleep(0.01)
        found = run(["ip", "netns", "pids", names[1]]).split()
        for number in found:
            try:
                with open(f"/proc/{number}/comm") as file:
                    if file.read().strip() == "heed":
                        os.kill(int(number), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                pass
        process.communicate(timeout=120)
        assert process.returncode != 0, "the job ended well without its rank"
        run([HEED, "train", "--output", f"{folder}/lost", "--resume", "--quiet"])
        compare("a rank killed, one process goes on", expected, sha(f"{folder}/lost/model.safetensors"))
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name])


def lines(folder):
    run([HEED, *options(folder, "base", 30)])
    run([HEED, "train", "--data", f"{folder}/text.txt", "--preset", "bert-tiny", "--steps", "5", "--output",
         f"{folder}/encoder", "--quiet", "--overwrite"])
    with open(f"{folder}/text.txt") as file:
        some = file.read().splitlines()[:41]
    some[7] = ""
    with open(f"{folder}/some.txt", "w") as file:
        file.write("\n".join(some) + "\n")
    for words in [["tokenizer", "encode", "--tokenizer", f"{folder}/base"], ["embed", f"{folder}/encoder"],
                  ["generate", f"{folder}/base", "--max-new-tokens", "8"]]:
        words += ["--input", f"{folder}/some.txt"]
        expected = hashlib.sha256(run([HEED] + words).encode()).hexdigest()
        compare(words[0] + ", 3 ranks", expected, hashlib.sha256(run(launch(3) + words).encode()).hexdigest())


def main():
    folder = os.path.abspath(sys.argv[1])
    os.makedirs(folder, exist_ok=True)
    text(f"{folder}/text.txt")
    for name in sys.argv[2:] or ["kills", "ranks", "hosts", "lines"]:
        {"kills": kills, "ranks": ranks, "hosts": hosts, "lines": lines}[name](folder)
    sys.exit(1 if FAILURES else 0)


main()
