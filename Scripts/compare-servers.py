#!/usr/bin/env python3
"""Compares the speed of heed-serve and llama.cpp's server on one model: tokens per second of all clients together, and the
time to the first token, with 1, 4, 16 and 64 clients. Both are started, used in turns and stopped here.

  python3 Scripts/compare-servers.py --heed-serve Server/.build/release/heed-serve --llama-server llama-server model.gguf

Needs nothing but Python and the two programs. Each client sends one streamed completion after the other; all prompts
differ, so that no cache of beginnings helps. Prints a table; with --json, rows. Beside Heed's speed stands what part of a
step was spent outside the model's pass (scheduling, choosing and telling tokens, from /metrics). Without --llama-server
Heed is measured alone.
"""
import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time


STEP = "heed_step_outside_pass_seconds_sum", "heed_step_seconds_sum"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, name, command, port, log):
        self.name, self.port = name, port
        began = time.monotonic()
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as s:
                    s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    if b" 200 " in s.recv(64):
                        break
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() - began > 120:
                sys.exit(f"{name} did not start: {' '.join(command)}")
            time.sleep(0.01)
        self.ready = time.monotonic() - began

    def peak_memory(self):
        try:
            with open(f"/proc/{self.process.pid}/status") as status:
                return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
        except (OSError, StopIteration):
            return float("nan")

    def figures(self, *names):
        """Figures of /metrics without labels."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            text = s.makefile("rb").read().decode()
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("heed_"))
        return [float(values.get(name, "nan")) for name in names]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


async def one(port, body):
    """Returns (seconds to the first token, tokens, seconds)."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body).encode()
    writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
                 + f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
    await writer.drain()
    first, tokens = None, 0
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError((status + await reader.read(2000)).decode("utf-8", "replace"))
    while True:
        line = await reader.readline()
        if not line:
            break
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if event.get("usage"):
            tokens = event["usage"]["completion_tokens"]
        if first is None and event.get("choices"):
            first = time.monotonic() - began
    writer.close()
    return first, tokens, time.monotonic() - began


async def load(port, clients, requests, prompt_tokens, max_tokens, salt, temperature):
    queue = list(range(requests))
    results = []

    async def client():
        while queue:
            number = queue.pop()
            ids = [(salt * 7919 + number * 104729 + i * 31) % 50_000 for i in range(prompt_tokens)]
            results.append(await one(port, {
                "prompt": ids, "max_tokens": max_tokens, "temperature": temperature, "seed": number, "stream": True, "ignore_eos": True,
                "stream_options": {"include_usage": True}}))

    began = time.monotonic()
    await asyncio.gather(*[client() for _ in range(clients)])
    seconds = time.monotonic() - began
    firsts = sorted(r[0] for r in results)
    return {
        "tokens_per_second": sum(r[1] for r in results) / seconds,
        "first_p50": firsts[len(firsts) // 2], "first_p99": firsts[min(len(firsts) - 1, int(len(firsts) * 0.99))],
        "tokens": sum(r[1] for r in results)}


def processor():
    try:
        with open("/proc/cpuinfo") as info:
            return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a .gguf file with a tokenizer, read by both")
    parser.add_argument("--heed-serve", required=True)
    parser.add_argument("--llama-server")
    parser.add_argument("--weights", default="stored", help="the form that heed-serve keeps weights in, as bf16 or int8")
    parser.add_argument("--cache", default="f32", help="the form of its cache; llama.cpp's is f16")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--clients", default="1,4,16,64")
    parser.add_argument("--rounds", type=int, default=2, help="the servers take turns this often")
    parser.add_argument("--prompt-tokens", type=int, default=32)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--temperature", type=float, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    counts = [int(c) for c in options.clients.split(",")]
    most = max(counts)
    context = options.prompt_tokens + options.max_tokens + 16
    rows = {}
    starts = {}
    names = ["heed"] + (["llama.cpp"] if options.llama_server else [])
    memory = {}
    with open(os.devnull, "w") as log:
        for turn in range(options.rounds):
            for name in names if turn % 2 == 0 else names[::-1]:
                port = free_port()
                command = [options.heed_serve, options.model, "--port", str(port), "--threads", str(options.threads),
                           "--parallel", str(most), "--queue", "1000", "--weights", options.weights,
                           "--cache", options.cache] if name == "heed" else [
                    options.llama_server, "-m", options.model, "--port", str(port), "-t", str(options.threads), "-tb",
                    str(options.threads), "-np", str(most), "-c", str(context * most), "--no-warmup"]
                server = Server(name, command, port, log)
                try:
                    starts.setdefault(name, []).append(server.ready)
                    asyncio.run(load(port, 2, 2, options.prompt_tokens, 8, 99 + turn, options.temperature))  # warm-up
                    for clients in counts:
                        before = server.figures(*STEP) if name == "heed" else None
                        result = asyncio.run(load(
                            port, clients, max(2 * clients, 4), options.prompt_tokens, options.max_tokens,
                            turn * 1000 + clients, options.temperature))
                        if before:
                            outside, whole = (b - a for a, b in zip(before, server.figures(*STEP)))
                            result["outside_pass"] = outside / whole
                        rows.setdefault((clients, name), []).append(result)
                    memory.setdefault(name, []).append(server.peak_memory())
                finally:
                    server.stop()
    print(f"{processor()}, {options.threads} threads, {os.path.basename(options.model)}, heed's weights {options.weights}, cache {options.cache}, "
          f"prompts of {options.prompt_tokens} tokens, answers of {options.max_tokens}")
    median = lambda rows, key: statistics.median(r[key] for r in rows)
    for clients in counts:
        row = {"clients": clients, "heed outside_pass": median(rows[clients, "heed"], "outside_pass")}
        for name in names:
            for key in ("tokens_per_second", "first_p50", "first_p99"):
                row[f"{name} {key}"] = median(rows[clients, name], key)
        if options.llama_server:
            row["ratio"] = row["heed tokens_per_second"] / row["llama.cpp tokens_per_second"]
        if options.json:
            print(json.dumps(row))
            continue
        print(f"{clients:3} clients: " + "; ".join(
            f"{name} {row[f'{name} tokens_per_second']:.1f} tokens/s, first token p50 {row[f'{name} first_p50'] * 1e3:.0f} ms, "
            f"p99 {row[f'{name} first_p99'] * 1e3:.0f} ms" for name in names)
            + (f"; ratio {row['ratio']:.2f}" if options.llama_server else "")
            + f"; outside the pass {row['heed outside_pass']:.2%} of a step")
    for name in names:
        print(f"{name}: ready after {statistics.median(starts[name]):.2f} s, peak memory {max(memory[name]):.0f} MB")


if __name__ == "__main__":
    main()
