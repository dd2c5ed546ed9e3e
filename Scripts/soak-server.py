#!/usr/bin/env python3
"""Wears `heed serve` out: thousands of requests, good and bad, from clients that behave and clients that do not.

    python3 Scripts/soak-server.py --heed .build/release/heed --model FOLDER [--count 10000]

Among them: clients that go in the middle of a stream, bodies that are cut short, too large, no JSON or no UTF-8, readers
and writers that take their time, deadlines that pass, wrong keys, texts from the edges of Unicode. Every well-formed
request must be answered exactly once, nobody may be stuck, and no connection may stay open.

Memory must be flat: a server that has just started fills what it keeps for good (the cache of beginnings up to its bound,
the pages of as many sequences as are decoded at once, what the allocator holds for every thread), so the first fifth of the
requests is a warm-up, and more of them until the cache of beginnings has been full. From then on the resident memory is
taken every fiftieth of the way; the median of the last quarter may be no more than 2 % above that of the first quarter.
Needs Python 3.9 and Linux. Exit code 0: all of that holds.
"""
import argparse
import atexit
import collections
import json
import os
import random
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

# Keys take turns: who asks for more than there is time for does not make the others late.
KEY, OTHER_KEY = "the-key", "another"
TEXTS = ["The cat", "", "🏳️‍🌈👍🏽", "e\u0301\u200d\ufeff", "日本語", "\u0000\u0001", "a" * 500, "</s><s>[INST]", "\U0010ffff", " \n\t "]


PREFIX_TOKENS = 4096


