"""The plugin and what the App shows beyond the audit, against a real MongoDB: operators, panel, text search, fiftyone:NAME."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from app_kit import make_pool, make_run, needs_database, paint
from changed import replace

from curator import commands
from curator.app import browse
from curator.app.fiftyone_plugin import installing
from curator.commands._steps import app_contents
from curator.errors import InputError
from curator.exporters import marked, marks
from curator.exporters.fiftyone import to_fiftyone
from curator.exporters.marks import Extras, Spot
from curator.readers import scan


def test_the_plugin_is_put_where_fiftyone_looks_and_nothing_else_is_touched(tmp_path: Path) -> None:
    folder = installing.install(tmp_path)
    assert folder == tmp_path / "@curator" / "audit"
    assert sorted(p.name for p in folder.iterdir()) == ["__init__.py", "fiftyone.yml"]
    (folder / "__init__.py").write_text("old")
    installing.install(tmp_path)
    assert "def register" in (folder / "__init__.py").read_text()  # brought up to date
    (folder / "fiftyone.yml").write_text('name: "@other/plugin"\n')
    assert installing.install(tmp_path) is None
    assert (folder / "fiftyone.yml").read_text() == 'name: "@other/plugin"\n'
    if os.name == "posix" and os.geteuid():
        locked = tmp_path / "locked"
        locked.mkdir()
        locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
        assert installing.install(locked) is None


def _by_id(dataset: Any) -> dict[str, Any]:
    return {sample.image_id: sample for sample in dataset}


@needs_database
@pytest.mark.slow
def test_what_was_worked_out_is_on_each_image(fo: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    pool, pool_measures, recommendation = make_pool(tmp_path)
    first, last = str(run.dataset.ids[0]), str(run.dataset.ids[-1])
    added, other = recommendation.ids[0], str(pool.ids[4])
    extras = Extras(
        before={first: ("hen", 0.6), last: ("hen", 0.9)},
        after={first: ("bunny", 0.7), last: ("hen", 0.8)},
        pool_before={other: ("hen", 0.5)},
        spots={first: (Spot("green background", (0.25, 0.5, 0.75, 0.5), np.array([[True, False]])),)},
        pool_vectors=np.eye(len(pool), 16, dtype=np.float32),
        origin={"data": "here", "model": "pixels"},
    )
    dataset = to_fiftyone(
        run, "extras", recommendation=recommendation, pool=pool, pool_measures=pool_measures, extras=extras
    )
    by_id = _by_id(dataset)
    image = by_id[first]
    assert (image.prediction_before.label, image.prediction_before.confidence) == ("hen", 0.6)
    assert (image.prediction_after.label, image.prediction_after.confidence) == ("bunny", 0.7)
    assert by_id[str(run.dataset.ids[1])].prediction_before is None
    assert by_id[other].prediction_before.label == "hen"
    (box,) = image.patterns.detections
    assert (box.label, box.bounding_box, box.mask.tolist()) == ("green background", [0.25, 0.5, 0.75, 0.5], [[1, 0]])
    # bunny/white 000 breaks the worst finding of its class, green 001 follows it, and the hen's worst has no number for none.
    assert image.finding == "conflicting: bunny · green background"
    assert by_id["bunny/green 001.jpg"].finding == "aligned: bunny · green background"
    assert (by_id[added].finding, by_id[other].finding) == ("recommended", "pool")
    assert np.allclose(image.embedding, run.embeddings.vectors[0])
    assert dataset.get_field("embedding").info["encoder"] == "pixels"
    assert dataset.load_saved_view("wrong before, right after").values("image_id") == [first]
    assert len(dataset.load_brain_results("curator_map").sample_ids) == len(run.dataset) + len(pool)
    assert dataset.info["curator"]["origin"] == {"data": "here", "model": "pixels"}

    groups = {g.name: g.paths for g in dataset.app_config.sidebar_groups}
    assert groups["labels"] == ["ground_truth", "prediction_before", "prediction_after", "suggested", "patterns"]
    assert groups["findings"] == ["finding", "background_colour", "light_brightness", "exif_present"]
    assert not any("embedding" in paths for paths in groups.values())
    colours = {c["value"]: c["color"] for c in dataset.app_config.color_scheme.fields[0]["valueColors"]}
    assert colours["aligned: bunny · green background"] != colours["conflicting: bunny · green background"]

    again = to_fiftyone(run, "extras")  # without extras, what they made is gone, and how to run again is not
    assert not again.has_sample_field("prediction_after")
    assert not again.has_sample_field("patterns")
    assert again.info["curator"]["origin"]["data"] == "here"


def test_no_finding_looks_like_a_list_of_values(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    mark = replace(marks.finding_marks(run)[0], name="bunny · grey, fine texture, lower half (2)")
    images = marked.audited_images(run, [mark], marks.attribute_fields(run.measures.columns, set()), Extras())
    said = {image.fields["finding"] for image in images}
    assert said == {
        "aligned: bunny · grey; fine texture; lower half (2)",
        "conflicting: bunny · grey; fine texture; lower half (2)",
        "no finding",
    }


@needs_database
@pytest.mark.slow
def test_a_workspace_opens_on_everything_and_never_replaces_the_users(fo: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    dataset = to_fiftyone(run, "spaces")
    space = dataset.load_workspace("curator")
    samples, beside = space.children
    findings, embeddings = beside.children
    assert [p.type for p in (*samples.children, *findings.children, *embeddings.children)] == [
        "Samples", "curator_findings", "curator_map", "Embeddings",
    ]  # fmt: skip
    assert all(s.active_child == s.children[0].component_id for s in (samples, findings, embeddings))
    assert to_fiftyone(run, "spaces").list_workspaces() == ["curator"]

    theirs = fo.Dataset("theirs too", persistent=True)
    theirs.info["curator"] = {}
    theirs.save_workspace("curator", fo.Space(children=[fo.Panel(type="Samples")]))
    kept = to_fiftyone(run, "theirs too")
    assert kept.info["curator"]["workspace"] == ""
    assert [p.type for p in kept.load_workspace("curator").children] == ["Samples"]


@needs_database
@pytest.mark.slow
def test_each_flag_has_its_view_and_nothing_to_show_is_said(fo: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    dataset = to_fiftyone(run, "flags")
    assert browse.first_view(dataset, None) == browse.first_view(dataset, "findings") == "bunny · green background"
    assert browse.first_view(dataset, "duplicates") == "duplicates and leaks"
    assert browse.first_view(dataset, "label errors") == "label errors"
    with pytest.raises(InputError, match="give --pool"):
        browse.first_view(dataset, "recommended")
    clean = to_fiftyone(replace(run, audit=replace(run.audit, findings=()), duplicates=(), leaks=()), "clean")
    assert browse.first_view(clean, None) == ""
    for show, says in (("findings", "no shortcut"), ("duplicates", "no duplicates")):
        with pytest.raises(InputError, match=says):
            browse.first_view(clean, show)


def test_a_spot_lies_where_the_encoder_saw_it() -> None:
    places = np.zeros((4, 4), np.bool_)
    places[1, 2:4] = True
    places[3, 2] = True
    # The input shows the middle half of the width and all of the height.
    spot = app_contents._spot("grass", places, (0.25, 0.0, 0.75, 1.0))
    assert spot is not None
    assert spot.box == (0.5, 0.25, 0.25, 0.75)
    assert spot.mask.tolist() == [[True, True], [False, False], [True, False]]
    # A padded input: the upper half of it is no picture.
    padded = app_contents._spot("grass", np.ones((4, 4), np.bool_), (0.0, -1.0, 1.0, 1.0))
    assert padded is not None
    assert (padded.box, padded.mask.shape) == ((0.0, 0.0, 1.0, 1.0), (2, 4))
    assert app_contents._spot("grass", np.zeros((4, 4), np.bool_), (0.0, 0.0, 1.0, 1.0)) is None


def test_a_guess_is_by_a_probe_that_has_not_seen_the_image(tmp_path: Path) -> None:
    run = make_run(tmp_path, n_per_class=20)
    noise = np.random.default_rng(3).normal(size=(40, 400)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    noisy = replace(run, embeddings=replace(run.embeddings, vectors=noise))
    before, _ = app_contents.guesses(noisy, None, None)
    truth = dict(zip(run.dataset.ids.tolist(), run.dataset.label_names(), strict=True))
    right = sum(before[i][0] == truth[i] for i in truth) / len(truth)
    # 400 directions fit 40 images by heart: a probe asked about its own images is right on all, an honest one is guessing.
    assert 0.2 <= right <= 0.8
    told, _ = app_contents.guesses(run, None, None)
    assert sum(told[i][0] == truth[i] for i in truth) / len(truth) >= 0.9  # there, one direction tells


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bunnies on green but for 8, hens on anything but; and a labelled pool of bunnies off the green."""
    root = tmp_path_factory.mktemp("farm")
    for i in range(48):
        paint(root / "data" / "bunny" / f"{i:02d}.png", "bunny", "white" if i % 4 == 0 else "green", seed=i)
        paint(root / "data" / "hen" / f"{i:02d}.png", "hen", ("green", "white", "white", "brown")[i % 4], seed=100 + i)
    for i in range(12):
        paint(root / "pool" / "bunny" / f"{i:02d}.png", "bunny", "white", seed=200 + i)
        paint(root / "pool" / "hen" / f"{i:02d}.png", "hen", "green", seed=300 + i)
    return root


