"""Do the effect intervals of findings hold the true effect? A simulation in which it is known.

One class of four has an attribute more often than the rest; the size of that is drawn up, never estimated. Every set goes
through the audit, and only what the audit reports is looked at: an interval that is right on average, but not for what was
found, would not help anybody. For a number the true effect is that of the very cut that the finding names.

    python -m benchmarks.quality.coverage --out benchmarks/results/coverage.json
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from curator.config import AuditSettings
from curator.shortcuts.association import count, exact_tests, hits
from curator.shortcuts.confirmation import confirm
from curator.shortcuts.indicators import Indicators, build
from curator.types import Column, Measures

FORMS = ("flag", "category", "number")
N_PER_CLASS = (50, 100, 200, 400)
EFFECTS = (0.25, 0.4, 0.55, 0.7)
ELSEWHERE = 0.2
N_CLASSES = 4
N_NOISE = 20
"""Attributes that know nothing of the class: what a finding has to stand out against."""
SETTINGS = AuditSettings(n_permutations=0)


def column(name: str, form: str) -> Column:
    phrase = f"show {name}|do not show {name}" if form == "flag" else "have {value}"
    return Column(name, form, "context", phrase, "without {value}")  # type: ignore[arg-type]


def planted(form: str, inside: np.ndarray, effect: float, rng: np.random.Generator) -> np.ndarray:
    """The attribute of class 0: `effect` likelier than elsewhere; a number is shifted until its best cut differs as much."""
    n = len(inside)
    if form == "number":
        return rng.normal(size=n) + shift(effect) * inside
    has = rng.random(n) < ELSEWHERE + effect * inside
    return has if form == "flag" else np.where(has, "green", rng.choice(["grey", "white", "brown"], n))


def shift(effect: float) -> float:
    """By how many standard deviations two normals differ where the best cut between them has this effect."""
    return float(2 * norm.ppf((1 + effect) / 2))


def truth(form: str, value: str, cut: float, effect: float) -> float:
    """The effect of the value that was reported."""
    if form != "number":
        return effect if value in ("yes", "green") else float("nan")
    above = norm.sf(cut - shift(effect)) - norm.sf(cut)
    return float(-above if value.startswith("below ") else above)


def with_noise(table: Indicators, rng: np.random.Generator) -> Indicators:
    """The same table and yes/no columns that know nothing of the class, with either answer of each."""
    n = len(table.ids)
    yes = rng.random((n, N_NOISE)) < rng.uniform(0.1, 0.6, N_NOISE)
    names = [column(f"noise{k}", "flag") for k in range(N_NOISE)]
    return replace(
        table,
        values=np.hstack([table.values, yes, ~yes]),
        known=np.hstack([table.known, np.ones((n, 2 * N_NOISE), np.bool_)]),
        columns=(*table.columns, *names, *names),
        value_names=table.value_names + ("yes",) * N_NOISE + ("no",) * N_NOISE,
        cuts=table.cuts + (float("nan"),) * (2 * N_NOISE),
    )


def one(form: str, n: int, effect: float, seed: int) -> dict[str, float] | None:
    """What one set's audit says of the planted attribute; None where it does not report it."""
    rng = np.random.default_rng([seed, n, round(100 * effect), FORMS.index(form)])
    labels = np.repeat(np.arange(N_CLASSES), n).astype(np.int32)
    frame = pd.DataFrame({"planted": planted(form, labels == 0, effect, rng)}).set_axis([f"{i}" for i in range(4 * n)])
    table = with_noise(build(Measures(frame, (column("planted", form),)), SETTINGS.cuts), rng)
    counts = count(table, labels, N_CLASSES)
    found = hits(counts, exact_tests(counts, N_CLASSES, table, SETTINGS), SETTINGS)
    mine = [h for h in found if h.class_idx == 0 and table.attribute[h.indicator] == "planted"]
    if not mine:
        return None
    hit = mine[0]
    true = truth(form, table.value_names[hit.indicator], table.cuts[hit.indicator], effect)
    if np.isnan(true):
        return None
    out = {"true": true, "effect": hit.effect, "low": hit.effect_ci[0], "high": hit.effect_ci[1]}
    if form == "flag" and n == N_PER_CLASS[0]:
        (held,) = confirm([hit], table, labels, N_CLASSES, SETTINGS, rng)
        if held is not None and held.effect is not None and held.effect_ci is not None:
            out |= {"held": held.effect, "held_low": held.effect_ci[0], "held_high": held.effect_ci[1]}
    return out


