"""The part of a picture that an encoder sees, held against what the decoder cuts out; and the types' own checks."""

from __future__ import annotations

import numpy as np
import pytest
from changed import replace
from PIL import Image

from curator.errors import DataError
from curator.io.decoding.images import prepare
from curator.types import Embeddings, EncoderInfo, Preprocessing

SIZES = [(512, 256), (256, 512), (300, 300), (640, 180)]


def ramp(width: int, height: int) -> Image.Image:
    """Red says how far right a pixel lies, green how far down: 0 at one edge and 250 at the other."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    return Image.fromarray(np.stack([250 * x, 250 * y, 0 * x + 255], axis=2).round().astype(np.uint8))


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize(("size", "resize_to"), [(224, 256), (224, 224), (160, 160)])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_view_is_what_the_input_shows(mode, size, resize_to, width, height):
    """Every pixel of the input that shows some of the picture shows the place that `view` says, to about a pixel."""
    how = Preprocessing(size, resize_to, mode, "bilinear")
    left, top, right, bottom = how.view(width, height)
    shown = prepare(ramp(width, height), how).astype(float)
    along = (np.arange(size) + 0.5) / size
    x, y = left + along * (right - left), top + along * (bottom - top)
    inside = shown[..., 2] == 255
    # The decoder rounds lengths and offsets to whole pixels: one pixel either way, 1/63 of the flattest picture.
    assert (inside.any(0) != (x > 0) & (x < 1)).sum() <= 1
    assert (inside.any(1) != (y > 0) & (y < 1)).sum() <= 1
    at = np.ix_(inside.any(1), inside.any(0))
    assert np.abs(shown[at][..., 0] / 250 - x[inside.any(0)]).max() < 0.02
    assert np.abs(shown[at][..., 1] / 250 - y[inside.any(1)][:, None]).max() < 0.02


def embeddings(**changed: object) -> Embeddings:
    info = EncoderInfo("made", "pixels", 2, False, "sha256:0", Preprocessing(8, 8))
    one = Embeddings(np.array(["a", "b", "c"]), np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32), info)
    return replace(one, **changed)  # type: ignore[arg-type]


def test_surround_vectors_go_with_their_images():
    around = np.array([[0, 1], [1, 0], [0.8, 0.6]], np.float32)
    some = embeddings(surround=around).take([2, 0])
    assert some.ids.tolist() == ["c", "a"]
    assert np.array_equal(some.surround, around[[2, 0]])
    assert embeddings().take([1]).surround is None
    with pytest.raises(ValueError, match="read-only"):
        some.surround[0, 0] = 5


@pytest.mark.parametrize("shape", [(2, 2), (3, 3)])
def test_surround_vectors_of_another_form_are_refused(shape):
    with pytest.raises(DataError, match="not one surround vector per image"):
        embeddings(surround=np.ones(shape, np.float32))
