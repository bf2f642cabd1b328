"""WebDataset shards: tar files that are read from front to back, an image with its class and what is known of it."""

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
    """`<split>-000000.tar` and so on: `<key>.jpg` (or whatever it is), `<key>.cls` (the position of its class in
    classes.json) and `<key>.json` (id, label, split, weight and the measures).

    Within a split images lie in an order that has nothing to do with their class, for shards are read in order. The same
    images give the same bytes: tar entries carry no time and no owner.
    """

    formats = ("webdataset",)
    bare = True

    def write(self, job: Job) -> int:
        """See `Exporter`. Bytes are copied; of `link` only "bare" means something here.

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
    """(entry name, content) of every sample, entries of one sample side by side as the format asks."""
    for k, id in enumerate(ids, start):
        content = content_of(root / id, link)
        known = {"id": id, **{name: value for name, value in rows[id].items() if name != "path"}}
        # A key ends at its first dot, so the file's own name cannot be one.
        suffix = Path(id).suffix.lower()
        yield f"{k:09d}{suffix if suffix in IMAGE_SUFFIXES else '.jpg'}", content  # a table may name a file x.cls
        yield f"{k:09d}.cls", number[rows[id]["label"]].encode()
        yield f"{k:09d}.json", json.dumps(known, ensure_ascii=False, allow_nan=False).encode(errors="surrogateescape")


def _write(shard: Path, samples: Iterator[tuple[str, bytes]]) -> None:
    """Write one shard, then read it back: what was read and what lies on the disk must have the same sha256."""
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
        raise DataError(f"the shard {shard.name} is not what was read; the disk may be failing.")
