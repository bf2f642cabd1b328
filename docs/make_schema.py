"""Write docs/schema/*.json from the types of the files themselves; `--check` exits with 1 if one is not up to date."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from curator.types.documents import DOCUMENTS

FOLDER = Path(__file__).with_name("schema")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of one kind of file, as this version writes it: what is always written is required."""
    kind = DOCUMENTS[name]
    _, parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    classes = {c.__name__: c for c in _structs(msgspec.inspect.type_info(kind))}
    for part, described in parts.items():
        written = [f.encode_name for f in msgspec.structs.fields(classes[part]) if f.default is not msgspec.UNSET]
        if classes[part].__struct_config__.omit_defaults:
            written = [f.encode_name for f in msgspec.structs.fields(classes[part]) if f.required]
        tag = [classes[part].__struct_config__.tag_field] if classes[part].__struct_config__.tag else []
        described["required"] = [*tag, *written]
        for about in described["properties"].values():
            about.pop("default", None)  # what a reader assumes of an old file is not what a file says
    own = parts.pop(kind.__name__)
    made = {"$schema": _DIALECT, "$id": f"urn:curator:{name}:1", **own, "title": f"{name}.json"}
    if parts:
        made["$defs"] = dict(sorted(parts.items()))
    return made


def _structs(info: Any) -> Iterator[type[msgspec.Struct]]:
    """The classes that a type is made of."""
    if isinstance(info, msgspec.inspect.StructType):
        yield info.cls
        for f in info.fields:
            yield from _structs(f.type)
    for name in ("types", "item_types"):
        for inner in getattr(info, name, ()):
            yield from _structs(inner)
    for name in ("item_type", "key_type", "value_type", "type"):
        if hasattr(info, name):
            yield from _structs(getattr(info, name))


def text(name: str) -> str:
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for kind in DOCUMENTS:
        path = FOLDER / f"{kind}.json"
        if "--check" not in sys.argv[1:]:
            path.write_text(text(kind), encoding="utf-8", newline="\n")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text(kind):
            sys.exit(f"{path} is not what the types say now; run `python docs/make_schema.py`.")
