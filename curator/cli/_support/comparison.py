"""`curator audit --compare`: what changed since an earlier audit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curator.shortcuts.comparison import Comparison


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier audit: its audit.json, the ids of its images where they are known, and a digest of both."""

    content: dict[str, Any]
    ids: list[str] | None
    digest: str

    def against(self, content: dict[str, Any], ids: Sequence[str] | None) -> Comparison:
        """What changed from it to the audit with this content, whose images have these ids."""
        from curator.shortcuts.comparison import compare

        return compare(self.content, content, self.ids, None if ids is None else [str(i) for i in ids])


def read(path: Path | None) -> Earlier | None:
    """Read it now: the results may be written over it.

    Raises:
        InputError: it is no audit.json.
    """
    if path is None:
        return None
    from curator.io.audits import ids_beside, read_audit

    content, ids = read_audit(path, "the earlier audit"), ids_beside(path)
    digest = hashlib.sha256(path.read_bytes() + repr(ids).encode("utf-8", "surrogateescape"))
    return Earlier(content, ids, digest.hexdigest())


def inputs(own: str, earlier: Earlier | None) -> str:
    """What results hang on: the audit's own inputs, and what it is compared with."""
    return own if earlier is None else f"{own} compared with sha256:{earlier.digest}"


def changes(
    earlier: Earlier | None, content: dict[str, Any], ids: Sequence[str] | None, out: Path
) -> Comparison | None:
    """What changed, saved as comparison.json; that of an earlier run would be taken for this one's, so it goes where nothing
    is compared. `ids` are those of the images; None: they are in the results that lie in `out`.
    """
    from curator.cli._support.options import save
    from curator.report.comparison import NAME, comparison_json

    if earlier is None:
        (out / NAME).unlink(missing_ok=True)
        return None
    if ids is None:
        from curator.io.audits import ids_beside

        ids = ids_beside(out / "audit.json")
    found = earlier.against(content, ids)
    save(NAME, comparison_json(found), out)
    return found


def with_changes(content: dict[str, Any], found: Comparison | None) -> dict[str, Any]:
    """What --json prints: audit.json, and under `comparison` what comparison.json holds."""
    from curator.report.comparison import comparison_json

    return content if found is None else {**content, "comparison": comparison_json(found)}
