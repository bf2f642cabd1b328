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

Data sets are dirty, machines stop, and files come from strangers. `benchmarks/reliability` gives curator damaged files and
faults, and counts the results. CI runs three minutes of it (`make reliability-slice`). What curator treats as hostile is in
[SECURITY.md](https://github.com/curator-audit/curator/blob/main/SECURITY.md).

"""

BUGS = (
    (
        "ONNX Runtime, from 1.29 on, sent usage data at every audit, on Linux too. The check inside Python missed it,"
        " because the library sends by itself; a proxy that records every request found it.",
        "Usage data of a library. `import curator` switches it off for all libraries before any is loaded. Every "
        "command runs behind that proxy, without a network, and the list of requests must be empty.",
    ),
    (
        "Any page open in the browser could give the App's server orders, since the App asks for no password. The "
        "App's page could load from anywhere, and did ask for web fonts.",
        "Requests of other sites. A guard before FiftyOne's server refuses them, answers to this machine's names "
        "only, and sends a Content-Security-Policy under which the page loads nothing from elsewhere.",
    ),
    (
        "A class called `![](http://...)` would have fetched an image in the App's panel.",
        "Names as markup. Each text of a panel goes through one function; a test reads the source for text that does "
        "not.",
    ),
    (
        "When MongoDB died while the App's data set was written, curator gave a traceback. The next run took the data"
        " set that was left for somebody else's.",
        "Marks set after the name. A data set is marked as curator's before it gets its name; errors of the database "
        "are one line.",
    ),
    (
        "measures.parquet was written in place: a killed run left half of it under its final name.",
        "Half-written files. One function writes every file under another name and moves it; the next run removes "
        "what a dead process left.",
    ),
    (
        "A killed export left its staging folder. `--force` had a moment with neither the old nor the new folder, and"
        " could replace the folder that really holds a linked image.",
        "Exports that harm. One module decides on destinations by where links lead, and puts folders in place in one "
        "step.",
    ),
    (
        "A decoder that crashed ended the run.",
        "Shared processes. Separate processes decode images, with limits of time and memory; a process that dies "
        "costs one image.",
    ),
    (
        "Counting the frames of a damaged TIFF could turn its first frame grey.",
        "Reading that changes what was read. Pixels are taken before the rest of the file is read.",
    ),
    (
        "In a file that comes back, a count that is a word, a number of 5,000 digits or past infinity, or a finding "
        "without its kind ended in a traceback.",
        "Checks where a value is used. One place reads JSON and refuses what would fail later; audit.json is checked "
        "against its schema.",
    ),
    (
        "Text that is not UTF-8 in Parquet, pandas' own metadata in it, a cell too long for the CSV reader, or a "
        "header of .npy that is not Python ended in a traceback.",
        "Lists of errors that a library may raise. One function each reads Parquet, .npy and returned tables, and "
        "turns any failure into one line.",
    ),
    (
        "A path with a NUL ended in a traceback, and was shown as it is.",
        "Names that no file system has. They are refused where tables are read, and spelled out where they are shown.",
    ),
    (
        "The soak: a flipped bit in a shard of one image ended the audit with a traceback.",
        "Parts without rows. The store returns none: it leaves out what is damaged, and a block always has a shape.",
    ),
    (
        "The soak: the cache did not count what killed runs left in it, and a cap of 3 MB let 3.5 MB stay.",
        "Leftovers without an owner. `curator cache prune` counts them and removes them first.",
    ),
    (
        "A run.json could make curator read /dev/zero.",
        "Paths in results. Names there must be plain file names.",
    ),
    (
        "A pattern of many stars in a settings file took for ever on a long name.",
        "Regular expressions made of input. Patterns are matched without one.",
    ),
    (
        "An error line could be a megabyte long.",
        "Input repeated in messages. curator cuts every message.",
    ),
    (
        "`verify` did not see some edited numbers of an audit.json.",
        "Lists of what to compare. If the versions agree, everything in both files is compared; a test edits each "
        "value.",
    ),
    (
        "Probes had other last bits on two BLAS threads.",
        "Sums in an order that depends on the machine. Probes are fitted and used on one thread.",
    ),
)
"""What was found, and what removed the whole class of bug. Written by hand: see the commits."""
SOAKED = {
    "memory_mb": "memory, MB",
    "descriptors": "open files",
    "temp_files": "temporary files",
    "cache_mb": "cache, MB",
}


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers stand to the right."""
    numbers = [all(isinstance(row[k], int | float) for row in rows) for k in range(len(head))]
    lines = [head, ["---:" if n else "---" for n in numbers]]
    lines += [[f"{v:,}" if isinstance(v, int | float) else str(v) for v in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def totals(found: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The rows that say whether all is well."""
    rows: list[tuple[str, int]] = []
    if faults := found.get("faults"):
        rows += [("faults injected", faults["injected"]), ("survived", faults["survived"]), ("lost", faults["lost"])]
    if fuzz := found.get("fuzz"):
        targets = list(fuzz["targets"].values())
        rows.append(("inputs tried", sum(t["inputs"] for t in targets)))
        rows.append(("crashes", sum(t["crashes"] + t["bugs"] for t in targets)))
        rows.append(("hangs", sum(t["hangs"] for t in targets)))
        rows.append((f"over {fuzz['memory_cap_mb']:,} MB", sum(t["over_memory"] for t in targets)))
    if doors := found.get("doors"):
        rows += [("doors tried", doors["tried"]), ("open", doors["open"])]
    return rows


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

A script makes the inputs from the sample data and a seed ({seed}), so every input can be made again. Images: every format
that Pillow writes, in every mode, cut at every 1/64, with headers that lie, as bombs, with EXIF and ICC garbage, and with
one to five random edits. Tables, settings, audit.json, plans, the cache and clip-retrieval folders: sound files with values
and bytes exchanged.

curator must read an input or refuse it with one line that says why; anything else counts as a crash. The process may use
{memory} of memory, and an input {hang} of processor time. The cap also holds for the largest image that is allowed: one of
120 megapixels with an alpha channel takes 1.9 GB.

{table(head, rows)}""" + (f"Images by family: {kinds}.\n\n" if kinds else "")


def faulty(faults: Mapping[str, Any]) -> str:
    """What was done to runs."""
    rows = [
        (name, counts["injected"], counts["injected"] - counts["lost"], counts["lost"])
        for name, counts in faults["by_fault"].items()
    ]
    skipped = f" {faults['skipped']:,} were not possible on that machine." if faults.get("skipped") else ""
    lost = "".join(f"- {loss}\n" for loss in faults.get("losses", ()))
    return (
        "## Faults\n\nAfter each fault the same command runs once more. It survived if that run gives the results of an "
        f"undisturbed run and leaves no half-written or leftover file. Seed {faults['seed']}."
        f"{skipped}\n\n{table(('fault', 'injected', 'survived', 'lost'), rows)}"
        + (f"Lost:\n\n{lost}\n" if lost else "")
    )


def soaked(soak: Mapping[str, Any]) -> str:
    """What hours of audits with faults left behind."""
    about = f"{soak['rounds']:,} rounds" if "rounds" in soak else "rounds"
    if "seconds" in soak:
        about += f" in {soak['seconds'] / 60:,.0f} minutes"
    for key, words in (("faults", "faults injected"), ("lost", "lost")):
        if key in soak:
            about += f", {soak[key]:,} {words}"
    rows = []
    for key, name in SOAKED.items():
        held = soak[key]
        cap = f"cap {held['cap']:,}" if "cap" in held else ""
        rows.append((name, held["first"], held["last"], held["most"], cap))
    said = (
        f"One process audits again and again, with a fault before or during each audit: {about}. {soak['checked']} of the "
        "audits were compared with those of an undisturbed process. The memory that it holds and the files that it leaves must "
        "not grow. The table gives medians over the second and the last tenth of the rounds."
    )
    return f"## Soak\n\n{said}\n\n" + table(("", "second tenth", "last tenth", "most", ""), rows)


def doors_tried(doors: Mapping[str, Any]) -> str:
    """Which doors were tried."""
    rows = [(name, counts["tried"], counts["open"]) for name, counts in doors["by_test"].items() if counts["tried"]]
    return (
        "## Doors\n\nEvery command runs once, without a network, on data with hostile class names, file names, EXIF and "
        "tables. The tests then search what the commands wrote and printed.\n\n"
        + table(("what holds", "tried", "open"), rows)
    )


def found_and_removed() -> str:
    """The bugs that the above found while it was built, and what keeps each class of bug from coming back."""
    return "## Bugs this found\n\n" + table(("found", "the class of bug, and what removed it"), BUGS)


def page() -> str:
    """The whole page."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    parts = [_HEAD, table(("", ""), totals(found))]
    for key, part in (("fuzz", fuzzing), ("faults", faulty), ("soak", soaked), ("doors", doors_tried)):
        if key in found:
            parts.append(part(found[key]))
    return "".join([*parts, found_and_removed()]).rstrip() + "\n"


def printed() -> str:
    """The same totals for a terminal."""
    rows = totals(json.loads(FILE.read_text(encoding="utf-8")))
    return "\n".join(f"{name:<{max(len(n) for n, _ in rows)}}  {count:>8,}" for name, count in rows)


if __name__ == "__main__":
    text = page()
    if "--check" in sys.argv:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        sys.exit(0 if same else "docs/reliability.md is not what benchmarks/results say: run docs/make_reliability.py")
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(printed() + "\n")
