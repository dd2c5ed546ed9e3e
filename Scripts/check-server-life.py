#!/usr/bin/env python3
"""Starts, ends, kills and restarts `heed serve` under load, and drives it over TLS, from other origins and behind nginx.

    python3 Scripts/check-server-life.py --heed .build/release/heed --model FOLDER

MODEL is any folder of a small decoder with a tokenizer. Needs Python 3.9; the certificate is made by `openssl`, and two
replicas are put behind `nginx`, where these are installed. Exit code 0: all is well.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import warnings

failures = 0


def check(name, holds, detail=""):
    global failures
    failures += not holds
    print(f"{'ok  ' if holds else 'FAIL'}  {name}" + (f": {detail}" if detail != "" else ""), flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server of the model `m`; ended, if it still runs, when the block ends."""

    def __init__(self, given, *options, port=None, context=None):
        self.port, self.context = port or free_port(), context
        began = time.monotonic()
        self.process = subprocess.Popen(
            [given.heed, "serve", f"m={given.model}", "--port", str(self.port), *options], stderr=subprocess.DEVNULL)
        while self.status("/ready") != 200:
            if self.process.poll() is not None or time.monotonic() > began + 60:
                sys.exit(f"the server did not start with {options}")
            time.sleep(0.005)
        self.seconds = time.monotonic() - began

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def connect(self):
        if self.context:
            return http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, path, body=None, headers={}, method=None):
        """The status, headers and text of an answer."""
        link = self.connect()
        try:
            data = None if body is None else json.dumps(body)
            link.request(method or ("GET" if body is None else "POST"), path, data, {"Content-Type": "application/json", **headers})
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            link.close()

    def status(self, path, body=None):
        try:
            return self.ask(path, body)[0]
        except (OSError, http.client.HTTPException):
            return 0


def body(tokens=20, **more):
    return {"model": "m", "prompt": "Once upon a time", "max_tokens": tokens, "seed": 1, "ignore_eos": True, **more}


def stream(server, arrived, tokens):
    """Reads a stream to its end; tells that its first event has come."""
    link = server.connect()
    try:
        link.request("POST", "/v1/completions", json.dumps(body(tokens, stream=True)), {"Content-Type": "application/json"})
        answer = link.getresponse()
        first = answer.readline()
        arrived()
        return answer.status, first + answer.read()
    except (OSError, http.client.HTTPException) as why:
        arrived()
        return 0, repr(why).encode()
    finally:
        link.close()


def under_load(server, clients, tokens, act):
    """Calls `act` once every client's stream has begun, and returns what the clients got."""
    begun = threading.Semaphore(0)
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        jobs = [pool.submit(stream, server, begun.release, tokens) for _ in range(clients)]
        for _ in range(clients):
            begun.acquire()
        act()
        return [job.result() for job in jobs]


def whole(results):
    return sum(status == 200 and data.endswith(b"data: [DONE]\n\n") and b'"finish_reason":"length"' in data for status, data in results)


def check_ends(given):
    with Server(given) as server:
        check("ready", True, f"after {server.seconds:.2f} s")
        refused = []

        def end():
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.02)
            refused.append(server.status("/v1/completions", body()))
        results = under_load(server, 16, 400, end)
        code = server.process.wait(60)
        check("SIGTERM under load: streams that began arrive whole", whole(results) == 16, f"{whole(results)} of 16")
        check("SIGTERM: new work is refused", refused[0] in (0, 503), refused[0])
        check("SIGTERM: exit code", code in (0, -signal.SIGTERM), code)
    with Server(given, "--grace", "0.5", "--parallel", "1") as server:
        began = []

        def end():
            began.append(time.monotonic())
            server.process.send_signal(signal.SIGTERM)
        long = {"n": 100, "stream": False}
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            job = pool.submit(server.ask, "/v1/completions", body(400, **long))
            time.sleep(0.3)
            end()
            status, _, text = job.result()
        server.process.wait(60)
        seconds = time.monotonic() - began[0]
        check("SIGTERM: what is left after the grace time is told so", status == 503 and "ending" in text, f"{status}, {seconds:.1f} s")
        check("SIGTERM: the server ends soon after the grace time", seconds < 5, f"{seconds:.1f} s")
    with Server(given) as server:
        results = under_load(server, 16, 400, lambda: server.process.send_signal(signal.SIGHUP))
        check("SIGHUP under load: streams that began arrive whole", whole(results) == 16, f"{whole(results)} of 16")
        check("SIGHUP: the server goes on", server.status("/v1/completions", body()) == 200)


