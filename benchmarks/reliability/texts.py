"""Hostile texts: sound tables, settings and result files of curator with a few random edits, of bytes or of values."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

NASTY: tuple[Any, ...] = (
    None, True, -1, 0, 10**18, -(10**18), 10**400, 1e308, -1e308, 5e-324, float("nan"), float("inf"), "", " ", "\0", "\n",
    "NaN", "null", "-0", "1e999", "../../etc/passwd", "/dev/zero", "file:///etc/passwd", "http://127.0.0.1:9/x.jpg",
    "a" * 5000, "\ud800", "\u202egpj.exe", "\x1b]0;x\x07", "\x1b[2J", "=cmd|' /C calc'!A0", "<img src=x onerror=alert(1)>",
    "{{7*7}}", "%s%n", [], {}, [[]], {"": {}}, [None], ["x"] * 200, "ﬀ" * 40, "\u0000é", "2021-13-45", "'" * 300, "*" * 60,
    "[" * 200,
)  # fmt: skip
TOKENS = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"'", b",", b"\n", b"\r", b"\r\n", b"\\", b"{", b"}", b"[", b"]", b":", b"=",
    b"#", b"NaN", b"Infinity", b"null", b"1e999", b"9" * 5000, b"[" * 100000, b'{"a":' * 5000, b"\\ud800", b"\\u0000",
    b"\x1b[2J", b"a" * 20000, b"\xc3", b"../", b"file://", b"\t", b'"""', b"'''", b"0x", b"1979-05-27", b"true",
    b"\xf0\x9f\x90\xb0", b"=1+1",
)  # fmt: skip


def value(rng: random.Random) -> Any:
    """One of the nasty values, or a small structure of them; a new one each time."""
    if rng.random() < 0.1:
        return {str(rng.choice(NASTY)): copy.deepcopy(rng.choice(NASTY)) for _ in range(3)}
    if rng.random() < 0.1:
        return [copy.deepcopy(rng.choice(NASTY)) for _ in range(rng.choice((1, 2, 50)))]
    return copy.deepcopy(rng.choice(NASTY))


def edited(rng: random.Random, content: Any) -> Any:
    """JSON content with one value somewhere replaced, left out, doubled or moved; the content itself stays as it is."""
    out = json.loads(json.dumps(content))
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        holder, key = _somewhere(rng, out)
        if holder is None:
            return value(rng)
        what = rng.random()
        if what < 0.6:
            holder[key] = value(rng)
        elif what < 0.8:
            del holder[key]
        elif isinstance(holder, list):
            holder.extend(copy.deepcopy(holder[:50]))
        else:
            holder[str(rng.choice(NASTY))] = copy.deepcopy(holder[key])
    return out


def _somewhere(rng: random.Random, content: Any) -> tuple[Any, Any]:
    """(container, key or index) of a random value; (None, None) where there is none. Deep places are as likely as shallow."""
    places = []
    stack = [content]
    while stack:
        holder = stack.pop()
        for key in holder if isinstance(holder, dict) else range(len(holder)):
            places.append((holder, key))
            if isinstance(holder[key], dict | list) and holder[key]:
                stack.append(holder[key])
    return rng.choice(places) if places else (None, None)


def as_json(rng: random.Random, content: Any) -> bytes:
    """The content as a file, now and then with bytes edited as well."""
    text = json.dumps(content, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return bytes_edited(rng, text) if rng.random() < 0.2 else text


def bytes_edited(rng: random.Random, data: bytes) -> bytes:
    """The bytes with tokens put in, pieces left out or doubled, bits turned over, or cut short."""
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(data) + 1)
        what = rng.random()
        if what < 0.4:
            data = data[:at] + rng.choice(TOKENS) + data[at:]
        elif what < 0.6:
            data = data[:at] + data[at + rng.choice((1, 3, 30)) :]
        elif what < 0.75:
            data = data[:at] + data[max(0, at - 30) : at] * rng.choice((1, 2, 30)) + data[at:]
        elif what < 0.95 and data:
            k = min(at, len(data) - 1)
            data = data[:k] + bytes([data[k] ^ (1 << rng.randrange(8))]) + data[k + 1 :]
        else:
            data = data[:at]
        data = data[:300_000]
    return data


def cell(rng: random.Random) -> str:
    """A cell of a table: a nasty value or a word, as text."""
    found = rng.choice((*NASTY, "cat/1.jpg", "cat/2.jpg", "bunny", "train", "3.5", "1e400"))
    return found if isinstance(found, str) else "" if found is None else str(found)


def quoted(text: str, comma: str = ",") -> str:
    """A cell as CSV has it."""
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in '",\n\r' + comma) else text


def csv_table(rng: random.Random, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    """A table with some cells, columns or rows that nobody expects; now and then in another encoding or with bytes edited."""
    names = list(columns)
    table = [list(row) for row in rows]
    for _ in range(rng.choice((0, 1, 2, 8))):
        what = rng.random()
        if what < 0.7 and table:
            row = rng.choice(table)
            if row:
                row[rng.randrange(len(row))] = cell(rng)
        elif what < 0.8:
            names[rng.randrange(len(names))] = cell(rng)
        elif what < 0.9 and table:
            rng.choice(table).append(cell(rng))
        else:
            names.append(cell(rng))
    text = "\n".join(",".join(map(quoted, row)) for row in [names, *table]) + "\n"
    encoding = rng.choice(("utf-8",) * 8 + ("utf-16", "utf-8-sig", "latin-1"))
    data = text.encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")
    return bytes_edited(rng, data) if rng.random() < 0.5 else data
