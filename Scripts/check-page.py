#!/usr/bin/env python3
"""Drives the page of `heed serve` in headless Chromium and takes pictures of it.

    python3 Scripts/check-page.py --heed .build/release/heed --model FOLDER --pictures DIR [--chromium /usr/bin/chromium]

MODEL must have a chat template. Needs Python 3.9, `playwright` and Chromium; nothing is fetched, and the page may ask for
nothing but its own server. Exit code 0: chat, tokens, branches, completion, history and export work, without an error
in the browser's console.
"""
import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time

from playwright.sync_api import sync_playwright

failures = 0


def check(name, holds, detail=""):
    global failures
    failures += not holds
    print(f"{'ok  ' if holds else 'FAIL'}  {name}" + ("" if holds else f": {detail}"))


def wait(page, condition, seconds=60):
    """The page's policy lets nobody evaluate text in it, so Playwright's own way of waiting is shut out."""
    until = time.monotonic() + seconds
    while not page.evaluate("() => !!(" + condition + ")"):
        if time.monotonic() > until:
            raise AssertionError(f"never came: {condition}")
        time.sleep(0.05)


def drive(page, address, pictures):
    outside, errors = [], []
    page.on("request", lambda r: outside.append(r.url) if not r.url.startswith((address, "blob:", "data:")) else None)
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" and "favicon" not in m.text else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(address)
    wait(page, "document.querySelector('#model option')")
    for name, value in (("max_tokens", "40"), ("temperature", "0.8")):
        page.eval_on_selector(f"#set-{name}", "(e, v) => { e.value = v; e.oninput(); }", value)
    page.fill("#set-seed", "7")
    page.fill("#system", "You tell stories.")

    page.fill("#text", "Tell me of a cat.")
    page.press("#text", "Enter")
    wait(page, "document.querySelectorAll('.token').length > 3")
    wait(page, "document.querySelector('#send').textContent === 'Send'")
    first = page.inner_text(".turn:last-child .said")
    check("a chat is answered token by token", len(first) > 0, first)
    page.screenshot(path=os.path.join(pictures, "chat.png"))

    tokens = page.query_selector_all(".token")
    tokens[2].click()
    bars = page.query_selector_all(".bar")
    check("a token shows what else could have come", len(bars) >= 5, len(bars))
    page.screenshot(path=os.path.join(pictures, "token.png"))
    page.click("#look")
    wait(page, "document.querySelectorAll('#inside-text span').length > 3")
    sums = lambda: page.evaluate("[...document.querySelectorAll('#inside-text span')].reduce((s, e) => s + +e.dataset.weight, 0)")
    check("the roll-out of attention sums to one", abs(sums() - 1) < 1e-4, sums())
    page.select_option("#inside-layer", "0")
    page.select_option("#inside-head", "0")
    check("so do the weights of a head", abs(sums() - 1) < 1e-4, sums())
    last = page.query_selector_all("#inside .bar")[-1].inner_text()
    check("the last block's answer is the likeliest token", bars[0].inner_text().split("\n")[0] in last, last)
    page.screenshot(path=os.path.join(pictures, "inside.png"))
    other = next(b for b in bars if "chosen" not in b.get_attribute("class"))
    other.click()
    wait(page, "document.querySelector('#send').textContent === 'Send'")
    second = page.inner_text(".turn:last-child .said")
    check("another token leads elsewhere", second != first and page.evaluate("current.turns.at(-1).tokens.length") >= 3, second)
    page.screenshot(path=os.path.join(pictures, "branch.png"))

    page.click("#tab-complete")
    page.fill("#text", "Once upon a time")
    page.click("#send")
    wait(page, "document.querySelectorAll('.token').length > 3")
    wait(page, "document.querySelector('#send').textContent === 'Continue'")
    told = page.inner_text(".turn:last-child .said")
    check("a text is continued", len(told) > 0)
    page.screenshot(path=os.path.join(pictures, "completion.png"))
    with page.expect_download() as download:
        page.click("#export")
    session = json.load(open(download.value.path(), encoding="utf-8"))
    check("a session is exported, with its receipt", session["turns"][-1]["receipt"]["format"] == "heed-receipt-1", list(session))
    page.reload()
    wait(page, "document.querySelectorAll('#history button').length >= 2")
    page.click("#history button:first-child")
    check("the history is kept", page.inner_text(".turn:last-child .said") == told)
    page.set_viewport_size({"width": 420, "height": 900})
    page.screenshot(path=os.path.join(pictures, "narrow.png"), full_page=True)
    check("nothing is asked of other addresses", not outside, outside)
    check("no error in the console", not errors, errors)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--heed", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--pictures", required=True)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    os.makedirs(given.pictures, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([given.heed, "serve", given.model, "--port", str(port)])
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=given.chromium, args=["--no-sandbox"])
            drive(browser.new_page(viewport={"width": 1320, "height": 800}, accept_downloads=True), f"http://127.0.0.1:{port}", given.pictures)
            browser.close()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    sys.exit(1 if failures else 0)


main()
