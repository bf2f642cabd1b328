"""An audit.json read back: as the baseline of a later audit, and by `curator verify`. It may come from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curator.errors import InputError
from curator.io.jsonfile import read_json

_NUMBER = (int, float)
# What is relied on, as docs/schema/audit.json has it. A list of one stands for a list of such things; a key with "?" may
# be missing, or null; "*" is any key.
_FINDING: dict[str, Any] = {
    "id": str, "class": str, "attribute": str, "value": str, "kind": str, "severity": ("low", "medium", "high"),
    "sentence": str,
    "effect": (*_NUMBER, None), "p": (*_NUMBER, None), "q": (*_NUMBER, None), "example_ids": [str],
    "counterexample_ids": [str], "same_as": [str], "effect_ci?": [_NUMBER], "share_in_class?": _NUMBER,
    "share_elsewhere?": _NUMBER, "reliance?": {"gap?": _NUMBER}, "intended?": str,
}  # fmt: skip
_FORM: dict[str, Any] = {
    "dataset": {"root": str, "n_images": int, "classes": {"*": int}, "splits": {"*": int}, "fingerprint": str},
    "encoder": {"name": str, "kind": str, "fingerprint": str},
    "settings": dict,
    "expected_false_findings?": _NUMBER,
    "seed": int,
    "versions": dict,
    "verdict": str,
    "n_tests": int,
    "findings": [_FINDING],
    "duplicates": {"groups": [{"ids": [str]}], "leaks": [{"ids": [str], "splits": [str]}]},
    "label_errors": [{"id": str, "given": str, "suggested": str, "score": _NUMBER}],
}


def read_audit(path: Path, what: str) -> dict[str, Any]:
    """The content of an audit.json; `what` it is wanted for begins the error: "the baseline".

    Only what curator reads of it is looked at: an older file may lack what a newer one has.

    Raises:
        InputError: it cannot be read, is no JSON, or is no audit.json.
    """
    try:
        content = read_json(path)
    except (OSError, ValueError) as e:
        why = e.strerror if isinstance(e, OSError) else str(e)
        raise InputError(f"cannot read {what} {path} ({why}); give an audit.json that `curator audit` wrote.") from e
    if not isinstance(content, dict) or content.get("schema") != "curator.audit/1":
        raise InputError(
            f"{path} is no audit.json (its schema is not curator.audit/1); give one that `curator audit` wrote."
        )
    wrong = _first_wrong(content, _FORM, "")
    if wrong:
        raise InputError(f"{path} is a damaged audit.json ({wrong}); give one that `curator audit` wrote.")
    return content


def _first_wrong(value: Any, form: Any, at: str) -> str:
    """What is not as `form` says, in a few words; "" where all is."""
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return f"{at} is no object"
        form = dict.fromkeys(value, form["*"]) if "*" in form else form
        for key, inner in form.items():
            optional, key = key.endswith("?"), key.removesuffix("?")
            name = f"{at}.{key}" if at else key
            if optional and value.get(key) is None:
                continue
            if key not in value:
                return f"{name} is missing"
            wrong = _first_wrong(value[key], inner, name)
            if wrong:
                return wrong
        return ""
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"{at} is no list"
        found = (_first_wrong(item, form[0], f"{at}[{k}]") for k, item in enumerate(value))
        return next((wrong for wrong in found if wrong), "")
    kinds = form if isinstance(form, tuple) else (form,)
    if isinstance(kinds[0], str):
        return "" if value in kinds else f"{at} is none of {', '.join(kinds)}"
    # To Python True is an int; to JSON it is not.
    return "" if (None if value is None else type(value)) in kinds else f"{at} is of the wrong type"


def source_of(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """How the audit's DATA was read, with defaults for what an older audit.json does not say; {} if it says nothing.

    Raises:
        InputError: it says so in another form.
    """
    source = content.get("source", {})
    form = {
        "data": str, "pool": (str, None), "model": str, "path_column": str, "label_column": str,
        "allow_outside": bool, "max_skipped": _NUMBER, "precision?": ("fp32", "bf16", "fp16", "int8"),
    }  # fmt: skip
    wrong = _first_wrong(source, form, "source") if source != {} else ""
    if wrong:
        raise InputError(f"{path} is a damaged audit.json ({wrong}); give one that `curator audit` wrote.")
    return dict(source)


def ids_beside(path: Path) -> list[str] | None:
    """The images of an audit.json, from the measures.parquet that was written with it; None where that is gone or damaged."""
    import pandas as pd

    try:
        frame = pd.read_parquet(path.with_name("measures.parquet"), columns=[])
        return [str(i) for i in frame.index]  # here: text that is no UTF-8 is noticed only when it is taken out
    except Exception:  # pandas takes the types of columns from text in the file, and raises whatever that leads to
        return None
