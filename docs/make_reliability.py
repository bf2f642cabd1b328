"""Write docs/reliability.md from benchmarks/results/reliability.json; `--check` exits with 1 if it is not what they say now.

python docs/make_reliability.py
python docs/make_reliability.py --check
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("reliability.md")
FILE = Path(__file__).parents[1] / "benchmarks" / "results" / "reliability.json"
_HEAD = """# Reliability

<!-- Written by docs/make_reliability.py from benchmarks/results/reliability.json. Run it again when a result changes. -->

Data sets are dirty, machines stop, and files come from strangers. `benchmarks/reliability` gives curator what it must
survive and counts what comes of it. CI runs three minutes of it (`make reliability-slice`). What is treated as hostile, and
what is not, is in [SECURITY.md](https://github.com/curator-audit/curator/blob/main/SECURITY.md).

"""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers stand to the right."""
    numbers = [all(isinstance(row[k], int | float) for row in rows) for k in range(len(head))]
    lines = [head, ["---:" if n else "---" for n in numbers]]
    lines += [[f"{v:,}" if isinstance(v, int | float) else str(v) for v in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def summary(found: Mapping[str, Any]) -> str:
    """The one table that says whether all is well."""
    rows: list[Sequence[object]] = []
    if faults := found.get("faults"):
        rows.append(("faults injected", faults["injected"]))
        rows += [("survived", faults["survived"]), ("lost", faults["lost"])]
    if fuzz := found.get("fuzz"):
        targets = list(fuzz["targets"].values())
        rows.append(("inputs tried", sum(t["inputs"] for t in targets)))
        rows.append(("crashes", sum(t["crashes"] for t in targets)))
        rows.append(("errors that are not curator's own", sum(t["bugs"] for t in targets)))
        rows.append((f"hangs over {fuzz['hang_seconds']:g} s", sum(t["hangs"] for t in targets)))
        rows.append((f"over {fuzz['memory_cap_mb']:,} MB", sum(t["over_memory"] for t in targets)))
    if doors := found.get("doors"):
        rows += [("doors tried", doors["tried"]), ("open", doors["open"])]
    return table(("", ""), rows)


def fuzzing(fuzz: Mapping[str, Any]) -> str:
    """What each reader was given."""
    rows = []
    for t in fuzz["targets"].values():
        crashes = t["crashes"] + t["bugs"]
        rows.append(
            (t["target"], t["inputs"], t["accepted"], t["refused"], crashes, t["hangs"], t["peak_mb"], t["slowest_s"])
        )
    head = ("given to", "inputs", "read", "refused with a reason", "crashes", "hangs", "peak MB", "slowest s")
    images = fuzz["targets"].get("images", {}).get("families", {})
    kinds = ", ".join(f"{n:,} {name}" for name, n in sorted(images.items(), key=lambda item: -item[1]))
    memory, hang, seed = f"{fuzz['memory_cap_mb']:,} MB", f"{fuzz['hang_seconds']:g} s", fuzz["seed"]
    return f"""## Hostile input

Made of the sample data from a seed ({seed}), so every input can be made again. Images: every format that Pillow writes, in
every mode, cut at every 1/64, with headers that lie, as bombs, with EXIF and ICC garbage, and with one to five random edits.
Tables, settings, audit.json, plans, the cache and clip-retrieval folders: sound files with values and bytes exchanged.

An input is read, or refused by one line that says why; anything else counts as a crash. The process may take {memory} of
memory, and an input {hang} of processor time. The cap holds for the largest picture that is allowed, too: one of 120
megapixels with an alpha channel takes 1.9 GB.

{table(head, rows)}""" + (f"Images by family: {kinds}.\n\n" if kinds else "")


def faulty(faults: Mapping[str, Any]) -> str:
    """What was done to runs."""
    rows = [(name, counts["injected"], counts["lost"]) for name, counts in faults["by_fault"].items()]
    return (
        "## Faults\n\nAfter each fault the same command runs once more. It survived if that run ends with the results of "
        f"a run that nothing disturbed. Seed {faults['seed']}.\n\n" + table(("fault", "injected", "lost"), rows)
    )


def doors_tried(doors: Mapping[str, Any]) -> str:
    """Which doors were tried."""
    rows = [(name, counts["tried"], counts["open"]) for name, counts in doors["by_test"].items() if counts["tried"]]
    return (
        "## Doors\n\nEvery command once, on data whose class names, file names, EXIF and tables are hostile, without a "
        "network; then what they wrote and printed is searched.\n\n" + table(("what holds", "tried", "open"), rows)
    )


def page() -> str:
    """The whole page."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    parts = [_HEAD, summary(found)]
    for key, part in (("fuzz", fuzzing), ("faults", faulty), ("doors", doors_tried)):
        if key in found:
            parts.append(part(found[key]))
    return "".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    text = page()
    if "--check" in sys.argv:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        sys.exit(0 if same else "docs/reliability.md is not what benchmarks/results say: run docs/make_reliability.py")
    PAGE.write_text(text, encoding="utf-8")
