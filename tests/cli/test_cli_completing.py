"""What the shell offers after Tab, by click's own mechanism; and what is said of a name with a slip of the pen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from cli_kit import FOUR, TRAIN, Run
from click.shell_completion import BashComplete

from curator.cli.main import COMMANDS, cli


def offered(words: str, incomplete: str = "") -> list[tuple[str, str]]:
    """(type, value) of everything that is offered after these words."""
    complete = BashComplete(cli, {}, "curator", "_CURATOR_COMPLETE")
    return [(item.type, str(item.value)) for item in complete.get_completions(words.split(), incomplete)]


def values(words: str, incomplete: str = "") -> list[str]:
    return [value for _, value in offered(words, incomplete)]


def test_commands_and_flags_are_offered() -> None:
    assert values("", "") == list(COMMANDS)
    assert values("", "re") == ["recommend"]
    assert values("audit", "--fail") == ["--fail-on"]
    assert values("audit data --fail-on", "") == ["low", "medium", "high", "leak", "any"]


@pytest.mark.parametrize("words", ["audit", "audit my_images --pool", "validate data --test", "forecast", "browse"])
def test_data_is_completed_by_the_shell(words: str) -> None:
    assert offered(words, "my") == [("file", "my")]


def test_plug_ins_are_offered_by_name() -> None:
    assert values("recommend data --strategy", "") == ["counterexample", "coverage", "uncertainty", "uniform"]
    assert values("export data dest --format", "ima") == ["imagefolder"]
    assert values("audit data --model", "") == ["auto", "embedded", "pixels"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_script(shell: str) -> None:
    env = {**os.environ, "_CURATOR_COMPLETE": f"{shell}_source"}
    code = "from curator.cli.main import cli; cli(prog_name='curator')"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"_CURATOR_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_a_command() -> None:
    """The protocol that the script speaks: words and position in, one `type,value` a line out."""
    env = {**os.environ, "_CURATOR_COMPLETE": "bash_complete", "COMP_WORDS": "curator fore", "COMP_CWORD": "1"}
    code = "from curator.cli.main import cli; cli(prog_name='curator')"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "plain,forecast\n"


@pytest.mark.parametrize(
    ("typed", "hint"), [("adit", "did you mean 'audit'?"), ("recomend", "did you mean 'recommend'?"), ("x", "--help")]
)
def test_a_command_with_a_slip_of_the_pen(typed: str, hint: str, run: Run) -> None:
    done = run(typed, TRAIN)
    assert done.code == 2
    assert hint in done.err
    assert done.out == ""


def test_an_attribute_with_a_slip_of_the_pen(run: Run) -> None:
    for rule, hint in (
        ("bunny:background.color=green", "did you mean 'background.colour'?"),
        ("bunny:background.colour=gren", "did you mean 'green'?"),
    ):
        said = run("recommend", FOUR, "--attribute", rule, "--model", "pixels").error()
        assert hint in said
