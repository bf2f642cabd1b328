"""The Python interface: what the commands do, as functions with keywords, and results that save and show themselves."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from html import escape
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, get_args

import pandas as pd

from curator import commands
from curator.commands import Session
from curator.commands._steps import vectors_only
from curator.commands._steps.audit_files import FILES, Earlier, changes_since, source_of, write_audit
from curator.commands._steps.forecast_files import write_forecast
from curator.commands._steps.output_folder import keep_out_of_folder, keep_out_of_images, made
from curator.commands._steps.python_words import in_python
from curator.commands._steps.recommend_files import plan_document, write_recommendation
from curator.commands._steps.results import pictures
from curator.commands._steps.validate_files import proof_document, write_validation
from curator.commands.export import Exported
from curator.commands.recommend import Advice
from curator.commands.validate import Validation
from curator.config import Settings, settings_of, updated
from curator.errors import InputError, did_you_mean
from curator.readers import Data
from curator.report import comparison
from curator.report.html.page import render
from curator.report.json import audit_document, run_document
from curator.report.serialise import dump
from curator.shortcuts.comparison import Comparison
from curator.types import AuditRun, Finding
from curator.types.documents.audit import Source
from curator.types.forecast import Forecast

_Table = Literal["audit", "recommend"]
_SHOWN = 6
"""Images of each side that `AuditResult.show` shows."""


class Options(TypedDict, total=False):
    """Keywords that every function takes; they do what the flags of the same names do.

    `settings` is a `Settings`, or a dictionary with one dictionary for each table of the settings file.
    """

    model: str
    cache: str | Path | None
    device: str
    jobs: int
    precision: str
    seed: int
    settings: Settings | Mapping[str, Any]
    max_skipped: float
    path_column: str
    label_column: str
    allow_outside: bool
    engine: str
    ray_address: str


class Findings(tuple[Finding, ...]):
    """Findings, worst first: a tuple that a notebook shows as a table."""

    __slots__ = ()

    def to_pandas(self) -> pd.DataFrame:
        """One row a finding: what it says, its shares, effect, intervals, p, q and severity; index = id."""
        columns = (
            "id", "severity", "sentence", "class_name", "attribute", "value", "kind", "share_in_class", "share_elsewhere",
            "effect", "effect_ci", "p", "q", "n_class", "n_with", "intended", "same_as",
        )  # fmt: skip
        rows = [{name: getattr(f, name) for name in columns} for f in self]
        return pd.DataFrame(rows, columns=list(columns)).rename(columns={"class_name": "class"}).set_index("id")

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            html: str = self.to_pandas()[["severity", "sentence"]].to_html()
        return html


class Shown(str):
    """A piece of HTML that a notebook shows."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return self


@dataclass(frozen=True, slots=True, repr=False)
class AuditResult(AuditRun):
    """What an audit found. `findings` are worst first; `verdict` is the audit's answer in three words.

    `source` says how DATA was read; a DataFrame has none, so `curator verify` cannot read it again. `changes` is what
    changed since the earlier audit that it was compared with.
    """

    source: Source | None = None
    changes: Comparison | None = None

    @property
    def findings(self) -> Findings:
        """The findings, worst first; `.to_pandas()` makes a table of them."""
        return Findings(self.audit.findings)

    def to_pandas(self) -> pd.DataFrame:
        """The findings as a DataFrame: one row a finding, index = id."""
        return self.findings.to_pandas()

    def to_html(self) -> str:
        """The report as one HTML text that needs no other file."""
        return render(self, pictures(self.dataset))

    def save(self, folder: str | Path) -> Path:
        """Write what `curator audit` writes into `folder`, and return it: audit.json, report.html and the others.

        Raises:
            InputError: the folder lies inside the data, which is never written to.
        """
        out = Path(folder)
        _keep_out(out, self.source.data if self.source else None)
        keep_out_of_images(out, self.dataset, flag="folder")
        write_audit(self, audit_document(self, self.source), made(out, "folder"), self.changes)
        files = (*FILES, *([] if self.changes is None else [comparison.NAME]), "run.json")
        dump(run_document(self, out=str(out), files=files), out / "run.json")
        return out

    def show(self, finding: Finding | str | int = 0) -> Shown:
        """A finding with images that follow it and images that break it, for a notebook.

        `finding` is a finding, its id, or its place in `findings`.

        Raises:
            InputError: there is no such finding.
        """
        f = self._finding(finding)
        picture = pictures(self.dataset)
        sides = (("follow it", f.example_ids), ("break it", f.counterexample_ids))
        parts = [f"<p><strong>{escape(f.severity)}</strong> {_text(f.sentence)}</p>"]
        for said, ids in sides:
            shots = "".join(_image(id, picture(id)) for id in ids[:_SHOWN])
            parts.append(f"<p>Images that {said}:</p><div>{shots or 'none'}</div>")
        return Shown(f"<div>{''.join(parts)}</div>")

    def _finding(self, which: Finding | str | int) -> Finding:
        found = {f.id: f for f in self.findings}
        if isinstance(which, int):
            if not -len(found) <= which < len(found):
                raise InputError(f"there is no finding {which}; there are {len(found)}, counted from 0.")
            return self.findings[which]
        id = which.id if isinstance(which, Finding) else which
        if id not in found:
            hint = did_you_mean(id, found, f"there are: {', '.join(found) or 'none'}.")
            raise InputError(f"no finding is called {id!r}; {hint}")
        return found[id]


