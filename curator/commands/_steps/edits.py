"""Choose the image edit that removes an attribute (or adds it to other images), and the control edit for comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator.attributes.colour import saturation
from curator.attributes.light import contrast
from curator.attributes.sharpness import detail
from curator.io import editing
from curator.io.editing import LUMA, Pixels
from curator.shortcuts.indicators import is_below
from curator.types import Column, Floats

Make = Callable[[Pixels, Floats, np.random.Generator], tuple[Pixels, Pixels]]
"""(image, its closed places (g, g), rng) -> two versions of it as encoder inputs. The first is edited, the second is edited
equally strongly without touching the attribute. If surroundings are exchanged, the two versions are on surroundings of the
same kind and on those of the other kind. Closed (0..1) is a place where the object is."""
Stat = Callable[[Pixels], float]

_KEPT = (0.6, 0.9)
"""Foreground probability from which a place is partly kept, and from which it is fully kept, when an object is put on other
surroundings. With lower values the object keeps a visible rim of its own surroundings."""
_SOFTEST = 0.06
"""Largest blur radius used to match other images, as a fraction of the side: 13 pixels of 224."""
_WIDEST = 0.25
"""Widest frame that is searched for, as a fraction of the shorter side."""
_FLAT = 6.0
"""Largest spread, in levels of 255, of a line of pixels that counts as one colour, as in attributes/border.py."""


@dataclass(frozen=True, slots=True)
class References:
    """The reference images of an edit, as encoder inputs (r, size, size, 3).

    `away` have what the edit leads to. For an exchange, `same` have the same value as the edited images. The closed
    places are (r, g, g). `quality` is the usual JPEG quality of images that have what the edit leads to.
    """

    away: Pixels
    away_closed: Floats
    same: Pixels
    same_closed: Floats
    quality: int
    prepare: Callable[[Pixels], Pixels]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to edit an attribute.

    `words` says what is done. `plants`: the attribute is added to images of other classes, because it cannot be removed
    from those that have it (no edit restores lost detail). `exchanges`: surroundings of one kind are replaced by those of
    another. `whole`: the edit is made on the image as stored, not on the encoder's input. `needs_quality`: the edit needs
    the JPEG quality of the other images.
    """

    words: str
    build: Callable[[References], Make]
    plants: bool = False
    exchanges: bool = False
    whole: bool = False
    needs_quality: bool = False

    @property
    def control(self) -> str:
        """The control that the edit is compared with, in words."""
        return (
            "the same edit in images of the other classes"
            if self.exchanges
            else "an equally large change of something else"
        )


def plan(column: Column, value: str) -> Plan | str:
    """The edit for an attribute's value, or the reason why there is none."""
    if column.edit == "surroundings" and column.kind == "object":
        return "the attribute is part of the object itself"
    if column.edit not in _EDITS or (column.edit == "surroundings" and column.kind != "context"):
        return "curator has no edit that changes the attribute"
    return _EDITS[column.edit](value)


def _surroundings(value: str) -> Plan:
    return Plan("exchanging the surroundings", _exchanged, exchanges=True)


def _grey(value: str) -> Plan:
    whose = "the other classes" if value == "yes" else "the images"
    return Plan(f"removing the colour from {whose}", _drained, plants=value == "yes")


def _colourfulness(value: str) -> Plan:
    return Plan("matching the colourfulness of the other images", _matched(_saturation, editing.saturate))


def _colour(value: str) -> Plan:
    return Plan("shifting the colours to those of the other images", _recoloured)


def _brightness(value: str) -> Plan:
    return Plan("matching the brightness of the other images", _relit)


def _contrasts(value: str) -> Plan:
    return Plan("matching the contrast of the other images", _matched(_contrast, editing.spread))


def _blur(value: str) -> Plan:
    # Blur can be added but not removed.
    less = is_below(value)
    return Plan(
        "blurring " + ("the other classes equally" if less else "to match the other images"), _blurred, plants=less
    )


def _frame(value: str) -> Plan:
    other = value == "none"
    return Plan("cropping the frame" + (" of the other classes" if other else ""), _cropped, other, whole=True)


def _quality(value: str) -> Plan:
    # Detail lost to compression cannot be restored, so the other images are saved at the low quality.
    less = is_below(value)
    who = "the other classes at this class's" if less else "at the other classes'"
    return Plan(f"saving {who} JPEG quality", _resaved, plants=less, whole=True, needs_quality=True)


_EDITS: Mapping[str, Callable[[str], Plan]] = {
    "surroundings": _surroundings,
    "grey": _grey,
    "colourfulness": _colourfulness,
    "colour": _colour,
    "brightness": _brightness,
    "contrast": _contrasts,
    "blur": _blur,
    "frame": _frame,
    "quality": _quality,
}
"""The plan for a value, by `Column.edit`."""


