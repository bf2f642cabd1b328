"""Which sets each row of the table is measured on."""

from __future__ import annotations

from dataclasses import replace

from bank import Half
from planted import KINDS, Spec

FIRST = (
    Spec(effect=0.6, elsewhere=0.10, n_per_class=50, n_classes=4),
    Spec(effect=0.6, elsewhere=0.30, n_per_class=50, n_classes=2),
    Spec(effect=0.75, elsewhere=0.20, n_per_class=50, n_classes=4),
    Spec(effect=0.6, elsewhere=0.05, n_per_class=50, n_classes=10),
    Spec(effect=0.9, elsewhere=0.05, n_per_class=50, n_classes=2, balance="90/10"),
)
"""Effect 0.6 and more with 50 images a class: one after the other, seed by seed."""
WEAK = {
    "few": tuple(
        Spec(effect=0.6, elsewhere=p, n_per_class=25, n_classes=k) for p, k in ((0.1, 4), (0.3, 2), (0.05, 10))
    ),
    "weaker": tuple(
        Spec(effect=0.4, elsewhere=p, n_per_class=100, n_classes=k) for p, k in ((0.1, 4), (0.3, 2), (0.05, 4))
    ),
    "weakest": tuple(
        Spec(effect=0.25, elsewhere=p, n_per_class=200, n_classes=k) for p, k in ((0.1, 2), (0.3, 2), (0.05, 4))
    ),
}
TWO = Spec(effect=0.65, elsewhere=0.1, n_per_class=50, n_classes=4)
NULL = (
    Spec(kind="none", effect=0.0, n_per_class=50, n_classes=4),
    Spec(kind="none", effect=0.0, n_per_class=50, n_classes=2),
    Spec(kind="none", effect=0.0, n_per_class=25, n_classes=4),
    Spec(kind="none", effect=0.0, n_per_class=100, n_classes=4),
    Spec(kind="none", effect=0.0, n_per_class=50, n_classes=10),
    Spec(kind="none", effect=0.0, n_per_class=50, n_classes=2, balance="90/10"),
)
"""Nothing planted at all. Beside them, every kind is planted with effect 0: there, but no more in one class than in another."""


def pairs() -> tuple[str, ...]:
    """As many pairs of kinds as there are kinds, every kind in two of them, no two that change the same pixels.

    >>> pairs()[0]
    'scene+jpeg'
    """
    n = len(KINDS)
    return tuple(f"{KINDS[i]}+{KINDS[(i + 4) % n]}" for i in range(n))


def specs(row: str, seeds: list[int], half: Half) -> list[Spec]:
    """The sets of one row: first, few, weaker, weakest, two or null. The seed says which variant: five in a row have all."""
    out: list[Spec] = []
    for seed in seeds:
        if row == "first":
            cells = [replace(FIRST[seed % len(FIRST)], kind=kind) for kind in KINDS]
        elif row in WEAK:
            cells = [replace(WEAK[row][seed % len(WEAK[row])], kind=kind) for kind in KINDS]
        elif row == "two":
            cells = [replace(TWO, kind=kind, together=(seed + j) % 2 == 1) for j, kind in enumerate(pairs())]
        elif row == "null":
            there = Spec(effect=0.0, elsewhere=0.2, n_per_class=50, n_classes=4)
            cells = [*NULL, *(replace(there, kind=kind) for kind in KINDS)]
        else:
            raise ValueError(f"no row {row}")
        out += [replace(cell, seed=seed, half=half) for cell in cells]
    return out
