"""The documentation is run: its commands print what it says they print, its examples work, its links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from csv import DictReader
from dataclasses import dataclass
from importlib import import_module, invalidate_caches
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changed import replace
from click.testing import CliRunner
from pandas import read_parquet
from PIL import Image
from planted import indicators

from curator import attributes, encoders, exporters, readers, recommenders
from curator.cli.main import COMMANDS, cli
from curator.config import AuditSettings, Settings, read_settings
from curator.encoders.pixels import PREPROCESSING
from curator.io.decoding.images import decode
from curator.readers import scan
from curator.selection.choice import Candidates
from curator.shortcuts.detection import audit
from curator.similarity.vectors import unit

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")]
PAGES += sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "docs" / "decisions").glob("*.md"))
RUN, SLOW = "<!-- test: run -->", "<!-- test: slow -->"
README = ROOT / "README.md"
TUTORIAL, PICTURES = ROOT / "docs" / "tutorial.md", ROOT / "docs" / "pictures"
MAKE_CLI = runpy.run_path(str(ROOT / "docs" / "make_cli.py"))


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its title, and the comment above it that marks it to be run."""

    language: str
    title: str
    code: str
    mark: str


def blocks(page: Path) -> list[Block]:
    pattern = re.compile(
        rf'(?:(?P<mark>{RUN}|{SLOW})\n)?^```(?P<lang>\w+)(?: title="(?P<title>[^"]*)")?\n(?P<code>.*?)^```$',
        re.M | re.S,
    )
    found = pattern.finditer(page.read_text(encoding="utf-8"))
    return [Block(m["lang"], m["title"] or "", m["code"], m["mark"] or "") for m in found]


def followed_by_output(page: Path) -> list[tuple[Block, str]]:
    """Blocks that are run, each with the text block after it."""
    all_ = blocks(page)
    pairs = []
    for block, after in pairwise([*all_, Block("", "", "", "")]):
        if block.mark or (block.language == "python" and not block.title):
            assert after.language == "text", f"{page.name}: no output follows\n{block.code}"
            pairs.append((block, after.code))
    return pairs


def environment(home: Path) -> dict[str, str]:
    """No network, a cache of its own, and the `curator` of this Python first on PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(home / "cache"), "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}


def masked(line: str) -> str:
    """The line without its numbers: embeddings, and what rests on them, differ a little between processors."""
    return re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)?(e-\d+)?", "#", line)).strip()


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a checkout to the commands, with the sample data in it."""
    home = tmp_path_factory.mktemp("docs")
    (home / "sample_data").symlink_to(ROOT / "sample_data", target_is_directory=True)
    return home


@pytest.fixture(scope="module")
def ran() -> dict[str, str]:
    """The output of blocks that have been run: the tutorial repeats the README's, and each audit takes a minute."""
    return {}