def resident(pid):
    """Resident memory in MB."""
    try:
        return next(int(line.split()[1]) / 1024 for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return 0


def handles(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def figures(port):
    """The figures of /metrics that have no labels, by name."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n".encode())
        lines = Client.read(link).decode().splitlines()
    return {line.split(" ")[0]: float(line.split(" ")[1]) for line in lines if line.startswith("heed_") and "{" not in line}


class Client:
    def __init__(self, port, model, seed):
        self.port, self.model, self.chance = port, model, random.Random(seed)
        self.seen = collections.Counter()

    def connect(self):
        link = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        link.settimeout(60)
        return link

    def head(self, path, length, key=KEY):
        return (f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
                f"Connection: close\r\nContent-Length: {length}\r\n\r\n").encode()

    def body(self, **more):
        # Half of the prompts begin as others do.
        text = self.chance.choice(["", f"{self.chance.randint(0, 10**6)} "]) + self.chance.choice(TEXTS)
        return json.dumps({"model": self.model, "prompt": text or "x", "max_tokens": self.chance.randint(1, 24), "seed": self.chance.randint(0, 9),
                           "receipt": False, **more}, ensure_ascii=self.chance.random() < 0.5).encode("utf-8", "surrogatepass")

    @staticmethod
    def read(link):
        data = b""
        while True:
            part = link.recv(65536)
            if not part:
                return data
            data += part

    def status(self, data):
        return int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/1.1 ") else 0

    def expect(self, what, data, *codes):
        got = self.status(data)
        self.seen[f"{what}: {got}"] += 1
        if got not in codes:
            raise AssertionError(f"{what}: {got}, expected {codes}: {data[:300]!r}")

    # Each of these is one request.
    def good(self):
        body = self.body(n=self.chance.randint(1, 3), logprobs=self.chance.choice([None, 2]))
        with self.connect() as link:
            link.sendall(self.head("/v1/completions", len(body)) + body)
            data = self.read(link)
        self.expect("good", data, 200, 429)
        if self.status(data) == 200 and data.count(b'"object":"text_completion"') != 1:
            raise AssertionError(f"not answered once: {data[:300]!r}")

    def stream(self):
        body = self.body(stream=True)
        with self.connect() as link:
            link.sendall(self.head("/v1/completions", len(body)) + body)
            data = self.read(link)
        self.expect("stream", data, 200, 429)
        if self.status(data) == 200 and data.count(b"data: [DONE]") != 1:
            raise AssertionError(f"a stream did not end once: {data[-300:]!r}")

    def goes(self):
        body = self.body(stream=self.chance.random() < 0.7, max_tokens=100, ignore_eos=True)
        with self.connect() as link:
            link.sendall(self.head("/v1/completions", len(body)) + body)
            if self.chance.random() < 0.6:
                link.recv(self.chance.choice([1, 64, 300]))
            if self.chance.random() < 0.5:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.seen["went"] += 1

    def cut(self):
        body = self.body()
        with self.connect() as link:
            link.sendall(self.head("/v1/completions", len(body) + 100) + body[:self.chance.randint(0, len(body))])
        self.seen["cut short"] += 1

    def late(self):
        body = self.body(n=100, max_tokens=400, ignore_eos=True)
        with self.connect() as link:
            link.sendall(self.head("/v1/completions", len(body), OTHER_KEY) + body)
            self.expect("late", self.read(link), 200, 429, 504)

    def malformed(self):
        body = self.chance.choice([b"{", b"[]", b"[" * 5000, b'{"prompt":"\xff"}', b'{"prompt":1}', b"", b'{"prompt":"a","n":-1}', b'{"prompt":"a","x":1}'])
        with self.connect() as link:
            link.sendall(self.head("/v1/completions", len(body)) + body)
            self.expect("malformed", self.read(link), 400)

    def large(self):
        with self.connect() as link:
            try:
                link.sendall(self.head("/v1/completions", 1 << 30) + b"x" * (1 << 20))
                self.expect("large", self.read(link), 413)
            except OSError:
                self.seen["large: closed"] += 1

    def stranger(self):
        body = self.body()
        with self.connect() as link:
            link.sendall(self.head("/v1/completions", len(body), self.chance.choice(["no", KEY + "s", KEY[:-1]])) + body)
            self.expect("stranger", self.read(link), 401)

    def slow_writer(self):
        data = self.body()
        data = self.head("/v1/completions", len(data)) + data
        with self.connect() as link:
            for start in range(0, len(data), 60):
                link.sendall(data[start:start + 60])
                time.sleep(0.005)
            self.expect("slow writer", self.read(link), 200, 429)

    def slow_reader(self):
        body = self.body(stream=True, max_tokens=60, logprobs=5)
        with self.connect() as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            link.sendall(self.head("/v1/completions", len(body)) + body)
            data = b""
            while True:
                part = link.recv(512)
                if not part:
                    break
                data += part
                time.sleep(0.001)
        self.expect("slow reader", data, 200, 429)

    def one(self):
        kinds = [(self.good, 40), (self.stream, 20), (self.goes, 12), (self.cut, 4), (self.malformed, 8), (self.large, 1), (self.stranger, 5), (self.slow_writer, 3), (self.slow_reader, 2), (self.late, 0.3)]
        call = self.chance.choices([k for k, _ in kinds], [w for _, w in kinds])[0]
        call()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--heed", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--timeout", type=float, default=4, help="seconds that the server gives a request; more under a sanitizer")
    parser.add_argument("--any-memory", action="store_true", help="let memory grow, as under a sanitizer, which keeps what was freed")
    given = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [given.heed, "serve", f"worn={given.model}", "--port", str(port), "--prefix-tokens", str(PREFIX_TOKENS), "--timeout", str(given.timeout)],
        env={**os.environ, "HEED_API_KEYS": KEY + "\n" + OTHER_KEY})
    atexit.register(server.kill)
    for _ in range(6000):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.01)
    opened = handles(server.pid)
    left, lock, failures = [given.count], threading.Lock(), []
    memory, warm = [], [0]
    marks = {given.count * share // 50 for share in range(50)}
    clients = [Client(port, "worn", seed) for seed in range(given.clients)]

    def note(done):
        memory.append(resident(server.pid))
        kept = figures(port)["heed_prefix_kept_tokens"]
        if len(memory) < 10 or not warm[0] and kept < 0.9 * PREFIX_TOKENS:
            what = "warming up"
        else:
            warm[0] = warm[0] or len(memory)
            what = ""
        print(f"{done:6} requests, {memory[-1]:7.1f} MB, {kept:5.0f} tokens kept {what}", flush=True)

    def work(client):
        while True:
            with lock:
                if left[0] == 0 or len(failures) > 5 or server.poll() is not None:
                    return
                left[0] -= 1
                if left[0] in marks:
                    note(given.count - left[0])
            try:
                client.one()
            except (AssertionError, OSError) as why:
                failures.append(repr(why))
    began = time.monotonic()
    threads = [threading.Thread(target=work, args=(c,)) for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    seconds = time.monotonic() - began
    time.sleep(4)
    last, still_open = {}, 0
    if server.poll() is None:
        last, still_open = figures(port), handles(server.pid)
    stuck = [f"{name} is {last.get(name)}" for name in ("heed_requests_waiting", "heed_rows_running") if last.get(name) != 0]
    if still_open > opened + 1:
        stuck.append(f"{still_open} handles are open, {opened} were at first")
    server.send_signal(signal.SIGTERM)
    code = server.wait(60)
    total = sum((c.seen for c in clients), collections.Counter())
    for what, count in sorted(total.items()):
        print(f"{count:6}  {what}")
    flat = memory[warm[0] - 1:] if warm[0] else []
    quarter = len(flat) // 4
    growth = statistics.median(flat[-quarter:]) / statistics.median(flat[:quarter]) - 1 if quarter else 1
    print(f"{given.count} requests in {seconds:.0f} s; memory {growth:+.1%} after the warm-up; {still_open} handles open, {opened} at first; exit {code}")
    for line in failures + stuck:
        print("FAIL", line)
    sys.exit(1 if failures or stuck or growth > 0.02 and not given.any_memory or code not in (0, 143, -signal.SIGTERM) else 0)


main()
