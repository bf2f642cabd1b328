"""Where results go: nothing is written into a folder that images are read from."""

from __future__ import annotations

import os
from pathlib import Path

from curator.errors import InputError
from curator.types import Dataset


def keep_out_of_folder(out: Path, data: object, flag: str) -> None:
    """Refuse `out` inside the folder `data`. Anything else than the path of a folder is left to `keep_out_of_images`.

    Raises:
        InputError: `out` lies inside `data`; `flag` names the argument to change.
    """
    if not isinstance(data, (str, Path)) or not str(data):
        return
    root = Path(data).expanduser().resolve()
    if root.is_dir() and out.resolve().is_relative_to(root):
        raise InputError(f"{out} lies inside {data}, which is never written to; choose another {flag}.")


def keep_out_of_images(out: Path, *datasets: Dataset, flag: str) -> None:
    """Refuse `out` inside a folder of the images of one of `datasets`.

    A table's own folder is often the user's working folder, so only the folders of its images count as data.

    Raises:
        InputError: `out` lies inside such a folder; `flag` names the argument to change.
    """
    for dataset in datasets:
        root = Path(dataset.root).resolve()
        # A table may name images outside its folder: "../elsewhere/1.jpg".
        for images in {str(id).rpartition("/")[0] for id in dataset.ids} - {""}:
            if out.resolve().is_relative_to(os.path.normpath(root / images)):
                raise InputError(
                    f"{out} lies inside the data ({images}), which is never written to; choose another {flag}."
                )


def made(out: Path, flag: str) -> Path:
    """The folder `out`, which is created if needed.

    Raises:
        InputError: it cannot be created; `flag` names the argument to change.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise InputError(f"cannot write to {out} ({e.strerror}); choose another {flag}.") from e
    return out
