"""What changed between two audits: chance is not called a change, a change is, and its size is right."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import contents
import jsonschema
import numpy as np
import pytest
from changed import replace
from report_example import make_run

from curator import stats
from curator.io.documents import ids_beside
from curator.report import comparison as compared
from curator.report.html.page import render
from curator.report.wording import comparison as changes
from curator.shortcuts.comparison import Circumstances, Comparison, difference
from curator.shortcuts.comparison import compare as of_documents

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "comparison.json").read_text())


@pytest.fixture
def before() -> dict[str, Any]:
    return contents.example()


@pytest.fixture
def now(before: dict[str, Any]) -> dict[str, Any]:
    return deepcopy(before)


def compare(before: dict[str, Any], now: dict[str, Any], *ids: list[str]) -> Comparison:
    return of_documents(contents.audit(before), contents.audit(now), *ids)


def moves(rng: np.random.Generator, was: float, is_: float, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """4,000 pairs of audits of images that were drawn anew: the move of the effect and the ends of its interval."""
    ends = []
    for share in (is_, was):
        k1, k2 = rng.binomial(n, share, 4_000), rng.binomial(3 * n, 0.1, 4_000)
        ends += [k1 / n - k2 / (3 * n), np.stack(stats.newcombe(k1, n, k2, 3 * n), axis=1)]
    found = [difference(a, tuple(b), c, tuple(d)) for a, b, c, d in zip(*ends, strict=True)]
    return tuple(np.array([(move, *ci) for move, ci in found]).T)  # type: ignore[return-value]


@pytest.mark.parametrize(("share", "n"), [(0.9, 60), (0.5, 60), (0.95, 30)])
def test_of_two_draws_from_one_world_one_in_twenty_is_called_a_change(share: float, n: int) -> None:
    _, low, high = moves(np.random.default_rng(1), share, share, n)
    wrong = ((low > 0) | (high < 0)).mean()
    # 4,000 draws: 0.05 +- 0.01 by chance alone; Newcombe's intervals are a little wide.
    assert 0.02 <= wrong <= 0.062


def test_a_planted_change_is_found_and_its_size_is_right() -> None:
    move, low, high = moves(np.random.default_rng(2), 0.9, 0.5, 60)
    assert (high < 0).mean() > 0.99
    assert move.mean() == pytest.approx(-0.4, abs=0.01)
    assert 0.94 <= ((low <= -0.4) & (high >= -0.4)).mean() <= 0.98


def test_nothing_changed(before: dict[str, Any], now: dict[str, Any]) -> None:
    same = compare(before, now, ["a"], ["a"])
    assert (same.new, same.gone, same.changed, len(same.kept)) == ((), (), (), 3)
    assert same.images.same_data
    assert same.circumstances == Circumstances(None, (), None, ())
    assert changes.headline(same) == "No finding is new, gone or changed."
    assert changes.lines(same)[1] == "The same 80 images, byte for byte."


def test_new_gone_and_changed(before: dict[str, Any], now: dict[str, Any]) -> None:
    now["findings"][0] |= {"effect": 0.2, "effect_ci": [0.05, 0.35], "severity": "low"}
    now["findings"][1] |= {"id": "new", "attribute": "light.contrast"}
    rare = {"attribute": "metadata.camera", "reason": "no value is common", "n": 3, "n_known": 80}
    now["untested_attributes"] = [rare]
    found = compare(before, now)
    assert [f.attribute for f in found.new] == ["light.contrast"]
    assert [(g.was.attribute, changes.why(g)) for g in found.gone] == [
        ("metadata.camera", "not tested now: no value is in more than 3 of 80 images")
    ]
    (moved,) = found.changed
    assert moved.beyond
    assert changes.moved(moved) == "Changed: from +90 to +20 points, −70 points [−86, −45]; high before, low now."
    assert changes.headline(found) == "Findings: 1 gone, 1 new, 1 changed; 1 as before."


def test_a_move_within_the_intervals_is_no_change(before: dict[str, Any], now: dict[str, Any]) -> None:
    now["findings"][0] |= {"effect": 0.8, "effect_ci": [0.6, 0.9]}
    found = compare(before, now)
    assert found.changed == ()
    assert found.kept[0].difference == pytest.approx(-0.1)
    now["findings"][0]["severity"] = "medium"
    (moved,) = compare(before, now).changed
    assert "Not changed beyond chance: from +90 to +80 points" in changes.moved(moved)
    now["findings"][0] |= {"severity": "high", "intended": "shot in one garden"}
    assert changes.moved(compare(before, now).changed[0]).endswith("; accepted now.")


def test_a_finding_that_was_folded_into_another_is_not_gone(before: dict[str, Any], now: dict[str, Any]) -> None:
    now["findings"][0] |= {"attribute": "colour.dominant", "same_as": ["background.colour=green"]}
    found = compare(before, now)
    assert (found.new, found.gone) == ((), ())
    now["findings"][0]["class"] = "hen"
    assert len(compare(before, now).gone) == 1


def test_visual_words_are_the_same_where_they_look_the_same(before: dict[str, Any], now: dict[str, Any]) -> None:
    word = {"value": "yes", "learnt": True, "phrase": "show green, coarse texture, lower half"}
    before["findings"][0] |= {**word, "attribute": "words.3", "nth": 2}
    now["findings"][0] |= {**word, "attribute": "words.9"}
    assert (compare(before, now).new, compare(before, now).gone) == ((), ())
    # The same number in another data set is another word.
    now["findings"][0] |= {"attribute": "words.3", "phrase": "show grey, smooth"}
    found = compare(before, now)
    assert (len(found.new), len(found.gone)) == (1, 1)


def test_what_else_is_different_is_said(before: dict[str, Any], now: dict[str, Any]) -> None:
    now["encoder"] |= {"name": "ViT-B-32", "fingerprint": "sha256:0e"}
    now["settings"]["model"] = "ViT-B-32"
    now["settings"]["audit"] = {"alpha": 0.1}
    now["seed"] = 5
    now["versions"]["numpy"] = "3.0"
    said = changes.circumstances(compare(before, now).circumstances)
    assert said[0].startswith("The encoder changed: EfficientNet-Lite0 before, ViT-B-32 now.")
    assert said[1:] == [
        "Settings differ: model auto before, ViT-B-32 now; audit.alpha not set before, 0.1 now.",
        "The seed was 0 and is 5.",
        "Versions differ: numpy 2.4.6 before, 3.0 now.",
    ]


def test_images_added_and_removed_are_named_where_they_are_known(before: dict[str, Any], now: dict[str, Any]) -> None:
    now["dataset"] |= {"n_images": 81, "fingerprint": "sha256:1", "classes": {**now["dataset"]["classes"], "bunny": 21}}
    found = compare(before, now, ["a", "b"], ["b", "c", "d"])
    assert (found.images.added, found.images.removed) == (("c", "d"), ("a",))
    assert changes.images(found.images) == "80 images before, 81 now: 2 added, 1 removed. By class: bunny 20 to 21."
    assert "Added: c, d." in changes.lines(found)
    unknown = compare(before, now)
    assert unknown.images.added is None
    assert "the added and removed images are not known" in changes.images(unknown.images)
    edited = compare(
        before,
        now | {"dataset": now["dataset"] | {"n_images": 80, "classes": before["dataset"]["classes"]}},
        ["a"],
        ["a"],
    )
    assert changes.images(edited.images).endswith("so images, labels or columns changed.")


def test_what_describes_the_objects_is_left_out_unless_asked(before: dict[str, Any], now: dict[str, Any]) -> None:
    before["findings"][0]["kind"] = "object"
    del now["findings"][0]
    assert compare(before, now).gone == ()
    now["settings"]["audit"] = {"objects": True}
    assert len(compare(before, now).gone) == 1


def test_a_class_that_is_gone_takes_its_findings_along(before: dict[str, Any], now: dict[str, Any]) -> None:
    now["findings"], now["dataset"] = [], now["dataset"] | {"classes": {"hen": 20}}
    found = compare(before, now)
    assert changes.why(found.gone[0]) == "the class bunny no longer exists"
    assert changes.why(found.gone[2]) == "not found now"


def test_the_ids_lie_beside_the_audit(tmp_path: Path) -> None:
    run = make_run()
    few = [0, 1, 2]
    run.measures.take(few).frame.to_parquet(tmp_path / "measures.parquet")
    assert ids_beside(tmp_path / "audit.json") == run.dataset.ids[few].tolist()
    (tmp_path / "measures.parquet").write_bytes(b"PAR1 no more")
    assert ids_beside(tmp_path / "audit.json") is None
    assert ids_beside(tmp_path / "else" / "audit.json") is None


def test_the_json_is_what_its_schema_says_and_the_report_shows_it(before: dict[str, Any], now: dict[str, Any]) -> None:
    now["findings"][0] |= {"effect": 0.2, "effect_ci": [0.05, 0.35], "severity": "low"}
    del now["findings"][1]
    now["findings"].append(now["findings"][1] | {"attribute": "light.contrast", "id": "x"})
    now["duplicates"] = {"groups": [], "leaks": []}
    now["dataset"]["fingerprint"] = "sha256:2"
    found = compare(before, now, ["a<b>"], ["c"])
    content = contents.of(compared.comparison_document(found))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    page = render(make_run(), lambda _: None, comparison=found)
    assert page.index('id="changed"') < page.index('id="findings"')
    for said in (
        "Findings: 1 gone, 1 new, 1 changed; 1 as before.",
        "Leaks between splits: 0 new, 1 gone.",
        "a&lt;b&gt;",
    ):
        assert said in page
    assert 'id="changed"' not in render(make_run(), lambda _: None)
    assert replace(found, new=()).new == ()
