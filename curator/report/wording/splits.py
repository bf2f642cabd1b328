"""The notes on splits: what differs from what was asked for, and how a split was balanced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curator.report.wording.text import count


def split_anew(splits: Sequence[str]) -> str:
    return f"The data already has splits ({', '.join(splits)}); the images are split anew."


def missing_in_split(cell: str, n: int, splits: Sequence[str], n_splits: int) -> str:
    """A cell of `n` images that has none in some splits, and why if there are as many images as splits."""
    why = "" if n < n_splits else " (duplicates stay together, or the split is small)"
    return f"{cell}: {count(n, 'image')}, none in {' or '.join(splits)}{why}."


def off_target(cell: str, got: int, split: str, asked: float, together: Sequence[str]) -> str:
    kept = " and ".join(["duplicates", *(f"images of one {column}" for column in together)])
    return f"{cell}: {got} in {split} where {asked:.1f} were wanted, because {kept} stay together."


def more_off_target(n: int) -> str:
    return (
        f"{count(n, 'more cell differs', 'more cells differ')} by more than one image; splits.json lists all of them."
    )


def synthetic_in(split: str, n: int) -> str:
    return f"Synthetic images, which are in {split} only and are not counted with the others: {n}."


def synthetic_not_in(split: str, n: int) -> str:
    return f"Synthetic images that are left out because not all their sources are in {split}: {n}."


def none_to_balance(cell: str, split: str) -> str:
    return f"No image of {cell} is in {split}; only adding images can balance it."


def weights(split: str, by_cell: Mapping[str, float]) -> str:
    return f"Weights in {split}: {', '.join(f'{cell} {weight:.3g}' for cell, weight in by_cell.items())}."


def left_out_of_split(split: str, n_each: int, cells: Sequence[str]) -> str:
    return f"Left out of {split}, so that each has {n_each}: {', '.join(cells)}."