@in_python(Options.__annotations__)
def audit(
    data: Data,
    session: Session | None = None,
    *,
    out: str | Path | None = None,
    pool: Data | None = None,
    sample: int | None = None,
    concepts: str | Path | None = None,
    compare: str | Path | None = None,
    **options: Unpack[Options],
) -> AuditResult:
    """Find what tells the classes of `data` apart besides what they are.

    `data` is whatever DATA can be on the command line, or a DataFrame with the columns `path` and `label`; every other
    column is metadata and is audited too. With `out` the files of `curator audit` are written there. `pool` is compared
    with where `data` has one class only. With named splits, findings are about the images called train; duplicates and
    leaks are looked for in all. With a `sample` attributes are learnt from as many random images and counted in all.
    `concepts` is a file with your own prompts, one per line. `compare` is an earlier audit.json: `changes` of the result
    says what changed since. `options` are model, cache, device, jobs, precision, seed, settings, max_skipped, path_column,
    label_column, allow_outside, engine and ray_address, as the flags of these names; a `session` holds them for several
    calls.

    Raises:
        InputError: `data` or a setting is not what it should be. DataError: no image can be used.
    """
    if concepts is not None and not Path(concepts).is_file():
        raise InputError(
            f"concepts is {str(concepts)!r}, which is not a file; a text file with one prompt per line is needed."
        )
    previous = None if compare is None else Earlier.read(Path(compare))
    work = _work(session, options, out, data, pool)
    work = _with(work, "audit", sample=sample, concepts=concepts and str(concepts))
    run = commands.audit(data, work, pool=pool)
    named = session.crew.model if session and session.crew and session.named else "auto"
    source = _source(work, options.get("model", named), data, pool)
    changes = None
    if previous is not None:
        changes = changes_since(previous, audit_document(run, source), run.dataset.ids.tolist())
    result = AuditResult(**{f.name: getattr(run, f.name) for f in fields(AuditRun)}, source=source, changes=changes)
    if out is not None:
        result.save(out)
    return result


@in_python(Options.__annotations__)
def recommend(
    data: Data,
    pool: Data | None = None,
    session: Session | None = None,
    *,
    budget: int | None = None,
    attribute: str | None = None,
    strategy: str | None = None,
    mode: commands.Mode = "add",
    out: str | Path | None = None,
    **options: Unpack[Options],
) -> Advice:
    """Choose up to `budget` images of `pool` that undo the findings of `data`, and say what the pool lacks.

    `attribute` "CLASS:ATTRIBUTE=VALUE" names the one shortcut to undo, whether or not it is a finding; by default the
    worst findings of severity medium or high are undone together. With `mode` "drop" or "swap" images of the data are
    left out. Without a pool there is the shopping list, a group-balanced subset of the data and sample weights. With
    `out` the files of `curator recommend` are written there; decisions in an earlier recommendation.csv are kept in
    review.csv.

    Raises:
        DataError: there is nothing to undo. InputError: an unknown strategy, mode or attribute.
    """
    work = _with(_work(session, options, out, data, pool), "recommend", budget=budget, strategy=strategy)
    advice = commands.recommend(data, pool, work, attribute=attribute, mode=mode)
    if out is not None:
        write_recommendation(advice, plan_document(advice, work), made(Path(out), "folder"), work)
    return advice


@in_python(Options.__annotations__)
def validate(
    data: Data,
    pool: Data,
    session: Session | None = None,
    *,
    test: Data | None = None,
    plan: str | Path | None = None,
    budget: int | None = None,
    attribute: str | None = None,
    out: str | Path | None = None,
    **options: Unpack[Options],
) -> Validation:
    """Test with a linear probe whether adding the recommended images of `pool` to `data` helps the worst group.

    `test` is a test set, or part of the data where there is none. `plan` is a recommendation.csv; without one the images
    are chosen anew. With `out` validation.json and report.html are written there.

    Raises:
        DataError: there is nothing to undo, or too few images to examine a probe on.
    """
    work = _with(_work(session, options, out, data, pool, test), "recommend", budget=budget)
    table = None if plan is None else Path(plan)
    done = commands.validate(data, pool, work, plan=table, test=test, attribute=attribute)
    if out is not None:
        folder = made(Path(out), "folder")
        write_validation(done, proof_document(done, folder, work, table), folder, work, table)
    return done


