"""The Python interface: it takes what the command line takes, and a DataFrame, and gives the same results and files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import curator
from curator.api import AuditResult
from curator.errors import DataError, InputError

SAMPLE = Path(__file__).parents[1] / "sample_data" / "bunnies"
FAST = {
    "audit": {"n_edited": 0, "n_splits": 2, "n_permutations": 2},
    "validate": {"n_random": 19, "n_bootstrap": 20, "n_seeds": 3},
}
"""Settings for tests that are not about how sure the numbers are."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def audited(cache: Path) -> AuditResult:
    return curator.audit(SAMPLE / "train", model="pixels", cache=cache, settings=FAST)


@pytest.fixture
def two_colours(tmp_path: Path) -> pd.DataFrame:
    """40 noisy images in two classes: those of "hen" are green, those of "cow" grey."""
    rng, rows = np.random.default_rng(0), []
    for k in range(40):
        label = ("hen", "cow")[k % 2]
        colour = (60, 150, 60) if label == "hen" else (120, 120, 120)
        pixels = np.clip(rng.normal(colour, 25, (64, 64, 3)), 0, 255).astype(np.uint8)
        path = tmp_path / "images" / f"{k}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
        rows.append({"path": str(path), "label": label, "site": ("north", "south")[k % 4 // 2]})
    return pd.DataFrame(rows, index=[f"row {k}" for k in range(40)])


def test_findings_are_a_tuple_and_a_table(audited: AuditResult) -> None:
    assert audited.verdict == "shortcuts found"
    table = audited.findings.to_pandas()
    assert list(table.index) == [f.id for f in audited.findings]
    assert table.equals(audited.to_pandas())
    first = table.loc["bunny:background.colour=green"]
    assert (round(first["share_in_class"], 2), round(first["share_elsewhere"], 2)) == (0.95, 0.05)
    assert first["sentence"].startswith("95% of bunny images have a green background")
    assert "background" in audited.findings._repr_html_()


def test_what_is_saved_is_what_the_command_writes(audited: AuditResult, cache: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from curator.cli.main import cli

    folder = audited.save(tmp_path / "python")
    lines = [f"[{table}]", *(f"{key} = {value}" for key, value in FAST["audit"].items())] if (table := "audit") else []
    (tmp_path / "fast.toml").write_text(
        "\n".join(lines) + "\n[validate]\nn_random = 19\nn_bootstrap = 20\nn_seeds = 3\n"
    )
    words = ["audit", str(SAMPLE / "train"), "--model", "pixels", "--cache", str(cache)]
    done = CliRunner().invoke(
        cli, [*words, "--config", str(tmp_path / "fast.toml"), "--out", str(tmp_path / "command")]
    )
    assert done.exit_code == 0, done.output
    names = sorted(p.name for p in folder.iterdir())
    assert names == sorted(p.name for p in (tmp_path / "command").iterdir() if p.name != "run.log")
    for name in ("audit.json", "report.html", "audit.junit.xml", "audit.sarif", "measures.parquet"):
        assert (folder / name).read_bytes() == (tmp_path / "command" / name).read_bytes(), name


def test_a_finding_is_shown_with_images_of_both_sides(audited: AuditResult) -> None:
    first = audited.findings[0]
    shown = audited.show()
    assert shown == audited.show(first) == audited.show(first.id) == shown._repr_html_()
    assert shown.count("data:image/jpeg;base64,") == len(first.example_ids[:6]) + len(first.counterexample_ids[:6])
    with pytest.raises(InputError, match=r"did you mean 'bunny:background.colour=green'"):
        audited.show("bunny:background.color=green")
    with pytest.raises(InputError, match="there is no finding 99"):
        audited.show(99)


def test_a_data_frame_is_data_and_its_other_columns_are_metadata(
    two_colours: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = two_colours.copy()
    monkeypatch.chdir(tmp_path)
    run = curator.audit(two_colours, model="pixels", cache=tmp_path / "cache", settings=FAST, out="out")
    assert two_colours.equals(before)
    assert len(run.dataset) == 40
    assert list(run.dataset.metadata["site"].value_counts()) == [20, 20]
    assert "hen:background.colour=green" in {f.id for f in run.findings} | {s for f in run.findings for s in f.same_as}
    assert json.loads(Path("out/audit.json").read_text("utf-8"))["dataset"]["classes"] == {"cow": 20, "hen": 20}


def test_a_data_frame_without_a_column_of_paths_is_one_line(two_colours: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="path") as error:
        curator.audit(two_colours.drop(columns="path"), model="pixels")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("command", [curator.audit, curator.forecast])
def test_nothing_is_written_into_the_data(two_colours: pd.DataFrame, command, tmp_path: Path) -> None:
    images = Path(two_colours["path"].iloc[0]).parent
    with pytest.raises(InputError, match="lies inside"):
        command(images, model="pixels", out=images / "out", cache=tmp_path / "cache")
    assert not (images / "out").exists()


def test_nothing_is_saved_among_the_images_of_a_table(two_colours: pd.DataFrame, tmp_path: Path) -> None:
    run = curator.audit(two_colours, model="pixels", cache=tmp_path / "cache", settings=FAST)
    with pytest.raises(InputError, match="lies inside the data"):
        run.save(tmp_path / "images" / "out")


def test_an_unknown_option_names_the_nearest(two_colours: pd.DataFrame) -> None:
    with pytest.raises(TypeError, match="did you mean 'model'"):
        curator.audit(two_colours, modle="pixels")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="model belong to the session"):
        curator.audit(two_colours, curator.Session.open("pixels"), model="pixels")


def test_the_loop_in_python_writes_what_the_commands_write(audited: AuditResult, cache: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from curator.cli.main import cli

    out, other = tmp_path / "python", tmp_path / "commands"
    given = {"model": "pixels", "cache": cache, "settings": FAST}
    what = {"budget": 10, "attribute": "bunny:background.colour=green", "out": out}
    flags = ["--model", "pixels", "--cache", str(cache), "--out", str(other), "--config", str(tmp_path / "fast.toml")]
    lines = [f"[{table}]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()) for table, values in FAST.items()]
    (tmp_path / "fast.toml").write_text("".join(lines))
    train, pool = SAMPLE / "train", SAMPLE / "pool_labels.csv"

    def command(*words: str | Path) -> None:
        done = CliRunner().invoke(cli, [*map(str, words), *flags])
        assert done.exit_code == 0, done.output

    audited.save(out)
    audited.save(other)
    advice = curator.recommend(train, pool, **what, **given)
    assert len(advice.recommendation.ids) == 10
    command("recommend", train, "--pool", pool, "--budget", "10", "--attribute", what["attribute"])
    curator.validate(train, pool, test=SAMPLE / "test", **what, **given)
    command(
        "validate", train, "--pool", pool, "--test", SAMPLE / "test", "--budget", "10", "--attribute", what["attribute"]
    )
    curator.forecast(train, out=out, **given)
    command("forecast", train)
    names = sorted(p.name for p in out.iterdir())
    assert names == sorted(p.name for p in other.iterdir())
    assert {"recommendation.csv", "recommend.json", "validation.json", "forecast.json", "report.html"} <= set(names)
    for name in set(names) - {"run.json"}:
        assert (out / name).read_bytes() == (other / name).read_bytes(), name


def test_decisions_in_a_table_outlive_a_new_recommendation(cache: Path, tmp_path: Path) -> None:
    what = {"budget": 3, "attribute": "bunny:background.colour=green", "out": tmp_path, "model": "pixels"}
    given = {"cache": cache, "settings": FAST}
    curator.recommend(SAMPLE / "train", SAMPLE / "pool_labels.csv", **what, **given)
    table = pd.read_csv(tmp_path / "recommendation.csv", dtype=str)
    table.loc[0, "decision"] = "reject"
    table.to_csv(tmp_path / "recommendation.csv", index=False)
    curator.recommend(SAMPLE / "train", SAMPLE / "pool_labels.csv", **what, **given)
    assert pd.read_csv(tmp_path / "review.csv")["path"].tolist() == [table.loc[0, "path"]]


def test_an_export_is_planned_and_not_written_in_a_dry_run(cache: Path, tmp_path: Path) -> None:
    given = {"model": "pixels", "cache": cache, "settings": FAST}
    done = curator.export(SAMPLE / "train", tmp_path / "splits", format="csv", dry_run=True, **given)
    assert not (tmp_path / "splits").exists()
    assert len(done.plan.assignment) == 240


def test_what_is_written_stays_out_of_the_pools_images_too(audited: AuditResult, cache: Path, tmp_path: Path) -> None:
    pool = pd.read_csv(SAMPLE / "pool_labels.csv")
    pool["path"] = [str(SAMPLE / p) for p in pool["path"]]
    inside = SAMPLE / "pool" / "out"
    what = {"budget": 5, "attribute": "bunny:background.colour=green", "out": inside}
    with pytest.raises(InputError, match="lies inside the data"):
        curator.recommend(SAMPLE / "train", pool, model="pixels", cache=cache, settings=FAST, **what)  # type: ignore[arg-type]
    assert not inside.exists()


def test_a_data_frame_is_exported_below_the_working_folder_but_not_among_its_images(
    two_colours: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"model": "pixels", "cache": tmp_path / "cache", "settings": FAST, "format": "csv"}
    done = curator.export(two_colours, "balanced", **given)  # type: ignore[arg-type]
    assert done.n_images == 40
    for name in ("images", "images/splits"):
        with pytest.raises(InputError):
            curator.export(two_colours, name, **given)  # type: ignore[arg-type]
    assert len(list((tmp_path / "images").iterdir())) == 40


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"max_skipped": 3}, "max_skipped is 3"),
        ({"jobs": -4}, "jobs is -4"),
        ({"settings": "curator.toml"}, "settings is 'curator.toml'"),
        ({"out": ""}, "out is ''"),
        ({"out": __file__}, "which is not a folder"),
        ({"out": 4}, "out is 4; the path of a folder is needed"),
        ({"model": None}, "model is None; a text is needed"),
        ({"label_column": None}, "label_column is None; a text is needed"),
        ({"path_column": "file"}, "Name the column of paths with path_column"),
        ({"cache": 4}, "cache is 4"),
        ({"engine": "rya"}, "engine is 'rya'; local or ray is needed"),
        ({"ray_address": "here:1"}, "ray_address needs engine ray"),
        ({"sample": "many"}, "sample is 'many'"),
        ({"sample": -1}, "sample = -1"),
        ({"concepts": "nowhere.txt"}, "nowhere.txt"),
        ({"compare": "nowhere.json"}, "nowhere.json"),
        ({"session": "pixels"}, "session is 'pixels'"),
    ],
)
def test_a_wrong_value_is_one_line_before_any_work(
    two_colours: pd.DataFrame, given: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says) as error:
        curator.audit(two_colours, **{"model": "pixels", **given})  # type: ignore[arg-type]
    assert len(str(error.value).splitlines()) == 1


def test_what_the_other_functions_cannot_use_is_one_line_too(two_colours: pd.DataFrame, tmp_path: Path) -> None:
    given = {"model": "pixels", "cache": tmp_path / "cache", "settings": FAST}
    with pytest.raises(InputError, match="attribute is 4; a text CLASS:ATTRIBUTE=VALUE is needed"):
        curator.recommend(two_colours, attribute=4, **given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="budget is 'all'; a whole number is needed"):
        curator.recommend(two_colours, budget="all", **given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^attribute 'green' is not CLASS:ATTRIBUTE=VALUE"):
        curator.recommend(two_colours, attribute="green", **given)
    with pytest.raises(InputError, match="plan is a DataFrame; the path of a file is needed"):
        curator.validate(two_colours, two_colours, plan=two_colours, **given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"give what curator.audit returns"):
        curator.browse(two_colours)  # type: ignore[arg-type]


def test_an_audit_is_compared_with_an_earlier_one(two_colours: pd.DataFrame, tmp_path: Path) -> None:
    given = {"model": "pixels", "cache": tmp_path / "cache", "settings": FAST}
    out = tmp_path / "out"
    first = curator.audit(two_colours, out=out, **given)
    assert first.changes is None
    run = curator.audit(two_colours.iloc[:36], compare=out / "audit.json", out=out, **given)
    assert (run.changes.images.was, run.changes.images.now) == (40, 36)
    assert json.loads((out / "comparison.json").read_text("utf-8"))["images"]["now"] == 36
    assert 'id="changed"' in (out / "report.html").read_text("utf-8")
    assert "comparison.json" in json.loads((out / "run.json").read_text("utf-8"))["files"]
    first.save(out)
    assert not (out / "comparison.json").exists()


def test_a_sample_and_own_prompts_are_settings_of_the_audit(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a red barn\n")
    given = {"model": "pixels", "cache": cache, "settings": FAST}
    run = curator.audit(SAMPLE / "train", sample=100, concepts=tmp_path / "prompts.txt", **given)
    assert (len(run.dataset), run.whole.n_images) == (100, 240)
    assert run.settings["audit"]["concepts"] == str(tmp_path / "prompts.txt")


def test_a_wrong_word_of_export_names_the_nearest(two_colours: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"balance is 'classs'; did you mean 'class'\?"):
        curator.export(two_colours, tmp_path / "x", model="pixels", balance="classs")  # type: ignore[arg-type]


def test_one_column_needs_no_list(two_colours: pd.DataFrame, tmp_path: Path) -> None:
    given = {"model": "pixels", "cache": tmp_path / "cache", "settings": FAST, "dry_run": True}
    with pytest.raises(DataError, match="stay together"):  # two sites are too few for three splits
        curator.export(two_colours, tmp_path / "x", group_columns="site", **given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'sites'"):
        curator.export(two_colours, tmp_path / "x", group_columns="sites", **given)  # type: ignore[arg-type]


def test_a_proof_is_not_written_among_the_images_of_a_test_table(two_colours: pd.DataFrame, cache: Path) -> None:
    out = Path(two_colours["path"].iloc[0]).parent / "out"
    with pytest.raises(InputError, match="lies inside the data"):
        curator.validate(
            SAMPLE / "train", SAMPLE / "pool_labels.csv", test=two_colours, out=out, model="pixels", cache=cache
        )
    assert not out.exists()