def check_output(page: Path, mark: str, workdir: Path, ran: dict[str, str]) -> int:
    """Run the page's blocks of this mark in their order, for later ones read what earlier ones wrote.

    Returns how many statements were found to the digit.
    """
    exact = re.compile(
        r"\d+% of \w+ images [^;]*?\.(?=\s)|\d+ of \d+ bunny images [^;(]*?\.|exit code \d+|\(there are \d+\)|bunny/\w+\.jpg"
    )
    n_exact = 0
    for block, shown in followed_by_output(page):
        if block.mark != mark:
            continue
        if block.code not in ran:
            done = subprocess.run(
                ["bash", "-c", block.code], cwd=workdir, env=environment(workdir), capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            ran[block.code] = done.stdout
        output = ran[block.code]
        printed, whole = [masked(line) for line in output.splitlines()], " ".join(output.split())
        for line in filter(None, map(str.strip, shown.splitlines())):
            assert masked(line) in printed, f"{block.code} does not print {line!r} but\n{output}"
        # What is counted, not embedded, is the same to the digit everywhere; so are exit codes.
        for statement in exact.findall(shown):
            assert " ".join(statement.split()) in whole
            n_exact += 1
    return n_exact


@pytest.mark.slow
def test_the_readme_prints_what_it_says(workdir: Path, ran: dict[str, str]) -> None:
    assert check_output(README, RUN, workdir, ran) >= 1


@pytest.mark.slow
def test_the_tutorial_prints_what_it_says(workdir: Path, ran: dict[str, str]) -> None:
    assert check_output(TUTORIAL, RUN, workdir, ran) >= 8


def test_the_readme_and_the_architecture_are_short() -> None:
    """A newcomer reads the README in four minutes, and the architecture is one page."""
    assert len(README.read_text(encoding="utf-8").split()) <= 900
    assert len((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_the_numbers_of_the_readme_are_those_of_the_benchmarks() -> None:
    """Five numbers, each from a file in benchmarks/results."""

    def result(name: str) -> dict[str, Any]:
        return dict(json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8")))

    quality, sets, largest = result("quality"), result("fix")["sets"], result("speed_audit")["runs"][-1]
    rows, peers = quality["rows"], quality["peers"]
    first, cover = rows["first"], rows["planted_coverage"]["all"]
    theirs = [peers[name]["rows"]["first"]["right"] for name in ("cleanlab", "deepchecks")]
    worst = {arm: np.mean([s["worst_group"][arm] for s in sets]) for arm in sets[0]["worst_group"]}
    said = (
        f"{first['k']} of {first['n']} sets; cleanlab Datalab {theirs[0]['k']} of {theirs[0]['n']}, "
        f"Deepchecks {theirs[1]['k']} of {theirs[1]['n']}",
        f"{rows['null']['k']} of {rows['null']['n']} sets",
        f"{cover['k']} of {cover['n']} findings ({100 * cover['share']:.0f} %, not 95 %)",
        f"{worst['before']:.2f} before; {worst['random']:.2f} random images; {worst['predicted_unseen']:.2f} recommended "
        f"from a pool without labels; {worst['given']:.2f} with labels",
        f"Audit of {largest['n']:,} embeddings on 2 shared cores | {largest['seconds']:.0f} s, "
        f"{largest['peak_mb'] / 1000:.1f} GB",
    )
    readme = README.read_text(encoding="utf-8")
    assert [words for words in said if words not in readme] == []
    numbers = readme.partition("## Five numbers")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\| ", numbers, re.M)) == 2 + len(said)


@pytest.mark.slow
def test_the_tutorial_prints_what_it_says_of_pool_and_probe(workdir: Path, ran: dict[str, str]) -> None:
    assert check_output(TUTORIAL, SLOW, workdir, ran) >= 4


def test_the_tutorial_leaves_no_command_unrun() -> None:
    """But for the installation, and the App, which needs a database and has tests of its own."""
    unrun = [b.code for b in blocks(TUTORIAL) if b.language == "sh" and not b.mark]
    assert [code.split()[:2] for code in unrun] == [["git", "clone"], ["curator", "browse"]]


def test_every_picture_of_the_tutorial_is_one_that_the_script_makes(tmp_path: Path) -> None:
    """Or one of the App, which are taken by hand; and all that it lays out itself is as committed."""
    shown = set(re.findall(r"\]\(pictures/([\w.-]+)\)", TUTORIAL.read_text(encoding="utf-8")))
    script = (ROOT / "docs" / "make_pictures.py").read_text(encoding="utf-8")
    assert {name for name in shown if f'"{name}"' not in script} <= {"app.png"}
    make = runpy.run_path(str(ROOT / "docs" / "make_pictures.py"))
    make["rows_of_pictures"](make["story"](), 180).save(tmp_path / "bunnies.jpg", quality=85)
    ours, committed = (np.asarray(Image.open(f), float) for f in (tmp_path / "bunnies.jpg", PICTURES / "bunnies.jpg"))
    assert ours.shape == committed.shape
    assert np.abs(ours - committed).mean() < 2  # grey levels: another version of a library may round otherwise


def python_examples() -> list[tuple[str, str, str]]:
    return [(p.name, b.code, shown) for p in PAGES for b, shown in followed_by_output(p) if b.language == "python"]


@pytest.mark.parametrize(("page", "code", "shown"), python_examples())
def test_python_examples_print_what_they_say(page: str, code: str, shown: str, workdir: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=workdir, env=environment(workdir), capture_output=True, text=True
    )
    assert done.stdout == shown, done.stderr


def test_there_are_python_examples() -> None:
    assert {page for page, _, _ in python_examples()} == {"index.md"}


def test_the_command_line_page_is_what_the_commands_say() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == MAKE_CLI["page"](), "run `python docs/make_cli.py`"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_parses(name: str) -> None:
    """The example's flags and arguments exist; it is not run (resilient parsing stops before that)."""
    command = import_module(f"curator.cli.{name}").command
    _, example = MAKE_CLI["parts_of"](command.help)
    assert example.startswith(f"curator {name}")
    for line in example.replace("\\\n", " ").splitlines():
        words = line.split()[2:]
        existing = [str(README) if w.endswith((".csv", ".json")) else w for w in words]
        context = command.make_context(name, existing, obj=None)
        assert context.params
    assert f"curator {name}" in "".join(b.code for b in blocks(ROOT / "docs" / "cli.md") if b.language == "sh")


def code_of(page: Path) -> str:
    """The shell blocks of a page, and what stands between backticks in its text."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    shell = [b.code for b in blocks(page) if b.language == "sh"]
    return "\n".join([*shell, *(f"`{code}`" for code in re.findall(r"`([^`\n]+)`", prose))])


def test_commands_in_the_docs_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"(?:^ *|`)curator ([a-z]+)\b", code_of(page), re.M):
            assert name in COMMANDS, f"{page.name}: curator {name}"


def test_flags_in_the_docs_exist() -> None:
    known = {"--no-deps", "--wheel-dir", "--strict", "--check"}  # of pip, mypy and mkdocs, docs/make_cli.py
    for name in COMMANDS:
        known |= set(re.findall(r"--[a-z][a-z-]+", CliRunner().invoke(cli, [name, "--help"]).output))
    for script in (ROOT / "benchmarks").rglob("*.py"):
        known |= set(re.findall(r'add_argument\(\s*"(--[a-z][a-z-]+)"', script.read_text(encoding="utf-8")))
    for page in PAGES:
        found = set(re.findall(r"(?<![\w|-])--[a-z][a-z-]*[a-z](?![\w-])", code_of(page)))
        assert found <= known, page.name


def slug(heading: str) -> str:
    """The anchor that both GitHub and mkdocs give a heading."""
    return re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", heading.strip().lower()))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_internal_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
            assert anchor in {slug(h) for h in headings}, f"{page.name}: {link}"


def test_the_settings_example_names_every_setting_and_its_default(tmp_path: Path) -> None:
    (example,) = [b for b in blocks(ROOT / "docs" / "concepts.md") if b.language == "toml"]
    path = tmp_path / "settings.toml"
    path.write_text(example.code, encoding="utf-8")
    assert read_settings(path) == Settings()
    named = set(re.findall(r"^(?:\[(\w+)\]|(\w+) =)", example.code, re.M))
    wanted = {stage: set(values) for stage, values in Settings().as_dict().items()}
    assert {a or b for a, b in named} == set(wanted) | set().union(*wanted.values())


REGISTRIES = {
    "attributes": attributes.FAMILIES,
    "encoders": encoders.REGISTRY,
    "readers": readers.READERS,
    "recommenders": recommenders.STRATEGIES,
    "exporters": exporters.EXPORTERS,
}


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The files of docs/extending.md in the packages they name: package -> plug-in's name."""
    added = {}
    for block in blocks(ROOT / "docs" / "extending.md"):
        if block.language != "python":
            continue
        _, package, file = Path(block.title).parts
        (tmp_path / package).mkdir()
        (tmp_path / package / file).write_text(block.code, encoding="utf-8")
        home = import_module(f"curator.{package}")
        monkeypatch.setattr(home, "__path__", [*home.__path__, str(tmp_path / package)])
        monkeypatch.setattr(REGISTRIES[package], "_found", None)
        added[package] = Path(file).stem
    invalidate_caches()
    yield added
    for package, name in added.items():
        sys.modules.pop(f"curator.{package}.{name}", None)
        vars(import_module(f"curator.{package}")).pop(name, None)


def test_there_is_an_example_of_every_kind_of_plug_in(plugins: dict[str, str]) -> None:
    assert set(plugins) == set(REGISTRIES)
    for package, name in plugins.items():
        assert name in REGISTRIES[package].names()


def test_the_example_plug_ins_work_from_the_command_line(plugins: dict[str, str], tmp_path: Path) -> None:
    """Encoder and attribute in one audit, then the exporter; the words of `--help` are not needed to find them."""
    train, out = str(ROOT / "sample_data" / "bunnies" / "train"), tmp_path / "out"
    flags = ["--model", plugins["encoders"], "--cache", str(tmp_path / "cache")]
    run = CliRunner().invoke(cli, ["audit", train, *flags, "--out", str(out), "--json"])
    assert run.exit_code == 0, run.output
    content = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert content["encoder"]["name"] == plugins["encoders"]
    assert content["findings"][0]["id"] == "bunny:background.colour=green"

    assert read_parquet(out / "measures.parquet")["vignette.present"].isin([True, False]).all()

    export = CliRunner().invoke(cli, ["export", train, str(tmp_path / "lines"), "--format", "lines", *flags])
    assert export.exit_code == 0, export.output
    lines = (tmp_path / "lines" / "list.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    assert len(rows) == 240
    assert Path(rows[0][2]).is_file()
    assert {label for _, label, _ in rows} == {"bunny", "hen", "rodent", "sheep"}


def test_the_example_attribute_sees_dark_corners(plugins: dict[str, str]) -> None:
    photo = decode(ROOT / "sample_data" / "four_bunnies" / "bunny" / "bunny_001.jpg", PREPROCESSING)
    family = attributes.FAMILIES.get(plugins["attributes"])
    assert isinstance(family, attributes.PhotoFamily)
    assert family.measure(photo) == {"vignette.present": False}
    y, x = np.indices(photo.pixels.shape[:2])
    height, width = photo.pixels.shape[:2]
    far = np.hypot(y / height - 0.5, x / width - 0.5)[..., None]
    dark = (photo.pixels * np.clip(1.3 - 1.8 * far, 0, 1)).astype(np.uint8)
    assert family.measure(replace(photo, pixels=dark)) == {"vignette.present": True}


def test_the_example_strategy_spreads_out(plugins: dict[str, str]) -> None:
    vectors = unit(np.array([[1.0, 0.0], [1.0, 0.01], [1.0, 0.02], [0.0, 1.0]]))
    candidates = Candidates(vectors, np.ones(4), np.zeros(4))
    chosen = recommenders.STRATEGIES.get(plugins["recommenders"])(candidates, 2, np.random.default_rng(0))
    assert len(chosen) == 2
    assert 3 in chosen.tolist()


# The last column of "One yes/no attribute" in docs/benchmarks.md: sizes of the classes, shares with the attribute, flagged?
SCENARIOS = [
    ("nothing, two equal classes", [1, 1], [0.5, 0.5], False),
    *[(f"nothing, majority {m}", [m, 1 - m], [0.5, 0.5], False) for m in (0.7, 0.8, 0.9, 0.95)],
    ("70 % aligned", [1, 1], [0.7, 0.3], True),
    *[(f"{a} aligned", [1, 1], [a, 1 - a], True) for a in (0.8, 0.9, 0.95)],
    *[(f"one of {n}", [1] * n, [0.9] + [0.1] * (n - 1), True) for n in (5, 10, 50)],
]


@pytest.mark.parametrize(("name", "sizes", "shares", "flagged"), SCENARIOS, ids=[s[0] for s in SCENARIOS])
def test_the_comparison_is_true_of_curator(name: str, sizes: list[float], shares: list[float], flagged: bool) -> None:
    labels = np.repeat(np.arange(len(sizes)), np.round(5000 * np.array(sizes) / sum(sizes)).astype(int)).astype(
        np.int32
    )
    classes = tuple(f"class {k}" for k in range(len(sizes)))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        has = rng.random(len(labels)) < np.array(shares)[labels]
        found = audit(indicators({"grass": has}), labels, classes, AuditSettings(n_permutations=0), rng).findings
        assert [(f.class_name, f.value) for f in found] == ([("class 0", "yes")] if flagged else []), f"seed {seed}"


def test_the_counts_the_docs_tell_are_those_of_the_sample_data() -> None:
    data = scan(str(ROOT / "sample_data" / "bunnies" / "train"))
    with (ROOT / "sample_data" / "bunnies" / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["file"]: row for row in DictReader(file)}
    on_grass = {True: 0, False: 0}
    for id, label in zip(data.ids.tolist(), data.label_names(), strict=True):
        on_grass[label == "bunny"] += truth[f"train/{id}"]["scene"] == "grass"
    assert (on_grass, data.class_counts()["bunny"], len(data)) == ({True: 57, False: 9}, 60, 240)
    assert "57 of 60 bunnies stand on grass, and 9 of the 180 other animals" in README.read_text("utf-8")
