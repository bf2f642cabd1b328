"""The audit of n embedded images, stage by stage: seconds, processor seconds and memory, from a thousand to a million.

    python benchmarks/speed/audit_scale.py --n 1000 10000 100000 1000000

The vectors are synthetic, and only the vectors, hashes and columns are: no picture is opened. Clusters in 64 of 512
dimensions, one image in a hundred a near-duplicate of another, 20 classes, 60 attributes of which five are planted
shortcuts. What is timed is `commands.audit.audit_embedded` itself, its stages wrapped in clocks, then audit.json and
report.html. Each n runs in a process of its own, so that its peak of memory is its own. Writes results/speed_audit.json.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RESULT = Path(__file__).parent.parent / "results" / "speed_audit.json"
DIM, LATENT, CLASSES, CLUSTERS = 512, 64, 20, 200
COPIES = 0.01
SHORTCUTS = {"metadata.c0": 0.6, "metadata.f0": 0.5, "metadata.x0": 0.8, "background.colour": 0.5, "metadata.c1": 0.3}
"""Planted: attribute -> the share of the images of class k (0, 1, 2, ...) whose value is set by their class."""
_BLOCK = 1 << 14


def peak_mb() -> float:
    """The most memory this process has held since `forget_peak`, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget_peak() -> None:
    with contextlib.suppress(OSError):  # not Linux: the peak is then that of the run so far
        Path("/proc/self/clear_refs").write_text("5")