def cell(form: str, n: int, effect: float, seeds: range) -> dict[str, object]:
    """The coverage over these seeds of one kind of attribute, size and effect."""
    rows = pd.DataFrame([r for seed in seeds if (r := one(form, n, effect, seed)) is not None])
    out: dict[str, object] = {
        "form": form,
        "n_per_class": n,
        "effect": effect,
        "n_sets": len(seeds),
        "n_found": len(rows),
    }
    if not len(rows):
        return out
    out |= {
        "coverage": float(((rows.low <= rows.true) & (rows.true <= rows.high)).mean()),
        "truth_below": float((rows.true < rows.low).mean()),
        "truth_above": float((rows.true > rows.high).mean()),
        "bias": float((rows.effect - rows.true).mean()),
        "width": float((rows.high - rows.low).mean()),
    }
    if "held" in rows:
        held = rows.dropna()
        out |= {
            "held_out_n": len(held),
            "held_out_bias": float((held.held - held.true).mean()),
            "held_out_coverage": float(((held.held_low <= held.true) & (held.true <= held.held_high)).mean()),
        }
    return out


def strongest(n: int, n_alike: int, effect: float, seeds: range) -> dict[str, object]:
    """The winner's curse: of many flags that are all alike, how flattered is the one that leads, and does its interval hold?"""
    labels = np.repeat(np.arange(N_CLASSES), n).astype(np.int32)
    held, bias, discount = [], [], []
    for seed in seeds:
        rng = np.random.default_rng([seed, n, n_alike])
        frame = pd.DataFrame({f"flag{k}": planted("flag", labels == 0, effect, rng) for k in range(n_alike)})
        frame.index = pd.Index([f"{i:05d}" for i in range(len(labels))])
        table = build(Measures(frame, tuple(column(k, "flag") for k in frame)), SETTINGS.cuts)
        counts = count(table, labels, N_CLASSES)
        found = hits(counts, exact_tests(counts, N_CLASSES, table, SETTINGS), SETTINGS)
        mine = [h for h in found if h.class_idx == 0]
        if mine:
            held.append(mine[0].effect_ci[0] <= effect <= mine[0].effect_ci[1])
            bias.append(mine[0].effect - effect)
            (one,) = confirm(mine[:1], table, labels, N_CLASSES, SETTINGS, rng)
            discount += [] if one is None or one.effect is None else [one.effect - effect]
    return {
        "n_per_class": n, "n_alike": n_alike, "effect": effect, "n_sets": len(seeds), "n_found": len(held),
        "coverage": float(np.mean(held)), "bias": float(np.mean(bias)), "held_out_bias": float(np.mean(discount)),
    }  # fmt: skip


def run(seeds: range, jobs: int) -> dict[str, object]:
    """All cells, and the shares over all that was found, by form."""
    grid = [(f, n, e) for f in FORMS for n in N_PER_CLASS for e in EFFECTS]
    crowd = [(n, m) for n in (50, 200) for m in (1, 10, 50)]
    with ProcessPoolExecutor(jobs) as pool:
        cells = [pool.submit(cell, f, n, e, seeds) for f, n, e in grid]
        curse = [pool.submit(strongest, n, m, 0.4, range(seeds.start, seeds.start + len(seeds) // 4)) for n, m in crowd]
        rows, winners = [c.result() for c in cells], [c.result() for c in curse]
    over = {}
    for form in FORMS:
        mine = pd.DataFrame([r for r in rows if r["form"] == form and r["n_found"]])
        weight = mine.n_found / mine.n_found.sum()
        over[form] = {
            k: float((mine[k] * weight).sum()) for k in ("coverage", "truth_below", "truth_above", "bias", "width")
        }
    return {
        "schema": "curator.benchmark.coverage/1",
        "seeds": [seeds.start, seeds.stop],
        "n_classes": N_CLASSES,
        "share_elsewhere": ELSEWHERE,
        "n_noise": N_NOISE,
        "overall": over,
        "cells": rows,
        "strongest_of_many": winners,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=400, help="sets per cell")
    parser.add_argument("--first", type=int, default=1000, help="first seed; 0 to 999 were used in development")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    found = run(range(args.first, args.first + args.sets), args.jobs)
    text = json.dumps(found, indent=1) + "\n"
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    print(pd.DataFrame(found["cells"]).round(3).to_string())
    print(pd.DataFrame(found["overall"]).T.round(4).to_string())
    print(pd.DataFrame(found["strongest_of_many"]).round(3).to_string())


if __name__ == "__main__":
    main()
