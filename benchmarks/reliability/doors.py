"""Try the doors that the tests know, and count them: a case that fails is a door that is open.

python benchmarks/reliability/doors.py --write
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import results

ROOT = Path(__file__).parents[2]
TESTS = ("tests/doors", "tests/exporters/test_harmless.py")


def tried(*more: str) -> dict[str, dict[str, int]]:
    """Cases tried, open and not possible here, by the name of the test in words."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "doors.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junit-xml={report}",
            *TESTS,
            *more,
        ]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=sys.stderr, check=False)
        cases = ElementTree.parse(report).getroot().iter("testcase")
        found: dict[str, dict[str, int]] = {}
        for case in cases:
            name = str(case.get("name")).partition("[")[0].removeprefix("test_").replace("_", " ")
            counts = found.setdefault(name, {"tried": 0, "open": 0, "skipped": 0})
            skipped = case.find("skipped") is not None
            counts["skipped"] += skipped
            counts["tried"] += not skipped
            counts["open"] += case.find("failure") is not None or case.find("error") is not None
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the figures into the results file")
    flags, more = parser.parse_known_args()
    found = tried(*more)
    n = {key: sum(counts[key] for counts in found.values()) for key in ("tried", "open", "skipped")}
    for name, counts in found.items():
        print(f"{counts['tried']:4} {counts['open']:4} open  {name}")
    print(f"{n['tried']} doors tried, {n['open']} open, {n['skipped']} not possible here")
    if flags.write:
        results.put("doors", {**n, "by_test": found})
    return bool(n["open"] or not n["tried"])


if __name__ == "__main__":
    sys.exit(main())
