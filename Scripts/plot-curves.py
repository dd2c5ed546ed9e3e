#!/usr/bin/env python3
"""Draws the losses of training runs into one SVG: thin lines for training, thick ones for validation.

    python3 Scripts/plot-curves.py first.jsonl second.jsonl > curves.svg

Each file is a log of `heed train --log`; its name without the ending is its label. Needs nothing but Python. For pages
that can be looked into, see `heed report`.
"""
import json
import os
import sys

COLOURS = ["#2563eb", "#dc2626", "#059669", "#9333ea"]
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 420, 56, 44, 20


def read(path):
    with open(path) as file:
        rows = [json.loads(line) for line in file]
    training = [(row["step"], row["loss"]) for row in rows]
    return training, [(row["step"], row["validation_loss"]) for row in rows if "validation_loss" in row]


def main(paths):
    if not paths:
        sys.exit(__doc__)
    runs = [(os.path.splitext(os.path.basename(path))[0], *read(path)) for path in paths]
    last = max(step for _, training, _ in runs for step, _ in training)
    losses = [loss for _, training, validation in runs for _, loss in training + validation]
    low, high = min(losses) * 0.95, max(losses) * 1.02

    def place(step, loss):
        x = LEFT + (WIDTH - LEFT - 28) * step / last
        return f"{x:.1f},{TOP + (HEIGHT - TOP - BOTTOM) * (high - loss) / (high - low):.1f}"

    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">')
    print(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for part in range(6):
        loss = low + (high - low) * part / 5
        x, y = place(0, loss).split(",")
        print(f'<path d="M{x} {y}H{WIDTH - 28}" stroke="#e5e7eb"/><text x="{LEFT - 8}" y="{y}" dy="4" '
              f'text-anchor="end" fill="#374151">{loss:.2f}</text>')
        x = place(last * part / 5, low).split(",")[0]
        print(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#374151">{last * part // 5}</text>')
    print(f'<text x="{(LEFT + WIDTH) // 2}" y="{HEIGHT - 8}" text-anchor="middle" fill="#374151">step; loss in nats per token</text>')
    for number, (name, training, validation) in enumerate(runs):
        colour = COLOURS[number % len(COLOURS)]
        # A line that covers another lets it be seen.
        dashes = f' stroke-dasharray="{8 - 2 * min(number, 3)} {4 * number}"' if number else ""
        for points, width, opacity in ((training, 0.8, 0.35), (validation, 2.2, 1)):
            path = " ".join(place(*point) for point in points)
            print(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" opacity="{opacity}"{dashes}/>')
        y = TOP + 16 + 18 * number
        print(f'<path d="M{WIDTH - 180} {y - 4}h24" stroke="{colour}" stroke-width="2.2"/>'
              f'<text x="{WIDTH - 150}" y="{y}" fill="#111827">{name}</text>')
    print("</svg>")


main(sys.argv[1:])
