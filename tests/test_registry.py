"""Plug-ins are found by being there, by entry point, and never silently lost."""

from __future__ import annotations

import sys

import pytest

from curator.errors import InputError
from curator.registry import Registry


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    home = tmp_path / "some_plugins"
    home.mkdir()
    (home / "__init__.py").write_text("")
    (home / "walnut.py").write_text("PLUGIN = 'a walnut'\n")
    (home / "almond.py").write_text("PLUGIN = 'an almond'\n")
    (home / "_shared.py").write_text("HELP = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield home
    for name in [m for m in sys.modules if m.split(".")[0] == "some_plugins"]:
        del sys.modules[name]


def registry() -> Registry[str]:
    return Registry("some_plugins", "PLUGIN", "nut")


def test_every_module_that_exports_one_joins(plugins):
    assert registry().names() == ("almond", "walnut")
    assert list(registry()) == [("almond", "an almond"), ("walnut", "a walnut")]
    assert registry().get("walnut") == "a walnut"


def test_an_installed_distribution_joins_and_cannot_replace_ours(plugins, tmp_path):
    info = tmp_path / "nuts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nuts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[some_plugins]\nhazel = their_nuts:HAZEL\nwalnut = their_nuts:HAZEL\n")
    (tmp_path / "their_nuts.py").write_text("HAZEL = 'a hazelnut'\n")
    assert registry().names() == ("almond", "hazel", "walnut")
    assert (registry().get("hazel"), registry().get("walnut")) == ("a hazelnut", "a walnut")


def test_an_unknown_name_says_what_was_probably_meant(plugins):
    with pytest.raises(InputError, match=r"no nut is called 'walnuts'; did you mean 'walnut'\?"):
        registry().get("walnuts")
    with pytest.raises(InputError, match="choose one of: almond, walnut"):
        registry().get("zzz")


def test_a_module_that_fails_to_import_is_never_silence(plugins):
    (plugins / "broken.py").write_text("import no_such_library_at_all\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_library_at_all"):
        registry().names()
