"""What hostile input is given to, and what may come of it: a result, or an error of curator's own with its reason.

A target is made once per process, in a scratch folder, and called with one input; it returns "ok" or the reason. Any other
exception is a bug. So is a reason that is empty, longer than a screen line holds, or could move a terminal's cursor.
"""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import corpus
import stored
import texts

from curator.errors import CuratorError

LONGEST_REASON = 3000
"""Characters. An error may name a path or a cell of the user's; what it is shown with cuts it short."""

SOUND = "CURATOR_SOUND_FILES"
"""Names, in the environment, the folder with an audit.json and a forecast.json that curator wrote a moment ago."""

Run = Callable[[random.Random, int], tuple[str, Callable[[], object]]]
"""(random numbers of this input, its number) -> (name of the input, what to do with it)."""


def outcome(run: Callable[[], object]) -> str:
    """ "ok", or the reason of an error of curator's own. Raises whatever else comes out."""
    try:
        run()
    except CuratorError as error:
        text = str(error)
        if not text.strip() or len(text) > LONGEST_REASON:
            raise AssertionError(f"a reason of {len(text)} characters") from error
        return text
    return "ok"


def _sound(name: str) -> Any:
    return json.loads((Path(os.environ[SOUND]) / name).read_text(encoding="utf-8"))


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def decode(folder: Path) -> Run:
    """One decode for the encoder and the measures; now and then also the thumbnail and the whole picture of the report."""
    from curator.io.decoding import images
    from curator.types import Preprocessing

    shapes = [Preprocessing(224, 224), Preprocessing(32, 40, "longest"), Preprocessing(64, 64, "squash", "bilinear")]
    cases = corpus.systematic()

    def run(rng: random.Random, k: int) -> tuple[str, Callable[[], object]]:
        case = next(cases, None) if k % 2 == 0 else None  # in turn, so that a short run has some of both
        case = case or corpus.mutated(rng)
        file = folder / "x.jpg"

        def work() -> None:
            photo = images.decode_bytes(case.data, shapes[k % 3])
            assert photo.pixels.ndim == 3
            assert max(photo.pixels.shape[:2]) <= images.ANALYSIS_SIDE
            assert photo.input.shape == (shapes[k % 3].size, shapes[k % 3].size, 3)
            if k % 8 == 0:
                _written(file, case.data)
                images.thumbnail(file)
                if photo.facts.width * photo.facts.height < 4_000_000:
                    images.whole(file)

        return f"{case.family}: {case.name}", work

    return run


def table(folder: Path) -> Run:
    """DATA that is a table: .csv, .jsonl and .parquet."""
    import pandas as pd

    from curator.readers import scan

    (folder / "cat").mkdir()
    for name in ("cat/1.jpg", "cat/2.jpg"):
        (folder / name).write_bytes(b"x")
    columns = ("path", "label", "split", "site", "age")
    rows = [
        ("cat/1.jpg", "bunny", "train", "A", "3"),
        ("cat/2.jpg", "hen", "test", "B", "4.5"),
        ("cat/3.jpg", "", "", "", ""),
    ]
    sound = io.BytesIO()
    pd.DataFrame(rows, columns=list(columns)).to_parquet(sound)

    def run(rng: random.Random, k: int) -> tuple[str, Callable[[], object]]:
        kind = ("csv", "csv", "jsonl", "parquet")[k % 4]
        if kind == "csv":
            data = texts.csv_table(rng, columns, rows)
        elif kind == "jsonl":
            lines = [dict(zip(columns, row, strict=True)) for row in rows]
            data = b"\n".join(texts.as_json(rng, texts.edited(rng, line)) for line in lines)
        elif rng.random() < 0.5:
            data = texts.bytes_edited(rng, sound.getvalue())
        else:
            data = odd_parquet(rng, columns, rows)
        path = folder / f"t.{kind}"
        outside = rng.random() < 0.3
        return f"{kind} {len(data)} bytes", lambda: scan(str(_written(path, data)), allow_outside=outside)

    return run


