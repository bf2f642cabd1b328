"""The map: groups that differ lie apart, the sample is fair, and 1,000,000 images are as small as 400."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from changed import replace
from report_example import BUNNY, FINDINGS, ids_of, jpeg, make_run

from curator.report.html.album import Album
from curator.report.html.map import NO_CLASS, SHAPES, Map, chosen, embedding_map, positions
from curator.report.html.page import MAX_BYTES, render
from curator.types import Audit, AuditRun, Clusters, Dataset, Embeddings, Measures


def mapped(run: AuditRun) -> Map | None:
    return embedding_map(run, FINDINGS, Album(10**7), jpeg, jpeg, 400)


def test_two_groups_lie_apart_and_noise_does_not() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(200, 30))
    apart = noise + np.outer(np.arange(200) < 100, np.full(30, 3.0))
    for vectors, least, most in ((apart, 40, 100), (noise, 0, 15)):
        at, share = positions(vectors.astype(np.float32))
        assert least <= abs(at[:100].mean(0) - at[100:].mean(0)).max() <= most
        assert at.min() >= 3
        assert at.max() <= 97
        assert 0 < share < 1


def test_distances_have_one_scale_and_images_that_are_one_do_not_fail() -> None:
    at, share = positions(np.array([[0, 0], [4, 0], [0, 2], [4, 2]], np.float32))
    assert np.ptp(at, axis=0).tolist() == pytest.approx([94, 47])
    assert share == pytest.approx(1)
    same, none = positions(np.ones((5, 3), np.float32))
    assert (same == 50).all()
    assert none == 0


def test_a_dot_says_its_class_its_picture_and_whether_it_follows_the_rule() -> None:
    found = mapped(make_run())
    assert found is not None
    first = found.dots[0]
    kinds = {name: k for k, name, _ in found.kinds}
    assert (first.id, first.class_name, first.kind) == (ids_of(0)[0], "bunny", kinds["bunny"])
    assert first.ref.startswith("p")
    # Of the findings' attributes the frame has background.colour (all green) and light.brightness.
    assert [f.attribute for f in found.marks] == ["background.colour", "light.brightness"]
    assert first.has == "1-"
    assert {d.has[0] for d in found.dots if d.class_name != "bunny"} == {"-"}
    assert sum(n for _, _, n in found.kinds) == len(found.dots) == 80


def test_pictures_the_page_has_already_are_not_embedded_again() -> None:
    album = Album(10**7)
    album.shot(ids_of(0)[0], jpeg)
    found = embedding_map(make_run(), FINDINGS, album, jpeg, lambda key: jpeg(key, (40, 30)), 400)
    assert found is not None
    assert (found.dots[0].ref, found.dots[1].ref) == ("p1", "p2")
    assert [width for _, _, width, _ in album.symbols[:2]] == [120, 40]


def test_many_classes_share_the_last_shape() -> None:
    run = make_run()
    names = tuple(f"c{k:02d}" for k in range(20))
    labels = np.arange(80, dtype=np.int32) % 20
    labels[:4] = -1
    found = mapped(replace(run, dataset=replace(run.dataset, classes=names, labels=labels)))
    assert found is not None
    assert [n for _, n, _ in found.kinds][-2:] == ["14 other classes", "no class"]
    assert {d.kind for d in found.dots} == {*range(SHAPES), NO_CLASS}
    assert [k for k, _, _ in found.kinds] == [*range(SHAPES), NO_CLASS]  # each name at the shape that its dots have
    assert found.kinds[0][1] == "c04"  # the largest first: c00 to c03 have lost an image each to no class


def test_a_large_set_is_sampled_evenly_with_the_pictures_of_the_findings() -> None:
    run = large(5_000, 3)
    rows = chosen(run, run.audit.findings, 300)
    assert len(rows) == 300
    assert len(np.unique(rows)) == 300
    counts = Counter(run.dataset.labels[rows].tolist())
    assert max(counts.values()) - min(counts.values()) <= 12
    shown = set(run.dataset.ids[rows].tolist())
    assert set(run.audit.findings[0].counterexample_ids) <= shown
    # The pictures of the findings take half of the room at most.
    wanted = {i for f in run.audit.findings[:12] for i in (*f.counterexample_ids[:12], *f.example_ids[:4])}
    few = run.dataset.ids[chosen(run, run.audit.findings, 40)].tolist()
    assert 20 <= len(wanted.intersection(few)) <= 24  # and a few of them by chance
    # A rare class is shown whole, and its room goes to the others.
    labels = run.dataset.labels.copy()
    labels[:] = 0
    labels[::1000] = 1
    rare = replace(run, dataset=replace(run.dataset, labels=labels))
    assert (rare.dataset.labels[chosen(rare, (), 300)] == 1).sum() == 5
    assert len(chosen(rare, (), 300)) == 300


def test_two_images_have_no_map() -> None:
    run = make_run()
    few = replace(
        run,
        dataset=run.dataset.take([0, 1]),
        embeddings=run.embeddings.take([0, 1]),
        measures=run.measures.take([0, 1]),
    )
    assert mapped(few) is None


def large(n: int, n_classes: int) -> AuditRun:
    """An audit of n images that nobody took: what a report is made of, at size."""
    rng = np.random.default_rng(0)
    base = make_run()
    labels = np.arange(n, dtype=np.int32) % n_classes
    names = tuple(f"class {k:04d}" for k in range(n_classes))
    ids = np.char.add("some/folder/of/images/IMG_", np.char.zfill(np.arange(n).astype(np.str_), 8))
    index = pd.Index(ids, dtype=object)
    vectors = rng.normal(size=(n, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    findings = tuple(
        replace(
            BUNNY,
            class_name=names[k % n_classes],
            value=f"green {k}",
            example_ids=tuple(ids[k :: max(1, n // 12)][:12].tolist()),
            counterexample_ids=tuple(ids[k + 1 :: max(1, n // 12)][:12].tolist()),
            n_class=n // n_classes,
            n_with=n // n_classes // 2,
        )
        for k in range(200)
    )
    column = base.measures.columns[0]
    frame = pd.DataFrame(
        {column.name: pd.Categorical.from_codes(labels % 2, ["green", "red"]).astype(object)}, index=index
    )
    return replace(
        base,
        dataset=Dataset("large", "/data/large", ids, labels, names, np.full(n, ""), pd.DataFrame(index=index)),
        embeddings=Embeddings(ids, vectors, base.encoder),
        measures=Measures(frame, (column,)),
        clusters=Clusters(labels % 40, np.eye(4)[np.arange(40) % 4], tuple(f"cluster {k}" for k in range(40))),
        duplicates=tuple(replace(base.duplicates[0], ids=(str(ids[k]), str(ids[k + 1]))) for k in range(3_000)),
        leaks=(),
        label_errors=(),
        audit=Audit(findings, "shortcuts found", 0.3, 312, {}),
        facts=pd.DataFrame(index=index),
    )


@pytest.mark.slow
def test_a_million_images_of_a_thousand_classes_fit_in_five_megabytes() -> None:
    run = large(1_000_000, 1_000)
    noise = bytes(np.random.default_rng(1).integers(0, 256, 7_000, np.uint8))  # a thumbnail of 160 pixels, at most

    def picture(key: str) -> bytes:
        return jpeg(key) + noise

    page = render(run, picture, map_thumbnails=lambda key: jpeg(key) + noise[:2_000])
    assert len(page.encode()) <= MAX_BYTES
    assert page.count("<article") == 30
    assert page.count("data-id=") == 400
    assert "1,000,000" in page
