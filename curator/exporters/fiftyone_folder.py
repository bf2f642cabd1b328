"""Exports FiftyOne's own folder format of classified images, which every FiftyOne can import without curator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curator.exporters import Job
from curator.exporters.imagefolder import file_names, folder_names, labels_of, place


class FiftyOneFolder:
    """One `fiftyone.types.FiftyOneImageClassificationDataset` per split: `<split>/data/<file>` and `<split>/labels.json`.

    `curator browse` makes the data set with findings and measures. This folder is for another machine, and for training.
    """

    formats = ("fiftyone",)
    bare = True

    def write(self, job: Job) -> int:
        """See `Exporter`. Raises DataError for an image without a label."""
        labels = labels_of(job.dataset, job.plan)
        classes = sorted(set(labels.values()))
        root = Path(job.dataset.root).resolve()
        splits = folder_names(set(job.plan.assignment.values()))
        for split, folder in sorted(splits.items()):
            data = job.destination / folder / "data"
            data.mkdir(parents=True)
            ids = sorted(id for id, s in job.plan.assignment.items() if s == split)
            targets: dict[str, Any] = {}
            # FiftyOne identifies an image by its name without the ending, so these must differ too.
            for id, name in file_names(ids, by_stem=True).items():
                place(root / id, data / name, job.link)
                target: Any = classes.index(labels[id])
                if job.plan.weights:
                    target = {"label": target, "attributes": {"weight": job.plan.weights.get(id, 1.0)}}
                targets[name.rpartition(".")[0] or name] = target
            text = json.dumps({"classes": classes, "labels": targets}, ensure_ascii=False, indent=1)
            (data.parent / "labels.json").write_text(text + "\n", encoding="utf-8", errors="surrogateescape")
        return len(job.plan.assignment)


EXPORTER = FiftyOneFolder()