@needs_database
@pytest.mark.slow
def test_operators_audit_recommend_and_validate(fo: Any, farm: Path, tmp_path: Path) -> None:
    import fiftyone.operators as foo

    installing.install(fo.config.plugins_dir)
    theirs = fo.Dataset("farm", persistent=True)
    for path in sorted((farm / "data").glob("*/*.png")):
        theirs.add_sample(fo.Sample(filepath=str(path), ground_truth=fo.Classification(label=path.parent.name)))
    before = theirs.get_field_schema().keys()
    common = {"model": "pixels", "cache": str(tmp_path / "cache")}
    offered = {each.uri for each in foo.list_operators()}
    assert {f"@curator/audit/{name}" for name in ("audit", "recommend", "validate")} <= offered

    foo.execute_operator("@curator/audit/audit", dataset=theirs, params=common)
    assert theirs.get_field_schema().keys() == before  # theirs is as it was; the audit has a data set of its own
    dataset = fo.load_dataset("curator-farm")
    assert "bunny:background.colour=green" in [f["id"] for f in dataset.info["curator"]["findings"]]
    assert dataset.info["curator"]["origin"]["data"] == "fiftyone:farm"
    assert dataset.has_sample_field("prediction_before")

    pool = {"pool": str(farm / "pool"), "budget": 10}
    foo.execute_operator("@curator/audit/recommend", dataset=dataset, params=pool)
    dataset.reload()
    assert 1 <= len(dataset.match_tags("recommended")) <= 10
    assert dataset.has_sample_field("prediction_after")

    dataset.match(fo.ViewField("source") == "pool").limit(1).tag_samples("reject")
    foo.execute_operator("@curator/audit/validate", dataset=dataset, params=pool)
    dataset.reload()
    validation = dataset.info["curator"]["validation"]
    assert validation["verdict"] in ("fixed", "improved", "no evidence of improvement")
    assert {"before", "recommended", "random"} <= {arm["name"] for arm in validation["arms"]}
    assert len(dataset.match_tags("reject")) == 1


