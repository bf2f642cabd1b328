"""`curator verify`: the same is the same, and each thing that changed is named."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_kit import Done, Run, check_schema, snapshot
from minisign_kit import Signer
from PIL import Image
from small_transformer import small_transformer

from curator.commands.verify import compare, model_of
from curator.io.documents import as_document
from curator.types.documents import AuditDocument


@pytest.fixture(scope="module")
def made(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """An audit with settings and a seed of its own, of a table with a metadata column beside its images."""
    home = tmp_path_factory.mktemp("verify")
    rng = np.random.default_rng(0)
    rows = ["file,kind,camera"]
    for name, colour in {"bunny": (60, 140, 40), "hen": (140, 90, 50)}.items():
        for k in range(12):
            pixels = np.clip(rng.normal(colour, 12, (48, 48, 3)), 0, 255).astype(np.uint8)
            (home / "images").mkdir(exist_ok=True)
            Image.fromarray(pixels).save(home / "images" / f"{name}{k}.png")
            rows.append(f"images/{name}{k}.png,{name},{'old' if k % 3 else 'new'}")
    (home / "list.csv").write_text("\n".join(rows) + "\n")
    (home / "c.toml").write_text(
        "[audit]\nn_permutations = 7\ncuts = [0.5]\n"
        'intended = [{class = "hen", attribute = "background.colour", reason = "so"}]\n'
    )
    columns = ["--path-column", "file", "--label-column", "kind"]
    done = run(
        "audit", home / "list.csv", "--model", "pixels", "--seed", "3", "--config", home / "c.toml", *columns
    )  # fmt: skip
    assert done.code == 0, done.err
    content = done.file("audit.json")
    assert content["findings"]
    assert content["source"]["data"] == str(home / "list.csv")
    return done


@pytest.fixture
def content(made: Done) -> dict[str, Any]:
    return json.loads((made.folder / "audit.json").read_text("utf-8"))


@pytest.fixture
def verify(run: Run, tmp_path: Path) -> Callable[..., Done]:
    """Verify the content as a file of its own."""

    def call(content: dict[str, Any] | str, *args: str | Path) -> Done:
        path = tmp_path / "old" / "audit.json"
        path.parent.mkdir(exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        before = snapshot(path.parent)
        done = run("verify", path, *args)
        assert snapshot(path.parent) == before
        return done

    return call


def differences(done: Done) -> list[str]:
    content = done.json()
    check_schema(content)
    assert content["same"] == (not content["differences"]) == (done.code == 0)
    if done.code:
        (line,) = done.err.splitlines()
        assert line.startswith("Error: ")
        assert f"{len(content['differences'])} difference" in line
    return content["differences"]


def test_the_same_is_the_same_and_nothing_is_written(run: Run, made: Done) -> None:
    before = snapshot(made.folder)
    done = run("verify", made.folder / "audit.json")
    n = len(made.file("audit.json")["findings"])
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"The same: 24 images, {n} finding")
    assert "Note:" not in done.out  # no default had to stand in, and nothing else differs
    assert snapshot(made.folder) == before
    assert differences(run("verify", made.folder / "audit.json", "--json")) == []
    quiet = run("verify", made.folder / "audit.json", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_from_another_folder_with_a_pool(run: Run, made: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = Path(made.file("audit.json")["source"]["data"]).parent / "images"
    for name in ("bunny", "hen"):
        (tmp_path / name / "all").mkdir(parents=True)
        for path in images.glob(f"{name}*.png"):
            shutil.copy(path, tmp_path / name / "all")
    monkeypatch.chdir(tmp_path)
    done = run("audit", "bunny", "--pool", "hen", "--model", "pixels")
    assert done.file("audit.json")["source"]["pool"] == str(tmp_path / "hen")
    assert done.file("audit.json")["findings"][0]["p"] is not None
    monkeypatch.chdir("/")
    assert differences(run("verify", done.folder / "audit.json", "--json")) == []
    os.rename(tmp_path / "bunny", tmp_path / "moved")
    assert "no such file or folder" in run("verify", done.folder / "audit.json").error()
    gone = differences(run("verify", done.folder / "audit.json", "--json", "--data", tmp_path / "moved"))
    assert gone == []  # where it lies does not matter


@pytest.mark.parametrize("change", ["pixel", "label", "metadata", "more"])
def test_changed_data_is_said_so(made: Done, verify, content: dict[str, Any], tmp_path: Path, change: str) -> None:
    home = tmp_path / "home"
    shutil.copytree(Path(content["source"]["data"]).parent, home)
    table = home / "list.csv"
    text = table.read_text()
    if change == "pixel":
        pixels = np.asarray(Image.open(home / "images" / "bunny0.png")).copy()
        pixels[0, 0, 0] ^= 1
        Image.fromarray(pixels).save(home / "images" / "bunny0.png")
    elif change == "label":
        table.write_text(text.replace("bunny0.png,bunny", "bunny0.png,hen"))
    elif change == "metadata":
        table.write_text(text.replace("bunny0.png,bunny,new", "bunny0.png,bunny,old"))
    else:
        shutil.copy(home / "images" / "bunny0.png", home / "images" / "copy.png")
        table.write_text(text + "images/copy.png,bunny,new\n")
    found = differences(verify(content, "--data", table, "--json"))
    assert found[0].startswith(f"data changed: fingerprint was {content['dataset']['fingerprint']}, is sha256:")
    assert ("data changed: 24 images were read, now 25" in found) == (change == "more")
    assert ("data changed: classes 'bunny' had 12 images, has 11" in found) == (change == "label")
    assert ("data changed: classes 'bunny' had 12 images, has 13" in found) == (change == "more")


def harm(content: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    out = deepcopy(content)
    change(out)
    return out


def edited(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value(content[path[-1]]) if callable(value) else value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["findings"].pop(), "finding new: "),
        (lambda c: c["findings"].append({**c["findings"][0], "id": "cow:x=y"}), "finding gone: 'cow:x=y'"),
        (lambda c: c["findings"].reverse(), "the order of the findings changed"),
        (edited("findings", 0, "effect", value=lambda x: x - 1e-5), "effect of '{first}'"),
        (edited("findings", 0, "effect_ci", 0, value=lambda x: x - 1e-5), "effect_ci[0] of '{first}'"),
        (edited("findings", 0, "p", value=lambda x: x * 1.01), "p of '{first}'"),
        (edited("findings", 0, "q", value=None), "q of '{first}'"),
        (edited("findings", 0, "share_elsewhere", value=0.5), "share_elsewhere of '{first}'"),
        (edited("findings", 0, "reliance", value={"gap": 0.9}), "reliance"),
        (edited("findings", 0, "severity", value="low"), "severity of '{first}'"),
        (edited("findings", 0, "sentence", value="All is well."), "findings[0].sentence of 'the file'"),
        (edited("findings", 0, "intended", value="fine"), "intended of '{first}'"),
        (edited("encoder", "fingerprint", value="sha256:00"), "encoder changed: was "),
        (edited("verdict", value="none found"), "verdict was 'none found', is 'shortcuts found'"),
        (edited("n_tests", value=1), "number of tests was 1, is "),
        (edited("expected_false_findings", value=9.5), "expected_false_findings was 9.5, is "),
        (edited("settings", "audit", "n_permutations", value=0), "expected_false_findings was "),
        (edited("settings", "audit", "intended", value=[]), "intended of 'hen:"),
        (edited("duplicates", "leaks", value=[{"ids": ["a", "b"], "splits": ["c"]}]), "leaks between splits changed: 1 gone"),
    ],
)  # fmt: skip
def test_what_was_tampered_with_is_named(verify, content: dict[str, Any], change, said: str) -> None:
    if said == "the order of the findings changed" and len(content["findings"]) < 2:
        pytest.skip("one finding has no order")
    said = said.replace("{first}", content["findings"][0]["id"])
    found = differences(verify(harm(content, change), "--json"))
    assert any(line.startswith(said) for line in found), found


def test_the_seed_of_the_file_is_used(verify, content: dict[str, Any]) -> None:
    # Another seed shuffles other labels; that there is no difference of the seed itself shows that it was taken over.
    found = differences(verify(harm(content, edited("seed", value=4)), "--json"))
    assert not any(line.startswith("seed") for line in found)
    assert content["seed"] == 3


def test_what_does_not_matter_is_a_note(verify, content: dict[str, Any]) -> None:
    old = harm(content, edited("versions", "numpy", value="1.0.0"))
    old["findings"][0]["effect"] -= 1e-9
    del old["settings"]["audit"]["n_examples"]
    old["label_errors"] = []
    old["clusters"] = []
    done = verify(old, "--json")
    assert differences(done) == []
    notes = done.json()["notes"]
    assert any(n.startswith("Made with other versions, with the same findings: numpy 1.0.0 -> ") for n in notes)
    assert any(n.endswith("for which the defaults are used: audit.n_examples.") for n in notes)
    assert any("differ but are not compared: clusters" in n for n in notes)


def test_with_other_versions_and_other_findings_the_note_says_why(content: dict[str, Any]) -> None:
    old = harm(content, edited("versions", "numpy", value="1.0.0"))
    old["findings"].pop()
    assert (
        compare(old, content).notes[0].startswith("Made with other versions, which may be the reason: numpy 1.0.0 -> ")
    )


def test_each_difference_is_a_line(verify, content: dict[str, Any]) -> None:
    old = harm(content, edited("findings", 0, "id", value="\x1b[31m:x=y\u202e"))
    done = verify(old)
    assert done.code == 1
    assert [line for line in done.out.splitlines() if line.startswith(("finding gone", "finding new"))]
    assert not set(done.out + done.err) & set("\x1b\u202e")


def test_an_audit_made_in_python_needs_data(verify, content: dict[str, Any]) -> None:
    data = content.pop("source")["data"]
    assert "--data" in verify(content).error()
    # Without the names of the columns the table cannot be read, and that is said.
    assert "column" in verify(content, "--data", data).error()


def test_the_encoder_is_that_of_the_file(content: dict[str, Any]) -> None:
    def model(made: dict[str, Any], **source: str) -> str:
        return model_of(as_document({**made, "source": made["source"] | source}, AuditDocument))

    assert model(content) == "pixels"
    assert model_of(as_document({k: v for k, v in content.items() if k != "source"}, AuditDocument)) == "pixels"
    clip = harm(content, lambda c: c["encoder"].update(kind="open_clip", name="ViT-B-32/x"))
    assert model(clip, model="auto") == "ViT-B-32/x"
    assert model(clip, model="ViT-B-32:/here.pt") == "ViT-B-32:/here.pt"
    stood_in = harm(content, lambda c: c["encoder"].update(kind="embedded", name="efficientnet_lite0/imagenet"))
    assert model(stood_in, model="auto") == "embedded"


def test_the_precision_is_that_of_the_file(run: Run, few: tuple[str, Path], made: Done, tmp_path: Path) -> None:
    columns = ["--path-column", "file", "--label-column", "kind"]
    data = json.loads((made.folder / "audit.json").read_text("utf-8"))["source"]["data"]
    # Eight bits of a small model: bf16 takes minutes on a processor without instructions for it.
    model = small_transformer(tmp_path)
    done = run("audit", data, "--model", model, "--precision", "int8", *columns, *few)
    assert done.code == 0, done.err
    content = done.file("audit.json")
    assert content["source"]["precision"] == "int8"
    path = done.folder / "audit.json"
    assert differences(run("verify", path, "--json")) == []
    (first, *_) = differences(run("verify", path, "--json", "--precision", "fp32"))
    assert first.startswith("encoder changed")
    (first, *_) = differences(run("verify", path, "--json", "--model", model))  # named anew, so exact again
    assert first.startswith("encoder changed")
    check_schema(content)
    path = tmp_path / "audit.json"
    path.write_text(json.dumps(harm(content, edited("source", "precision", value="half"))))
    done = run("verify", path)
    assert done.code == 1
    assert "source.precision: invalid enum value 'half'" in done.err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        "[" * 100_000,
        '{"schema": "curator.run/1"}',
        '{"schema": "curator.audit/1"}',
        "\udcff\x00",
    ],
    ids=range(9),
)
def test_what_is_no_audit_is_one_line(verify, text: str) -> None:
    assert "audit" in verify(text).error()


@pytest.mark.parametrize(
    "change",
    [
        *[
            edited(key, value="x")
            for key in ("dataset", "encoder", "settings", "seed", "versions", "findings", "duplicates")
        ],
        edited("findings", value=["x"]),
        edited("findings", 0, "effect", value="x"),
        edited("findings", 0, "effect", value=10**400),
        edited("findings", 0, "n_with", value=10**400),
        edited("settings", "audit", "alpha", value=json.loads("[" * 900 + "]" * 900)),
        edited("findings", 0, "effect", value=True),
        edited("findings", 0, "effect_ci", value=3),
        edited("findings", 0, "reliance", value=[1]),
        edited("findings", 0, "severity", value="awful"),
        edited("seed", value=-1),
        edited("seed", value=2**40),
        edited("source", value=[]),
        edited("source", value={"data": 3}),
        edited("source", "data", value="/nowhere/\x00\ud800"),
        edited("source", "data", value="s3://bucket/x"),
        edited("source", "model", value="nonsense\x00"),
        edited("source", "max_skipped", value="all"),
        edited("settings", value={"audit": {"nonsense": 1}}),
        edited("settings", value={"audit": {"intended": [{"finding": "x"}]}}),
        edited("settings", value={"audit": 3}),
        edited("settings", "audit", "alpha", value=2),
    ],
    ids=range(28),
)
def test_what_a_stranger_wrote_is_one_line(verify, content: dict[str, Any], change) -> None:
    assert verify(harm(content, change)).error()


def test_a_file_that_is_not_there_or_is_a_folder_is_one_line(run: Run, tmp_path: Path) -> None:
    assert "cannot read the audit" in run("verify", tmp_path / "audit.json").error()
    assert "cannot read the audit" in run("verify", tmp_path).error()


def test_settings_of_another_version_name_it(verify, content: dict[str, Any]) -> None:
    content["settings"]["audit"]["from_the_future"] = 1
    content["versions"]["curator-audit"] = "9.9"
    assert "was made by curator 9.9" in verify(content).error()


def test_the_cache_may_not_lie_with_the_audit_or_the_data(fresh: Run, made: Done, content: dict[str, Any]) -> None:
    before = snapshot(made.folder)
    for folder in (made.folder, made.folder / "cache"):
        assert "choose another --cache" in fresh("verify", made.folder / "audit.json", "--cache", folder).error()
    assert snapshot(made.folder) == before


def leaves(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every number, text, truth and null of a JSON file."""
    if isinstance(content, dict | list) and content:
        keys = content if isinstance(content, dict) else range(len(content))
        return [leaf for key in keys for leaf in leaves(content[key], (*path, key))]
    return [path]


