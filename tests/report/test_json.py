"""The files scripts read: each holds what the contract says, and its schema sees what is wrong."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contents
import numpy as np
import pytest
from changed import replace
from jsonschema import Draft202012Validator
from report_example import EVIL_ID, make_probe, make_recommendation, make_run, make_splits

from curator.report.json import (
    CSV_COLUMNS,
    audit_document,
    dump,
    dumps,
    recommend_document,
    recommendation_csv,
    run_document,
    shopping_csv,
    splits_document,
    validation_document,
)
from curator.report.serialise import guarded, plain, unguarded
from curator.types import AuditRun, ProbeReport, Recommendation, Removal, SplitPlan


def of_audit(run: AuditRun) -> dict[str, Any]:
    return contents.of(audit_document(run))


def of_run(run: AuditRun, **more: Any) -> dict[str, Any]:
    return contents.of(run_document(run, **more))


def of_recommend(rec: Recommendation, root: str) -> dict[str, Any]:
    return contents.of(recommend_document(rec, root))


def of_validation(report: ProbeReport) -> dict[str, Any]:
    return contents.of(validation_document(report))


def of_splits(plan: SplitPlan) -> dict[str, Any]:
    return contents.of(splits_document(plan))


SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
MAKERS: dict[str, Callable[[], dict[str, Any]]] = {
    "audit": lambda: of_audit(make_run()),
    "run": lambda: of_run(make_run(), started="2026-01-31T12:00:00+00:00", out="out", files=["audit.json"]),
    "recommend": lambda: of_recommend(make_recommendation(), "/pool"),
    "validation": lambda: of_validation(make_probe()),
    "splits": lambda: of_splits(make_splits()),
}


def validator(kind: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{kind}.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def required_paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every key of every object with fixed keys lies (maps keyed by the user's own names are left alone)."""
    free = {"classes", "splits", "settings", "versions", "shared_patterns", "arms", "assignment", "asked", "got"}
    free |= {"auc", "left_out_classes"}
    found: list[tuple[Any, ...]] = []
    if isinstance(node, dict):
        for key, value in node.items():
            if not (at and at[-1] in free):
                found.append((*at, key))
            found += required_paths(value, (*at, key))
    elif isinstance(node, list) and node:
        found += required_paths(node[0], (*at, 0))
    return found


