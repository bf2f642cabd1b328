"""The whole loop on the sample data: findings, recommendation, probe arms, speed. Writes results/loop.json.

    python benchmarks/loop.py           # measure
    python benchmarks/loop.py --table   # write the table of docs/benchmarks.md from results/loop.json

Everything is measured in one run with an empty cache; times on a shared machine drift by half, so speeds are given as
ratios too (ONNX Runtime against torch eager on the same pictures, a second run against the first).
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import results_page

from curator.commands import Session, audit, recommend, validate
from curator.commands.session import versions
from curator.report.json import audit_document, dump, recommend_document, validation_document
from curator.report.serialise import plain

ROOT = Path(__file__).parent.parent
BUNNIES = ROOT / "sample_data" / "bunnies"
RESULT = Path(__file__).parent / "results" / "loop.json"


def picks(ids: tuple[str, ...], labels: tuple[str, ...]) -> dict[str, int]:
    """How the recommended rows compare with the truth that no command reads."""
    with (BUNNIES / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {
            row["file"].removeprefix("pool/"): row for row in csv.DictReader(file) if row["file"].startswith("pool/")
        }
    rows = [(truth[i], label) for i, label in zip(ids, labels, strict=True)]
    return {
        "n": len(rows),
        "label_right": sum(row["class"] == label for row, label in rows),
        "of_no_class": sum(row["class"] == "" for row, _ in rows),
        "near_duplicates_of_train": sum(row["duplicate_of"] != "" for row, _ in rows),
        "bunny_off_grass": sum(row["class"] == "bunny" and row["scene"] != "grass" for row, _ in rows),
    }


def seconds(action: Callable[[], object], repeats: int = 5) -> float:
    """The fastest of several runs: the machine's noise only ever adds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def speed(cache: Path) -> dict[str, float]:
    """Images/s of the encoder alone: ONNX Runtime and torch eager on the same 32 pictures, in turns."""
    import torch

    from curator.encoders.embedded import Embedded, load_network
    from curator.io.decoding.images import decode

    encoder = Embedded(cache)
    pre = encoder.info.preprocessing
    batch = np.stack([decode(p, pre).input for p in sorted((BUNNIES / "train" / "hen").glob("*.jpg"))[:32]])
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (pre.mean, pre.std))
    tensor = (torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255 - mean) / std
    network = load_network().eval()
    with torch.inference_mode():
        network(tensor)
        encoder.encode(batch)
        onnx, eager = [], []
        for _ in range(3):
            onnx.append(seconds(lambda: encoder.encode(batch), 2))
            eager.append(seconds(lambda: network.forward_features(tensor), 2))
    return {
        "onnx_images_per_second": 32 / min(onnx),
        "torch_images_per_second": 32 / min(eager),
        "ratio": min(eager) / min(onnx),
    }


def command_seconds(cache: Path, out: Path) -> float:
    """One `curator audit` as a process of its own, start-up and report included."""
    start = time.perf_counter()
    line = [sys.executable, "-m", "curator", "audit", str(BUNNIES / "train"), "--model", "embedded"]
    subprocess.run([*line, "--cache", str(cache), "--out", str(out), "-q"], check=True)
    return time.perf_counter() - start


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        first = command_seconds(work / "fresh", work / "out")
        second = min(command_seconds(work / "fresh", work / "out") for _ in range(3))
        cache = work / "cache"
        session = Session.open("embedded", cache=cache)
        start = time.perf_counter()
        run = audit(BUNNIES / "train", session)
        cold = time.perf_counter() - start
        warm = seconds(lambda: audit(BUNNIES / "train", session), 3)
        rate = run.n_new / run.seconds
        resumed = seconds(lambda: session.embed(session.scan(BUNNIES / "train")), 3)
        advice = recommend(BUNNIES / "train", BUNNIES / "pool", session, budget=30)
        plan = work / "recommendation.csv"
        from curator.report.json import recommendation_csv

        recommendation_csv(advice.recommendation, advice.pool.dataset.root, plan)
        proofs = {}
        for name, pool in (("labels given by a person", "pool_labels.csv"), ("labels predicted", "pool")):
            _, report = validate(BUNNIES / "train", BUNNIES / pool, session, plan=plan, test=BUNNIES / "test")
            proofs[name] = plain(validation_document(report))
        return {
            "schema": "curator.benchmark.loop/1",
            "machine": {"cores": __import__("os").cpu_count(), "python": platform.python_version()},
            "versions": versions(),
            "encoder": session.encoder.info.name,
            "audit": {
                k: plain(audit_document(run))[k] for k in ("verdict", "expected_false_findings", "n_tests", "findings")
            },
            "recommend": {
                **{k: plain(recommend_document(advice.recommendation, ""))[k] for k in ("plan", "shopping_list")},
                "against_truth": picks(advice.recommendation.ids, advice.recommendation.labels),
            },
            "validate": proofs,
            "speed": {
                **speed(cache),
                "audit_first_images_per_second_end_to_end": rate,
                "audit_cold_seconds": cold,
                "audit_warm_seconds": warm,
                "audit_warm_over_cold": warm / cold,
                "embed_resumed_seconds": resumed,
                "embed_resumed_over_first": resumed / run.seconds,
                "command_first_seconds": first,
                "command_second_seconds": second,
                "command_second_over_first": second / first,
            },
        }


def table(result: dict[str, Any]) -> str:
    """The table of docs/benchmarks.md."""

    def share(value: float, ci: list[float]) -> str:
        return f"{100 * value:.0f}% [{100 * ci[0]:.0f}, {100 * ci[1]:.0f}]"

    proofs = result["validate"]
    heads = " | ".join(f"worst group, {name}" for name in proofs)
    lines = [f"| trained on | images | {heads} |", "| --- | --- |" + " --- |" * len(proofs)]
    words = {
        "before": "the set as it is",
        "recommended": "with the recommended images",
        "random": "with as many random images",
        "reweighted": "reweighted, nothing added",
    }
    first = next(iter(proofs.values()))
    for arm, phrase in words.items():
        worst = [p["arms"][arm]["worst_group"] for p in proofs.values()]
        cells = " | ".join(share(w["value"], w["ci"]) for w in worst)
        lines.append(f"| {phrase} | {first['arms'][arm]['n_train']} | {cells} |")
    gains = []
    for proof in proofs.values():
        gain = proof["gain_over_random"]
        low, high = (100 * x for x in gain["ci"])
        gains.append(f"{100 * gain['value']:+.0f} points [{low:+.0f}, {high:+.0f}], {proof['verdict']}")
    lines.append(f"| **gain over random** | | {' | '.join(gains)} |")
    s = result["speed"]
    lines.append("")
    lines += [
        f"Encoder `{result['encoder']}` on {result['machine']['cores']} CPU cores: {s['onnx_images_per_second']:.0f}",
        f"images a second in ONNX Runtime, {s['ratio']:.1f} times torch eager. A second `curator audit` with nothing new takes",
        f"{100 * s['command_second_over_first']:.0f}% of the first one's time, start-up included.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="only write the table from the stored result")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is out of date")
    flags = parser.parse_args()
    if not flags.table and not flags.check:
        dump(measure(), RESULT)
    results_page.keep("results", table(json.loads(RESULT.read_text(encoding="utf-8"))), check=flags.check)