@needs_database
@pytest.mark.slow
def test_an_operator_tells_progress_and_what_can_be_mended(fo: Any, farm: Path, tmp_path: Path) -> None:
    import asyncio

    from fiftyone.operators.executor import ExecutionContext, Executor

    from curator.app.fiftyone_plugin.operators import Audit

    def told(data: str) -> list[tuple[str, dict[str, Any]]]:
        dataset = fo.Dataset()
        params = {"data": data, "model": "pixels", "cache": str(tmp_path / "cache")}
        ctx = ExecutionContext({"dataset_name": dataset.name, "params": params}, executor=Executor())

        async def events() -> list[Any]:
            return [event async for event in Audit().execute(ctx)]

        return [(e.body.operator_uri.rpartition("/")[2], e.body.params) for e in asyncio.run(events())]

    name, params = told(str(tmp_path / "nowhere"))[-1]
    assert name == "notify"
    assert params["variant"] == "error"
    assert "no such file or folder" in params["message"]
    events = told(str(farm / "data"))
    shares = [params["progress"] for name, params in events if name == "set_progress"]
    assert shares
    assert all(0 <= share <= 1 for share in shares)
    assert [name for name, _ in events][-5:] == ["open_dataset", "set_spaces", "set_view", "set_progress", "notify"]
    assert (shares[-1], events[-2][1]["label"]) == (1, events[-1][1]["message"])


