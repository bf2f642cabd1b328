"""Quick arithmetic gives the numbers of the plain one, to the last bit: stored measures stay what they were."""

import numpy as np
import pytest

from curator.attributes import colour
from curator.attributes._surround import grey, surround
from curator.types import FileFacts, Photo

FACTS = FileFacts("PNG", "RGB", 30, 20, 1, "0" * 64)


def plain_names(pixels):
    """`colour.name_map` as its definition reads: hue by remainder, ranges by search."""
    rgb = pixels.astype(np.float32) / 255
    value = rgb.max(-1)
    chroma = value - rgb.min(-1)
    saturation = chroma / np.maximum(value, 1e-6)
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    safe = np.maximum(chroma, 1e-6)
    hue = np.where(value == r, (g - b) / safe % 6, np.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4)) * 60
    ends = np.array([upper for upper, _ in colour._HUES])
    of_range = np.array([colour.NAMES.index(name) for _, name in colour._HUES], np.uint8)
    out = of_range[np.minimum(np.searchsorted(ends, hue, side="right"), len(ends) - 1)]
    warm = np.isin(out, [colour.NAMES.index(n) for n in ("red", "orange", "yellow")])
    red = out == colour.NAMES.index("red")
    out[warm & ((value < 0.62) | (saturation < 0.45)) & ~(red & (saturation > 0.55))] = colour.NAMES.index("brown")
    pale = (saturation < 0.14) | (chroma < 0.06)
    out[pale] = colour.NAMES.index("grey")
    out[pale & (value > 0.85)] = colour.NAMES.index("white")
    out[value < 0.12] = colour.NAMES.index("black")
    return out


def photo(seed: int, foreground=None) -> Photo:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    return Photo(FACTS, pixels, pixels, 0, foreground)


@pytest.mark.parametrize("red", [0, 1, 30, 31, 64, 127, 128, 200, 217, 254, 255])
def test_every_colour_has_the_name_of_the_plain_definition(red):
    levels = np.arange(256, dtype=np.uint8)
    pixels = np.stack(np.meshgrid(np.uint8(red), levels, levels, indexing="ij"), -1)[0]
    for turned in (pixels, pixels[..., [1, 0, 2]], pixels[..., [1, 2, 0]]):
        assert np.array_equal(colour.name_map(turned), plain_names(turned))


def test_a_picture_is_grey_by_the_quantile_however_near_it_lies():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(2000):
        n, few = rng.integers(1, 400), rng.choice([0.005, 0.01, 0.012, 0.02, 0.5])
        spread = np.where(rng.random(n) < few, rng.integers(8, 11, n), rng.integers(0, 7, n)).astype(np.uint8)
        told = colour._grey(spread)
        assert told == (np.quantile(spread.astype(np.float32), 0.99) <= 8)
        seen.add((told, int(np.count_nonzero(spread <= 8) - 0.99 * (n - 1))))
    assert {(True, 1), (True, 0), (False, 0)} <= seen  # counted, and both ways asked of the quantile


def test_warmth_saturation_and_grey_are_those_of_the_plain_formulas():
    pixels = photo(3).pixels
    rgb = pixels.reshape(-1, 3).astype(np.float32)
    light = ((rgb / 255 + 1 / 255) ** colour._NORM).mean(0)
    assert colour._warmth(pixels.reshape(-1, 3)) == float(np.log2(light[0] / light[2]) / colour._NORM)
    assert colour.saturation(rgb) == float((rgb.max(-1) - rgb.min(-1)).sum() / rgb.max(-1).sum())
    assert np.array_equal(grey(photo(3)), pixels.astype(np.float32).mean(-1))


def test_the_surround_kept_is_that_of_the_photo_asked_for():
    """Two photos in turn, one of them with a foreground: what is kept of one is never given for the other."""
    hidden = np.zeros((20, 30), np.float32)
    hidden[5:15, 5:25] = 1
    first, second = photo(1, hidden), photo(2)
    for one, n in ((first, 400), (first, 400), (second, 20 * 30 - 12 * 18), (first, 400)):
        mask, pixels = surround(one)
        assert (mask.sum(), len(pixels)) == (n, n)
        assert np.array_equal(pixels, one.pixels[mask])
        assert np.array_equal(colour.names_around(one), plain_names(one.pixels)[mask])
