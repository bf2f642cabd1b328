"""Attributes of a whole data set: the user's columns, whatever they are called, and prompts that split it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from photos import Texts, embedded

from curator import attributes
from curator.attributes import FAMILIES
from curator.attributes.concepts import VOCABULARY, read_vocabulary
from curator.config import AuditSettings, Settings
from curator.errors import InputError
from curator.shortcuts import indicators

NO_TEXT = Texts({}, 4, text=False)


def derived(family: str, data, encoder=NO_TEXT, settings=None, reference=None):
    return FAMILIES.get(family).derive(data, encoder, settings or Settings(), reference or data)


def columns(n=30, **metadata):
    return derived("metadata", embedded(np.ones((n, 4)), metadata))


def test_the_users_columns_keep_their_meaning():
    n = 30
    out = columns(
        site=["north", "south", None] * 10,
        night=[True, False] * 15,
        lux=np.linspace(0, 1, n),
        camera=[1, 2, 3] * 10,
        day=pd.to_datetime(["2024-05-17"] * n),
    )
    assert [(c.name, c.form) for c in out.columns] == [
        ("metadata.site", "category"), ("metadata.night", "flag"), ("metadata.lux", "number"),
        ("metadata.camera", "category"), ("metadata.day", "category"),
    ]  # fmt: skip
    assert out.frame["metadata.site"].isna().sum() == 10
    assert set(out.frame["metadata.camera"]) == {"1", "2", "3"}
    assert {c.kind for c in out.columns} == {"metadata"}


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "string", "category"])
def test_gaps_in_any_kind_of_column_are_gaps(dtype):
    values = [True, False, None] * 10 if dtype == "boolean" else ["1", "2", None] * 10
    series = pd.Series(values).astype("boolean" if dtype == "boolean" else "string")
    if dtype in ("Int64", "Float64"):
        series = pd.Series([*range(20), *[None] * 10], dtype=dtype)
    data = columns(thing=series.astype(dtype).to_numpy() if dtype == "boolean" else series.astype(dtype).array)
    table = indicators.build(data, AuditSettings().cuts)
    assert len(table)
    assert (~table.known).sum(0).tolist() == [10] * len(table)
    assert not (table.values & ~table.known).any()


@pytest.mark.parametrize("name", ["{value}", "a|b", "{0}", "50% off", 'it\'s "quoted"', "日本", ""])
def test_odd_column_names_are_spoken_of_without_breaking(name):
    n = 40
    for values in (["x", "y"] * 20, [True, False] * 20, list(np.linspace(0, 1, n))):
        out = columns(n, **{name: values})
        table = indicators.build(out, (0.5,))
        said = [table.phrase(j) for j in range(len(table))]
        assert len(set(said)) == len(said) == 2
        if out.columns[0].form != "flag":
            assert all(v in s and s.count(v) == 1 for v, s in zip(table.value_names, said, strict=True))
        else:
            assert said[0].removeprefix("have ") == said[1].removeprefix("do not have ")


def test_whole_numbers_read_alike_with_and_without_a_gap():
    """One missing cell turns a column of whole numbers into floats; site 3 is still site 3."""
    whole, gaps = columns(site=[1, 2, 3] * 10), columns(site=[1, 2, None] * 10)
    assert set(gaps.frame["metadata.site"].dropna()) <= set(whole.frame["metadata.site"])


def test_no_columns_are_no_measures():
    assert columns().columns == ()


def test_a_prompt_that_splits_the_set_is_an_attribute_and_the_reference_sets_the_cut(tmp_path):
    """Half of the images lie near "meadow"; "fog" is one Gaussian. A pool of meadows only is read by the same cut."""
    rng = np.random.default_rng(2)
    meadow, fog = np.eye(8)[0], np.eye(8)[1]
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("# mine\n[scenes]\nmeadow\nfog\n" + "".join(f"other {i}\n" for i in range(30)))
    settings = Settings(audit=AuditSettings(concepts=str(vocabulary)))
    encoder = Texts({"meadow": meadow, "fog": fog}, 8)
    on = np.arange(2000) < 1000
    data = embedded(meadow * on[:, None] * 3 + rng.normal(size=(2000, 8)) * 0.3 + 2 * np.eye(8)[5])
    out = derived("concepts", data, encoder, settings)
    assert "concept.meadow" in out.frame
    assert (out.frame["concept.meadow"].to_numpy(bool) == on).mean() > 0.95
    assert "concept.fog" not in out.frame
    assert out.column("concept.meadow").phrase == "show meadow|do not show meadow"
    pool = data.take(np.arange(1000))
    read = derived("concepts", pool, encoder, settings, reference=data)
    assert read.frame["concept.meadow"].mean() > 0.95


def test_without_a_text_tower_there_are_no_concepts():
    assert derived("concepts", embedded(np.ones((3, 4)))).columns == ()


def test_the_vocabulary_that_comes_along_is_large_and_without_repeats():
    prompts = read_vocabulary(VOCABULARY)
    assert len(prompts) >= 150
    assert len({p.lower() for p, _ in prompts}) == len(prompts)
    assert {k for _, k in prompts} == {"context", "object", "image"}


def test_a_vocabulary_is_read_by_group_and_a_bad_one_is_an_error(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("sand\n[ Objects ]\na red ball\n\n# no\n[media]\na drawing\nsand\n[scenes]\nwoods\n")
    assert read_vocabulary(path) == [
        ("sand", "context"),
        ("a red ball", "object"),
        ("a drawing", "image"),
        ("woods", "context"),
    ]
    path.write_text("# nothing\n[scenes]\n")
    with pytest.raises(InputError, match="has no prompts"):
        read_vocabulary(path)
    with pytest.raises(InputError, match="cannot read the vocabulary"):
        read_vocabulary(tmp_path / "nowhere.txt")


def test_all_measures_together_are_the_rows_and_what_is_derived():
    data = embedded(np.ones((5, 4)), {"site": list("ababa")})
    rows = pd.DataFrame({"light.brightness": np.linspace(0, 1, 5)})
    out = attributes.measures(embedded(np.ones((5, 4)), {"site": list("ababa")}, rows), NO_TEXT, Settings())
    assert out.frame["light.brightness"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert out.frame["metadata.site"].tolist() == list("ababa")
    assert out.frame["colour.grey"].isna().all()
    assert list(out.frame.index) == data.dataset.ids.tolist()
