"""Exports WebDataset shards: tar files that are read from front to back, with each image, its class and its measures."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curator.errors import DataError
from curator.exporters import Job, Link
from curator.exporters.imagefolder import content_of, folder_names, labels_of
from curator.exporters.table import manifest, rows_of
from curator.io.decoding.images import IMAGE_SUFFIXES


class WebDataset:
    """`<split>-000000.tar` and so on: `<key>.jpg` (or another ending), `<key>.cls` (the position of its class in
    classes.json) and `<key>.json` (id, label, split, weight and the measures).

    Shards are read in order, so within a split the order of images is unrelated to their class. The same images give the same
    bytes, because tar entries have no time and no owner.
    """

    formats = ("webdataset",)
    bare = True

    def write(self, job: Job) -> int:
        """See `Exporter`. Files are copied; of the values of `link` only "bare" has an effect.

        Raises DataError for an image without a label."""
        labels = labels_of(job.dataset, job.plan)
        classes = sorted(set(labels.values()))
        number = {label: str(k) for k, label in enumerate(classes)}
        kept = [id for id in job.dataset.ids.tolist() if id in job.plan.assignment]
        rows = dict(zip(kept, rows_of(manifest(job.dataset, job.plan, job.measures)), strict=True))
        names = folder_names(set(job.plan.assignment.values()))
        root = Path(job.dataset.root).resolve()
        for split in sorted(names):
            ids = sorted((id for id in kept if job.plan.assignment[id] == split), key=_scattered)
            for k, start in enumerate(range(0, len(ids), job.shard_size)):
                shard = job.destination / f"{names[split]}-{k:06d}.tar"
                _write(shard, _samples(ids[start : start + job.shard_size], start, root, number, rows, job.link))
        text = json.dumps(classes, ensure_ascii=False, indent=1)
        (job.destination / "classes.json").write_text(text + "\n", encoding="utf-8", errors="surrogateescape")
        return len(kept)


EXPORTER = WebDataset()


def _scattered(id: str) -> tuple[str, str]:
    return hashlib.sha256(id.encode(errors="surrogateescape")).hexdigest(), id


def _samples(
    ids: list[str], start: int, root: Path, number: dict[str, str], rows: dict[str, dict[str, Any]], link: Link
) -> Iterator[tuple[str, bytes]]:
    """(entry name, content) of every sample. The entries of a sample are adjacent, as the format requires."""
    for k, id in enumerate(ids, start):
        content = content_of(root / id, link)
        known = {"id": id, **{name: value for name, value in rows[id].items() if name != "path"}}
        # A key ends at its first dot, so the file's own name cannot be used as a key.
        suffix = Path(id).suffix.lower()
        yield f"{k:09d}{suffix if suffix in IMAGE_SUFFIXES else '.jpg'}", content  # a table may name a file x.cls
        yield f"{k:09d}.cls", number[rows[id]["label"]].encode()
        yield f"{k:09d}.json", json.dumps(known, ensure_ascii=False, allow_nan=False).encode(errors="surrogateescape")


def _write(shard: Path, samples: Iterator[tuple[str, bytes]]) -> None:
    """Write one shard and read it back. The sha256 of what was read and of the shard's entries must be equal."""
    wanted = []
    with tarfile.open(shard, "x", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in samples:
            entry = tarfile.TarInfo(name)  # mtime 0, no owner, mode 0644
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
            wanted.append((name, hashlib.sha256(content).digest()))
    with tarfile.open(shard) as tar:
        found = [(e.name, hashlib.sha256(f.read()).digest()) for e in tar if (f := tar.extractfile(e)) is not None]
    if found != wanted:
        raise DataError(f"the shard {shard.name} differs from what was written; the disk may be failing; check it.")
