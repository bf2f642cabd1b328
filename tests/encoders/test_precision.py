"""How exactly towers compute: half precision and eight bits are near enough, have another fingerprint, or are refused."""

import numpy as np
import onnx
import pytest
from small_transformer import small_transformer

from curator import encoders
from curator.encoders import _onnx, _precision, _torch
from curator.encoders.embedded import Embedded
from curator.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return small_transformer(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def resolved(model: str, cache, precision: str):
    return encoders.resolve(model, cache=cache, device="cpu", precision=precision)[0]


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_less_exact_vectors_are_near_and_have_a_fingerprint_of_their_own(model, cache, precision):
    pictures = _onnx.trial_images(64)
    exact, less = resolved(model, cache, "fp32"), resolved(model, cache, precision)
    a, b = exact.encode(pictures), less.encode(pictures)
    assert 0.99 <= (a * b).sum(axis=1).min() < 1
    assert np.abs(a - b).max() > 1e-4  # rounding in full precision stays below 1e-6
    assert b.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(b, axis=1), 1, atol=1e-5)
    assert exact.info.fingerprint != less.info.fingerprint
    assert less.info.fingerprint == resolved(model, cache, precision).info.fingerprint


def weights_of(path) -> list[np.ndarray]:
    """The eight-bit matrices of an ONNX file."""
    found = [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer]
    return [w for w in found if w.dtype == np.int8 and w.ndim == 2]


def products(activations: np.ndarray, weights: np.ndarray, *, saturate: bool) -> np.ndarray:
    """(n, m) uint8 times (m, k) int8, as a processor adds them: in 32 bits, or without VNNI each pair first in 16 bits."""
    each = activations[:, :, None].astype(np.int64) * weights[None].astype(np.int64)
    pairs = each.reshape(len(each), -1, 2, each.shape[2]).sum(axis=2)
    return (np.clip(pairs, -(2**15), 2**15 - 1) if saturate else pairs).sum(axis=1)


def test_eight_bits_are_the_same_without_the_instructions_for_them(model, tmp_path):
    """A processor with AVX2 and without VNNI adds two products in 16 bits, which must never overflow."""
    from onnxruntime import quantization

    resolved(model, tmp_path, "int8").encode(_onnx.trial_images(64))
    (small,) = tmp_path.rglob("*.int8*.onnx")
    (exact,) = tmp_path.rglob("image.onnx")
    full = tmp_path / "full.onnx"
    quantization.quantize_dynamic(exact, full, per_channel=True, weight_type=quantization.QuantType.QInt8)
    ours, wide = weights_of(small), weights_of(full)
    assert len(ours) >= 8  # two layers of four products each
    assert max(int(np.abs(w.astype(int)).max()) for w in ours) == 64
    assert 2 * 255 * 64 < 2**15
    rng = np.random.default_rng(0)
    bright = rng.integers(128, 256, (4, max(len(w) for w in ours)), dtype=np.uint8)
    lost = []
    for w in ours:
        assert np.array_equal(
            products(bright[:, : len(w)], w, saturate=True), products(bright[:, : len(w)], w, saturate=False)
        )
        # The worst there can be: the largest activation wherever the weights of a column have one sign.
        worst = np.where(w[:, 0] > 0, 255, 0).astype(np.uint8)[None]
        assert np.array_equal(products(worst, w, saturate=True), products(worst, w, saturate=False))
    for w in wide:
        some = bright[:, : len(w)]
        lost.append(not np.array_equal(products(some, w, saturate=True), products(some, w, saturate=False)))
    assert all(lost)  # with weights up to 127 they would overflow, so the two above can tell


@pytest.mark.parametrize(
    ("has", "times"),
    [
        ({"avx2"}, 20),
        ({"asimd"}, 20),
        (set(), 20),  # a system that does not say
        ({"avx2", "avx512f", "avx512_vnni"}, 2),
        ({"avx2", "avx512f", "avx512_bf16"}, None),
        ({"avx2", "avx_ne_convert"}, None),
        ({"asimd", "bf16"}, None),
    ],
)
def test_half_precision_without_instructions_for_it_is_warned_about(monkeypatch, cache, has, times):
    monkeypatch.setattr(_precision.processors, "instructions", lambda: frozenset(has))
    said = encoders.resolve("embedded", cache=cache, device="cpu", precision="bf16")[1]
    assert [f"--precision bf16 took {times} times as long as fp32" in line for line in said] == [True] * bool(times)
    for precision in ("fp32", "int8", "auto"):
        assert encoders.resolve("embedded", cache=cache, device="cpu", precision=precision)[1] == ()
    assert encoders.resolve("pixels", cache=cache, device="cpu", precision="bf16")[1] == ()
    assert _precision.warnings("bf16", "cuda") == ()