def check_kill(given):
    with Server(given) as server:
        port, load = server.port, server.seconds
        answer = json.loads(server.ask("/v1/completions", body())[2])["choices"]
        under_load(server, 16, 400, server.process.kill)
        server.process.wait()
    began = time.monotonic()
    with Server(given, port=port) as server:
        again = json.loads(server.ask("/v1/completions", body())[2])["choices"]
        seconds = time.monotonic() - began
        check("kill -9 under load and restart on the port: the same answer", again == answer)
        check("kill -9: answers within a second plus load", seconds < 1 + load, f"{seconds:.2f} s; load {load:.2f} s")


def check_tls(given, folder):
    if not shutil.which("openssl"):
        print("skip  TLS: openssl is not installed")
        return
    key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(cafile=certificate)
    with Server(given, "--tls-certificate", certificate, "--tls-key", key, context=context) as server:
        check("TLS: an answer", server.status("/v1/completions", body()) == 200)
        results = under_load(server, 4, 100, lambda: None)
        check("TLS: streams", whole(results) == 4)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        server.context = old
        check("TLS 1.1 is refused", server.status("/ready") == 0)
        server.context = None
        check("TLS: nothing without it", server.status("/ready") == 0)
        server.context = context
        results = under_load(server, 4, 400, lambda: server.process.send_signal(signal.SIGTERM))
        check("TLS: SIGTERM, streams that began arrive whole", whole(results) == 4, f"{whole(results)} of 4")
    wrong = subprocess.run([given.heed, "serve", given.model, "--port", "0", "--tls-certificate", key, "--tls-key", certificate],
                           capture_output=True, text=True, timeout=60)
    check("TLS: a wrong certificate is said", wrong.returncode == 1 and key in wrong.stderr, wrong.stderr.strip())


def check_origins(given):
    origin = "https://page.example"
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    name = "access-control-allow-origin"
    with Server(given) as server:
        plain = server.ask("/v1/completions", body(), {"Origin": origin})
        check("other origins: nothing unless told", name not in plain[1] and name not in server.ask("/v1/completions", headers=asked, method="OPTIONS")[1])
    for allowed in [origin, "*"]:
        with Server(given, "--allow-origin", allowed) as server:
            first = server.ask("/v1/completions", headers=asked, method="OPTIONS")
            then = server.ask("/v1/completions", body(), {"Origin": origin})
            check(f"--allow-origin {allowed}", first[0] in (200, 204) and first[1][name] == allowed and then[0] == 200 and then[1][name] == allowed,
                  f"{first[0]} {first[1][name]}, {then[0]} {then[1][name]}")
            failed = server.ask("/v1/completions", {"prompt": 1}, {"Origin": origin})
            check("the page may read errors too", failed[0] == 400 and failed[1][name] == allowed, failed[1][name])


def check_replicas(given, folder):
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if not nginx:
        print("skip  replicas: nginx is not installed")
        return
    with Server(given, "--threads", "1") as first, Server(given, "--threads", "1") as second:
        front = free_port()
        text = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../Deploy/nginx.conf"), encoding="utf-8").read()
        for port, real in [(8080, front), (8081, first.port), (8082, second.port)]:
            text = re.sub(rf"(?m)^(\s*(?:listen|server) 127\.0\.0\.1:){port}\b", rf"\g<1>{real}", text)
        path = os.path.join(folder, "nginx.conf")
        open(path, "w", encoding="utf-8").write(text)
        prefix = os.path.join(folder, "nginx")
        os.mkdir(prefix)
        os.chmod(folder, 0o755)
        proxy = subprocess.Popen([nginx, "-p", prefix, "-c", path, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
        try:
            both = Server.__new__(Server)
            both.port, both.context = front, None
            for _ in range(200):
                if both.status("/ready") == 200:
                    break
                time.sleep(0.02)
            results = under_load(both, 16, 100, lambda: None)
            shares = [int(re.search(r"heed_requests_total\{path=\"/v1/completions\",code=\"200\"\} (\d+)", s.ask("/metrics")[2])[1]) for s in (first, second)]
            check("two replicas behind nginx share streams", whole(results) == 16 and min(shares) > 0, shares)
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                jobs = [pool.submit(both.status, "/v1/completions", body(200)) for _ in range(60)]
                time.sleep(0.1)
                first.process.kill()
                codes = [job.result() for job in jobs]
            check("one of them is killed: every request is answered by the other", codes == [200] * 60, sorted(set(codes)))
        finally:
            proxy.terminate()
            proxy.wait(10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--heed", required=True)
    parser.add_argument("--model", required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        check_ends(given)
        check_kill(given)
        check_tls(given, folder)
        check_origins(given)
        check_replicas(given, folder)
    print(f"{failures} failed" if failures else "all is well")
    sys.exit(1 if failures else 0)


main()
