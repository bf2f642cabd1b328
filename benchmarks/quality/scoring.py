"""Was it right? An audit's findings against what was planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from planted import Planted, Shortcut, Spec
from scipy import stats

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "scene": ("background.", "words.", "concept.", "scene.", "colour."),
    "tint": ("background.colour", "colour.", "words."),
    "darkness": (
        "light.", "background.brightness", "background.colour=black", "colour.dominant=black",
    ),
    "blur": ("sharpness.", "background.texture"),
    "jpeg": ("file.",),
    "border": ("border.", "words."),
    "watermark": ("words.", "concept.", "border.", "lettering."),
    "image_size": ("geometry.", "file."),
    "exif": ("exif.",),
    "object_size": ("framing.", "geometry.", "words."),
    "metadata": ("metadata.site",),
}  # fmt: skip
"""How "attribute=value" of a finding may begin for it to name what was planted."""
EXACT = ("jpeg", "image_size", "exif", "metadata", "border")
"""Kinds that an attribute reads off without error, so that its share in the population is the one planted."""

UNRELATED = 0.2
"""Phi below which a finding is not about the shortcut at all."""


@dataclass(frozen=True, slots=True)
class Found:
    """One finding, as far as scoring needs it. `agreement`: phi (-1..1) between having the finding's value and having what
    was planted, over all images, one for each shortcut; None where the value cannot be read back."""

    class_name: str
    attribute: str
    value: str
    kind: str
    severity: str
    effect: float | None
    effect_ci: tuple[float, float] | None
    q: float | None
    same_as: tuple[str, ...]
    counterexample_ids: tuple[str, ...]
    agreement: tuple[float | None, ...] = ()
    sentence: str = ""
    on_object: float | None = None
    """Share of the finding's area that lies on the animal, by the true masks; None where it has no place."""
    on_rim: float | None = None
    """The same of the animal with its rim."""

    @property
    def said(self) -> str:
        return f"{self.attribute}={self.value}"

    def as_dict(self) -> dict[str, object]:
        return asdict(replace(self, same_as=self.same_as[:6], counterexample_ids=()))


def phi(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two yes/no columns; 0 where one of them never changes.

    >>> round(phi(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0])), 3)
    0.577
    """
    x, y = a.astype(float), b.astype(float)
    if x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def names(found: Found, shortcut: Shortcut, position: int, *, fold: bool = False) -> bool:
    """Whether the finding says what was planted: the class, and the family of the attribute.

    Where the value can be read back, it must also be had by the images that have the shortcut rather than by the others.
    With `fold`, any attribute folded into the finding may name the family.
    """
    agreement = found.agreement[position] if position < len(found.agreement) else None
    if found.class_name != shortcut.class_name or (agreement is not None and agreement <= 0):
        return False
    said = [found.said, *(s for s in found.same_as if ":" not in s.split("=")[0])] if fold else [found.said]
    return any(s.startswith(FAMILIES[shortcut.kind]) for s in said)


def mirrored(found: Found, shortcut: Shortcut, position: int, spec: Spec) -> bool:
    """With two classes, "the other class lacks it" is the same fact."""
    agreement = found.agreement[position] if position < len(found.agreement) else None
    other = found.class_name != shortcut.class_name and spec.n_classes == 2
    return other and (agreement or 0) < 0 and found.said.startswith(FAMILIES[shortcut.kind])


def precision_at_10(found: Found, shortcut: Shortcut, truth: pd.DataFrame) -> float | None:
    """Of the first ten images said to break the rule, the share that does: of the class, without what was planted.

    Where fewer than ten such images exist, of as many as exist. None: no image is shown, or none exists.
    """
    breaks = (truth["label"] == shortcut.class_name) & ~truth[f"has_{shortcut.kind}"].astype(bool)
    n = min(10, int(breaks.sum()))
    shown = [i for i in found.counterexample_ids[:n] if i in truth.index]
    return float(breaks.loc[shown].mean()) if shown else None


def covers(found: Found, shortcut: Shortcut) -> bool | None:
    """Whether the interval of the effect holds the planted one."""
    if found.effect_ci is None:
        return None
    return bool(found.effect_ci[0] <= shortcut.effect <= found.effect_ci[1])


def score(found: Sequence[Found], planted: Planted) -> dict[str, object]:
    """Everything the table asks of one set."""
    alarms = [f for f in found if f.severity in ("medium", "high") and f.kind != "object"]
    out: dict[str, object] = {"n_findings": len(found), "n_alarms": len(alarms)}
    if planted.spec.effect == 0 or not planted.shortcuts:
        return {**out, "alarms": [f"{f.class_name}:{f.said}" for f in alarms[:5]]}
    one = found[0] if found else None
    pairs = list(enumerate(planted.shortcuts))
    out["first"] = one is not None and any(names(one, s, i) for i, s in pairs)
    out["first_or_folded"] = one is not None and any(names(one, s, i, fold=True) for i, s in pairs)
    out["first_or_mirrored"] = bool(out["first"]) or (
        one is not None and any(mirrored(one, s, i, planted.spec) for i, s in pairs)
    )
    out["all_in_three"] = _each_of_its_own(found[:3], planted)
    # Findings that matter, are not the object's, and have next to nothing to do with what was planted.
    out["n_unexplained"] = sum(max((abs(a or 0.0) for a in f.agreement), default=0.0) < UNRELATED for f in alarms)
    out["shortcuts"] = [_of_one(found, s, i, planted) for i, s in pairs]
    return out


def _each_of_its_own(found: Sequence[Found], planted: Planted) -> bool:
    """Whether every shortcut is named, no two of them by one finding."""
    fits = [[names(f, s, i) for f in found] for i, s in enumerate(planted.shortcuts)]
    used: set[int] = set()
    for row in sorted(fits, key=sum):  # whoever has one finding only takes it first
        free = next((j for j, fit in enumerate(row) if fit and j not in used), None)
        if free is None:
            return False
        used.add(free)
    return True


def _of_one(found: Sequence[Found], shortcut: Shortcut, position: int, planted: Planted) -> dict[str, object]:
    rank = next((r for r, f in enumerate(found) if names(f, shortcut, position)), None)
    row: dict[str, object] = {**asdict(shortcut), "effect": shortcut.effect, "rank": rank}
    if rank is None:
        return row
    match = found[rank]
    return {
        **row,
        "said": match.said,
        "severity": match.severity,
        "agreement": match.agreement[position] if match.agreement else None,
        "covers": covers(match, shortcut),
        "ci_width": None if match.effect_ci is None else match.effect_ci[1] - match.effect_ci[0],
        "precision_at_10": precision_at_10(match, shortcut, planted.truth),
    }


def share(hits: Sequence[bool]) -> dict[str, object]:
    """How many of how many, with the exact (Clopper-Pearson) 95 % interval.

    >>> share([True, True, True, False])["ci"]
    [0.194, 0.994]
    """
    k, n = int(sum(hits)), len(hits)
    low = float(stats.beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return {"k": k, "n": n, "share": k / n if n else None, "ci": [round(low, 3), round(high, 3)] if n else None}
