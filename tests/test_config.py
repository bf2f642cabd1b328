"""Settings: defaults, TOML, and one line for each way to get them wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curator.config import AuditSettings, Settings, SplitSettings, ValidateSettings, read_settings, updated
from curator.errors import InputError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "curator.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read_settings(written(tmp_path, text))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_file_is_the_defaults():
    assert read_settings(None) == Settings()
    assert json.loads(json.dumps(Settings().as_dict()))["audit"]["alpha"] == 0.05


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path):
    text = '[audit]\nalpha = 0.01\ncuts = [0.5]\nhigh = 1\n[recommend]\nstrategy = "uniform"\n'
    text += "[split.fractions]\na = 0.5\nb = 0.5\n"
    found = read_settings(written(tmp_path, text))
    assert (found.audit.alpha, found.audit.cuts, found.audit.high) == (0.01, (0.5,), 1.0)
    assert found.recommend.strategy == "uniform"
    assert found.split.fractions == {"a": 0.5, "b": 0.5}
    assert (found.validate, found.audit.medium) == (Settings().validate, 0.2)


def test_every_default_survives_being_written_and_read(tmp_path):
    lines = []
    for stage, values in Settings().as_dict().items():
        lines.append(f"[{stage}]")
        for key, value in values.items():
            table = ", ".join(f"{k} = {v}" for k, v in value.items()) if isinstance(value, dict) else ""
            lines.append(f"{key} = {{{table}}}" if table else f"{key} = {json.dumps(value)}")
    assert read_settings(written(tmp_path, "\n".join(lines))) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[audit]\nalhpa = 0.1", "has no setting 'alhpa'; did you mean 'alpha'?"),
        ("[adit]\nalpha = 0.1", "did you mean 'audit'?"),
        ("alpha = 0.1", "[alpha] is not a table of settings"),
        ("[audit]\nalpha = ", "is not valid TOML"),
        ("[audit]\nalpha = true", "alpha = True; a value of type float is needed, such as 0.05"),
        ("[audit]\nalpha = '5 %'", "a value of type float is needed, such as 0.05"),
        ("[audit]\nmin_support = 2.5", "a value of type int is needed, such as 3"),
        ("[audit]\nalpha = 0", "alpha = 0; a number between 0 and 1"),
        ("[audit]\nalpha = nan", "alpha has a value that is infinite, NaN or above 1e+15"),
        ("[audit]\nleans = inf", "leans has a value that is infinite, NaN or above 1e+15"),
        ("[audit]\nmin_effect = 1" + "0" * 400, "min_effect has a value that is infinite, NaN or above 1e+15"),
        ("[audit]\nn_splits = 1" + "0" * 5000, "is not valid TOML"),
        ("[split.fractions]\ntrain = 1" + "0" * 400, "fractions has a value that is infinite, NaN or above 1e+15"),
        ("[audit]\nmedium = 0.9", "0 <= min_effect <= medium <= high <= 1"),
        ("[audit]\ncuts = [0.5, 1.0]", "quantiles between 0 and 1"),
        ("[audit]\ncuts = ['half']", "numbers are needed, such as [0.1, 0.25, 0.5, 0.75, 0.9]"),
        ("[audit]\nn_permutations = -1", "n_permutations = -1; at least 0 is needed"),
        ("[validate]\nc_grid = []", "c_grid = []; numbers above 0"),
        ("[validate]\nc_grid = [0]", "c_grid = [0]; numbers above 0"),
        ("[validate]\ntest_frac = 1.5", "test_frac = 1.5; a number between 0 and 1"),
        ("[validate]\nn_bootstrap = 0", "n_bootstrap = 0; at least 1"),
        ("[split.fractions]\ntrain = 0.7\ntest = 0.2", "split fractions sum to 0.9; a sum of 1 is needed"),
        ("[split.fractions]\ntrain = 1.2\ntest = -0.2", "at least one split is needed, each above 0"),
        ("[split.fractions]\ntrain = 'most'", "numbers are needed"),
        ("[split]\nfractions = {}", "at least one split is needed, each above 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, text, said):
    assert said in refused(tmp_path, text)


def test_a_file_that_is_not_there_or_not_text_is_said_so(tmp_path):
    with pytest.raises(InputError, match="cannot read the settings"):
        read_settings(tmp_path / "nowhere.toml")
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not valid TOML"):
        read_settings(path)


def test_flags_overrule_and_are_checked_alike():
    assert updated(AuditSettings(), {"alpha": 0.2}, "--alpha").alpha == 0.2
    with pytest.raises(InputError, match="--alpha alpha = 'x'"):
        updated(AuditSettings(), {"alpha": "x"}, "--alpha")


def test_settings_made_in_code_are_checked_too():
    with pytest.raises(InputError, match=r"sum to 0\.5"):
        SplitSettings({"train": 0.5})
    with pytest.raises(InputError, match="n_random = 0; at least 1"):
        ValidateSettings(n_random=0)
