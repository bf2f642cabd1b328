"""The report's colours: readable on both papers, told apart by everyone."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest

CSS = files("curator.report.html").joinpath("templates", "style.css").read_text("utf-8")
BLOCKS = {
    "light": CSS.split("@media")[0],
    "dark": CSS.split("(prefers-color-scheme: dark)")[1].split("@media")[0].split("} }")[0],
    "print": CSS.split("@media print {")[1].split("}")[0],
}
PALETTES = {name: dict(re.findall(r"--([\w]+): (#[0-9a-f]{3,6})", block)) for name, block in BLOCKS.items()}
# How the two commonest kinds of colour blindness see linear RGB, whole: Machado, Oliveira and Fernandes (2009), severity 1.
SEEN = {
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}


def linear(colour: str) -> np.ndarray:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    v = np.array([int(digits[k : k + 2], 16) for k in (0, 2, 4)]) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2.2: (lighter + 0.05) / (darker + 0.05) of the relative luminances."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_is_right() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", ["light", "dark", "print"])
def test_text_is_readable(name: str) -> None:
    p = PALETTES["light"] | PALETTES[name] if name == "print" else PALETTES[name]
    for text in ("ink", "soft", "accent", "alarm", "amber", "good"):
        for paper in ("paper", "card"):
            assert contrast(p[text], p[paper]) >= 4.5, (text, paper)
    for text, paper in (("ink", "tint"), ("ink", "track"), ("card", "good"), ("card", "alarm")):
        assert contrast(p[text], p[paper]) >= 4.5, (text, paper)


@pytest.mark.parametrize("name", ["light", "dark", "print"])
def test_what_is_drawn_stands_out_from_its_paper(name: str) -> None:
    p = PALETTES["light"] | PALETTES[name] if name == "print" else PALETTES[name]
    for mark in ("k0", "k1", "k2", "k3", "k4", "k5", "k6", "accent", "alarm"):
        assert contrast(p[mark], p["paper"]) >= 3, mark
    for mark in ("accent", "other"):
        assert contrast(p[mark], p["card"]) >= 3, mark
    assert contrast(p["accent"], p["track"]) >= 3


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("seen", SEEN)
def test_what_has_it_and_what_breaks_the_rule_are_told_apart_by_everyone(name: str, seen: str) -> None:
    def lab(colour: str) -> np.ndarray:
        rgb = np.clip(np.array(SEEN[seen]) @ linear(colour), 0, 1)
        xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
        f = np.cbrt(xyz / [0.9505, 1, 1.089])
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    p = PALETTES[name]
    assert np.linalg.norm(lab(p["accent"]) - lab(p["alarm"])) > 25
    # Classes have shapes, too; the first four, which most sets have, also differ in colour alone.
    for a, b in combinations(("k0", "k1", "k2", "k3"), 2):
        assert np.linalg.norm(lab(p[a]) - lab(p[b])) > 10, (a, b)


def test_each_class_on_the_map_has_a_shape_of_its_own() -> None:
    template = files("curator.report.html").joinpath("templates", "report.html.j2").read_text("utf-8")
    shapes = re.findall(r'<(?:circle|rect|path) id="shape-(\w)"([^>]*)>', template)
    assert [k for k, _ in shapes] == [*"01234567", "x"]
    assert len({drawn for _, drawn in shapes}) == 9
