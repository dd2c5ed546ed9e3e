#!/usr/bin/env python3
"""Opens the pages that Heed writes in headless Chromium and checks them.

    python3 Scripts/check-pages.py --heed .build/release/heed [--screenshots FOLDER] [--page FILE.html …]

Makes small models, writes their pages (explain, report, check, plan), and drives the browser over the DevTools
protocol: no request but the file itself, no error or warning on the console, every control does what it says, and the numbers of the page are those that
`--json` prints. Needs Python 3.9 and Chromium; nothing is fetched. Exit code 0: all passed.
"""
import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

failures = []


def check(name, passed, detail=""):
    print(("PASS  " if passed else "FAIL  ") + name + (f"  {detail}" if detail else ""))
    if not passed:
        failures.append(name)


class Browser:
    """Headless Chromium at the other end of two pipes; messages are JSON that ends with a zero byte."""

    def __init__(self, program, profile):
        to_read, self.to = os.pipe()
        self.back, back_write = os.pipe()

        def arrange():
            reading, writing = os.dup(to_read), os.dup(back_write)
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
             "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=arrange, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(back_write)
        self.rest, self.number, self.events = b"", 0, []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.send(domain + ".enable")

    def read(self):
        while b"\0" not in self.rest:
            part = os.read(self.back, 1 << 20)
            if not part:
                raise RuntimeError("the browser has gone")
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def send(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if getattr(self, "session", None):
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def evaluate(self, expression):
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def open(self, path):
        """Loads a file; returns the seconds until it is ready."""
        self.events.clear()
        began = time.time()
        self.send("Page.navigate", url="file://" + os.path.abspath(path))
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.read())
        self.evaluate("1")
        return time.time() - began

    def look(self, width, scheme, path):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        time.sleep(0.3)
        height = min(self.evaluate("document.documentElement.scrollHeight"), 8000)
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": width, "height": height, "scale": 1})
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def close(self):
        self.process.terminate()
        self.process.wait()