class Clocks:
    """Wraps functions so that what each costs is written down; a stage within a stage is counted in both."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}

    def wrap(self, module: Any, name: str, stage: str) -> None:
        setattr(module, name, self.timed(getattr(module, name), stage))

    def timed(self, work: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            before = peak_mb()
            forget_peak()
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return work(*args, **kwargs)
            finally:
                row = self.stages.setdefault(stage, {"seconds": 0.0, "cpu_seconds": 0.0, "peak_mb": 0.0})
                row["seconds"] = round(row["seconds"] + time.perf_counter() - wall, 2)
                row["cpu_seconds"] = round(row["cpu_seconds"] + time.process_time() - cpu, 2)
                row["peak_mb"] = round(max(row["peak_mb"], peak_mb()))
                self.most = max(getattr(self, "most", 0.0), before, peak_mb())

        return run


def vectors(n: int, rng: np.random.Generator, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, 512), and of each row whose copy it is (itself where it is none)."""
    basis = np.linalg.qr(rng.normal(size=(DIM, LATENT)))[0].T.astype(np.float32)
    centres = rng.normal(size=(CLUSTERS, LATENT)).astype(np.float32)
    apart = rng.normal(size=(CLASSES, LATENT)).astype(np.float32) * 0.35
    cluster = (labels * (CLUSTERS // CLASSES) + rng.integers(0, CLUSTERS // 2, n)) % CLUSTERS
    out = np.empty((n, DIM), np.float32)
    for start in range(0, n, _BLOCK):
        rows = slice(start, min(start + _BLOCK, n))
        m = rows.stop - rows.start
        at = centres[cluster[rows]] + apart[labels[rows]] + rng.normal(size=(m, LATENT)).astype(np.float32) * 0.9
        out[rows] = at @ basis + rng.normal(size=(m, DIM)).astype(np.float32) * 0.08
        out[rows] /= np.linalg.norm(out[rows], axis=1, keepdims=True)
    of = np.arange(n)
    copies = rng.permutation(n)[: max(2, round(COPIES * n))]
    sources = rng.integers(0, n, len(copies))
    of[copies] = of[sources]
    # Copies are 0.94 to 0.999 like their source.
    noise = rng.normal(size=(len(copies), DIM)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    tangent = np.sqrt(1 / rng.uniform(0.945, 0.999, len(copies)).astype(np.float32) ** 2 - 1)[:, None]
    out[copies] = out[sources] + tangent * noise
    out[copies] /= np.linalg.norm(out[copies], axis=1, keepdims=True)
    return out, of


def columns(n: int, rng: np.random.Generator, labels: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What was measured on the pictures (two attributes), and 58 columns of the user's: names, numbers and flags."""
    meta: dict[str, Any] = {}
    for k in range(20):
        meta[f"c{k}"] = pd.Categorical.from_codes(rng.integers(0, 6, n), [f"v{v}" for v in range(6)]).astype(object)
    for k in range(20):
        meta[f"x{k}"] = rng.normal(size=n).round(3)
    for k in range(18):
        meta[f"f{k}"] = rng.random(n) < 0.3
    colours = np.array(["green", "grey", "blue", "white|grey", "brown|green", "black"], dtype=object)
    colour = colours[rng.integers(0, len(colours), n)]
    for k, (name, share) in enumerate(SHORTCUTS.items()):
        hit = (labels == k) & (rng.random(n) < share)
        if name == "background.colour":
            colour[hit] = "yellow"
        else:
            column = name.removeprefix("metadata.")
            value: Any = {"c": "v0", "x": 2.5, "f": True}[column[0]]
            meta[column] = np.where(hit, value, np.asarray(meta[column]))
    index = pd.Index([f"{labels[i]:02d}/{i:08d}.jpg" for i in range(n)], name="id")
    rows = pd.DataFrame({"background.colour": colour, "light.brightness": rng.uniform(20, 220, n)}, index=index)
    return rows, pd.DataFrame(meta, index=index)


def synthetic(n: int, seed: int = 0) -> Any:
    """An `Embedded` of n images that are nowhere."""
    from curator.encoders import resolve
    from curator.types import Dataset, Embedded, Embeddings

    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n).astype(np.int32)
    # Some classes are small, as they are everywhere.
    labels[rng.random(n) < 0.3] = 0
    made, of = vectors(n, rng, labels)
    made.flags.writeable = False
    rows, meta = columns(n, rng, labels)
    hashes = rng.integers(0, 2**64, n, dtype=np.uint64)
    changed = (np.uint64(1) << rng.integers(0, 64, n).astype(np.uint64)) | (
        np.uint64(1) << rng.integers(0, 64, n).astype(np.uint64)
    )
    hashes = np.where(of == np.arange(n), hashes, hashes[of] ^ changed)
    facts = pd.DataFrame({"sha256": [f"{i:064x}" for i in range(n)], "phash": hashes}, index=rows.index)
    data = Dataset(
        name="synthetic", root="/nowhere", ids=np.asarray(rows.index, dtype=np.str_), labels=labels,
        classes=tuple(f"class {k:02d}" for k in range(CLASSES)), splits=np.full(n, "", dtype=np.str_), metadata=meta,
    )  # fmt: skip
    encoder, _ = resolve("pixels", cache=Path("unused"), device="cpu")
    return Embedded(data, Embeddings(data.ids, made, encoder.info), rows, facts, 0, 0.0), of


def measure(n: int, permutations: int) -> dict[str, Any]:
    """One run, in this process."""
    from dataclasses import replace

    from curator.commands._steps import evidence
    from curator.commands.session import Session
    from curator.config import Settings
    from curator.encoders import resolve
    from curator.probe import linear
    from curator.report import json as files
    from curator.report.html import page as html
    from curator.report.serialise import plain
    from curator.shortcuts import detection, indicators
    from curator.similarity import clusters, duplicates

    audit = importlib.import_module("curator.commands.audit")  # the package has a function of that name
    encoder, _ = resolve("pixels", cache=Path("unused"), device="cpu")
    settings = Settings()
    settings = replace(settings, audit=replace(settings.audit, n_permutations=permutations))
    session = Session(encoder=encoder, cache=Path(tempfile.mkdtemp()), settings=settings)
    embedded, of = synthetic(n)
    clocks = Clocks()
    clocks.wrap(Session, "measures", "measures")
    clocks.wrap(indicators, "build", "yes/no columns")
    clocks.wrap(duplicates, "groups", "duplicates")
    clocks.wrap(audit, "_test", "tests")
    for name, stage in (
        ("count", "tests: counts"), ("shared_patterns", "tests: patterns"), ("exact_tests", "tests: exact"),
        ("fold", "tests: folding"), ("confirm", "tests: halves"), ("adjust", "tests: adjusting"),
        ("expected_false_findings", "tests: shuffles"),
    ):  # fmt: skip
        clocks.wrap(detection, name, stage)
    clocks.wrap(evidence, "cross_fit", "probe")
    clocks.wrap(evidence, "gather", "reliance and examples")
    clocks.wrap(linear, "label_errors", "label errors")
    clocks.wrap(clusters, "cluster", "clusters")
    clocks.wrap(audit, "_clusters", "clusters and their names")
    clocks.wrap(audit, "fingerprint", "fingerprint")
    forget_peak()
    baseline = peak_mb()
    run = clocks.timed(audit.audit_embedded, "audit")(embedded, session)
    content = clocks.timed(lambda: plain(files.audit_document(run)), "audit.json")()
    page = clocks.timed(html.render, "report.html")(run, lambda _: None)
    together = {i: k for k, group in enumerate(run.duplicates) for i in group.ids}
    ids = embedded.dataset.ids
    planted = np.flatnonzero(of != np.arange(n))
    cosine = np.einsum("nd,nd->n", embedded.embeddings.vectors[planted], embedded.embeddings.vectors[of[planted]])
    near = planted[cosine >= settings.duplicates.confirm]
    found = [together.get(str(ids[i]), -1) == together.get(str(ids[of[i]]), -2) for i in near]
    return {
        "n": n, "dim": DIM, "classes": CLASSES, "attributes": len(run.measures.columns), "permutations": permutations,
        "stages": clocks.stages,
        "seconds": round(sum(clocks.stages[s]["seconds"] for s in ("audit", "audit.json", "report.html")), 2),
        "cpu_seconds": round(sum(clocks.stages[s]["cpu_seconds"] for s in ("audit", "audit.json", "report.html")), 2),
        "peak_mb": round(clocks.most), "input_mb": round(baseline),
        "planted_pairs_found": round(float(np.mean(found)), 4), "planted_pairs": len(near),
        "duplicate_groups": len(run.duplicates), "tests": run.audit.n_tests,
        "findings": [f.id for f in run.findings], "verdict": run.verdict, "label_errors": len(run.label_errors),
        "audit_json_kb": round(len(json.dumps(content)) / 1000), "report_html_kb": round(len(page.encode()) / 1000),
        "notes": [*run.notes],
    }  # fmt: skip


def exact_pairs(n: int) -> dict[str, Any]:
    """What all pairs cost with faiss' flat index, no stage of curator's: the yardstick, which grows with n squared."""
    import faiss

    made, _ = vectors(n, np.random.default_rng(0), np.random.default_rng(1).integers(0, CLASSES, n))
    index = faiss.IndexFlatIP(DIM)
    index.add(made)
    wall, cpu = time.perf_counter(), time.process_time()
    limits, _, _ = index.range_search(made, 0.94)
    return {
        "n": n, "seconds": round(time.perf_counter() - wall, 2), "cpu_seconds": round(time.process_time() - cpu, 2),
        "pairs": int(limits[-1] - n) // 2,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, nargs="*", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--permutations", type=int, default=50)
    parser.add_argument("--exact", type=int, default=20_000, help="images of which all pairs are compared by faiss")
    parser.add_argument("--one", type=int, help="run this n in this process and print it")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args.permutations)))
        return
    rows: list[dict[str, Any]] = []
    yardstick = exact_pairs(args.exact)
    for n in args.n:
        command = [sys.executable, __file__, "--one", str(n), "--permutations", str(args.permutations)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{n:>9,} images: {rows[-1]['seconds']} s, {rows[-1]['peak_mb']} MB", file=sys.stderr)
        from curator.commands.session import versions
        from curator.report.json import dump

        dump({"runs": rows, "faiss_flat_all_pairs": yardstick, "versions": versions()}, args.out)


if __name__ == "__main__":
    main()