NOT_RESULTS = {
    ("versions",),
    ("source",),
    ("notes",),
    ("dataset", "root"),
    ("dataset", "name"),
    ("encoder", "name"),
    ("encoder", "note"),
}
"""Where and with what it was made; a path may have moved, and other versions are told as a note."""


def test_every_edited_number_and_word_is_caught(content: dict[str, Any]) -> None:
    assert compare(content, deepcopy(content)).differences == ()
    caught = 0
    for path in leaves(content):
        if {path[:1], path[:2]} & NOT_RESULTS:
            continue
        old = deepcopy(content)
        holder = old
        for key in path[:-1]:
            holder = holder[key]
        was = holder[path[-1]]
        if isinstance(was, bool):
            holder[path[-1]] = not was
        elif isinstance(was, int):
            holder[path[-1]] = was + 1
        elif isinstance(was, float):
            holder[path[-1]] = was * 1.001 + 2e-6
        elif isinstance(was, str):
            holder[path[-1]] = was + "x"
        elif was is None:
            holder[path[-1]] = 0
        else:
            continue  # an empty list
        assert compare(old, content).differences, path
        caught += 1
    assert caught > 150


def test_a_signature_is_checked_before_anything_else(run: Run, made: Done, tmp_path: Path) -> None:
    for name in ("audit.json", "report.html", "run.json"):
        shutil.copy(made.folder / name, tmp_path)
    signer, path = Signer(), tmp_path / "audit.json"
    with_key = ("verify", path, "--public-key", signer.public)
    done = run(*with_key)
    assert (done.code, done.out) == (1, "")
    assert "is not signed" in done.err
    signer.sign(path, "reviewed\x1b[31m")
    signer.sign(tmp_path / "report.html")

    bare = run("verify", path)
    assert bare.code == 0, bare.err
    assert "Note: audit.json.minisig was not checked: give the signer's key with --public-key" in " ".join(
        bare.out.split()
    )
    assert "Signed" not in bare.out
    asked = run("verify", path, "--json")
    assert asked.json()["signature"] is None
    check_schema(asked.json())

    (tmp_path / "key.pub").write_text(f"untrusted comment: mine\n{signer.public}\n")
    done = run("verify", path, "--public-key", tmp_path / "key.pub")
    assert done.code == 0, done.err
    words = " ".join(done.out.split())
    assert "Signed by 0807060504030201: audit.json, report.html; comment: reviewed\\x1b[31m" in words
    assert "Note: not signed: run.json" in words
    asked = run(*with_key, "--json")
    check_schema(asked.json())
    files = ["audit.json", "report.html"]
    assert asked.json()["signature"] == {
        "key": "0807060504030201",
        "trusted_comment": "reviewed\x1b[31m",
        "files": files,
    }
    assert asked.json()["notes"] == ["not signed: run.json"]

    (tmp_path / "report.html").write_text("another report")
    done = run(*with_key)
    assert (done.code, done.out) == (1, "")
    assert "report.html differs from what was signed" in done.err
    # What is not signed is not even read: this one would be refused as damaged.
    path.write_text("{}")
    assert "audit.json differs from what was signed" in run(*with_key).err
    done = run("verify", path, "--public-key", "nonsense")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: nonsense is neither a public key of minisign")
    done = run("verify", tmp_path / "nothing.json", "--public-key", signer.public)
    assert (done.code, "cannot be read" in done.err or "no such" in done.err.lower()) == (1, True), done.err