@needs_database
@pytest.mark.slow
def test_the_panel_shows_the_findings_and_their_two_sides(fo: Any, tmp_path: Path) -> None:
    from curator.app.fiftyone_plugin import map_panel, panel

    dataset = to_fiftyone(make_run(tmp_path), "panel")
    found = dataset.info["curator"]["findings"]
    assert panel._row(found[0]) == {
        "severity": "high", "finding": "bunny · green background", "share": "75%, 17%", "conflicting": "3",
    }  # fmt: skip
    breaking = panel._pictures(dataset, found[0], "conflicting_tag", "conflicting")
    assert [Path(p).name for p in breaking] == ["white 000.jpg", "white 004.jpg", "white 008.jpg"]
    assert all("green" in Path(p).name for p in panel._pictures(dataset, found[0], "aligned_tag", "aligned"))
    assert panel._url("/a b/ü.jpg") == "/media?filepath=/a%20b/%C3%BC.jpg"
    drawn = {trace["name"]: trace for trace in map_panel.traces(dataset)}
    # of 12 bunnies 3 break the worst finding of their class, and of 12 hens the 3 first, which are dark
    assert {name: len(trace["ids"]) for name, trace in drawn.items()} == {"aligned": 18, "conflicting": 6}
    ids = dict(zip(*dataset.values(["image_id", "id"]), strict=True))
    assert ids["bunny/white 004.jpg"] in drawn["conflicting"]["ids"]
    assert drawn["aligned"]["marker"]["color"] != drawn["conflicting"]["marker"]["color"]
    assert panel._headline({}) == "Not audited yet. Press Audit."


@needs_database
@pytest.mark.slow
def test_text_search_reads_with_the_encoder_of_the_audit(fo: Any, tmp_path: Path) -> None:
    from curator import encoders
    from curator.types import EncoderInfo

    encoder = encoders.resolve("embedded", cache=tmp_path / "cache")[0]
    run = make_run(tmp_path)
    words = ["a hen", "grass", "a car", "snow"]
    vectors = np.tile(encoder.encode_text(words), (6, 1))
    info: EncoderInfo = encoder.info
    run = replace(run, encoder=info, embeddings=replace(run.embeddings, vectors=vectors, encoder=info))
    text = {"encoder": "embedded", "cache": str(tmp_path / "cache"), "fingerprint": info.fingerprint}
    dataset = to_fiftyone(run, "text", extras=Extras(text=text))
    assert dataset.get_brain_info("curator_similarity").config.supports_prompts
    ids = run.dataset.ids.tolist()
    for k, word in enumerate(words):
        nearest = dataset.sort_by_similarity(word, k=6, brain_key="curator_similarity").values("image_id")
        assert sorted(nearest) == sorted(ids[k::4])
    wrong = to_fiftyone(run, "wrong text", extras=Extras(text={**text, "fingerprint": "sha256:other"}))
    with pytest.raises(InputError, match="audit it again"):
        wrong.sort_by_similarity("a hen", k=1, brain_key="curator_similarity")