@in_python(Options.__annotations__)
def forecast(
    data: Data, session: Session | None = None, *, target: float = 0.95, out: str | Path | None = None,
    **options: Unpack[Options],
) -> Forecast:  # fmt: skip
    """Forecast how many images of every class a linear probe needs for the accuracy `target`.

    With `out` forecast.json is written there, and the forecast is added to the report.html of an audit of the same data.

    Raises:
        InputError: `target` is not between 0 and 1. DataError: too few images or classes.
    """
    work = _work(session, options, out, data)
    done = commands.forecast(data, work, target=target)
    if out is not None:
        write_forecast(done, made(Path(out), "folder"))
    return done


@in_python(Options.__annotations__)
def export(
    data: Data,
    destination: str | Path,
    session: Session | None = None,
    *,
    format: str = "imagefolder",
    attribute: str | None = None,
    link: commands.Link = "copy",
    force: bool = False,
    dry_run: bool = False,
    group_columns: Sequence[str] = (),
    balance: commands.Balance = "none",
    balance_by: commands.Way = "drop",
    plans: Sequence[str | Path] = (),
    **options: Unpack[Options],
) -> Exported:
    """Write `data` to `destination` in splits that are balanced over class x value, with duplicates in one split.

    Images with the same value in one of `group_columns` stay in one split too. The images of `plans` (a recommendation.csv
    or a manifest of synthetic images) are added first.

    Raises:
        InputError: the destination exists (give `force`), or a column or format is unknown. DataError: no label.
    """
    for name, value, known in (
        ("link", link, [w for w in get_args(commands.Link) if w != "bare"]),
        ("balance", balance, get_args(commands.Balance)),
        ("balance_by", balance_by, get_args(commands.Way)),
    ):
        _one_of(name, value, known)
    # A text is a sequence of letters, too.
    group_columns = [group_columns] if isinstance(group_columns, str) else group_columns
    plans = [plans] if isinstance(plans, (str, Path)) else plans
    return commands.export(
        data, destination, _session(session, options), format=format, attribute=attribute, link=link, force=force,
        dry_run=dry_run, group_columns=group_columns, balance=balance, balance_by=balance_by,
        plans=[Path(p) for p in plans],
    )  # fmt: skip


def _with(session: Session, table: _Table, **given: object) -> Session:
    """The session with the settings of one table replaced; None changes nothing."""
    values = {name: value for name, value in given.items() if value is not None}
    settings = replace(session.settings, **{table: updated(getattr(session.settings, table), values, "the argument")})
    return replace(session, settings=settings) if values else session


def _work(
    session: Session | None, options: Options, out: str | Path | None, data: Data, *others: Data | None
) -> Session:
    """The session to work in, after refusing to write `out` among the images of `data` and `others`.

    A folder is refused before the encoder is opened, and a folder that a table names before any other work.
    """
    given = [data, *(one for one in others if one is not None)]
    if out is not None:
        _keep_out(out, *given)
    session = _session(session, options, data)
    if out is not None:
        keep_out_of_images(Path(out), *map(session.scan, given), flag="folder")
    return session


def _session(session: Session | None, options: Options, data: Data = "") -> Session:
    """The session to work in: the one given, or a new one with these options. `data` with embeddings needs no encoder.

    Raises:
        TypeError: an unknown option, or options beside a session, which has its own.
    """
    given: dict[str, Any] = dict(options)
    for name in given:
        if name not in Options.__annotations__:
            known = sorted(Options.__annotations__)
            hint = did_you_mean(name, known, f"there are: {', '.join(known)}.")
            raise TypeError(f"unknown option {name!r}; {hint}")
    if session is not None and given:
        raise TypeError(f"{', '.join(given)} belong to the session; give them to Session.open instead.")
    if session is not None:
        return session
    settings = given.pop("settings", Settings())
    if not isinstance(settings, Settings | Mapping):
        raise InputError(f"settings is {settings!r}; give a Settings or a dictionary of its tables.")
    if not isinstance(settings, Settings):
        settings = settings_of(settings, "settings")
    return Session.open(vectors_only.model_for(given.pop("model", "auto"), data), settings=settings, **given)


def _keep_out(out: str | Path, *data: object) -> None:
    """Refuse, before any work is done, to write into one of the folders `data`, or where a file is."""
    if not str(out) or Path(out).is_file():
        raise InputError(f"out is {str(out)!r}, which is not a folder; choose another folder.")
    for one in data:
        keep_out_of_folder(Path(out), one, "folder")


def _one_of(name: str, value: object, known: Sequence[str]) -> None:
    if value not in known:
        hint = did_you_mean(str(value), known, f"there are: {', '.join(known)}.")
        raise InputError(f"{name} is {value!r}; {hint}")


def _source(work: Session, model: str, data: Data, pool: Data | None) -> Source | None:
    if isinstance(data, pd.DataFrame) or isinstance(pool, pd.DataFrame):
        return None
    return source_of(work, model, str(data), None if pool is None else str(pool))


def _image(id: str, content: bytes | None) -> str:
    if content is None:
        return f"<span>{_text(id)}</span>"
    kind = "png" if content[:4] == b"\x89PNG" else "jpeg"
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return f'<img src="{uri}" alt="{_text(id)}" title="{_text(id)}" style="height:96px;margin:2px">'


def _text(text: str) -> str:
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))
