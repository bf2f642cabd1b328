"""What the documentation says of the Python API, of other tools and of the code is what there is; its guides are run."""

from __future__ import annotations

import inspect
import json
import re
import runpy
import shutil
import subprocess
import sys
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from test_docs import COMMANDS, blocks, code_of, environment, followed_by_output, masked, slug

import curator

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GUIDES = sorted((DOCS / "how-to").glob("*.md"))
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
API = {
    "AuditResult", "CuratorError", "Finding", "ProbeReport", "Recommendation", "Session", "audit", "browse", "export",
    "forecast", "recommend", "validate",
}  # fmt: skip


def made_by(script: str) -> dict[str, typing.Any]:
    return runpy.run_path(str(DOCS / script))


# The Python API


def test_the_public_names_are_a_dozen_and_all_documented() -> None:
    assert set(curator.__all__) - {"__version__"} == API
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (\w+)$", page, re.M)) == API
    assert dir(curator) == sorted(curator.__all__)


def test_the_reference_is_what_the_names_say_of_themselves() -> None:
    assert (DOCS / "api.md").read_text(encoding="utf-8") == made_by("make_api.py")["page"](), "run docs/make_api.py"


@pytest.mark.parametrize("name", sorted(API))
def test_every_public_name_has_types_and_words(name: str) -> None:
    thing = getattr(curator, name)
    assert inspect.getdoc(thing)
    assert thing.__module__.startswith("curator.")
    if inspect.isclass(thing):
        assert not is_dataclass(thing) or all(f.type for f in fields(thing))
        return
    signature = inspect.signature(thing)
    assert signature.return_annotation is not inspect.Signature.empty
    assert [p.name for p in signature.parameters.values() if p.annotation is inspect.Parameter.empty] == []


def test_type_checkers_see_the_same_names() -> None:
    stub = (ROOT / "curator" / "__init__.pyi").read_text(encoding="utf-8")
    seen = {name: home for home, name in re.findall(r"^from ([\w.]+) import (\w+) as \2$", stub, re.M)}
    assert set(seen) >= API
    for name, home in seen.items():
        assert getattr(curator, name) is getattr(sys.modules[home], name), name
    assert "__version__: str" in stub


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'adit'"):
        curator.adit  # noqa: B018


@pytest.mark.slow
def test_the_wheel_says_that_it_is_typed(tmp_path: Path) -> None:
    hatchling = pytest.importorskip("hatchling.builders.wheel", reason="the build backend is not installed here")
    wheel = next(hatchling.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))
    import zipfile

    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"curator/py.typed", "curator/__init__.pyi", "curator/attributes/concepts.txt"} <= names
    assert not [n for n in names if n.startswith(("tests/", "docs/", "sample_data/", "benchmarks/"))]


# What is generated


def test_the_comparison_is_what_the_results_say() -> None:
    page = (DOCS / "comparison.md").read_text(encoding="utf-8")
    assert page == made_by("make_comparison.py")["page"](), "run docs/make_comparison.py"


def test_the_comparison_changes_with_the_results(tmp_path: Path) -> None:
    """A figure that is not in the results cannot be on the page."""
    results = tmp_path / "results"
    shutil.copytree(ROOT / "benchmarks" / "results", results)
    make = made_by("make_comparison.py")
    before = make["page"](results)
    content = json.loads((results / "label_errors.json").read_text(encoding="utf-8"))
    content["mean_average_precision"] = {"curator": 0.123, "cleanlab": 0.987}
    for one in content["sets"]:
        one["cleanlab_self_confidence"] = 0.5
    (results / "label_errors.json").write_text(json.dumps(content), encoding="utf-8")
    content = json.loads((results / "leaks.json").read_text(encoding="utf-8"))
    content["kinds"] = {"turned": {"planted": 4, "found": 1, "found_by_bytes_hash_and_embedding_only": 3, "leaked": 2}}
    (results / "leaks.json").write_text(json.dumps(content), encoding="utf-8")
    after = make["page"](results)
    new = set(after.splitlines()) - set(before.splitlines())
    assert "| average precision, mean over the sets | 0.12 | 0.99 |" in new
    assert "| all images in order of self confidence, mean | – | 0.50 |" in new
    assert "| turned | 25% of 4 | 75% of 4 | 2 |" in new