@needs_database
@pytest.mark.slow
def test_a_fiftyone_data_set_is_data(fo: Any, farm: Path, tmp_path: Path) -> None:
    mine = fo.Dataset("my pictures")
    paths = sorted((farm / "data").glob("*/0*.png"))
    for k, path in enumerate(paths):
        label = fo.Classification(label=path.parent.name) if k else None
        mine.add_sample(
            fo.Sample(
                filepath=str(path), animal=label, tags=["train" if k % 2 else "test", "mine"], camera=f"c{k % 2}", n=k
            )
        )
    mine.add_sample(fo.Sample(filepath=str(paths[0])))
    data = scan("fiftyone:my pictures")
    assert (data.name, data.root) == ("my pictures", str(farm / "data"))
    assert data.ids.tolist() == [p.relative_to(farm / "data").as_posix() for p in paths]
    assert data.label_names() == ["", *(p.parent.name for p in paths[1:])]
    assert data.splits.tolist()[:3] == ["test", "train", "test"]
    assert list(data.metadata.columns) == ["camera", "n"]
    assert data.metadata.loc["bunny/01.png"].tolist() == ["c1", 1]
    assert [s.reason for s in data.skipped] == ["a second sample of the same file"]
    mine.add_sample_field("other", fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification)
    with pytest.raises(InputError, match=r"several fields with labels \(animal, other\); name one with --label-column"):
        scan("fiftyone:my pictures")
    assert scan("fiftyone:my pictures", label_column="animal").classes == ("bunny", "hen")
    with pytest.raises(InputError, match="no label field 'animla'"):
        scan("fiftyone:my pictures", label_column="animla")
    with pytest.raises(InputError, match="did you mean 'fiftyone:my pictures'"):
        scan("fiftyone:my picture")

    run = make_run(tmp_path)
    pool, pool_measures, recommendation = make_pool(tmp_path)
    to_fiftyone(run, "ours", recommendation=recommendation, pool=pool, pool_measures=pool_measures)
    ours = scan("fiftyone:ours")  # the audited images only, and none of the fields that curator made
    assert dict(zip(ours.ids, ours.label_names(), strict=True)) == dict(
        zip(run.dataset.ids, run.dataset.label_names(), strict=True)
    )
    assert list(ours.metadata.columns) == []


@needs_database
@pytest.mark.slow
def test_embeddings_that_are_there_are_used_where_they_are_the_encoders(fo: Any, farm: Path, tmp_path: Path) -> None:
    session = commands.Session.open("pixels", cache=tmp_path / "cache")
    mine = fo.Dataset("with embeddings")
    paths = sorted((farm / "data").glob("*/*.png"))
    embedded = session.embed(scan(str(farm / "data")))
    own = dict(zip([str(farm / "data" / i) for i in embedded.dataset.ids], embedded.embeddings.vectors, strict=True))
    rng = np.random.default_rng(0)
    for k, path in enumerate(paths):
        # Not of unit length, and a little off, as from another machine; the first two are of pictures that have changed.
        near = 3 * own[str(path)] + rng.normal(0, 1e-5, len(own[str(path)]))
        given = own[str(paths[k + 50])] if k < 2 else near
        more = {"emb": given} if k % 2 == 0 else {}
        other = rng.normal(size=len(given))
        mine.add_sample(
            fo.Sample(
                filepath=str(path),
                label=fo.Classification(label=path.parent.name),
                short=given[:7],
                noise=other,
                **more,
            )
        )
    run = commands.audit("fiftyone:with embeddings", session)
    told = [note for note in run.notes if "FiftyOne" in note]
    assert told == [
        "Embeddings of FiftyOne's field 'emb' are used for 47 of 96 images; for 1 image they are not the encoder's.",
        "FiftyOne's field 'noise' is not used: its vectors are not those of pixels.",
        f"FiftyOne's field 'short' is not used: its vectors have 7 numbers, but those of pixels have {len(given)}.",
    ]
    by_path = dict(zip([str(Path(run.dataset.root) / i) for i in run.dataset.ids], run.embeddings.vectors, strict=True))
    same = [bool((by_path[str(path)] == own[str(path)]).all()) for path in paths]
    assert same == [k % 2 == 1 or k < 2 for k in range(len(paths))]
    assert np.allclose(np.linalg.norm(run.embeddings.vectors, axis=1), 1, atol=1e-6)
    assert np.abs(run.embeddings.vectors - np.stack([own[p] for p in by_path])).max() < 1e-4
    # Of a folder there is nothing to be said.
    assert not [note for note in commands.audit(farm / "data", session).notes if "FiftyOne" in note]


def test_browse_takes_a_named_pool_only_with_named_data(fo: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"curator\.recommend"):
        browse.browse(make_run(tmp_path), pool="somewhere")
    assert browse.plain_origin("fiftyone:x", budget=3)["data"] == "fiftyone:x"
    assert Path(browse.plain_origin("x", "y")["pool"]).is_absolute()
    assert callable(commands.audit)
