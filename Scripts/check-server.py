#!/usr/bin/env python3
"""Drives every endpoint of `heed serve` with the official OpenAI client.

    python3 Scripts/check-server.py --heed .build/release/heed --model FOLDER [--embedder FOLDER]

Starts the server itself, on a port that is free, with keys, and ends it with SIGTERM. MODEL is any folder of a decoder
with a tokenizer; a copy with a chat template is made of it. Then it sends 200 seeded requests of mixed lengths alone and
32 at once and compares the answers byte by byte, log probabilities included. Needs Python 3.9 and `openai`; nothing is
fetched. Exit code 0: all is well.
"""
import argparse
import concurrent.futures
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import openai

TEMPLATE = ("{% if tools %}Tools: <tool_call>{{ tools | tojson }}</tool_call>\n{% endif %}"
            "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
            "{% if add_generation_prompt %}assistant:{% endif %}")
TOOL = {"type": "function", "function": {"name": "weather", "description": "Tells the weather.", "parameters": {
    "type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}}, "required": ["city"], "additionalProperties": False}}}
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
failures = 0


def check(name, holds, detail=""):
    global failures
    failures += not holds
    print(f"{'ok  ' if holds else 'FAIL'}  {name}" + ("" if holds else f": {detail}"))


def prepared(model, folder):
    path = os.path.join(folder, "talker")
    shutil.copytree(model, path)
    file = os.path.join(path, "tokenizer_config.json")
    settings = json.load(open(file, encoding="utf-8")) if os.path.exists(file) else {}
    json.dump({**settings, "chat_template": TEMPLATE}, open(file, "w", encoding="utf-8"))
    return path


def started(heed, arguments, log):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([heed, "serve", *arguments, "--port", str(port)], stderr=log, env={**os.environ, "HEED_API_KEYS": "the-key"})
    began = time.monotonic()
    while time.monotonic() < began + 60:
        if process.poll() is not None:
            sys.exit(f"the server ended at once with {process.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2)
            print(f"      ready after {time.monotonic() - began:.2f} s")
            return process, port
        except OSError:
            time.sleep(0.01)
    sys.exit("the server is not ready after 60 s")


def refused(name, kind, call):
    try:
        call()
        check(name, False, "no error")
    except kind as error:
        check(name, bool(error.body and error.body.get("message")), error.body)


def drive(client, port):
    check("models", "talker" in [m.id for m in client.models.list()])
    check("one model", client.models.retrieve("talker").id == "talker")
    base = {"model": "talker", "prompt": "The cat", "max_tokens": 12, "seed": 7}
    whole = client.completions.create(**base, n=2, logprobs=3)
    check("completion", len(whole.choices) == 2 and whole.usage.completion_tokens >= 2, whole)
    pieces = list(client.completions.create(**base, n=2, stream=True, stream_options={"include_usage": True}))
    texts = ["".join(c.text for p in pieces for c in p.choices if c.index == i) for i in (0, 1)]
    check("completion, streamed", texts == [c.text for c in whole.choices] and pieces[-1].usage == whole.usage, texts)
    scores = whole.choices[0].logprobs
    check("log probabilities", len(scores.tokens) == len(scores.token_logprobs) == len(scores.top_logprobs) == len(scores.text_offset), scores)
    echoed = client.completions.create(**{**base, "max_tokens": 1}, echo=True, logprobs=1).choices[0]
    check("echo", echoed.text.startswith("The cat") and echoed.logprobs.token_logprobs[0] is None, echoed)
    best = client.completions.create(**base, best_of=4)
    check("best_of", len(best.choices) == 1, best)
    short = client.completions.create(**{**base, "temperature": 0, "max_tokens": 40}, stop=["e"]).choices[0]
    check("stop", "e" not in short.text, short)
    biased = client.completions.create(**{**base, "temperature": 0}, presence_penalty=1, frequency_penalty=1, logit_bias={"5": -100})
    check("penalties and biases", biased.choices[0].finish_reason in ("stop", "length"))
    several = client.completions.create(**{**base, "prompt": ["The cat", "A dog"]})
    check("several prompts", len(several.choices) == 2)

    chat = {"model": "talker", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who is there?"}], "max_completion_tokens": 12, "seed": 3}
    answer = client.chat.completions.create(**chat, logprobs=True, top_logprobs=2)
    check("chat", answer.choices[0].message.role == "assistant" and answer.system_fingerprint.startswith("heed-"), answer)
    parts = list(client.chat.completions.create(**chat, stream=True))
    text = "".join(c.delta.content or "" for p in parts for c in p.choices)
    check("chat, streamed", text == answer.choices[0].message.content and parts[0].choices[0].delta.role == "assistant", text)
    formed = client.chat.completions.create(**{**chat, "max_completion_tokens": 60}, response_format={"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}})
    check("JSON by schema", list(json.loads(formed.choices[0].message.content)) == ["ok"], formed)
    called = client.chat.completions.create(**{**chat, "max_completion_tokens": 120}, tools=[TOOL], tool_choice="required").choices[0]
    call = called.message.tool_calls and called.message.tool_calls[0].function
    check("a required tool", bool(call) and call.name == "weather" and json.loads(call.arguments)["city"] in ("Rome", "Oslo") and called.finish_reason == "tool_calls", called)
    named = list(client.chat.completions.create(**{**chat, "max_completion_tokens": 120}, tools=[TOOL], stream=True, tool_choice={"type": "function", "function": {"name": "weather"}}))
    calls = [c for p in named for x in p.choices for c in x.delta.tool_calls or []]
    check("a named tool, streamed", [c.function.name for c in calls] == ["weather"] and named[-1].choices[0].finish_reason == "tool_calls", named[-1])
    check("tools, free", client.chat.completions.create(**chat, tools=[TOOL]).choices[0].message.role == "assistant")

    response = client.responses.create(model="talker", input="Who is there?", instructions="Be brief.", max_output_tokens=12, extra_body={"seed": 3})
    check("response", response.output_text == answer.choices[0].message.content, response.output_text)
    events = list(client.responses.create(model="talker", input=[{"role": "user", "content": "Who is there?"}], instructions="Be brief.", max_output_tokens=12, stream=True, extra_body={"seed": 3}))
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    check("response, streamed", text == response.output_text and events[0].type == "response.created" and events[-1].type in ("response.completed", "response.incomplete"), [e.type for e in events])

    refused("an unknown model", openai.NotFoundError, lambda: client.completions.create(model="none", prompt="a"))
    refused("a wrong value", openai.BadRequestError, lambda: client.completions.create(model="talker", prompt="a", temperature=9))
    refused("an unknown argument", openai.BadRequestError, lambda: client.completions.create(model="talker", prompt="a", extra_body={"temprature": 1}))
    stranger = client.with_options(api_key="no-key")
    refused("a wrong key", openai.AuthenticationError, lambda: stranger.models.list())
    for path in ("/health", "/ready", "/"):
        check(path, urllib.request.urlopen(f"http://127.0.0.1:{port}{path}").status == 200)
    tokens = client.post("/../tokenize", body={"model": "talker", "prompt": "The cat"}, cast_to=object)
    text = client.post("/../detokenize", body={"model": "talker", "tokens": tokens["tokens"], "skip_special_tokens": True}, cast_to=object)
    check("tokenize and detokenize", text["prompt"].strip() == "The cat" and tokens["count"] == len(tokens["tokens"]), text)
    metrics = urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": "Bearer the-key"})).read().decode()
    check("metrics", "heed_time_to_first_token_seconds_bucket" in metrics and "heed_generation_tokens_total" in metrics)


def embed(client, name):
    plain = client.embeddings.create(model=name, input=["A cat sits on the mat.", "Ünïcödé 🐈"])
    floats = client.embeddings.create(model=name, input="Ünïcödé 🐈", encoding_format="float")
    off = max(abs(a - b) for a, b in zip(plain.data[1].embedding, floats.data[0].embedding))
    check("embeddings", len(plain.data) == 2 and off < 1e-6, off)


def replay(heed, client, model, folder):
    answer = client.completions.with_raw_response.create(model="talker", prompt=["Once", "The"], n=2, max_tokens=10)
    file = os.path.join(folder, "answer.json")
    open(file, "wb").write(answer.content)
    done = subprocess.run([heed, "replay", file, "--model", model], capture_output=True, text=True)
    check("replay", done.returncode == 0 and "The same: 4 of 4." in done.stdout, done.stdout + done.stderr)


def crowd(client, count=200, at_once=32):
    words = "The cat and the dog sat on a mat while rain fell on the quiet lake and nobody saw it".split()
    bodies = [{"model": "talker", "prompt": " ".join(words[(i + 3 * k) % len(words)] for k in range(1 + i % 60)), "max_tokens": 1 + i % 24,
               "temperature": 0 if i % 3 == 0 else 0.9, "seed": i, "logprobs": 3, "n": 1 + (i % 10 == 1)} for i in range(count)]

    def ask(body):
        return json.dumps(client.completions.create(**body).to_dict()["choices"], sort_keys=True)
    alone = [ask(b) for b in bodies]
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        together = list(pool.map(ask, bodies))
    off = [i for i in range(count) if alone[i] != together[i]]
    check(f"{count} requests alone and {at_once} at once: identical bytes", not off, off)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--heed", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--embedder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "w+") as log:
        model = prepared(given.model, folder)
        process, port = started(given.heed, [model] + ([given.embedder] if given.embedder else []), log)
        try:
            client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="the-key", max_retries=0)
            drive(client, port)
            if given.embedder:
                embed(client, os.path.basename(given.embedder.rstrip("/")))
            replay(given.heed, client, model, folder)
            crowd(client)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
        check("SIGTERM", code in (0, 143), code)
    print(f"{failures} failed" if failures else "all is well")
    sys.exit(1 if failures else 0)


main()
