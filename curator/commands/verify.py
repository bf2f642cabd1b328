"""`curator verify`: repeat an old audit from its audit.json, and name what differs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from curator.commands._steps import vectors_only
from curator.commands.audit import audit
from curator.commands.session import Session
from curator.config import Settings, settings_of
from curator.errors import InputError
from curator.report.json import audit_document, dumps
from curator.report.wording import verification as words
from curator.types.documents import AuditDocument
from curator.types.documents.audit import Source

TOLERANCE = 1e-6
"""Two numbers that differ by no more than this are equal. Shares are counted, so only their last bits may differ."""
_SHOWN = ("sentence", "same_as", "example_ids", "counterexample_ids")
_MOST = 20
"""Most classes listed by name if their sizes differ."""

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verification:
    """The result: `differences` has one sentence for each thing that changed; `notes` are changes that may not matter."""

    differences: tuple[str, ...]
    notes: tuple[str, ...]
    n_findings: int


def model_of(audit: AuditDocument) -> str:
    """The value of --model that gives the encoder of an audit.json."""
    encoder = audit.encoder
    if isinstance(audit.source, Source) and audit.source.model != "auto":
        return audit.source.model
    if encoder.kind == "given":
        return vectors_only.NO_ENCODER
    return encoder.name if encoder.kind == "open_clip" else encoder.kind


def verify(content: Content, data: str, session: Session, *, pool: str | None = None) -> Verification:
    """Audit `data` again and compare with `content`, that of an audit.json.

    `session` is opened with the settings, the seed and the encoder that `content` names.

    Raises:
        DataError, InputError: DATA can no longer be read.
    """
    run = audit(data, session, pool=pool)
    # Written and read back like the old file, so that both have the same form.
    return compare(content, json.loads(dumps(audit_document(run))))


def compare(old: Content, new: Content) -> Verification:
    """What differs between two contents of audit.json: data, encoder, settings, seed and findings.

    If these agree and both were made with the same versions, all other fields that both have are compared too. A
    difference there can only come from an edited file.
    """
    differences = [*_data(old, new), *_encoder(old, new), *_settings(old, new), *_findings(old, new), *_rest(old, new)]
    if not differences and old["versions"] == new["versions"]:
        differences = list(islice(_everything(old, new), _MOST))
    return Verification(tuple(differences), tuple(_notes(old, new, differences)), len(new["findings"]))


def _data(old: Content, new: Content) -> Iterator[str]:
    was, now = (content.get("drawn_from", {}) for content in (old, new))
    if was and now and was["fingerprint"] != now["fingerprint"]:
        yield words.drawn_from(was["n_images"], now["n_images"])
    was, now = old["dataset"], new["dataset"]
    if was["fingerprint"] == now["fingerprint"]:
        return
    yield words.fingerprint(was["fingerprint"], now["fingerprint"])
    if was["n_images"] != now["n_images"]:
        yield words.n_images(was["n_images"], now["n_images"])
    for what in ("classes", "splits"):
        names = sorted({*was[what], *now[what]}, key=str)
        changed = [n for n in names if was[what].get(n, 0) != now[what].get(n, 0)]
        for name in changed[:_MOST]:
            yield words.size(what, name, was[what].get(name, 0), now[what].get(name, 0))
        if len(changed) > _MOST:
            yield words.more_sizes(what, len(changed) - _MOST)


def _encoder(old: Content, new: Content) -> Iterator[str]:
    was, now = old["encoder"], new["encoder"]
    if was["fingerprint"] != now["fingerprint"]:
        yield words.encoder((was["name"], was["fingerprint"]), (now["name"], now["fingerprint"]))


def _settings(old: Content, new: Content) -> Iterator[str]:
    # The audit was repeated with the old settings, so a difference is only in how the file writes them.
    for stage, values in old["settings"].items():
        for key, value in values.items() if isinstance(values, Mapping) else ():
            now = new["settings"].get(stage, {}).get(key)
            if value != now:
                yield words.setting(f"{stage}.{key}", value, now)
    if old["seed"] != new["seed"]:
        yield words.value("seed", old["seed"], new["seed"])


def _findings(old: Content, new: Content) -> Iterator[str]:
    was, now = ({f["id"]: f for f in content["findings"]} for content in (old, new))
    yield from (words.gone(id) for id in was if id not in now)
    yield from (words.new(id) for id in now if id not in was)
    for id in (id for id in was if id in now):
        yield from _finding(id, was[id], now[id])
    both = [[id for id in one if id in other] for one, other in ((was, now), (now, was))]
    if both[0] != both[1]:
        yield words.ORDER_CHANGED


def _finding(id: str, was: Content, now: Content) -> Iterator[str]:
    # A field that an older version lacks is not compared; examples are only noted.
    for key in was:
        if key in now and key not in _SHOWN:
            yield from _value(key, id, was[key], now[key])


def _everything(old: Content, new: Content) -> Iterator[str]:
    """Differences in all parts except the locations and names of the data and the encoder."""
    for key in (k for k in old if k in new and k not in ("versions", "source", "notes")):
        was, now = old[key], new[key]
        if key in ("dataset", "encoder"):
            elsewhere = ("root", "name") if key == "dataset" else ("name", "note")
            was, now = ({k: v for k, v in part.items() if k not in elsewhere} for part in (was, now))
        yield from _value(key, words.THE_FILE, was, now)


def _value(key: str, id: str, was: Any, now: Any) -> Iterator[str]:
    """Compare two values of a field of any type, down to the depth of the new one."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for inner in (k for k in was if k in now):
            yield from _value(f"{key}.{inner}", id, was[inner], now[inner])
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for k, pair in enumerate(zip(was, now, strict=True)):
            yield from _value(f"{key}[{k}]", id, *pair)
    elif not _same(key, was, now):
        yield words.value(f"{key} of {id!r}", was, now)


