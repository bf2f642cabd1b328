"""Drawings of where a finding is seen in its images: the places that show it stay bright, the rest is dimmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from curator.report.html.album import Shot
from curator.types import Floats, Mask

LEVELS = (0.02, 0.2, 0.4, 0.6, 0.8)
"""Shares of images; above each of them a place is drawn one step darker."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Where a finding is seen, on a grid of g x g places over the encoder's input.

    `share` (g, g) is the fraction of the `n` images of the class that show the finding at each place; `elsewhere` (g, g)
    is the same for the `n_elsewhere` other images. `places` (g, g) and `views` (left, top, right, bottom of the grid as
    fractions of the image) are by image id. `exact`: the places themselves have the value; otherwise they are where the
    value was measured.
    """

    exact: bool
    share: Floats
    n: int
    elsewhere: Floats
    n_elsewhere: int
    places: Mapping[str, Mask]
    views: Mapping[str, tuple[float, float, float, float]]
    sizes: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Lit:
    """An image with the places that show the finding. `outline` is an SVG path around them, in units of places. `shade` is the
    same path inside a frame larger than any image. `place` moves and scales places to the pixels of the shot.
    """

    shot: Shot
    outline: str
    shade: str
    place: str


@dataclass(frozen=True, slots=True)
class Heat:
    """How often each place shows the finding: `steps` are paths of places, lightest first; `words` describe it in text."""

    label: str
    grid: int
    steps: tuple[str, ...]
    words: str


def lit(sight: Sight, shot: Shot) -> Lit | None:
    """The shot with its bright places. None if no place of it is known to show the finding."""
    mask, view, size = sight.places.get(shot.id), sight.views.get(shot.id), sight.sizes.get(shot.id)
    if mask is None or view is None or size is None or not shot.ref or not mask.any():
        return None
    # The same scaling as in the page: the image fills the frame and its middle is kept (see `Album.crop`).
    scale = max(shot.width / size[0], shot.height / size[1])
    wide, high = size[0] * scale, size[1] * scale
    left, top = (shot.width - wide) / 2 + view[0] * wide, (shot.height - high) / 2 + view[1] * high
    across, down = (view[2] - view[0]) * wide / len(mask), (view[3] - view[1]) * high / len(mask)
    path = outline(mask)
    far = 20 * len(mask)
    place = f"translate({left:.2f} {top:.2f}) scale({across:.4f} {down:.4f})"
    return Lit(shot, path, f"M-{far} -{far}H{far}V{far}H-{far}Z{path}", place)


def heats(sight: Sight, name: str) -> tuple[Heat, ...]:
    """Heat maps of the class and of the other images, on the same scale."""
    out = [_heat(name, sight.share, sight.n)]
    if sight.n_elsewhere:
        out.append(_heat("the others", sight.elsewhere, sight.n_elsewhere))
    return tuple(out)


def _heat(label: str, share: Floats, n: int) -> Heat:
    level = np.digitize(share, LEVELS)
    steps = tuple(outline(level == k) for k in range(1, len(LEVELS) + 1))
    return Heat(label, len(share), steps, f"{label}: {_where(share)} ({n:,} images)")


def _where(share: Floats) -> str:
    """
    >>> _where(np.array([[0, 0], [0.4, 0.6]]))
    'at one place in up to 60% of the images, mostly in the lower half'
    """
    most = float(share.max())
    if most < LEVELS[0]:
        return "nowhere in particular"
    rows, columns = share.sum(1), share.sum(0)
    half = len(share) // 2
    parts = {"upper half": rows[:half], "lower half": rows[-half:], "left half": columns[:half]}
    parts["right half"] = columns[-half:]
    where = next((f", mostly in the {name}" for name, part in parts.items() if part.sum() >= 0.7 * rows.sum()), "")
    return f"at one place in up to {max(1, round(100 * most))}% of the images{where}"


def outline(mask: Mask) -> str:
    """The outline of the marked places as an SVG path, one unit per place. Holes are cut out under either fill rule.

    >>> outline(np.array([[True, True], [False, False]]))
    'M0 0H2V1H0Z'
    """
    ahead = _edges(np.asarray(mask, np.bool_))
    path = ""
    while ahead:
        start = at = min(ahead)
        heading = (0, 0)
        corners: list[tuple[int, int]] = []
        while at != start or not corners:
            ways = ahead[at]
            # If two places touch only at a corner, the path turns right, so that each place keeps its own outline.
            right = (-heading[1], heading[0])
            step = right if right in ways else ways[0]
            ways.remove(step)
            if not ways:
                del ahead[at]
            if step != heading:
                corners.append(at)
            heading, at = step, (at[0] + step[0], at[1] + step[1])
        path += _drawn(corners)
    return path


def _edges(mask: Mask) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The steps (x, y) along the outline from each of its corners, with the marked places on the right."""
    out: dict[tuple[int, int], list[tuple[int, int]]] = {}
    padded = np.pad(mask, 1)
    for y, x in np.argwhere(mask).tolist():
        sides = (
            ((x, y), (1, 0), padded[y, x + 1]),
            ((x + 1, y), (0, 1), padded[y + 1, x + 2]),
            ((x + 1, y + 1), (-1, 0), padded[y + 2, x + 1]),
            ((x, y + 1), (0, -1), padded[y + 1, x]),
        )
        for corner, step, covered in sides:
            if not covered:
                out.setdefault(corner, []).append(step)
    return out


def _drawn(corners: list[tuple[int, int]]) -> str:
    x, y = corners[0]
    path = f"M{x} {y}"
    for nx, ny in corners[1:]:
        path += f"H{nx}" if ny == y else f"V{ny}"
        x, y = nx, ny
    return path + "Z"