def odd_parquet(rng: random.Random, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    """A sound file of columns of kinds that nobody expects under these names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: list[list[Any]] = [
        ["cat/1.jpg", "cat/2.jpg", None], [1, 2, 3], [1.5, None, float("nan")], [b"\xff\0", b"", None], [["a"], [], None],
        [{"a": 1}, {"a": 2}, None], [True, False, None], [None, None, None], ["x" * 9999, "\0", "\x1b[2J"],
    ]  # fmt: skip
    made = {name: list(column) for name, column in zip(columns, zip(*rows, strict=True), strict=True)}
    for _ in range(rng.choice((1, 2, 3))):
        made[rng.choice((*columns, "", "x" * 500, "\0"))] = rng.choice(kinds)
    out = io.BytesIO()
    pq.write_table(pa.table(made), out)
    return out.getvalue()


def settings(folder: Path) -> Run:
    """The settings file."""
    from curator.config import Settings, read_settings

    sound = ""
    for stage, values in Settings().as_dict().items():
        plain = {k: v for k, v in values.items() if not isinstance(v, dict) and k != "intended"}
        sound += f"[{stage}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in plain.items())
    sound += '[split.fractions]\ntrain = 0.7\ntest = 0.3\n[[audit.intended]]\nfinding = "a*b"\nreason = "r"\n'

    def run(rng: random.Random, k: int) -> tuple[str, Callable[[], object]]:
        text = sound
        if rng.random() < 0.7:
            row = rng.choice([line for line in text.splitlines() if "=" in line])
            key = row.partition("=")[0]
            nasty = json.dumps(texts.value(rng)).replace("null", "nan")
            odd = rng.choice(("inf", "-inf", "nan", "1979-05-27", "0.5", "3", "[]", "true", '"x"'))
            text = text.replace(row, rng.choice((f"{key} = {nasty}", f"{nasty} = 1", f"{key} = {odd}", "")))
        data = text.encode("utf-8", "surrogatepass")
        if rng.random() < 0.5:
            data = texts.bytes_edited(rng, data)
        return f"toml {len(data)} bytes", lambda: read_settings(_written(folder / "s.toml", data)).as_dict()

    return run


def audit_json(folder: Path) -> Run:
    """An audit.json of a stranger: as the baseline, for --compare and verify, and in the forms that CI reads."""
    from curator.commands import verify
    from curator.io.documents import as_document, read_audit
    from curator.report.ci import junit, sarif
    from curator.report.comparison import comparison_document
    from curator.report.wording.comparison import lines
    from curator.shortcuts.comparison import compare
    from curator.types.documents import AuditDocument

    sound = _sound("audit.json")
    now = as_document(sound, AuditDocument)

    def work(path: Path) -> None:
        old, content = read_audit(path, "the audit")
        verify.model_of(old)
        verify.old_settings(old, str(path))
        verify.compare(content, sound)
        changes = compare(old, now)
        lines(changes)
        comparison_document(changes)
        for level in ("low", "any"):
            junit.audit_junit(now, level, old)
        sarif.audit_sarif(now, old)

    def run(rng: random.Random, k: int) -> tuple[str, Callable[[], object]]:
        data = texts.as_json(rng, texts.edited(rng, sound))
        return f"audit.json {len(data)} bytes", lambda: work(_written(folder / "audit.json", data))

    return run


def plans(folder: Path) -> Run:
    """Tables that come back from a person: a recommendation, a review, a manifest of synthetic images; also as JSON."""
    import numpy as np
    import pandas as pd

    from curator.commands._steps.joined_data import joined
    from curator.commands._steps.plan_file import read_plan
    from curator.commands._steps.review import earlier, read_review
    from curator.types import Dataset, Embedded, Embeddings, EncoderInfo, Preprocessing

    ids = np.array([f"cat/{k}.jpg" for k in range(3)], np.str_)
    (folder / "cat").mkdir()
    for name in ids:
        (folder / name).write_bytes(b"x")
    index = pd.Index(ids)
    nothing, labels = pd.DataFrame(index=index), np.zeros(3, np.int32)
    data = Dataset("d", str(folder), ids, labels, ("bunny", "hen"), np.array([""] * 3), nothing)
    info = EncoderInfo("none", "pixels", 2, False, "sha256:0", Preprocessing(8, 8))
    vectors = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    pool = Embedded(data, Embeddings(ids, vectors, info), nothing, nothing, 3, 0.0)
    names = "rank id path label label_source class attribute value reason decision action object_of background_of"
    columns = tuple(names.split(" "))
    rows = [
        (
            str(k),
            str(i),
            str(folder / str(i)),
            "bunny",
            "predicted",
            "bunny",
            "a.b",
            "not green",
            "r",
            word,
            "add",
            "",
            "",
        )
        for k, (i, word) in enumerate(zip(ids, ("", "accept", "reject"), strict=True), start=1)
    ]
    lines = {
        "schema": "curator.recommend/1",
        "images": [dict(zip(columns, row, strict=True)) for row in rows],
        "removals": [],
    }

    def run(rng: random.Random, k: int) -> tuple[str, Callable[[], object]]:
        if k % 4 == 3:
            path = folder / "recommend.json"
            content = texts.as_json(rng, texts.edited(rng, lines))
            return f"recommend.json {len(content)} bytes", lambda: joined(data, [_written(path, content)])
        path = folder / "recommendation.csv"
        content = texts.csv_table(rng, columns, rows)
        work = (lambda: read_plan(_written(path, content), pool), lambda: joined(data, [_written(path, content)]),
                lambda: (read_review(_written(path, content)), earlier(folder)))[k % 3]  # fmt: skip
        return f"recommendation.csv {len(content)} bytes", work

    return run


def beside(folder: Path) -> Run:
    """What curator finds beside its results: run.json, forecast.json, measures.parquet, and a vocabulary of prompts."""
    import pandas as pd

    from curator.attributes.concepts import read_vocabulary
    from curator.commands._steps.results import beside as document_beside
    from curator.commands._steps.up_to_date import finished
    from curator.io.documents import ids_beside
    from curator.report.html.forecast_chart import outlook
    from curator.types.documents import Forecast

    sound_run = _sound("run.json")
    sound_forecast = _sound("forecast.json")
    measures = io.BytesIO()
    pd.DataFrame({"a": [1.0, 2.0]}, index=["x/1.jpg", "x/2.jpg"]).to_parquet(measures)

    def forecast(data: bytes) -> None:
        _written(folder / "forecast.json", data)
        found = document_beside(folder, "forecast.json", Forecast)
        if found:
            outlook(found)

    def run(rng: random.Random, k: int) -> tuple[str, Callable[[], object]]:
        if k % 4 == 0:
            data = texts.as_json(rng, texts.edited(rng, sound_run))
            return "run.json", lambda: (_written(folder / "run.json", data), finished("sha256:1", folder))
        if k % 4 == 1:
            data = texts.as_json(rng, texts.edited(rng, sound_forecast))
            return "forecast.json", lambda: forecast(data)
        if k % 4 == 2:
            data = texts.bytes_edited(rng, measures.getvalue())
            return "measures.parquet", lambda: (
                _written(folder / "measures.parquet", data),
                ids_beside(folder / "audit.json"),
            )
        data = texts.bytes_edited(rng, b"[objects]\na bunny\n# no\ngrass\n")
        return "vocabulary", lambda: read_vocabulary(_written(folder / "words.txt", data))

    return run


TARGETS: Mapping[str, tuple[Callable[[Path], Run], int]] = {
    "images": (decode, 40_000),
    "tables": (table, 15_000),
    "settings": (settings, 10_000),
    "audit.json": (audit_json, 12_000),
    "plans and reviews": (plans, 10_000),
    "files beside results": (beside, 6_000),
    "cache": (stored.cache, 4_000),
    "clip-retrieval": (stored.clip_folder, 4_000),
}
"""Targets and how many inputs each gets of a full run."""
