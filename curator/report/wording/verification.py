"""What `curator verify` says about an old audit: each difference, what may not matter, and who signed the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curator.report.wording.text import count

ORDER_CHANGED = "the order of the findings changed"
THE_FILE = "the file"


def drawn_from(was: int, now: int) -> str:
    return f"data changed: {was} images in all, {now} now, and some images differ"


def fingerprint(was: str, now: str) -> str:
    return f"data changed: fingerprint was {was}, is {now} (an image, a label, a split or metadata)"


def n_images(was: int, now: int) -> str:
    return f"data changed: {was} images were read, now {now}"


def size(what: str, name: str, was: int, now: int) -> str:
    """How the number of images of a class or a split changed."""
    return f"data changed: {what} {name!r} had {was} images, has {now}"


def more_sizes(what: str, n: int) -> str:
    return f"data changed: {n} more {what} have a different number of images"


def encoder(was: tuple[str, str], now: tuple[str, str]) -> str:
    """How the encoder changed: name and fingerprint before and now."""
    before, after = (f"{name} ({digest[:19]})" for name, digest in (was, now))
    return f"encoder changed: was {before}, is {after}"


def setting(name: str, was: Any, now: Any) -> str:
    return f"setting {name} was {was!r}, is {now!r}"


def gone(id: str) -> str:
    return f"finding gone: {id!r}"


def new(id: str) -> str:
    return f"finding new: {id!r}"


def value(what: str, was: Any, now: Any) -> str:
    """A value that differs: `what` names it, such as "seed" or "effect of 'bunny:background.colour=green'"."""
    return f"{what} was {_number(was)}, is {_number(now)}"


def _number(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else repr(value)


def leaks(n_gone: int, n_new: int) -> str:
    return f"leaks between splits changed: {n_gone} gone, {n_new} new"


def versions(changes: Sequence[str], has_differences: bool) -> str:
    effect = "which may be the reason" if has_differences else "with the same findings"
    return f"Made with other versions, {effect}: {', '.join(changes)}."


def unnamed_settings(names: Sequence[str]) -> str:
    return f"Settings that the file does not name, for which the defaults are used: {', '.join(names)}."


def not_compared(names: Sequence[str]) -> str:
    return f"Parts that differ but are not compared: {', '.join(names)}."


def same(n_images: int, n_findings: int, encoder: str) -> str:
    return f"The same: {count(n_images, 'image')}, {count(n_findings, 'finding')}, encoder {encoder}."


def signed_by(key: str, files: Sequence[str], comment: str) -> str:
    return f"Signed by {key}: {', '.join(files)}; comment: {comment}"


def unchecked(signature: str) -> str:
    return f"{signature} was not checked: give the signer's key with --public-key"


def unsigned(files: Sequence[str]) -> str:
    return f"not signed: {', '.join(files)}"
