"""Tables of paths: every form gives the same data set, and nothing outside the table's folder is touched."""

import json

import pandas as pd
import pytest

from curator.errors import CuratorError, DataError, InputError
from curator.readers import scan


@pytest.fixture
def folder(tmp_path):
    for name in ("data/img/a.jpg", "data/img/b c.jpg", "data/img/兎.jpg", "other/x.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / "data"


def table(folder, text: str, name: str = "t.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def reasons(dataset):
    return {s.id: s.reason for s in dataset.skipped}


ROWS = [
    {"path": "img/兎.jpg", "label": "hen", "split": "validation", "site": "north", "age": 3},
    {"path": "img/a.jpg", "label": "bunny", "split": "Train", "site": "south", "age": 5},
    {"path": "img/b c.jpg", "label": None, "split": None, "site": None, "age": 4},
]


@pytest.mark.parametrize("form", ["csv", "csv with a mark", "parquet", "parquet with an index", "jsonl"])
def test_every_form_and_any_order_give_the_same_data_set(folder, form):
    for rows in (ROWS, ROWS[::-1]):
        frame = pd.DataFrame(rows)
        path = folder / f"birds.{form.split()[0]}"
        if form.startswith("csv"):
            frame.to_csv(path, index=False, encoding="utf-8-sig" if "mark" in form else "utf-8")
        elif form == "parquet":
            frame.to_parquet(path, index=False)
        elif form.startswith("parquet"):
            frame.set_index("path").to_parquet(path)
        else:
            path.write_text("\n\n".join(json.dumps(r) for r in rows), encoding="utf-8")
        found = scan(str(path))
        assert (found.name, found.root) == ("birds", str(folder))
        assert found.ids.tolist() == ["img/a.jpg", "img/b c.jpg", "img/兎.jpg"]
        assert found.label_names() == ["bunny", "", "hen"]
        assert found.splits.tolist() == ["Train", "", "val"]
        assert found.metadata.columns.tolist() == ["site", "age"]
        assert found.metadata["age"].tolist() == [5, 4, 3]
        assert found.metadata["site"].fillna("?").tolist() == ["south", "?", "north"]


def test_columns_can_be_renamed_and_labels_keep_their_writing(folder):
    path = table(folder, "file,kind,label\nimg/a.jpg,007,x\nimg/b c.jpg,NA,y\n")
    found = scan(path, path_column="file", label_column="kind")
    assert found.label_names() == ["007", "NA"]
    assert found.metadata["label"].tolist() == ["x", "y"]


def test_whole_numbers_with_gaps_are_not_turned_into_fractions(folder):
    pd.DataFrame({"path": ["img/a.jpg", "img/b c.jpg"], "label": [3, None]}).to_parquet(folder / "t.parquet")
    assert scan(str(folder / "t.parquet")).classes == ("3",)


def test_without_a_label_column_everything_is_unlabelled(folder):
    found = scan(table(folder, "path\nimg/a.jpg\n"))
    assert (found.classes, found.labels.tolist()) == ((), [-1])


def test_paths_that_cannot_be_used_are_named(folder):
    listed = [
        "img/a.jpg",
        "img/none.jpg",
        "../other/x.jpg",
        "/etc/passwd",
        "img",
        "",
        "  ",
        "https://h/x.jpg",
        "file:///etc/passwd",
    ]
    frame = pd.DataFrame({"path": listed})
    frame.to_parquet(folder / "t.parquet")
    found = scan(str(folder / "t.parquet"))
    outside = "outside the table's folder (allow it with --allow-outside)"
    assert found.ids.tolist() == ["img/a.jpg"]
    assert reasons(found) == {
        "img/none.jpg": "no such file",
        "../other/x.jpg": outside,
        "/etc/passwd": outside,
        "img": "not a file",
        "row 6": "no path in this row",
        "row 7": "no path in this row",
        "https://h/x.jpg": "a URL; curator reads only local files",
        "file:///etc/passwd": "a URL; curator reads only local files",
    }


def test_links_do_not_lead_outside_either(folder):
    (folder / "link.jpg").symlink_to("../other/x.jpg")
    (folder / "linked").symlink_to("../other")
    path = table(folder, "path\nlink.jpg\nlinked/x.jpg\nimg/a.jpg\n")
    assert scan(path).ids.tolist() == ["img/a.jpg"]
    assert scan(path, allow_outside=True).ids.tolist() == ["img/a.jpg", "link.jpg", "linked/x.jpg"]


def test_outside_can_be_allowed(folder):
    found = scan(table(folder, f"path\n../other/x.jpg\n{folder / 'img' / 'a.jpg'}\n"), allow_outside=True)
    assert found.ids.tolist() == ["../other/x.jpg", "img/a.jpg"]
    with open(found.path(0), "rb"):
        pass


def test_paths_written_on_windows_or_with_spaces_around_are_found(folder):
    assert scan(table(folder, "path\nimg\\a.jpg\n img/b c.jpg \n")).ids.tolist() == ["img/a.jpg", "img/b c.jpg"]


def test_a_path_listed_twice_counts_once_and_both_labels_are_told(folder):
    for rows in (["img/a.jpg,hen", "img/./a.jpg,cat"], ["img/./a.jpg,cat", "img/a.jpg,hen"]):
        found = scan(table(folder, "\n".join(["path,label", *rows])))
        assert found.label_names() == ["cat"]
        assert reasons(found) == {"img/a.jpg": "listed twice in the table, as 'cat' (kept) and as 'hen'"}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.csv", "file,label\nimg/a.jpg,x\n", r"no column 'path'; there are: file, label. Name .* --path-column"),
        ("t.csv", "path,Label\nimg/a.jpg,x\n", r"no column 'label'; there are: path, Label. .*--label-column Label"),
        ("t.csv", "", "t.csv is empty"),
        ("t.csv", "path,label\n", "t.csv has no rows"),
        ("t.csv", 'path,label\n"img/a.jpg,x\n', "cannot be read as csv"),
        ("t.csv", "path,label\nimg/a.jpg,x,y\nimg/b c.jpg,z\n", "cannot be read as csv"),
        ("t.csv", "path,label\nimg/none.jpg,x\n", r"no usable image in .*img/none.jpg: no such file"),
        ("t.parquet", "no parquet", "cannot be read as parquet"),
        ("t.jsonl", '{"path": "img/a.jpg"}\n{"path": \n', "line 2"),
        ("t.jsonl", "[1, 2]", "line 1 is not a JSON object"),
        ("t.jsonl", "", "t.jsonl has no rows"),
        ("t.xlsx", "x", "give a .csv, .parquet or .jsonl"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line(folder, name, text, says):
    with pytest.raises(CuratorError, match=says) as caught:
        scan(table(folder, text, name))
    assert "\n" not in str(caught.value)


def test_other_encodings_and_missing_label_columns_are_input_errors(folder):
    (folder / "t.csv").write_bytes("path,label\nimg/a.jpg,größe\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        scan(str(folder / "t.csv"))
    with pytest.raises(InputError, match="no column 'kind'"):
        scan(table(folder, "path,label\nimg/a.jpg,x\n"), label_column="kind")
    with pytest.raises(DataError):
        scan(table(folder, "path\nimg/a\x00.jpg\n"))
