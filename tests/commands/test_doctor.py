"""What the doctor sees on this very machine, and how it reads the failures it knows."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from curator.commands import doctor
from curator.commands.doctor import diagnose
from curator.encoders._torch import FIX_TORCH, explain_import_error

MISMATCH = """Traceback (most recent call last):
  File "<string>", line 2, in <module>
  File "site-packages/torchvision/__init__.py", line 9, in <module>
    from torchvision import _meta_registrations, datasets, io, models, ops, transforms, utils
  File "site-packages/torchvision/_meta_registrations.py", line 163, in <module>
    @torch.library.register_fake("torchvision::nms")
  File "site-packages/torch/_library/fake_impl.py", line 50, in register
    if torch._C._dispatch_has_kernel_for_dispatch_key(self.qualname, "Meta"):
RuntimeError: operator torchvision::nms does not exist
"""


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, doctor.Check]:
    before = set(sys.modules)
    found = diagnose(tmp_path_factory.mktemp("doctor") / "cache")
    assert not {"torch", "fiftyone", "open_clip"} & (set(sys.modules) - before)
    return {check.name: check for check in found}


def test_what_the_tests_themselves_need_works(checks):
    for name in ("versions", "torch", "onnxruntime", "embedded weights", "cache"):
        assert (checks[name].status, checks[name].fix) == ("ok", ""), checks[name]


def test_every_check_says_what_it_found_and_how_to_mend_it(checks):
    assert len(checks) == 9
    for check in checks.values():
        assert check.found
        assert bool(check.fix) == (check.status != "ok"), check


def test_versions_are_those_installed(checks):
    from importlib.metadata import version

    assert f"numpy {version('numpy')}" in checks["versions"].found
    assert version("torch").split("+")[0] in checks["torch"].found


def test_torch_and_torchvision_of_different_builds_are_recognised():
    wrong, fix = explain_import_error(MISMATCH)
    assert "torch and torchvision are of different builds" in wrong
    assert fix == FIX_TORCH == "pip install --force-reinstall torch torchvision"


@pytest.mark.parametrize(
    ("text", "wrong", "fix"),
    [
        (
            "ModuleNotFoundError: No module named 'open_clip'",
            "open_clip is not installed",
            "pip install open-clip-torch",
        ),
        ("ModuleNotFoundError: No module named 'torch'", "torch is not installed", "pip install torch"),
        ("a\nOSError: libcudart.so.13: cannot open shared object\n", "OSError: libcudart.so.13", FIX_TORCH),
        ("", "no message", FIX_TORCH),
    ],
)
def test_other_failures_are_told_apart(text, wrong, fix):
    found, command = explain_import_error(text)
    assert wrong in found
    assert command == fix


def test_a_broken_torchvision_is_found_in_a_process_of_its_own(tmp_path, monkeypatch):
    """A torchvision that fails as the mismatched one does, put before the real one."""
    (tmp_path / "torchvision.py").write_text('raise RuntimeError("operator torchvision::nms does not exist")\n')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    torch, _ = doctor._check_torch()
    assert (torch.status, torch.fix) == ("fail", FIX_TORCH)
    assert "different builds" in torch.found


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for mongod")
@pytest.mark.parametrize(
    ("version", "status", "found"), [("7.0.14", "ok", "mongod 7.0.14"), ("4.4.1", "warn", "is version 4.4.1, 6 needed")]
)
def test_a_mongod_on_path_is_judged_by_its_version(version, status, found, tmp_path, monkeypatch):
    script = tmp_path / "mongod"
    script.write_text(f"#!/bin/sh\necho 'db version v{version}'\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("FIFTYONE_DATABASE_URI", raising=False)
    monkeypatch.setattr(sys, "path", [])  # no fiftyone, whose own mongod would come first
    monkeypatch.setattr(sys, "modules", {k: v for k, v in sys.modules.items() if k.split(".")[0] != "fiftyone"})
    check = doctor._check_mongodb()
    assert check.status == status
    assert found in check.found


def test_a_database_uri_is_told_without_its_password(monkeypatch):
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://me:secret@db.example.org:27017")
    check = doctor._check_mongodb()
    assert check.status == "ok"
    assert "mongodb://db.example.org:27017" in check.found
    assert "secret" not in check.found


def test_a_cache_that_cannot_be_written_fails(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    check = doctor._check_cache(tmp_path / "file" / "cache")
    assert (check.status, check.fix) == ("fail", "name another with --cache DIR")


def test_a_hub_that_cannot_be_reached_is_a_warning(monkeypatch):
    for name in [k for k in os.environ if "proxy" in k.lower()]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    check = doctor._check_network()
    assert check.status == "warn"
    assert "127.0.0.1:9 cannot be reached" in check.found


def test_a_program_that_cannot_be_started_is_status_one():
    assert doctor._command([str(Path("no") / "such" / "program")])[0] == 1
