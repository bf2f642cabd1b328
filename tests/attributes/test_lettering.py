"""Lettering by the edge: which lines count, where they are, and that a planted date is found and a random one is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from changed import replace
from photos import Texts, embedded
from PIL import Image, ImageDraw, ImageFont

from curator.attributes import FAMILIES
from curator.attributes.lettering import marks, place
from curator.config import AuditSettings, Settings
from curator.engines import lettering
from curator.shortcuts import detection, indicators
from curator.types import LETTERING, Audit, Embedded, Measures

OFF = Texts({}, 4, text=False)


def derive(these: Embedded, reference: Embedded | None = None) -> Measures:
    return FAMILIES.get("lettering").derive(these, OFF, Settings(), reference or these)


def known(*lines: str | float | None) -> Embedded:
    made = embedded(np.ones((len(lines), 4)))
    return replace(made, facts=pd.DataFrame({LETTERING: list(lines)}, index=made.rows.index, dtype=object))


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("5 100 20 110", True),  # the middle is at 5 % of the width
        ("50 100 70 110", False),  # at 24 %
        ("100 5 150 40", False),  # 14 % high
        ("5 5 250 15", True),  # a caption as wide as the image
        ("240 20 250 230", True),  # a watermark along the right edge
        ("5 20 50 230", False),  # 18 % wide
        ("100 235 150 245", True),
    ],
)
def test_small_lettering_by_an_edge_counts(line, counts):
    assert bool(marks(line)) == counts


def test_an_image_with_more_lettering_elsewhere_carries_no_mark():
    edge, inside = "5 100 20 110", "100 120 150 130"
    assert len(marks(f"{edge};{inside}")) == 1
    assert marks(f"{edge};{inside};{inside}") == []
    assert marks("") == []


def test_corners_and_edges():
    said = [place((x, y, x, y)) for y in (0.1, 0.5, 0.9) for x in (0.1, 0.5, 0.9) if (x, y) != (0.5, 0.5)]
    assert said == [
        "top left corner", "top edge", "top right corner", "left edge", "right edge", "bottom left corner", "bottom edge",
        "bottom right corner",
    ]  # fmt: skip


def test_what_was_not_read_is_unknown_and_what_carries_none_is_known():
    out = derive(known("5 5 40 15;200 240 240 250", "", None, float("nan"), "100 120 150 130")).frame
    assert (
        out.isna()["lettering.by_edge"].tolist()
        == out.isna()["lettering.place"].tolist()
        == [False, False, True, True, False]
    )
    assert out["lettering.by_edge"].dropna().tolist() == [True, False, False]
    assert out["lettering.place"].dropna().tolist() == ["bottom right corner|top left corner", "", ""]
    np.testing.assert_allclose(out["lettering.height"], [10 / 255, np.nan, np.nan, np.nan, np.nan])


def test_of_several_lines_the_highest_counts_and_a_place_is_said_once():
    out = derive(known("5 5 40 15;60 4 90 24;5 240 60 246", "100 120 150 130;100 150 150 160;5 5 40 15")).frame
    assert out["lettering.place"].tolist() == ["bottom left corner|top edge|top left corner", ""]
    assert out["lettering.height"].tolist() == [20 / 255, pytest.approx(np.nan, nan_ok=True)]
    both = derive(known("5 5 40 15;5 20 40 30")).frame  # two lines of one date
    assert both["lettering.place"].tolist() == ["top left corner"]


def test_without_the_references_lettering_there_are_no_columns_and_without_ones_own_all_is_unknown():
    read, unread = known("5 5 40 15", ""), embedded(np.ones((2, 4)))
    assert derive(read, unread).columns == ()
    out = derive(unread, read)
    assert len(out.columns) == 3
    assert out.frame.isna().all(axis=None)


def photographs(folder, has: np.ndarray) -> Embedded:
    """Textured grounds of 240 x 180 pixels, some with a date at the bottom right, as a data set of two classes."""
    rng = np.random.default_rng(3)
    made = embedded(np.ones((len(has), 4)))
    for k, dated in enumerate(has):
        picture = Image.fromarray(np.clip(rng.normal(120, 25, (180, 240, 3)), 0, 255).astype(np.uint8))
        if dated:
            ImageDraw.Draw(picture).text((175, 160), "08 07 07", (255, 220, 90), ImageFont.load_default(size=13))
        picture.save(folder / f"{k:04d}.jpg", quality=92)
    labels = np.repeat([0, 1], len(has) // 2).astype(np.int32)
    data = replace(made.dataset, root=str(folder), labels=labels, classes=("cat", "dog"))
    facts = pd.DataFrame({"width": 240, "height": 180}, index=made.rows.index)
    return lettering.look(replace(made, dataset=data, facts=facts), folder / "cache", 2, lambda done, total: None)


def audit(these: Embedded) -> Audit:
    table = indicators.build(derive(these), (0.5,), 3)
    settings = AuditSettings(n_permutations=0)
    data = these.dataset
    return detection.audit(table, data.labels, data.classes, settings, np.random.default_rng(0))


def test_a_date_that_one_class_carries_is_found_with_its_place(tmp_path):
    """Planted: 36 of 40 cats and 4 of 40 dogs."""
    has = np.r_[np.arange(40) < 36, np.arange(40) < 4]
    first = audit(photographs(tmp_path, has)).findings[0]
    assert (first.class_name, first.severity) == ("cat", "high")
    said = {f"{first.attribute}={first.value}", *first.same_as}
    assert {"lettering.by_edge=yes", "lettering.place=bottom right corner"} <= said


def test_dates_drawn_without_a_look_at_the_class_are_no_finding(tmp_path):
    """The null: half of the images of either class."""
    has = np.random.default_rng(5).permutation(80) < 40
    assert audit(photographs(tmp_path, has)).findings == ()