def _exchanged(r: References) -> Make:
    """Put the object on the surroundings of an image that has the value, and of one that does not.

    The control is the same edit in other classes, because objects are harder to recognise on some surroundings.
    """
    side = r.away.shape[1]
    kinds = [
        [editing.without_object(x, editing.enlarge(c, side, side)) for x, c in zip(pictures, closed, strict=True)]
        for pictures, closed in ((r.same, r.same_closed), (r.away, r.away_closed))
    ]

    def make(picture: Pixels, closed: Floats, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        low, high = _KEPT
        mask = 1 - np.clip((editing.enlarge(closed, side, side) - low) / (high - low), 0, 1)
        own, other = (editing.mix(picture, plates[rng.integers(len(plates))], mask) for plates in kinds)
        return own, other

    return make


def _relit(r: References) -> Make:
    def make(picture: Pixels, closed: Floats, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        edited = editing.relight(picture, float(_luma(r.away[rng.integers(len(r.away))]).mean()))
        return edited, editing.shift_by(picture, _hue(rng), editing.distance(edited, picture))

    return make


def _drained(r: References) -> Make:
    def make(picture: Pixels, closed: Floats, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        edited = editing.saturate(picture, 0)
        return edited, _lighter_or_darker(picture, edited, rng)

    return make


def _recoloured(r: References) -> Make:
    def make(picture: Pixels, closed: Floats, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        step = r.away[rng.integers(len(r.away))].mean((0, 1)) - picture.mean((0, 1))
        edited = editing.shift(picture, step - step.mean())  # the colour, not the brightness
        return edited, _lighter_or_darker(picture, edited, rng)

    return make


def _matched(stat: Stat, change: Callable[[Pixels, float], Pixels]) -> Callable[[References], Make]:
    """Scale the statistic to that of an `away` image, by at most a factor of four; more would make noise visible."""

    def build(r: References) -> Make:
        def make(picture: Pixels, closed: Floats, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
            target = stat(r.away[rng.integers(len(r.away))])
            edited = change(picture, min(4.0, target / max(stat(picture), 1e-3)))
            # A contrast edit changes luminance, so its control changes hue; otherwise the other way round.
            if stat is _contrast:
                return edited, editing.shift_by(picture, _hue(rng), editing.distance(edited, picture))
            return edited, _lighter_or_darker(picture, edited, rng)

        return make

    return build


def _blurred(r: References) -> Make:
    targets = [_sharpness(x) for x in r.away]

    def make(picture: Pixels, closed: Floats, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        target, everywhere = targets[rng.integers(len(targets))], np.ones(picture.shape[:2], np.float32)
        low, high = 0.0, _SOFTEST * min(picture.shape[:2])
        for _ in range(8):  # precise to a twentieth of a pixel
            middle = (low + high) / 2
            sharper = _sharpness(editing.blur(picture, everywhere, middle)) > target
            low, high = (middle, high) if sharper else (low, middle)
        edited = editing.blur(picture, everywhere, low)
        return edited, editing.noise_like(picture, edited, rng)

    return make


def _cropped(r: References) -> Make:
    def make(picture: Pixels, closed: Floats, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        width = frame_width(picture)
        if not width:
            return r.prepare(picture), r.prepare(picture)
        return r.prepare(editing.crop_border(picture, width)), r.prepare(editing.crop_inside(picture, width))

    return make


def _resaved(r: References) -> Make:
    def make(picture: Pixels, closed: Floats, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        edited = r.prepare(editing.recompress(picture, r.quality))
        return edited, editing.noise_like(r.prepare(picture), edited, rng)

    return make


def frame_width(picture: Pixels) -> float:
    """Width of a frame of one colour at its widest edge, as a fraction of the shorter side; 0 if there is no frame."""
    shorter = min(picture.shape[:2])
    most = int(_WIDEST * shorter)
    widths = []
    for turned in (picture, picture[::-1], picture.transpose(1, 0, 2), picture[:, ::-1].transpose(1, 0, 2)):
        lines = turned[:most].astype(np.float32)
        flat = (lines.std(1) <= _FLAT).all(1) & (np.abs(lines.mean(1) - lines[:1].mean(1)) <= _FLAT).all(1)
        widths.append(most if flat.all() else int(flat.argmin()))
    # One more line, because scaling and JPEG blur the inner edge.
    return (max(widths) + 1) / shorter if min(widths) else 0.0


def _luma(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(pixels.astype(np.float32) @ LUMA / 255, np.float32)


def _contrast(pixels: Pixels) -> float:
    return contrast(_luma(pixels))


def _saturation(pixels: Pixels) -> float:
    return saturation(pixels.astype(np.float32))


def _sharpness(pixels: Pixels) -> float:
    """Sharpness of an encoder input; an image of one colour counts as fully blurred."""
    return detail(pixels.astype(np.float32).mean(-1)) or 0.0


def _hue(rng: np.random.Generator) -> NDArray[np.float64]:
    """A random colour direction that does not change the luminance."""
    step = rng.normal(size=3)
    return np.asarray(step - (step @ LUMA) / (LUMA @ LUMA) * LUMA)


def _lighter_or_darker(picture: Pixels, edited: Pixels, rng: np.random.Generator) -> Pixels:
    """The image with its brightness, not its hue, changed by as much as the edit changed it."""
    return editing.shift_by(picture, rng.choice([-1.0, 1.0]) * np.ones(3), editing.distance(edited, picture))