def test_the_figure_is_what_the_script_draws() -> None:
    make = made_by("make_figure.py")
    text = (DOCS / "pictures" / "data-flow.svg").read_text(encoding="utf-8")
    assert text == make["picture"](), "run docs/make_figure.py"
    root = ElementTree.fromstring(text)
    boxes = [r for r in root.iter() if r.tag.endswith("rect")][1:]
    assert len(boxes) == len(make["BOXES"])
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    for box in boxes:
        assert 0 <= float(box.attrib["x"]) <= width - float(box.attrib["width"])
        assert 0 <= float(box.attrib["y"]) <= height - float(box.attrib["height"])
    assert {name for arrow in make["ARROWS"] for name in arrow[:2]} == set(make["BOXES"])
    assert not re.search(r"(href|src|url)\s*[=(]\s*[\"']?https?:", text)


def test_every_example_plug_in_has_under_25_lines() -> None:
    examples = [b for b in blocks(DOCS / "extending.md") if b.language == "python"]
    assert len(examples) == 5
    assert [b.title for b in examples if b.code.count("\n") >= 25] == []


# The how-to guides, whose blocks are run like those of the tutorial


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("guides")
    for part in ("four_bunnies", "bunnies/train"):  # no links: a table may not lead out of its folder through one
        shutil.copytree(ROOT / "sample_data" / part, home / "sample_data" / part)
    return home


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=lambda p: p.stem)
def test_a_guide_prints_what_it_says(page: Path, workdir: Path) -> None:
    for block, shown in followed_by_output(page):
        how = ["bash", "-c", block.code] if block.language == "sh" else [sys.executable, "-c", block.code]
        done = subprocess.run(how, cwd=workdir, env=environment(workdir), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        printed = [masked(line) for line in done.stdout.splitlines()]
        assert printed == [masked(line) for line in shown.splitlines()], done.stdout
        assert re.findall(r"exit code \d+", shown) == re.findall(r"exit code \d+", done.stdout)


@pytest.mark.parametrize("page", GUIDES, ids=lambda p: p.stem)
def test_links_of_a_guide_lead_somewhere_and_its_commands_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in {slug(h) for h in re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.M)}, link
    for name in re.findall(r"(?:^ *|`)curator ([a-z]+)\b", code_of(page), re.M):
        assert name in COMMANDS or name == "fo", name


def test_every_page_is_in_the_index_of_its_folder_and_in_the_navigation() -> None:
    nav = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in [*GUIDES, *DECISIONS, *DOCS.glob("*.md")]:
        name = str(page.relative_to(DOCS))
        assert re.search(rf"(- |: ){re.escape(name)}$", nav, re.M), name
        if page.parent != DOCS and page.stem != "index":
            assert f"]({page.name})" in page.with_name("index.md").read_text("utf-8"), name


@pytest.mark.parametrize("page", [d for d in DECISIONS if d.stem != "index"], ids=lambda p: p.stem)
def test_a_decision_has_a_number_and_its_four_parts(page: Path) -> None:
    text = page.read_text("utf-8")
    number = re.match(r"(\d{4})-[a-z0-9-]+$", page.stem)
    assert number
    assert text.startswith(f"# {int(number[1])}. ")
    assert re.findall(r"^## (.*)$", text, re.M) == ["Context", "Decision", "Consequences"]
    assert re.search(r"^Accepted, \d{4}-\d{2}-\d{2}\.$", text, re.M)


def test_every_room_of_the_architecture_page_is_there() -> None:
    """Each folder of the package stands in the layout, and each name in the layout is in the package."""
    (layout,) = [b.code for b in blocks(DOCS / "architecture.md") if b.code.startswith("curator/\n")]
    named = set(re.findall(r"^  (\w+)/", layout, re.M))
    package = ROOT / "curator"
    assert named == {p.name for p in package.iterdir() if (p / "__init__.py").is_file()}
    assert set(re.findall(r"\w+\.py\b", layout)) == {p.name for p in package.glob("*.py")}
