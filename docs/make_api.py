"""Write docs/api.md, the Python reference, from the public names themselves; `--check` exits with 1 if it is not up to date."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import msgspec

import curator

PAGE = Path(__file__).with_name("api.md")
WIDTH = 100
_HEAD = """# Python reference

<!-- Written by docs/make_api.py from the docstrings. Change those, then run `python docs/make_api.py`. -->

A dozen names: six functions that do what the commands of the same names do, the session that they share, the results they
return, and the one error. `import curator` is light; what a name needs is imported when it is first used. The package is typed
(`py.typed`). Arrays are read-only, and row i is the same image everywhere.

```py
import curator

result = curator.audit("my_images", model="embedded", out="results")
result.findings.to_pandas()  # a table of the findings
result.show(0)  # the worst one with its images, in a notebook
advice = curator.recommend("my_images", "more_images", model="embedded", budget=30)
```

Types that results are made of live in `curator.types`.
"""
_GROUPS = {
    "Functions": ("audit", "recommend", "validate", "forecast", "export", "browse"),
    "The session": ("Session",),
    "Results": ("AuditResult", "Finding", "Recommendation", "ProbeReport"),
    "The error": ("CuratorError",),
}


def call(name: str, signature: inspect.Signature) -> str:
    """The signature as one writes it, a parameter a line where one line is too long."""
    gives = (
        "" if signature.return_annotation is inspect.Signature.empty else f" -> {_type(signature.return_annotation)}"
    )
    parts = _parts(signature)
    line = f"{name}({', '.join(parts)}){gives}"
    if len(line) <= WIDTH:
        return line
    body = "".join(f"    {part},\n" for part in parts)
    return f"{name}(\n{body}){gives}"


def _parts(signature: inspect.Signature) -> list[str]:
    """Parameters as they are written, with the star that makes the rest keyword-only."""
    out, starred = [], False
    for p in signature.parameters.values():
        if p.kind is p.KEYWORD_ONLY and not starred:
            out.append("*")
            starred = True
        starred = starred or p.kind is p.VAR_POSITIONAL
        default = "" if p.default is p.empty else f" = {p.default!r}"
        out.append(f"{_star(p)}{p.name}: {_type(p.annotation)}{default}")
    return out


def _star(p: inspect.Parameter) -> str:
    return {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")


def _type(annotation: Any) -> str:
    if isinstance(annotation, str):
        # Bounds and descriptions are in the schema.
        return re.sub(r"Annotated\[(.*), Meta\(.*\)\]", r"\1", annotation)
    return getattr(annotation, "__name__", str(annotation))


def prose(text: str) -> str:
    """A docstring as Markdown: `Raises:` as a list, doctests as code."""
    out = []
    for block in inspect.cleandoc(text).split("\n\n"):
        if block.startswith(">>>"):
            out.append(f"```pycon\n{block}\n```")
            continue
        lines = block.splitlines()
        if lines[0] == "Raises:":
            entries = re.sub(r"\n\s{8,}", " ", "\n".join(lines[1:])).splitlines()
            out.append("Raises:\n\n" + "\n".join(_error(entry) for entry in entries))
        else:
            out.append(block)
    return "\n\n".join(out)


def _error(entry: str) -> str:
    name, _, why = entry.strip().partition(": ")
    return f"- `{name}`: {why}"


def describe(name: str) -> str:
    """One public name: how it is called, what it says of itself, and what it holds."""
    thing = getattr(curator, name)
    if not inspect.isclass(thing):
        return (
            f"### {name}\n\n```py\n{call(f'curator.{name}', inspect.signature(thing))}\n```\n\n{prose(thing.__doc__)}\n"
        )
    out = [f"### {name}\n", f"{prose(thing.__doc__)}\n"]
    if is_dataclass(thing) or issubclass(thing, msgspec.Struct):
        bar = " \\| "
        rows = "\n".join(f"| `{n}` | `{kind.replace(' | ', bar)}` |" for n, kind in _fields(thing))
        out.append(f"| field | type |\n| --- | --- |\n{rows}\n")
    out += [_member(name, key, value) for key, value in vars(thing).items() if not key.startswith("_")]
    return "\n".join(part for part in out if part)


def _fields(thing: type) -> list[tuple[str, str]]:
    """Names and types of the fields of a result."""
    if is_dataclass(thing):
        return [(f.name, _type(f.type)) for f in fields(thing)]
    return [(f.name, _type(thing.__annotations__[f.name])) for f in msgspec.structs.fields(thing)]


def _member(owner: str, name: str, value: Any) -> str:
    """A property or a method; what has no words of its own is not public enough to list."""
    kind, function = "", value
    if isinstance(value, property):
        kind, function = "property ", value.fget
    elif isinstance(value, classmethod):
        function = value.__func__
    doc = getattr(function, "__doc__", None)
    if not inspect.isfunction(function) or not doc:
        return ""
    signature = inspect.signature(function)
    shown = signature.replace(parameters=list(signature.parameters.values())[1:])
    head = f"{owner}.{name}: {_type(signature.return_annotation)}" if kind else call(f"{owner}.{name}", shown)
    return f"```py\n{head}\n```\n\n{prose(doc)}\n"


def page() -> str:
    """The whole page as Markdown."""
    named = {name for names in _GROUPS.values() for name in names}
    if named != set(curator.__all__) - {"__version__"}:
        raise SystemExit(f"docs/make_api.py groups other names than curator.__all__: {named ^ set(curator.__all__)}")
    out = [_HEAD]
    for title, names in _GROUPS.items():
        out.append(f"## {title}\n")
        out += [describe(name) for name in names]
    return "\n".join(out)


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
            sys.exit(f"{PAGE} is not what the docstrings say now; run `python docs/make_api.py`.")
    else:
        PAGE.write_text(page(), encoding="utf-8", newline="\n")
