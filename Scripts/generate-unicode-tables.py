#!/usr/bin/env python3
"""Writes Sources/HeedTokenizers/Unicode/UnicodeData.swift: the Unicode tables of the tokenizers.

Unicode 16.0.0, the version that tiktoken 0.14 and Hugging Face tokenizers 0.23 read. The data come from the package
unicodedata2 (pip install unicodedata2==16.0.0), which is only needed to run this script:

    python3 Scripts/generate-unicode-tables.py

Which characters Unicode 8.0 and 9.0 had is asked of Perl (\\p{Present_In: 8.0}): Hugging Face's library still uses those
versions to tell punctuation and marks.

Each table is a stream of variable-length numbers (7 bits each, low bits first) in base64, so that it compiles at once;
UnicodeTables.swift expands it on first use.
"""
import base64
import os
import subprocess
import sys

import unicodedata2 as unicode

VERSION = "16.0.0"
CATEGORIES = ("Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co").split()
SCALARS = [value for value in range(0x110000) if not 0xD800 <= value < 0xE000]

# Lower-case pairs that Unicode 16.0 and 17.0 added: Python's own str.lower may be older, and the Hugging Face library
# maps by Rust's tables, which are newer.
NEW_LOWER = {0x1C89: 0x1C8A, 0xA7CB: 0x264, 0xA7CC: 0xA7CD, 0xA7DA: 0xA7DB, 0xA7DC: 0x19B}
NEW_LOWER.update({0x10D50 + i: 0x10D70 + i for i in range(22)})
NEW_LOWER.update({0xA7CE: 0xA7CF, 0xA7D2: 0xA7D3, 0xA7D4: 0xA7D5})
NEW_LOWER.update({0x16EA0 + i: 0x16EBB + i for i in range(25)})


def varint(number):
    """The number in groups of 7 bits, low bits first."""
    groups = []
    while True:
        groups.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return groups


def runs(property_of):
    """(length, value) of each run of equal values over all code points, as a stream."""
    stream, start, value = [], 0, property_of(0)
    for code in range(1, 0x110001):
        new = property_of(code) if code < 0x110000 else None
        if new != value:
            stream += varint(code - start) + varint(value)
            start, value = code, new
    return stream


def category(code):
    return CATEGORIES.index(unicode.category(chr(code)))


def combining(code):
    return unicode.combining(chr(code))


def lower():
    """code, mapping …: (distance to the last code, number of scalars, zigzag distance of each from the code)."""
    stream, last = [], 0
    for code in SCALARS:
        text = chr(code).lower()
        mapped = [ord(c) for c in text]
        if unicode.category(chr(code)) == "Cn" and code not in NEW_LOWER:
            continue
        mapped = [NEW_LOWER[code]] if code in NEW_LOWER else mapped
        if mapped == [code]:
            continue
        stream += varint(code - last) + varint(len(mapped))
        for target in mapped:
            stream += zigzag(target - code)
        last = code
    return stream


def zigzag(number):
    return varint(number * 2 if number >= 0 else -number * 2 - 1)


def decompositions(compatible):
    """Full decompositions of single scalars, Hangul syllables left out: those have a formula."""
    form = "NFKD" if compatible else "NFD"
    stream, last = [], 0
    for code in SCALARS:
        if 0xAC00 <= code <= 0xD7A3:
            continue
        full = [ord(c) for c in unicode.normalize(form, chr(code))]
        if full == [code] or (compatible and full == [ord(c) for c in unicode.normalize("NFD", chr(code))]):
            continue
        stream += varint(code - last) + varint(len(full))
        for target in full:
            stream += varint(target)
        last = code
    return stream


def compositions():
    """(first, second, composed) of every primary composite."""
    stream, last = [], 0
    for code in SCALARS:
        parts = unicode.decomposition(chr(code)).split()
        if len(parts) != 2 or parts[0].startswith("<") or 0xAC00 <= code <= 0xD7A3:
            continue
        first, second = (int(part, 16) for part in parts)
        if unicode.normalize("NFC", chr(first) + chr(second)) != chr(code):
            continue  # excluded from composition
        stream += varint(code - last) + varint(first) + varint(second)
        last = code
    return stream


def ages():
    """0 for code points assigned by Unicode 8.0, 1 by 9.0, 2 for the others."""
    script = r'for (0..0x10FFFF) { print $_ >= 0xD800 && $_ < 0xE000 ? 0 : chr =~ /\p{Present_In: 8.0}/ ? 0 : chr =~ /\p{Present_In: 9.0}/ ? 1 : 2 }'
    return subprocess.run(["perl", "-e", script], capture_output=True, check=True, text=True).stdout


def literal(name, comment, stream):
    text = base64.b64encode(bytes(stream)).decode()
    lines = [text[i:i + 108] for i in range(0, len(text), 108)]
    body = "\\\n".join(f"        {line}" for line in lines)
    return f'    /// {comment}\n    static let {name}: StaticString = """\n{body}\n        """\n'


def main():
    if unicode.unidata_version != VERSION:
        sys.exit(f"expected Unicode {VERSION}, got {unicode.unidata_version}")
    parts = [
        literal("categories", "Runs of equal general category: (length, index into the list of categories).", runs(category)),
        literal("combiningClasses", "Runs of equal canonical combining class: (length, class).", runs(combining)),
        literal("lowerCase", "Lower-case mappings: (distance, count, zigzag distances).", lower()),
        literal("canonical", "Full canonical decompositions: (distance, count, scalars).", decompositions(False)),
        literal("compatible", "Full compatibility decompositions where they differ: (distance, count, scalars).", decompositions(True)),
        literal("ages", "Runs of equal age: (length, 0 up to Unicode 8.0, 1 for 9.0, 2 for later and none).", runs(lambda code, text=ages(): int(text[code]))),
        literal("compositions", "Primary composites: (distance of the composite, first, second).", compositions()),
    ]
    head = f"// Generated by Scripts/generate-unicode-tables.py from Unicode {VERSION}; do not edit.\n// swift-format-ignore-file\n\n"
    body = f'/// The raw tables of Unicode {VERSION}, in base64.\nenum UnicodeData {{\n    /// The version of the Unicode standard.\n    static let version = "{VERSION}"\n\n'
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Sources", "HeedTokenizers", "Unicode")
    path = os.path.join(folder, "UnicodeData.swift")
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(head + body + "\n".join(parts) + "}\n")
    print(f"{os.path.relpath(path)}: {os.path.getsize(path)} bytes")


main()
