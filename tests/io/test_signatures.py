"""Signatures: what minisign made is taken, and nothing that differs from it by a bit."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from minisign_kit import Signer

from curator.errors import DataError, InputError
from curator.io.signatures import SUFFIX, check, read_key

MADE = Path(__file__).parent / "minisign"
"""Key, file and signatures made by minisign 0.11."""


@pytest.fixture
def note(tmp_path: Path) -> Path:
    for name in ("note.json", f"note.json{SUFFIX}"):
        shutil.copy(MADE / name, tmp_path)
    return tmp_path / "note.json"


def test_what_minisign_made_is_taken(note: Path) -> None:
    key = read_key(str(MADE / "key.pub"))
    assert key.id == "13128A719263897E"
    assert read_key((MADE / "key.pub").read_text().splitlines()[1]) == key
    assert check(note, key) == "approved by the lab, 2026-11-23"


def test_line_ends_of_another_system_do_not_matter(note: Path) -> None:
    beside = note.with_name(note.name + SUFFIX)
    beside.write_bytes(beside.read_bytes().replace(b"\n", b"\r\n"))
    assert check(note, read_key(str(MADE / "key.pub")))


@pytest.mark.skipif(shutil.which("minisign") is None, reason="no minisign here")
def test_minisign_takes_what_these_tests_sign(tmp_path: Path) -> None:
    signer = Signer()
    (tmp_path / "a").write_text("x")
    signer.sign(tmp_path / "a")
    subprocess.run(["minisign", "-VHm", "a", "-P", signer.public], cwd=tmp_path, check=True, capture_output=True)
    assert check(tmp_path / "a", read_key(signer.public)) == "by hand"


def test_no_bit_of_the_file_or_its_signature_may_differ(note: Path) -> None:
    key = read_key(str(MADE / "key.pub"))
    beside = note.with_name(note.name + SUFFIX)
    for path in (note, beside):
        whole = path.read_bytes()
        lines = whole.split(b"\n")
        n_free = len(lines[0]) if path == beside else 0  # the untrusted comment is nobody's
        for at in range(8 * n_free, 8 * len(whole)):
            flipped = bytearray(whole)
            flipped[at // 8] ^= 1 << at % 8
            path.write_bytes(flipped)
            if path == beside and _says_the_same(bytes(flipped), lines):
                continue
            with pytest.raises(DataError):
                check(note, key)
        for n in range(len(whole) - 1):
            path.write_bytes(whole[:n])
            with pytest.raises(DataError):
                check(note, key)
        path.write_bytes(whole)
    assert check(note, key)


def _says_the_same(flipped: bytes, lines: list[bytes]) -> bool:
    """Whether it is base64 of the same bytes: four bits before the padding are free. So is the very last line end."""
    now = flipped.split(b"\n")
    if len(now) < 4 or now[2] != lines[2] or now[4:] not in ([b""], []):
        return False
    try:
        return all(
            base64.b64decode(a, validate=True) == base64.b64decode(b)
            for a, b in zip(now[1::2], lines[1::2], strict=False)
        )
    except ValueError:
        return False


def test_another_signer_another_comment_and_the_old_form_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    beside = tmp_path / f"a.json{SUFFIX}"
    mine, same_id, other = Signer(), Signer(), Signer(b"ABCDEFGH")
    key = read_key(mine.public)
    with pytest.raises(DataError, match=r"is not signed \(no a\.json\.minisig beside it"):
        check(path, key)
    other.sign(path)
    with pytest.raises(DataError, match="with the key 4847464544434241; the key 0807060504030201 is needed"):
        check(path, key)
    same_id.sign(path)
    with pytest.raises(DataError, match="differs from what was signed with the key 0807060504030201"):
        check(path, key)
    mine.sign(path, "reviewed by A")
    beside.write_bytes(beside.read_bytes().replace(b"by A", b"by B"))
    with pytest.raises(DataError, match="the comment in"):
        check(path, key)
    mine.form = b"Ed"
    mine.sign(path)
    with pytest.raises(DataError, match="old format"):
        check(path, key)
    shutil.copy(MADE / "note.json", tmp_path / "note.json")
    shutil.copy(MADE / "old_form.minisig", tmp_path / f"note.json{SUFFIX}")
    with pytest.raises(DataError, match="old format"):
        check(tmp_path / "note.json", read_key(str(MADE / "key.pub")))


@pytest.mark.parametrize(
    "content", [b"", b"\n\n\n\n", b"x" * 20_000, b"\xff\xfe" * 40, b"a\nb\ntrusted comment: c\nd\n", b"RW" * 27 + b"\n"]
)
def test_anything_else_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / f"a{SUFFIX}").write_bytes(content)
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(DataError):
        check(tmp_path / "a", read_key(Signer().public))
    with pytest.raises(InputError):
        read_key(str(tmp_path / "key"))


NO_KEYS = ["", "RW", "RWnothing", "\0", "x" * 5000, "\udcff", Signer().public[:-4], "."]


@pytest.mark.parametrize("said", NO_KEYS, ids=range(len(NO_KEYS)))
def test_no_key_is_one_line(said: str) -> None:
    with pytest.raises(InputError, match="public key of minisign"):
        read_key(said)


def test_a_key_of_another_kind_and_a_file_too_large_are_named(tmp_path: Path) -> None:
    secret_like = base64.b64encode(b"EX" + bytes(40)).decode()
    with pytest.raises(InputError, match="public key of minisign"):
        read_key(secret_like)
    (tmp_path / "a").write_text("x")
    (tmp_path / f"a{SUFFIX}").write_bytes(b"x" * 20_000)
    with pytest.raises(DataError, match="more than 16384 bytes"):
        check(tmp_path / "a", read_key(Signer().public))


def test_a_signature_that_never_ends_is_not_read(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with names here")
    (tmp_path / "a").write_text("x")
    os.mkfifo(tmp_path / f"a{SUFFIX}")
    with pytest.raises(DataError, match="not a regular file"):
        check(tmp_path / "a", read_key(Signer().public))
