"""What a report keeps of the one that it replaces: the plan and the proof, which other commands put there."""

from __future__ import annotations

import re

_SECTIONS = ("add", "proof")
_SLOTS = ("add-lead", "add-link", "proof-link", *_SECTIONS)
"""Parts of the page that `recommend` and `validate` fill, each between two comments; no name can write one, being escaped."""
_PICTURES = "kept"
_SAME = ("data", "encoder")
"""What both reports must be of: the marks `curator:data` and `curator:encoder` in their heads."""
_SYMBOL = re.compile(r'<image id="([pk]\d+)" .*?/>')
_USE = re.compile(r'(<use href="#)([pk]\d+)(")')


def kept(page: str, earlier: str, most_bytes: int) -> tuple[str, str]:
    """The new report with the plan and the proof of the earlier one, and a line on it where they had to be left out.

    They stay while the data and the encoder are the same, and only where `page` has none of its own.
    """
    own, before = ({name for name in _SECTIONS if _slot(text, name)} for text in (page, earlier))
    if own:
        is_lost = "proof" in before - own
        return (
            page,
            "The proof in report.html was of an earlier plan and is left out; validate again." if is_lost else "",
        )
    if not before:
        return page, ""
    for what in _SAME:
        if _mark(page, what) != _mark(earlier, what):
            why = {"data": "of other data", "encoder": "by another encoder"}[what]
            return (
                page,
                f"The plan or proof in report.html was {why} and is left out; run recommend and validate again.",
            )
    texts = {name: text for name in _SLOTS if (text := _slot(earlier, name))}
    pictures = {m[1]: m[0] for m in _SYMBOL.finditer(earlier)}
    used = [m[2] for text in texts.values() for m in _USE.finditer(text)]
    names = {old: f"k{k}" for k, old in enumerate(dict.fromkeys(n for n in used if n in pictures), start=1)}
    symbols = "\n".join(pictures[old].replace(f'id="{old}"', f'id="{new}"', 1) for old, new in names.items())
    whole = _filled(page, _PICTURES, symbols)
    for name, text in texts.items():
        whole = _filled(whole, name, _USE.sub(lambda m: f"{m[1]}{names.get(m[2], m[2])}{m[3]}", text))
    if len(whole.encode()) > most_bytes:
        return page, "There is no room in report.html for the plan and the proof; recommend and validate put them back."
    return whole, ""


def _ends(page: str, name: str) -> tuple[int, int] | None:
    """Where the slot's content starts and ends; None unless there is exactly one."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if page.count(start) != 1 or page.count(end) != 1:
        return None
    return page.index(start) + len(start), page.index(end)


def _slot(page: str, name: str) -> str:
    ends = _ends(page, name)
    return page[slice(*ends)].strip() if ends else ""


def _filled(page: str, name: str, text: str) -> str:
    ends = _ends(page, name)
    return f"{page[: ends[0]]}{text}{page[ends[1] :]}" if ends else page


def _mark(page: str, what: str) -> str | None:
    found = re.search(rf'<meta name="curator:{what}" content="([^"]*)">', page)
    return found[1] if found else None