def parent(node: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        node = node[key]
    return node


@pytest.mark.parametrize("kind", MAKERS)
def test_every_file_is_what_its_schema_says(kind: str) -> None:
    made = json.loads(dumps(MAKERS[kind]()))
    assert [e.message for e in validator(kind).iter_errors(made)] == []
    assert made["schema"] == f"curator.{kind}/1"


@pytest.mark.parametrize("kind", MAKERS)
def test_the_schema_sees_every_missing_and_every_mistyped_field(kind: str) -> None:
    made = json.loads(dumps(MAKERS[kind]()))
    check = validator(kind)
    paths = required_paths(made)
    assert len(paths) > 5
    for path in paths:
        for harm in ("missing", "mistyped"):
            broken = copy.deepcopy(made)
            if harm == "missing" and path == ("surroundings_alone",):
                continue  # left out if it could not be measured
            if harm == "missing":
                del parent(broken, path)[path[-1]]
            else:
                parent(broken, path)[path[-1]] = {"not": ["what", "was", "promised"]}
            # Settings are the one free-form object: the harm done here is a valid one.
            if (harm, path[-1]) != ("mistyped", "settings"):
                assert not check.is_valid(broken), (kind, harm, path)


def test_the_keys_come_in_the_contracts_order(run: AuditRun) -> None:
    made = of_audit(run)
    assert list(made)[:13] == [
        "schema",
        "dataset",
        "encoder",
        "settings",
        "seed",
        "versions",
        "expected_false_findings",
        "verdict",
        "findings",
        "shared_patterns",
        "clusters",
        "duplicates",
        "label_errors",
    ]
    promised = "id class attribute value kind share_in_class share_in_class_ci share_elsewhere share_elsewhere_ci"
    promised += " effect effect_ci p q reliance severity same_as also sentence example_ids counterexample_ids"
    assert " ".join(list(made["findings"][0])[:20]) == promised


def test_the_values_are_those_of_the_audit(run: AuditRun) -> None:
    made = of_audit(run)
    first = made["findings"][0]
    assert first["id"] == "bunny:background.colour=green"
    assert first["share_in_class_ci"] == [0.764, 0.991]
    assert first["reliance"]["gap_ci"] == [0.22, 0.4]
    assert first["confirmation"] == {
        "n_splits": 10, "discovered": 9, "confirmed": 8, "effect": 0.78, "effect_ci": [0.66, 0.88]
    }  # fmt: skip
    assert (first["adjusted_effect"], first["adjusted_ci"], first["adjusted_p"]) == (0.31, [0.2, 0.42], 2e-6)
    assert first["adjusted_for"][0].startswith("metadata.site=")
    assert [made["findings"][1][k] for k in ("confirmation", "adjusted_for", "adjusted_effect")] == [None, [], None]
    assert len(made["untested"]) == 1
    assert made["findings"][2]["p"] is None
    assert made["settings"] == {"model": "auto", "min_share": 0.5, "attributes": ["background", "light"], "x": None}
    assert made["dataset"]["splits"] == {"test": 10, "train": 70}
    assert made["duplicates"]["leaks"][0]["splits"] == ["test", "train"]
    on_object, around, _ = made["shared_patterns"]["bunny"]
    assert on_object["example_crops"][1] == {"id": "bunny/img 001.jpg", "box": [20, 30, 60, 90]}
    assert (on_object["share"], on_object["share_elsewhere"]) == (0.9, 0.8)
    assert (around["example_crops"][0]["box"], around["share_elsewhere"]) == (None, None)
    assert made["dataset"]["skipped"][1]["id"] == EVIL_ID + "2"


def test_a_clusters_examples_lie_nearest_to_its_centre(run: AuditRun) -> None:
    cluster = of_audit(run)["clusters"][2]
    cosine = dict(zip(run.embeddings.ids.tolist(), run.embeddings.vectors @ run.clusters.centres[2], strict=True))
    members = [i for i, k in zip(run.embeddings.ids.tolist(), run.clusters.assignment, strict=True) if k == 2]
    assert cluster["n"] == len(members)
    assert cluster["classes"] == {"sheep": len(members)}
    assert min(cosine[i] for i in cluster["example_ids"]) >= max(
        cosine[i] for i in members if i not in cluster["example_ids"]
    )


def test_the_audits_bytes_depend_on_the_data_alone(tmp_path: Path, run: AuditRun) -> None:
    dump(of_audit(run), tmp_path / "deep" / "a.json")
    dump(of_audit(replace(make_run(), seconds=99.0, n_new=0)), tmp_path / "b.json")
    first, second = (tmp_path / "deep" / "a.json").read_bytes(), (tmp_path / "b.json").read_bytes()
    assert first == second
    assert first.endswith(b"}\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.json", "deep"]


def test_who_reads_the_old_file_goes_on_reading_it(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    dump({"a": 1}, target)
    with open(target, encoding="utf-8") as reader:
        dump({"b": 2}, target)
        assert json.load(reader) == {"a": 1}
    assert json.loads(target.read_text("utf-8")) == {"b": 2}


def test_a_failed_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    dump({"a": 1}, target)

    class Unwritable:
        def __str__(self) -> str:
            raise RuntimeError("cannot be written")

    with pytest.raises(RuntimeError):
        dump({"a": Unwritable()}, target)
    assert json.loads(target.read_text("utf-8")) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_any_name_survives_and_none_can_move_a_terminal(tmp_path: Path) -> None:
    names = {"ids": [EVIL_ID, "兎/\u2028\x85.jpg", "a\nb", "é"]}
    dump(names, tmp_path / "x.json")
    raw = (tmp_path / "x.json").read_bytes().decode("utf-8")
    assert json.loads(raw) == names
    assert not set(raw) & set("\x1b\x85\u202e\u2028")
    assert "兎" in raw


def test_numbers_become_plain() -> None:
    odd = {"a": np.float32(0.5), "b": np.int64(3), "c": float("inf"), "d": np.array([1.0, np.nan]), "e": np.bool_(True)}
    assert plain(odd) == {"a": 0.5, "b": 3, "c": None, "d": [1.0, None], "e": True}
    assert [type(v) for v in plain(odd).values()] == [float, int, type(None), list, bool]
    assert plain({"b", "a"}) == ["a", "b"]


def test_the_csv_has_the_contracts_columns_and_runs_no_formula(tmp_path: Path, recommendation: Recommendation) -> None:
    recommendation_csv(recommendation, "/pool/", tmp_path / "r.csv")
    with open(tmp_path / "r.csv", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [r["rank"] for r in rows] == ["1", "2", "3", "4", "5"]
    assert rows[0] == {
        "rank": "1",
        "id": "pool/1.jpg",
        "path": "/pool/pool/1.jpg",
        "label": "bunny",
        "label_source": "predicted",
        "class": "bunny",
        "attribute": "background.colour",
        "value": "not green",
        "reason": "a bunny without green",
    }
    assert rows[4]["class"] == "hen"
    assert rows[4]["attribute"] == ""
    assert not [v for r in rows for v in r.values() if v[:1] in set("=+-@\t\r\n") and v]
    assert unguarded(rows[1]["id"]) == recommendation.ids[1]


@pytest.mark.parametrize("text", ["=1", "'=1", "''=1", "'tis", "+", "@a", "-1.jpg", "\t", "＝1", "a=1", "", "'", "''"])
def test_the_guard_can_be_taken_off(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert guarded(text)[:1] not in {"=", "+", "-", "@", "\t", "＝"} or text == ""


def test_the_plan_says_what_is_missing(recommendation: Recommendation) -> None:
    made = of_recommend(recommendation, "/pool")
    assert made["plan"][0] == {
        "class": "bunny",
        "attribute": "background.colour",
        "value": "not green",
        "have": 1,
        "want": 30,
        "got": 4,
        "missing": 26,
        "has_value": False,
        "attribute_value": "green",
        "available": None,
        "words": "bunny, not green",
        "what": "",
    }
    assert made["expected_worst_group_gain"] == {"value": 0.21, "ci": [0.1, 0.33]}
    assert of_recommend(replace(recommendation, expected_gain=None), "/p")["expected_worst_group_gain"] is None


def test_the_arms_are_all_there(probe: ProbeReport) -> None:
    made = of_validation(probe)
    assert list(made["arms"]) == ["before", "recommended", "random", "reweighted"]
    assert made["arms"]["recommended"]["worst_group"] == {
        "value": 0.81,
        "ci": [0.81 - 0.12, 0.81 + 0.1],
        "class": "bunny",
        "value_of_attribute": "not green",
        "n": 40,
    }
    assert made["arms"]["before"]["groups"][-1]["ci"] is None
    assert made["curve"][1]["reliance"] is None


def test_the_splits_count_what_was_got(splits: SplitPlan) -> None:
    made = of_splits(splits)
    assert made["splits"] == {"test": 1, "train": 2}
    assert made["cells"][1] == {
        "class": "bunny",
        "value": "not green",
        "asked": {"train": 2.0, "test": 1.0},
        "got": {"train": 1, "test": 1},
    }
    assert list(made["assignment"])[1:] == ["a.jpg", "b.jpg"]


def test_speed_is_of_this_run_only(run: AuditRun) -> None:
    assert of_run(run)["images_per_second"] == 10.0
    assert of_run(replace(run, n_new=0))["images_per_second"] is None


def test_what_is_left_out_stands_last_and_the_shopping_list_is_a_table(
    recommendation: Recommendation, tmp_path: Path
) -> None:
    gone = Removal("a/1.jpg", "bunny", "background.colour", "green", "one of many")
    recommendation_csv(replace(recommendation, removals=(gone,)), "/pool", tmp_path / "r.csv", data_root="/data/")
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["action"] for r in rows] == ["add"] * 5 + ["drop"]
    assert (rows[-1]["path"], rows[-1]["rank"], rows[-1]["value"]) == ("/data/a/1.jpg", "6", "green")
    shopping_csv(recommendation, tmp_path / "s.csv")
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["n"], r["class"], r["value"]) for r in rows] == [("26", "bunny", "not green")]


def test_a_large_set_lists_ten_thousand_of_each_and_counts_the_rest(monkeypatch):
    from curator.report import json as files
    from curator.types import DuplicateGroup, LabelError
    from curator.types.results import Recall

    monkeypatch.setattr(files, "MOST_LISTED", 3)
    run = make_run()
    ids = [str(i) for i in run.dataset.ids]
    groups = tuple(DuplicateGroup("embedding", tuple(ids[k : k + 5])) for k in range(0, 20, 5))
    doubts = tuple(LabelError(i, "bunny", "hen", 0.9) for i in ids[:9])
    whole = replace(run, duplicates=groups, leaks=groups, label_errors=doubts)
    out = of_audit(replace(whole, recall=Recall(2000, 40, 39)))
    validator("audit").validate(out)
    assert [len(g["ids"]) for g in out["duplicates"]["groups"]] == [3, 3, 3]
    assert [e["id"] for e in out["label_errors"]] == ids[:3]
    assert out["left_out"] == {"duplicate_groups": 1, "duplicate_ids": 6, "label_errors": 6}
    assert [len(leak["ids"]) for leak in out["duplicates"]["leaks"]] == [5] * 4
    assert out["duplicates"]["search"] == {
        "method": "index", "n_sampled": 2000, "n_pairs": 40, "n_found": 39, "recall": 0.975,
    }  # fmt: skip
    nothing = of_audit(replace(whole, recall=Recall(2000, 0, 0)))
    assert nothing["duplicates"]["search"]["recall"] is None
    monkeypatch.setattr(files, "MOST_LISTED", 10_000)
    assert {"left_out", "search"}.isdisjoint({*of_audit(whole), *of_audit(whole)["duplicates"]})


def test_examples_of_a_cluster_are_the_nearest_by_id_among_equals(monkeypatch):
    from curator.report import json as files

    run = make_run()
    whole = files.cluster_summaries(run)
    monkeypatch.setattr(files, "_BLOCK", 3)
    assert files.cluster_summaries(run) == whole
    for cluster in whole:
        rows = np.flatnonzero(run.clusters.assignment == cluster.id)
        near = np.round(run.embeddings.vectors[rows] @ run.clusters.centres[cluster.id], 5)
        expected = sorted(zip((-near).tolist(), run.dataset.ids[rows].tolist(), strict=True))[:8]
        assert cluster.example_ids == tuple(i for _, i in expected)
