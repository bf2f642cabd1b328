"""Exports a Hugging Face image folder: `load_dataset("imagefolder", data_dir=...)` gives images, labels and measures."""

from __future__ import annotations

import json

from curator.exporters import Job
from curator.exporters.imagefolder import write_folders
from curator.exporters.table import manifest, rows_of


class HuggingFace:
    """`<split>/<class>/<file>` with a `metadata.jsonl` in each split: file_name, label, then weight and the measures.

    If there is metadata, `datasets` takes labels from it, not from the folders. curator reads the folders.
    """

    formats = ("huggingface",)
    bare = True

    def write(self, job: Job) -> int:
        """See `Exporter`. Raises DataError for an image without a label."""
        placed = write_folders(job.dataset, job.plan, job.destination, job.link)
        kept = [id for id in job.dataset.ids.tolist() if id in job.plan.assignment]
        rows = dict(zip(kept, rows_of(manifest(job.dataset, job.plan, job.measures)), strict=True))
        lines: dict[str, list[str]] = {}
        for id, (folder, path) in placed.items():
            rest = {name: value for name, value in rows[id].items() if name not in ("path", "split")}
            row = {"file_name": path, **rest}
            lines.setdefault(folder, []).append(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        for folder, text in lines.items():
            target = job.destination / folder / "metadata.jsonl"
            target.write_text("".join(text), encoding="utf-8", errors="surrogateescape")
        return len(placed)


EXPORTER = HuggingFace()
