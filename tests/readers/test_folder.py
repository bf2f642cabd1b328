"""Which images a folder holds, of which class and split; what is left out is named."""

import os

import pytest

from curator.errors import DataError, InputError
from curator.readers import scan


def fill(root, *names: str) -> str:
    """Make files; nothing is opened by scan, so they may be empty."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return str(root)


def content(dataset):
    return {
        id: (label, split) for id, label, split in zip(dataset.ids, dataset.label_names(), dataset.splits, strict=True)
    }


def reasons(dataset):
    return {s.id: s.reason for s in dataset.skipped}


def test_a_folder_of_class_folders(tmp_path):
    found = scan(fill(tmp_path / "pets", "dog/2.JPG", "cat/b.png", "cat/a.jpg"))
    assert found.ids.tolist() == ["cat/a.jpg", "cat/b.png", "dog/2.JPG"]
    assert found.classes == ("cat", "dog")
    assert found.labels.tolist() == [0, 0, 1]
    assert (found.name, found.root, found.skipped) == ("pets", str(tmp_path / "pets"), ())
    assert found.metadata.index.tolist() == found.ids.tolist()
    assert os.path.exists(found.path(2))


def test_a_relative_path_and_a_slash_at_the_end_change_nothing(tmp_path, monkeypatch):
    fill(tmp_path / "pets", "cat/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert scan("pets/").root == scan(str(tmp_path / "pets")).root
    assert scan("./pets//").name == "pets"


def test_splits_in_any_case_and_under_any_of_their_names(tmp_path):
    found = scan(fill(tmp_path, "Train/cat/a.jpg", "VALID/dog/b.jpg", "validation/cat/c.jpg", "test/dog/d.jpg"))
    assert content(found) == {
        "Train/cat/a.jpg": ("cat", "train"),
        "VALID/dog/b.jpg": ("dog", "val"),
        "validation/cat/c.jpg": ("cat", "val"),
        "test/dog/d.jpg": ("dog", "test"),
    }


def test_one_split_alone_and_flat_splits(tmp_path):
    assert content(scan(fill(tmp_path / "a", "val/cat/1.jpg"))) == {"val/cat/1.jpg": ("cat", "val")}
    assert content(scan(fill(tmp_path / "b", "train/1.jpg", "test/2.jpg"))) == {
        "train/1.jpg": ("", "train"),
        "test/2.jpg": ("", "test"),
    }


def test_a_folder_beside_the_splits_is_named_as_left_out(tmp_path):
    found = scan(fill(tmp_path, "train/cat/a.jpg", "pool/b.jpg"))
    assert found.ids.tolist() == ["train/cat/a.jpg"]
    assert reasons(found) == {"pool/b.jpg": "not in one of the split folders train"}


def test_a_class_may_be_called_test(tmp_path):
    found = scan(fill(tmp_path, "test/a.jpg", "blood/b.jpg"))
    assert content(found) == {"blood/b.jpg": ("blood", ""), "test/a.jpg": ("test", "")}


def test_a_flat_folder_is_unlabelled(tmp_path):
    found = scan(fill(tmp_path, "b.jpg", "a.webp"))
    assert content(found) == {"a.webp": ("", ""), "b.jpg": ("", "")}
    assert found.classes == ()


def test_deeper_folders_belong_to_the_class_and_images_beside_classes_to_none(tmp_path):
    found = scan(fill(tmp_path, "cat/2020/may/a.jpg", "loose.jpg"))
    assert content(found) == {"cat/2020/may/a.jpg": ("cat", ""), "loose.jpg": ("", "")}


def test_companions_are_ignored_and_everything_else_is_named(tmp_path):
    companions = [
        ".DS_Store",
        "Thumbs.db",
        "cat/.a.jpg.swp",
        "LICENSE",
        "README.md",
        "cat/a.txt",
        ".git/x.jpg",
        "__MACOSX/a.jpg",
    ]
    found = scan(fill(tmp_path, "cat/a.jpg", *companions, "cat/notes.doc", "cat/film.mp4", "cat/bare"))
    assert found.ids.tolist() == ["cat/a.jpg"]
    assert reasons(found) == {
        "cat/notes.doc": "not an image file name: notes.doc",
        "cat/film.mp4": "not an image file name: film.mp4",
        "cat/bare": "not an image file name: bare",
    }


def test_an_empty_class_folder_is_no_class_and_named(tmp_path):
    fill(tmp_path, "train/cat/a.jpg", "train/odd/a.doc")
    (tmp_path / "train/dog/deep").mkdir(parents=True)
    found = scan(str(tmp_path))
    assert found.classes == ("cat",)
    assert reasons(found)["train/dog"] == "a class folder without images"
    assert "train/odd" not in reasons(found)


def test_the_same_letters_in_two_encodings_are_one_class(tmp_path):
    found = scan(fill(tmp_path, "train/caf\u00e9/a.jpg", "test/cafe\u0301/b.jpg"))
    assert found.classes == ("caf\u00e9",)
    assert set(found.labels) == {0}


STRANGE = [
    "a b.jpg",
    "quote's \".jpg",
    "new\nline.jpg",
    "兎.jpg",
    "أرنب.jpg",
    "#?%2F.jpg",
    "-rf.jpg",
    "ö\u0308.jpg",
    "🐇.jpg",
    "a\\b.jpg",
]


def test_strange_names_survive(tmp_path):
    found = scan(fill(tmp_path, *(f"it's a\n兎/{name}" for name in STRANGE)))
    assert len(found) == len(STRANGE)
    assert found.classes == ("it's a\n兎",)
    assert all(os.path.isfile(found.path(i)) for i in range(len(found)))


def test_names_that_are_not_utf8_are_named_with_their_bytes(tmp_path):
    fill(tmp_path, "cat/a.jpg")
    try:
        with open(os.fsencode(tmp_path) + b"/cat/caf\xe9.jpg", "wb"):
            pass
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    found = scan(str(tmp_path))
    assert found.ids.tolist() == ["cat/a.jpg"]
    assert reasons(found) == {"cat/caf\\xe9.jpg": "the name is not valid UTF-8 (rename it)"}


def test_links_are_followed_and_loops_are_not(tmp_path):
    fill(tmp_path, "data/cat/a.jpg", "elsewhere/b.jpg")
    data = tmp_path / "data"
    (data / "dog").symlink_to(tmp_path / "elsewhere")
    (data / "cat" / "up").symlink_to(data)
    (data / "cat" / "self.jpg").symlink_to("self.jpg")
    (data / "cat" / "gone.jpg").symlink_to("nothing.jpg")
    found = scan(str(data))
    assert found.ids.tolist() == ["cat/a.jpg", "dog/b.jpg"]
    assert reasons(found)["cat/up"] == "a link back to a folder above it"
    assert reasons(found)["cat/gone.jpg"] == "a link to nothing"
    assert "cat/self.jpg" in reasons(found)


def test_folders_that_link_to_each_other_end(tmp_path):
    names = [f"c{k}" for k in range(9)]
    fill(tmp_path, *(f"{n}/a.jpg" for n in names))
    for n in names:
        for other in names:
            (tmp_path / n / f"to_{other}").symlink_to(tmp_path / other)
    found = scan(str(tmp_path))
    assert len(found) <= 16 * len(names)
    assert "a folder linked to too often" in reasons(found).values()


def test_what_is_no_regular_file_is_named(tmp_path):
    fill(tmp_path, "cat/a.jpg")
    os.mkfifo(tmp_path / "cat" / "pipe.jpg")
    assert reasons(scan(str(tmp_path))) == {"cat/pipe.jpg": "not a regular file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path):
    fill(tmp_path, "cat/a.jpg", "dog/b.jpg")
    (tmp_path / "dog").chmod(0)
    try:
        found = scan(str(tmp_path))
    finally:
        (tmp_path / "dog").chmod(0o700)
    assert reasons(found) == {"dog": "a folder that cannot be read (no permission)"}


def test_an_empty_folder_says_what_is_needed(tmp_path):
    with pytest.raises(DataError, match=r"no usable image in .* Needed: a folder of class folders"):
        scan(str(tmp_path))
    fill(tmp_path, "cat/a.doc")
    with pytest.raises(DataError, match=r"cat/a\.doc: not an image file name"):
        scan(str(tmp_path))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("nowhere", "no such file or folder: nowhere"),
        ("", "DATA is empty"),
        ("nosuch://bucket/images", "cannot be read"),
        ("memory://x", "nothing was found at memory://x"),
        ("a.jpg", "not a table that curator reads"),
        ("gone.csv", "no such file or folder"),
        ("loop", "neither a folder nor a readable file"),
    ],
)
def test_what_is_no_data_set_is_one_line(tmp_path, monkeypatch, data, says):
    fill(tmp_path, "a.jpg")
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says) as caught:
        scan(data)
    assert "\n" not in str(caught.value)
