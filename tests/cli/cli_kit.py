"""The command run on the committed sample data: pictures are embedded once, for all tests of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from curator.cli.main import cli

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_data"
TRAIN, POOL, TEST = (SAMPLE / "bunnies" / name for name in ("train", "pool", "test"))
POOL_LABELS = SAMPLE / "bunnies" / "pool_labels.csv"
FOUR, FIVE = SAMPLE / "four_bunnies", SAMPLE / "five_more"
FEW = "[audit]\nn_edited = 0\nn_splits = 2\nn_permutations = 2\n[validate]\nn_random = 19\nn_bootstrap = 20\nn_seeds = 3\n"
"""Settings for tests that are not about how sure the numbers are."""


@dataclass(frozen=True)
class Done:
    """One finished command."""

    code: int
    out: str
    err: str
    folder: Path

    def json(self) -> dict[str, Any]:
        """What --json printed."""
        return dict(json.loads(self.out))

    def file(self, name: str) -> dict[str, Any]:
        """A JSON file it wrote, which must be what its schema says."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert "NaN" not in text
        content = dict(json.loads(text))
        check_schema(content)
        return content

    def error(self) -> str:
        """The one line of an error that the user can act on."""
        assert self.code == 1, (self.code, self.out, self.err)
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("Error: "), self.err
        return lines[0].removeprefix("Error: ")


Run = Callable[..., Done]


def check_schema(content: dict[str, Any]) -> None:
    """The content against the schema that it names."""
    kind = content["schema"].removeprefix("curator.").removesuffix("/1")
    schema = json.loads((ROOT / "docs" / "schema" / f"{kind}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content, schema, jsonschema.Draft202012Validator)


def snapshot(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Size, time of change (ns) and content of every file, by name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            found[str(path.relative_to(folder))] = len(content), path.stat().st_mtime_ns, sha256(content).hexdigest()
        else:
            found[str(path.relative_to(folder))] = 0, path.stat().st_mtime_ns, ""
    return found


def offline() -> dict[str, str]:
    """An environment from which no model hub can be reached and in which none was: the same on every machine."""
    nowhere = "http://127.0.0.1:9"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "HF_ENDPOINT")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "COLUMNS", "no_proxy", "NO_PROXY"))}
    return kept | dict.fromkeys(names, nowhere) | {"COLUMNS": "80"}


@pytest.fixture(scope="session")
def before() -> dict[str, tuple[int, int, str]]:
    """The sample data before any command ran."""
    return snapshot(SAMPLE)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def run(before: object, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run `curator ARGS` in this process, with the embedded encoder and the common cache unless ARGS say otherwise."""

    def call(*args: str | Path, out: Path | None = None) -> Done:
        words = [str(a) for a in args]
        folder = out or tmp_path_factory.mktemp("out")
        if words[0] == "verify":
            words += ["--cache", str(cache)]
        elif words[0] != "doctor":
            words += [] if "--model" in words else ["--model", "embedded"]
            words += [] if "--cache" in words else ["--cache", str(cache)]
            words += [] if "--out" in words else ["--out", str(folder)]
        result = CliRunner(env={"COLUMNS": "80"}).invoke(cli, words)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr, folder)

    return call


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """`--config` with those settings."""
    path = tmp_path_factory.mktemp("few") / "few.toml"
    path.write_text(FEW)
    return "--config", path


@pytest.fixture
def fresh(cache: Path, tmp_path: Path) -> Run:
    """Run `curator ARGS` in a process of its own; nothing is added to ARGS."""

    def call(*args: str | Path, timeout: float = 120, env: dict[str, str] | None = None) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "curator", *map(str, args)],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=tmp_path,
            env=offline() | (env or {}),
        )
        return Done(done.returncode, done.stdout, done.stderr, tmp_path)

    return call


@pytest.fixture(scope="session")
def audited(run: Run) -> Done:
    """`curator audit train --json`."""
    return run("audit", TRAIN, "--json")


@pytest.fixture(scope="session")
def recommended(run: Run, audited: Done) -> Done:
    """`curator recommend train --pool pool --json`, into the folder of the audit."""
    return run("recommend", TRAIN, "--pool", POOL, "--json", out=audited.folder)


@pytest.fixture(scope="session")
def validated(run: Run, recommended: Done) -> Done:
    """`curator validate` of that recommendation on the test set, into the same folder."""
    plan = recommended.folder / "recommendation.csv"
    return run(
        "validate", TRAIN, "--pool", POOL_LABELS, "--test", TEST, "--plan", plan, "--json", out=recommended.folder
    )
