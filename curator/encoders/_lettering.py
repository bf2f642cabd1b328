"""A small network that finds lettering in an image. Its weights are part of this package.

Source: Liao et al. (2020), "Real-time scene text detection with differentiable binarization", in the mobile detector of
PP-OCRv4 (PaddleOCR, Apache-2.0). `ppocr_det.onnx` is the ONNX file of rapidocr-onnxruntime 1.4.4 (Apache-2.0), byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray
from scipy import ndimage

from curator.errors import MissingExtraError
from curator.types import Floats, Photo, Preprocessing

WEIGHTS = "ppocr_det.onnx"
WEIGHTS_SHA256 = "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9"
SIZE = 480
"""Longest side of the input in pixels: a date stamp of a 500-pixel photograph is 8 pixels high."""
MOST = 12
"""Lines of lettering that are kept of an image, the surest first."""
_STEP = 32
"""The network needs sides that are multiples of this many pixels."""
_LIKELY, _SURE = 0.3, 0.7
"""A pixel counts from the first probability on (the authors' value), a line from the second mean probability on."""
_THINNEST = 3
"""Minimum height and width of a line, in pixels of the input."""
VERSION = f"1 {WEIGHTS_SHA256[:16]} {SIZE} {MOST}"
PREPROCESSING = Preprocessing(SIZE, SIZE, "longest")


class Lettering:
    """Lines of lettering. The network is loaded with the first image and takes 0.03 s of processor time an image.

    Each image is computed alone on one thread, so the result does not depend on other images or on the number of threads.
    """

    def __init__(self, jobs: int = 0) -> None:
        self._jobs = jobs or cpu_count()

    def lines(self, photos: Sequence[Photo]) -> NDArray[np.uint8]:
        """(b, MOST, 4) uint8: left, top, right and bottom of each line, as fractions of the image times 255; zeros for none.

        Photos are decoded with `PREPROCESSING`.

        Raises:
            MissingExtraError: the weights of this installation are damaged.

        Error: the legs of an insect and a row of windows are sometimes taken for lettering; so lines in the middle of an image
        say less than lines by its edge. A box is a few pixels smaller than its lettering.
        """
        session = _session()

        def one(photo: Photo) -> NDArray[np.uint8]:
            return _boxes(*_probabilities(session, photo))

        with ThreadPoolExecutor(self._jobs) as threads:
            made = list(threads.map(one, photos))
        return np.stack(made) if made else np.zeros((0, MOST, 4), np.uint8)


def _probabilities(session: object, photo: Photo) -> tuple[Floats, tuple[float, float, float, float]]:
    """The probability of lettering (h, w) in the middle of the input, and the part of it that the image covers, in pixels."""
    w, h = photo.facts.width, photo.facts.height
    ratio = max(w, h) / SIZE
    shown = [max(1, round(side / ratio)) for side in (h, w)]
    kept = [min(SIZE, -(-side // _STEP) * _STEP) for side in shown]
    top, left = ((SIZE - side) // 2 for side in kept)
    pixels = photo.input[top : top + kept[0], left : left + kept[1], ::-1].astype(np.float32)
    scaled = (pixels / 127.5 - 1).transpose(2, 0, 1)[None]  # as the authors prepare an image: BGR, -1..1
    found = session.run(None, {"x": scaled})[0][0, 0]  # type: ignore[attr-defined]  # onnxruntime has no types
    y, x = ((SIZE - side) // 2 - start for side, start in zip(shown, (top, left), strict=True))
    return found, (x, y, shown[1], shown[0])


def _boxes(found: Floats, shown: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    label, _ = ndimage.label(found > _LIKELY)
    x, y, width, height = shown
    lines = []
    for k, (rows, columns) in enumerate(ndimage.find_objects(label), start=1):
        if min(rows.stop - rows.start, columns.stop - columns.start) < _THINNEST:
            continue
        sure = float(found[rows, columns][label[rows, columns] == k].mean())
        if sure >= _SURE:
            box = (
                (columns.start - x) / width,
                (rows.start - y) / height,
                (columns.stop - x) / width,
                (rows.stop - y) / height,
            )
            lines.append((-sure, box))
    out = np.zeros((MOST, 4), np.uint8)
    for k, (_, box) in enumerate(sorted(lines)[:MOST]):
        out[k] = np.rint(255 * np.clip(box, 0, 1))
    return out


@cache
def _session():  # type: ignore[no-untyped-def]  # onnxruntime has no types
    import onnxruntime

    content = resources.files(__package__).joinpath(WEIGHTS).read_bytes()
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise MissingExtraError(f"curator's file {WEIGHTS} is damaged; reinstall curator-audit.")
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
