"""Tables without images: the six rows on which the peers are known to fail, and the coverage of intervals.

Every row has n = 5000 and one attribute. Rows 1 and 2 are noise, balanced and with a majority of 70 to 95 %; in rows 3 and 4
two classes have an attribute that agrees with them in 70 and in 80 to 95 %; in rows 5 and 6 one of five, and of ten or
fifty, has it in 90 % and every other class in 10 %. The attribute is a yes/no column in half of the draws, and in the other
half a score as pixel statistics are, which is what the peers look at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from curator.config import AuditSettings
from curator.shortcuts import detection, indicators
from curator.types import Column, Measures

N = 5000


NOISE = 0.1
"""Standard deviation of the score about 0 or 1: no threshold is in doubt, and yet no two images have one value."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One table: `labels` (n,) index `n_classes`; `values` (n,) of the attribute; `flagged` is the right answer."""

    row: int
    case: str
    labels: np.ndarray
    values: np.ndarray
    n_classes: int
    is_number: bool
    flagged: bool


def draw(row: int, i: int, seed: int) -> Draw:
    """The i-th draw of a row; its cases take turns, and within each a yes/no column and a score like a pixel statistic."""
    rng = np.random.default_rng([seed, row, i])
    cases: dict[int, tuple[float, ...]] = {2: (0.7, 0.8, 0.9, 0.95), 4: (0.8, 0.85, 0.9, 0.95), 6: (10, 50)}
    of_row = cases.get(row, ({1: 0.5, 3: 0.7, 5: 5}.get(row, 0),))
    case = of_row[i % len(of_row)]
    is_number = (i // len(of_row)) % 2 == 0
    form = "a score" if is_number else "yes or no"
    if row in (1, 2):
        labels = (np.arange(N) >= case * N).astype(np.int32)
        values = rng.random(N) if is_number else (rng.random(N) < 0.3).astype(float)
        return Draw(row, f"majority {case:.0%}, {form}", labels, values, 2, is_number, False)
    if row in (3, 4):
        n_classes, words = 2, f"aligned {case:.0%}, {form}"
        labels = np.repeat([0, 1], N // 2).astype(np.int32)
        has = np.where(rng.random(N) < case, labels, 1 - labels) > 0
    else:
        n_classes, words = int(case), f"{case:g} classes, {form}"
        labels = np.repeat(np.arange(n_classes), N // n_classes).astype(np.int32)
        has = rng.random(N) < np.where(labels == 0, 0.9, 0.1)
    values = has + NOISE * rng.standard_normal(N) if is_number else has.astype(float)
    return Draw(row, words, labels, values, n_classes, is_number, True)


def measures(values: np.ndarray, is_number: bool) -> Measures:
    """The attribute as curator reads a user's column: few values are names, many are a number."""
    name = "metadata.attribute"
    form = "number" if is_number else "category"
    column = Column(name, form, "metadata", "have {value}", "without {value}")  # type: ignore[arg-type]
    series = values if is_number else np.where(values > 0, "1", "0").astype(object)
    ids = [f"{i:06d}" for i in range(len(values))]
    return Measures(pd.DataFrame({name: series}, index=pd.Index(ids, name="id")), (column,))


def judge(drawn: Draw, settings: AuditSettings, seed: int) -> tuple[bool, bool]:
    """Whether curator flags it (a finding of severity medium or high), and whether it finds anything at all."""
    table = indicators.build(measures(drawn.values, drawn.is_number), settings.cuts)
    classes = tuple(f"class{k}" for k in range(drawn.n_classes))
    found = detection.audit(table, drawn.labels, classes, settings, np.random.default_rng(seed)).findings
    return any(f.severity in ("medium", "high") for f in found), bool(found)


def six_rows(seed: int, n_null: int = 200, n_planted: int = 40) -> list[dict[str, object]]:
    """Per row and case: how many draws were flagged, how many had any finding, what is right."""
    settings = replace(AuditSettings(), n_permutations=0)  # the shuffles say what to expect, and change no finding
    out: list[dict[str, object]] = []
    for row in range(1, 7):
        tally: dict[str, list[tuple[bool, bool]]] = {}
        for i in range(n_null if row < 3 else n_planted):
            drawn = draw(row, i, seed)
            tally.setdefault(drawn.case, []).append(judge(drawn, settings, seed))
        for case, answers in sorted(tally.items()):
            out.append(
                {
                    "row": row,
                    "case": case,
                    "n": len(answers),
                    "flagged": sum(a for a, _ in answers),
                    "any_finding": sum(b for _, b in answers),
                    "right": "flag" if row > 2 else "pass",
                }
            )
    return out


def coverage(seed: int, n: int = 1000) -> dict[str, object]:
    """How often the interval of the effect holds the true one, over tables of all sizes and effects.

    Only findings have intervals, so this is coverage given that the shortcut was found: small effects are found where
    chance made them large. `all` asks nothing of the finding; `found_above` counts effects that are almost always found.
    """
    settings = replace(AuditSettings(), n_permutations=0)
    rng = np.random.default_rng([seed, 99])
    rows = []
    for _ in range(n):
        effect = float(rng.choice([0.1, 0.25, 0.4, 0.6, 0.75, 0.9]))
        low = float(rng.uniform(0.05, min(0.3, 0.99 - effect)))
        n_class, n_classes = int(rng.choice([25, 50, 100, 200, 400])), int(rng.choice([2, 4, 10]))
        counts = [n_class] * n_classes
        if rng.random() < 0.3:
            counts[int(rng.integers(n_classes))] = 9 * n_class * (n_classes - 1)
        labels = np.repeat(np.arange(n_classes), counts).astype(np.int32)
        has = rng.random(len(labels)) < np.where(labels == 0, low + effect, low)
        table = indicators.build(measures(has.astype(float), False), settings.cuts)
        classes = tuple(f"class{k}" for k in range(n_classes))
        found = detection.audit(table, labels, classes, settings, rng).findings
        mine = next((f for f in found if f.class_name == "class0" and f.value == "1"), None)
        inside = None if mine is None or mine.effect_ci is None else mine.effect_ci[0] <= effect <= mine.effect_ci[1]
        rows.append((effect, n_class, inside))
    frame = pd.DataFrame(rows, columns=["effect", "n_per_class", "covers"])
    seen = frame.dropna()
    strong = seen[(seen["effect"] >= 0.25) & (seen["n_per_class"] >= 50)]
    by = seen.groupby("effect")["covers"].agg(["mean", "count"])
    return {
        "n": n,
        "found": len(seen),
        "k": int(seen["covers"].sum()),
        "strong": {"n": len(strong), "k": int(strong["covers"].sum())},
        "by_effect": {f"{e:g}": {"share": float(m), "n": int(c)} for e, (m, c) in by.iterrows()},
    }