def test_auto_on_a_cpu_is_exact_and_keeps_the_fingerprint(model, cache):
    assert resolved(model, cache, "auto").info.fingerprint == resolved(model, cache, "fp32").info.fingerprint
    prints = {_precision.fingerprint("sha256:0", p) for p in ("fp32", "bf16", "fp16", "int8")}
    assert len(prints) == 4
    assert "sha256:0" in prints


def test_eight_bits_that_are_not_near_enough_are_refused_and_leave_no_file(model, tmp_path, monkeypatch):
    monkeypatch.setattr(_precision, "CLOSE_ENOUGH", 0.9999999)
    with pytest.raises(InputError, match=r"--precision int8 changes the vectors .*needed\); use fp32 or bf16"):
        resolved(model, tmp_path, "int8").encode(_onnx.trial_images(64))
    assert not list(tmp_path.rglob("*.int8*"))
    assert len(list(tmp_path.rglob("image.onnx"))) == 1


def test_eight_bits_that_gain_nothing_are_refused(cache):
    with pytest.raises(InputError, match=r"--precision int8 does not shrink .* use fp32"):
        resolved("embedded", cache, "int8").encode(_onnx.trial_images(224))


def test_the_eye_stays_exact(cache):
    exact = resolved("embedded", cache, "fp32")
    assert encoders.eye_of(exact, cache=cache) is exact
    eye = encoders.eye_of(resolved("embedded", cache, "bf16"), cache=cache)
    assert isinstance(eye, Embedded)
    assert eye.info.fingerprint == exact.info.fingerprint


@pytest.mark.parametrize(
    ("precision", "device", "said"),
    [
        ("fp16", "cpu", "needs a GPU; choose fp32, bf16 or int8"),
        ("int8", "cuda", "is for CPUs; choose bf16, fp16 or fp32"),
        ("fp64", "cpu", "no precision is called 'fp64'; choose one of auto, fp32, bf16, fp16, int8"),
    ],
)
def test_a_precision_that_is_not_to_be_had_is_an_error(precision, device, said):
    with pytest.raises(InputError, match=said):
        _precision.choose(precision, device)


@pytest.mark.parametrize("n", [1, 3, 8, 11])
def test_a_vector_is_the_same_in_batches_of_any_size(model, cache, n):
    """So that neither the batch size nor a run that was interrupted shows in a result."""
    rng = np.random.default_rng(0)
    for name, precision, size in ((model, "fp32", 64), (model, "int8", 64), ("embedded", "fp32", 224)):
        encoder = resolved(name, cache, precision)
        pictures = rng.integers(0, 256, (11, size, size, 3), dtype=np.uint8)
        pictures[:4] //= 8  # dark ones, whose eight bits another scale would change most
        whole = encoder.encode(pictures)
        parts = np.concatenate([encoder.encode(pictures[k : k + n]) for k in range(0, 11, n)])
        np.testing.assert_allclose(parts, whole, atol=1e-6)


class Small(torch.nn.Module):
    """Means of the pictures, on a device with memory for `most` of them."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.tried = most, []

    def forward(self, pixels):
        self.tried.append(len(pixels))
        if len(pixels) > self.most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return pixels.float().mean(dim=(1, 2, 3), keepdim=True), pixels.float()


def test_a_batch_that_does_not_fit_is_halved_and_later_ones_are_not_tried_whole():
    pictures = np.random.default_rng(0).integers(0, 256, (11, 4, 4, 3), dtype=np.uint8)
    module = Small(3)
    graph = _torch.TorchGraph(module, ("mean", "same"), "cpu", 0)
    for _ in range(2):
        same, mean = graph.run(pictures, ("same", "mean"))
        np.testing.assert_array_equal(same, pictures.astype(np.float32))
        np.testing.assert_allclose(mean[:, 0, 0, 0], pictures.mean(axis=(1, 2, 3)), rtol=1e-6)
    assert module.tried == [11, 5, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 1]


def test_one_picture_that_does_not_fit_is_an_error():
    graph = _torch.TorchGraph(Small(0), ("mean", "same"), "cpu", 0)
    with pytest.raises(InputError, match="one image does not fit into the memory of cpu"):
        graph.run(_onnx.trial_images(8), ("mean",))