def quiet(browser, name):
    """No request but the page itself, nothing on the console, no markup that hides what it is."""
    requests = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    others = [url for url in requests if not url.startswith("file:") and not url.startswith("data:")]
    check(f"{name}: no request outside", not others and sum(u.startswith("file:") for u in requests) <= 1, " ".join(others[:3]))
    said = [e["params"] for e in browser.events
            if e.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")]
    check(f"{name}: nothing on the console", not said, json.dumps(said[:2])[:400] if said else "")
    names = browser.evaluate(
        "[...document.querySelectorAll('button,select,input,canvas,a,svg[role=img]')]"
        ".filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length)).length")
    check(f"{name}: every control has a name", names == 0, f"{names} without")
    wide = browser.evaluate("document.documentElement.scrollWidth > innerWidth")
    check(f"{name}: no wider than the screen", not wide)


def number_check(browser, name, document):
    """The likeliest answers and the attention of the page are those of the JSON."""
    page = {int(i): p for i, p in browser.evaluate(
        "[...document.querySelectorAll('#distribution [data-id]')].map(e => [e.dataset.id, +e.dataset.probability])")}
    off = max(abs(page.get(c["id"], 9) - c["probability"]) for c in document["candidates"])
    check(f"{name}: probabilities equal the JSON's", off < 1e-6, f"{off:.1e}")
    stages = browser.evaluate("document.querySelectorAll('#flow > details').length")
    check(f"{name}: a box for every stage", stages == len(document["stages"]), f"{stages}")
    map_ = document.get(next((k for k in document if k.endswith("attentions.0")), ""), None)
    if map_:
        told = browser.evaluate(
            "(() => { const c = document.querySelector('#attention canvas'); c.focus();"
            "for (let i = 0; i < 400; i++) { c.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown'}));"
            "} return document.querySelector('#attention .readout').textContent; })()")
        expected = map_[0][-1][0] if "encoder_attentions.0" not in document else document["encoder_attentions.0"][0][-1][0]
        shown = float(told.rsplit(": ", 1)[1].split()[0])
        check(f"{name}: the cursor tells the weight of the JSON", abs(shown - expected) < 1e-4, told)


def control_check(browser, name):
    browser.evaluate("document.querySelectorAll('#flow > details').forEach(e => { e.open = true; })")
    time.sleep(0.3)
    steps = browser.evaluate("document.querySelectorAll('#flow > details > details').length")
    check(f"{name}: stages open to steps", steps >= 5, f"{steps}")
    browser.evaluate("document.querySelectorAll('#flow > details > details').forEach(e => { e.open = true; })")
    time.sleep(0.5)
    check(f"{name}: steps open to rows", browser.evaluate("document.querySelectorAll('#flow canvas').length") >= 5)
    browser.evaluate("document.querySelectorAll('[data-part]').forEach(e => { e.open = true; })")
    time.sleep(0.3)
    parts = browser.evaluate(
        "[...new Set([...document.querySelectorAll('[data-part]')].filter(e => e.querySelector('canvas')).map(e => e.dataset.part))]")
    check(f"{name}: attention opens step by step", {"scores", "scale", "softmax", "sum"} <= set(parts), str(parts))
    heads = browser.evaluate(
        "(() => { const h = document.getElementById('head'); if (!h) return [0, 1]; const before = h.value + document.getElementById('layer').value;"
        "document.getElementById('next-head').click(); return [before, h.value + document.getElementById('layer').value]; })()")
    check(f"{name}: the next head is another", heads[0] != heads[1], str(heads))
    for control, value, holds in (
            ("temperature", "0.05", "p[0] > before[0]"), ("top-k", "3", "p.length === 3"), ("top-p", "0.01", "p.length === 1")):
        held = browser.evaluate(
            "(() => { const read = () => [...document.querySelectorAll('#distribution [data-id]')].map(e => +e.dataset.probability);"
            f"document.getElementById('reset').click(); const before = read(); const c = document.getElementById('{control}');"
            f"c.value = {value}; c.dispatchEvent(new Event('input')); const p = read(); return [({holds}) || (before.length < 4), p.length, p[0], before[0]]; }})()")
        check(f"{name}: {control} changes the answers", held[0], str(held))
    same = browser.evaluate(
        "(() => { document.getElementById('reset').click();"
        "return [...document.querySelectorAll('#distribution [data-id]')].reduce((s, e) => s + +e.dataset.probability, 0) <= 1.0001; })()")
    check(f"{name}: reset", same)
    browser.evaluate("document.getElementById('scheme').click()")
    check(f"{name}: the scheme changes", browser.evaluate("document.documentElement.dataset.scheme") in ("dark", "light"))
    browser.evaluate("document.getElementById('scheme').click()")


def every_control(browser, name):
    """Moves every control to its other end and back."""
    count = browser.evaluate(
        "(() => { const controls = [...document.querySelectorAll('main input, main select')]; for (const c of controls) {"
        "const before = c.value; if (c.type === 'checkbox') { c.click(); c.click(); }"
        "else for (const value of c.tagName === 'SELECT' ? [...c.options].map(o => o.value) : c.type === 'range' ? [c.max, c.min] : ['attention']) {"
        "c.value = value; c.dispatchEvent(new Event('input')); c.dispatchEvent(new Event('change')); }"
        "c.value = before; c.dispatchEvent(new Event('input')); c.dispatchEvent(new Event('change')); }"
        "document.querySelectorAll('canvas').forEach(c => { c.focus(); for (const key of ['ArrowDown', 'ArrowRight', 'Enter'])"
        "c.dispatchEvent(new KeyboardEvent('keydown', {key})); }); return controls.length; })()")
    check(f"{name}: every control works", count >= 0, f"{count} controls")


def report_check(browser, log):
    """The norms of the page are those of the log."""
    rows = {row["step"]: row["layer_grad_norms"] for row in map(json.loads, open(log))}
    told = browser.evaluate(
        "(() => { const c = document.querySelector('#layers canvas'); c.focus();"
        "for (let i = 0; i < 3; i++) c.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown'}));"
        "c.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}));"
        "return document.querySelector('#layers .readout').textContent + ' | ' + [...document.querySelectorAll('#layers h3')].pop().textContent; })()")
    name, rest = told.split(", step ")
    step, rest = rest.split(": ")
    shown, chosen = rest.split(" | ")
    off = abs(float(shown.replace("−", "-")) - rows[int(step)][name])
    check("report: norms by layer are those of the log", chosen == name and off <= 0.02 * rows[int(step)][name] + 1e-3, told)


def run(heed, *arguments):
    result = subprocess.run([heed, *arguments], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"heed {' '.join(arguments)} ended with {result.returncode}:\n{result.stderr}")
    return result.stdout


def small_models(heed, folder):
    """A GPT and an encoder-decoder after a few steps on a text of our own."""
    text = os.path.join(folder, "text.txt")
    with open(text, "w") as file:
        file.write("The cat sat on the mat. The dog sat by the door. A bird sang in the tree.\n" * 200)
    gpt = os.path.join(folder, "gpt")
    run(heed, "train", "--data", text, "--preset", "tiny", "--steps", "20", "--output", gpt, "--quiet", "--log", gpt + ".jsonl",
        "--log-layers", "--validation", "0.1", "--evaluate-every", "10")
    pairs = os.path.join(folder, "pairs.txt")
    with open(pairs, "w") as file:
        file.write("the cat sat\nthe dog ran\na bird sang\n" * 60)
    translator = os.path.join(folder, "translator")
    run(heed, "train", "--source", pairs, "--target", pairs, "--preset", "translation-small", "--vocab-size", "280",
        "--steps", "3", "--output", translator, "--quiet")
    return [("decoder", gpt, "The cat sat on"), ("encoder-decoder", translator, "the cat sat")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--heed", default=".build/release/heed")
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome"))
    parser.add_argument("--screenshots")
    parser.add_argument("--page", nargs="*", default=[], help="pages that are there, checked for quiet alone")
    parser.add_argument("--model", nargs=2, action="append", default=[], metavar=("FOLDER", "PROMPT"))
    options = parser.parse_args()
    if not options.chromium:
        sys.exit("Chromium is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(options.chromium, os.path.join(folder, "profile"))
        try:
            models = [(os.path.basename(m.rstrip("/")), m, p) for m, p in options.model] or ([] if options.page else small_models(options.heed, folder))
            pages = [(os.path.basename(page), page, None) for page in options.page]
            for name, model, prompt in models:
                page = os.path.join(folder, name + ".html")
                run(options.heed, "explain", model, "--prompt", prompt, "--html", page)
                document = json.loads(run(options.heed, "explain", model, "--prompt", prompt, "--json"))
                pages.append((name, page, document))
            if not options.page and not options.model:
                gpt = models[0][1]
                for name, arguments in (("report", ["report", gpt]), ("check", ["check", gpt]), ("plan", ["plan", "--preset", "gpt2"])):
                    page = os.path.join(folder, name + ".html")
                    run(options.heed, *arguments, "--html", page)
                    pages.append((name, page, None))
                page = os.path.join(folder, "gradients.html")
                run(options.heed, "explain", gpt, "--prompt", "The cat", "--gradients", "--html", page)
                pages.append(("gradients", page, None))
            for name, page, document in pages:
                size = os.path.getsize(page)
                browser.send("Emulation.setDeviceMetricsOverride", width=1200, height=900, deviceScaleFactor=1, mobile=False)
                seconds = browser.open(page)
                check(f"{name}: below 10 MB, ready within 2 s", size < 10e6 and seconds < 2, f"{size / 1e6:.2f} MB, {seconds:.2f} s")
                quiet(browser, name)
                if document:
                    number_check(browser, name, document)
                if options.screenshots:
                    os.makedirs(options.screenshots, exist_ok=True)
                    for width in (1200, 390):
                        for scheme in ("light", "dark"):
                            browser.look(width, scheme, os.path.join(options.screenshots, f"{name}-{width}-{scheme}.png"))
                if document:
                    control_check(browser, name)
                else:
                    every_control(browser, name)
                if name == "report":
                    report_check(browser, models[0][1] + ".jsonl")
                if name == "gradients":
                    off = browser.evaluate("document.querySelector('#checks p').textContent")
                    check("gradients: all agree with differences", "agree." in off and "disagree" not in off, off)
                quiet(browser, name + ", used")
                browser.send("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=False)
                check(f"{name}: no wider than a narrow screen", not browser.evaluate("document.documentElement.scrollWidth > innerWidth"))
        finally:
            browser.close()
    print(f"{len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
