"""Tables that name files elsewhere: what each kind of path comes to, with and without --allow-outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from curator.errors import DataError
from curator.readers import scan

OUTSIDE = "outside the table's folder"
URL = "a URL"


def made(folder: Path) -> Path:
    for name in ("inside/a.jpg", "elsewhere/secret.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 9)).save(folder / name)
    (folder / "inside" / "link.jpg").symlink_to(folder / "elsewhere" / "secret.jpg")
    (folder / "inside" / "folder").symlink_to(folder / "elsewhere")
    return folder / "inside"


CASES = {
    "../elsewhere/secret.jpg": OUTSIDE,
    "./x/../../elsewhere/secret.jpg": OUTSIDE,
    "{root}/elsewhere/secret.jpg": OUTSIDE,
    "..\\elsewhere\\secret.jpg": OUTSIDE,
    " ../elsewhere/secret.jpg ": OUTSIDE,
    "link.jpg": OUTSIDE,
    "folder/secret.jpg": OUTSIDE,
    "folder/../../elsewhere/secret.jpg": OUTSIDE,
    "/etc/passwd": OUTSIDE,
    "/proc/self/environ": OUTSIDE,
    "/dev/zero": OUTSIDE,
    "~/secret.jpg": "no such file",
    "file:///etc/passwd": URL,
    "FILE:///etc/passwd": URL,
    "file:/etc/passwd": URL,
    "http://127.0.0.1:9/x.jpg": URL,
    "https://example.org/x.jpg": URL,
    "ftp://example.org/x.jpg": URL,
    "s3://bucket/x.jpg": URL,
    "zip://x.zip::a.jpg": URL,
    "zip::http://127.0.0.1:9/x.zip": URL,
    "std::vector/x.jpg": "no such file",
    "simplecache::http://127.0.0.1:9/x": URL,
    "data:image/png;base64,AAAA": URL,
    "\\\\server\\share\\x.jpg": OUTSIDE,
    "a\0.jpg": "not a valid path",
    "x" * 5000: "",
    "a/" * 3000 + "x.jpg": "",
}


@pytest.mark.parametrize("raw", CASES)
def test_a_path_of_a_table_leads_nowhere_else(tmp_path: Path, raw: str) -> None:
    inside = made(tmp_path)
    path = raw.replace("{root}", str(tmp_path))
    (inside / "t.jsonl").write_text("".join(json.dumps({"path": p, "label": "x"}) + "\n" for p in ("a.jpg", path)))
    found = scan(str(inside / "t.jsonl"))
    assert found.ids.tolist() == ["a.jpg"]
    assert len(found.skipped) == 1
    assert CASES[raw] in found.skipped[0].reason
    assert "\0" not in found.skipped[0].id


@pytest.mark.parametrize("raw", [raw for raw, why in CASES.items() if why == URL])
def test_a_url_is_never_followed_even_if_files_outside_are_allowed(tmp_path: Path, raw: str) -> None:
    inside = made(tmp_path)
    (inside / "t.jsonl").write_text(json.dumps({"path": raw}) + "\n")
    with pytest.raises(DataError, match="URL"):
        scan(str(inside / "t.jsonl"), allow_outside=True)


def test_outside_can_be_allowed_and_then_it_is_there(tmp_path: Path) -> None:
    inside = made(tmp_path)
    rows = ["../elsewhere/secret.jpg", "link.jpg"]
    (inside / "t.jsonl").write_text("".join(json.dumps({"path": p}) + "\n" for p in rows))
    assert scan(str(inside / "t.jsonl"), allow_outside=True).ids.tolist() == sorted(rows)