def _same(key: str, was: Any, now: Any) -> bool:
    if not all(isinstance(x, int | float) and not isinstance(x, bool) for x in (was, now)):
        return bool(was == now)
    # Probabilities are compared by their magnitude: 1e-12 differs from 1e-7.
    small = key.rpartition("_")[2] in ("p", "q")
    return math.isclose(was, now, rel_tol=TOLERANCE, abs_tol=0.0 if small else TOLERANCE)


def _rest(old: Content, new: Content) -> Iterator[str]:
    if old["verdict"] != new["verdict"]:
        yield words.value("verdict", old["verdict"], new["verdict"])
    if old["n_tests"] != new["n_tests"]:
        yield words.value("number of tests", old["n_tests"], new["n_tests"])
    was, now = (content.get("expected_false_findings") for content in (old, new))
    if not _same("", was, now):
        yield words.value("expected_false_findings", was, now)
    was, now = ({tuple(leak["ids"]) for leak in content["duplicates"]["leaks"]} for content in (old, new))
    gone, added = was - now, now - was
    if gone or added:
        yield words.leaks(len(gone), len(added))


def _notes(old: Content, new: Content, differences: list[str]) -> Iterator[str]:
    was, now = old["versions"], new["versions"]
    changed = [
        f"{n} {was.get(n, 'none')} -> {now.get(n, 'none')}" for n in sorted({*was, *now}) if was.get(n) != now.get(n)
    ]
    if changed:
        yield words.versions(changed, bool(differences))
    silent = [
        f"{stage}.{key}"
        for stage, values in new["settings"].items()
        for key in values
        if key not in old["settings"].get(stage, {})
    ]
    if silent:
        yield words.unnamed_settings(silent)
    parts = ("clusters", "label_errors", "shared_patterns", "duplicates")
    other = [name for name in parts if old.get(name) != new.get(name)]
    other += [key for key in _SHOWN if [f.get(key) for f in old["findings"]] != [f.get(key) for f in new["findings"]]]
    if other and not differences:
        yield words.not_compared(other)


def old_settings(audit: AuditDocument, where: str) -> Settings:
    """The settings of an audit.json, or the defaults if it names none.

    Raises:
        InputError: the file has settings that this version does not know.
    """
    try:
        return settings_of(audit.settings, where)
    except InputError as e:
        made = audit.versions.get("curator-audit", "an unknown version")
        raise InputError(f"{e} The file was made by curator {made}; verify with that version.") from e
