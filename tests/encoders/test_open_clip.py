"""CLIP by open_clip, held against open_clip itself on a small architecture with random weights from a real checkpoint."""

from __future__ import annotations

import functools
import http.server
import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curator.encoders import _onnx, _torch, resolve
from curator.errors import InputError
from curator.io.decoding.images import prepare
from curator.types import Preprocessing

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

# open_clip's smallest own architecture has 35 M weights; this one, added by its own add_model_config, has 2 M.
ARCH = "curator-test-tiny"
CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
PREPARED = {"mean": [0.5, 0.4, 0.3], "std": [0.3, 0.2, 0.25], "fill_color": 90}
PROMPTS = ["a photo of a hen", "a photo of snow", "a sheep"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = tmp_path_factory.mktemp("architecture") / f"{ARCH}.json"
    path.write_text(json.dumps(CONFIG), encoding="utf-8")
    open_clip.add_model_config(path)
    torch.manual_seed(0)
    model = open_clip.create_model(ARCH)
    with torch.no_grad():
        # Fresh weights hardly look at the picture; louder ones make two pictures two vectors.
        for name, tensor in model.named_parameters():
            if tensor.ndim >= 2 and "token_embedding" not in name:
                tensor.normal_(std=3 / tensor[0].numel() ** 0.5)
    return model.state_dict()


@pytest.fixture
def checkpoint(weights, tmp_path) -> Path:
    return save(weights, tmp_path / "weights" / "tiny.safetensors")


def save(weights: dict, path: Path, config: dict | None = None) -> Path:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file({k: v.contiguous() for k, v in weights.items()}, path)
    else:
        torch.save(weights, path)
    if config is not None:
        text = json.dumps({"model_cfg": CONFIG, "preprocess_cfg": config})
        (path.parent / "open_clip_config.json").write_text(text, encoding="utf-8")
    return path


def pictures() -> list[Image.Image]:
    """Three pictures of different shapes: wide, tall, and square; structure at the edges, so that a crop matters."""
    rng = np.random.default_rng(3)
    shapes = ((90, 160), (150, 70), (120, 120))
    return [Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((w, h)) for h, w in shapes]


def by_open_clip(checkpoint: Path, **options) -> np.ndarray:
    model, _, transform = open_clip.create_model_and_transforms(ARCH, pretrained=str(checkpoint), **options)
    with torch.no_grad():
        inputs = torch.stack([transform(picture) for picture in pictures()])
        return model.eval().encode_image(inputs, normalize=True).numpy()


def ours(encoder, preprocessing: Preprocessing) -> np.ndarray:
    return encoder.encode(np.stack([prepare(picture, preprocessing) for picture in pictures()]))


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_vectors_are_open_clips_own(weights, tmp_path, suffix):
    path = save(weights, tmp_path / f"tiny{suffix}")
    encoder, notes = resolve(f"{ARCH}:{path}", cache=tmp_path / "cache", device="cpu")
    mine, theirs = ours(encoder, encoder.info.preprocessing), by_open_clip(path)
    similar = mine @ theirs.T
    assert notes == ()
    assert (encoder.info.kind, encoder.info.dim, encoder.info.text) == ("open_clip", 32, True)
    assert np.diag(similar).min() >= 0.999
    assert similar[~np.eye(3, dtype=bool)].max() < 0.99, "the pictures must differ for the test to say anything"
    assert isinstance(encoder._graph, _onnx.OnnxGraph)


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_preprocessing_is_read_from_open_clips_configuration(weights, tmp_path, mode, interpolation):
    config = PREPARED | {"resize_mode": mode, "interpolation": interpolation}
    path = save(weights, tmp_path / "tiny.pt", config)
    encoder, _ = resolve(f"{ARCH}:{path}", cache=tmp_path / "cache", device="cpu")
    given = encoder.info.preprocessing
    assert (given.mode, given.interpolation, given.fill, given.size) == (mode, interpolation, 90, 64)
    # What open_clip itself makes of these options.
    model = open_clip.create_model(ARCH, pretrained=str(path), force_preprocess_cfg=config).eval()
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg), is_train=False
    )
    with torch.no_grad():
        theirs = model.encode_image(torch.stack([transform(p) for p in pictures()]), normalize=True).numpy()
    assert (ours(encoder, given) * theirs).sum(axis=1).min() >= 0.999
    assert (theirs * by_open_clip(path)).sum(axis=1).min() < 0.99, "open_clip's defaults must give something else"


def test_text_is_open_clips_own(checkpoint, tmp_path):
    encoder, _ = resolve(f"{ARCH}:{checkpoint}", cache=tmp_path / "cache", device="cpu")
    model = open_clip.create_model(ARCH, pretrained=str(checkpoint)).eval()
    with torch.no_grad():
        theirs = model.encode_text(open_clip.get_tokenizer(ARCH)(PROMPTS), normalize=True).numpy()
    np.testing.assert_allclose(encoder.encode_text(PROMPTS), theirs, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_text([*PROMPTS[::-1], "ice"])[:3], theirs[::-1], atol=1e-5)
    assert encoder.encode_text([]).shape == (0, 32)


def test_a_second_run_needs_neither_torch_nor_open_clip(checkpoint, tmp_path):
    encoder, _ = resolve(f"{ARCH}:{checkpoint}", cache=tmp_path / "cache", device="cpu")
    inputs = np.stack([prepare(picture, encoder.info.preprocessing) for picture in pictures()])
    first = tmp_path / "first.npz"
    np.savez(first, inputs=inputs, vectors=encoder.encode(inputs), text=encoder.encode_text(PROMPTS))
    code = """
import sys
from pathlib import Path
import numpy as np
from curator.encoders import resolve
encoder, notes = resolve(sys.argv[1], cache=Path(sys.argv[2]), device="cpu")
first = np.load(sys.argv[3])
assert encoder.info.fingerprint == sys.argv[4]
assert np.array_equal(encoder.encode(first["inputs"]), first["vectors"])
assert np.array_equal(encoder.encode_text(["a sheep"])[0], first["text"][2])
print(sorted({"torch", "open_clip"} & set(sys.modules)))
"""
    arguments = [f"{ARCH}:{checkpoint}", str(tmp_path / "cache"), str(first), encoder.info.fingerprint]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_fingerprint_follows_weights_and_preprocessing(weights, tmp_path):
    def fingerprint(path: Path) -> str:
        return resolve(f"{ARCH}:{path}", cache=tmp_path / "cache", device="cpu")[0].info.fingerprint

    path = save(weights, tmp_path / "tiny.safetensors")
    first = fingerprint(path)
    assert fingerprint(path) == first
    configured = save(weights, path, PREPARED)
    second = fingerprint(configured)
    other = weights | {"visual.proj": weights["visual.proj"] * 2}
    third = fingerprint(save(other, path, PREPARED))
    assert len({first, second, third}) == 3


def described(weights: dict, folder: Path, config: object) -> Path:
    """A checkpoint with this configuration beside it, whatever it is."""
    path = save(weights, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def test_an_architecture_of_ones_own_is_read_beside_the_checkpoint(weights, tmp_path):
    path = described(weights, tmp_path / "mine", {"model_cfg": CONFIG, "preprocess_cfg": PREPARED})
    known = described(weights, tmp_path / "known", {"preprocess_cfg": PREPARED})
    own, _ = resolve(f"my clip:{path}", cache=tmp_path / "cache", device="cpu")
    theirs, _ = resolve(f"{ARCH}:{known}", cache=tmp_path / "cache", device="cpu")
    assert own.info.fingerprint == theirs.info.fingerprint
    assert (own.info.dim, own.info.preprocessing.fill) == (32, 90)
    prep = own.info.preprocessing
    np.testing.assert_allclose(ours(own, prep), ours(theirs, prep), atol=1e-6)
    np.testing.assert_allclose(own.encode_text(PROMPTS), theirs.encode_text(PROMPTS), atol=1e-6)


def test_two_architectures_of_one_name_are_two_models(weights, tmp_path):
    first = described(weights, tmp_path / "a", {"model_cfg": CONFIG})
    shorter = CONFIG | {"text_cfg": CONFIG["text_cfg"] | {"context_length": 9}}
    cut = weights | {"positional_embedding": weights["positional_embedding"][:9]}
    second = described(cut, tmp_path / "b", {"model_cfg": shorter})
    one, two = (resolve(f"mine:{path}", cache=tmp_path / "cache", device="cpu")[0] for path in (first, second))
    assert one.info.fingerprint != two.info.fingerprint
    # The second would not even load if it were built as the first; its text is read up to nine tokens.
    long = "a hen and a sheep and a rabbit and a goat on grass"
    np.testing.assert_allclose(one.encode_text(["a hen"]), two.encode_text(["a hen"]), atol=1e-5)
    assert (one.encode_text([long]) @ two.encode_text([long]).T).item() < 0.99


def test_a_configuration_that_changes_is_read_again(weights, tmp_path):
    path = described(weights, tmp_path / "mine", {"model_cfg": CONFIG})
    before = resolve(f"mine:{path}", cache=tmp_path / "cache", device="cpu")[0].info
    config = path.parent / "open_clip_config.json"
    config.write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": PREPARED}), encoding="utf-8")
    os.utime(config, ns=(1, 1))
    after = resolve(f"mine:{path}", cache=tmp_path / "cache", device="cpu")[0].info
    assert (before.preprocessing.fill, after.preprocessing.fill) == (0, 90)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, r"no model architecture is called 'mine', and there is no .*open_clip_config\.json"),
        ({"preprocess_cfg": PREPARED}, r"and .*open_clip_config\.json has no model_cfg"),
        ([1, 2], "is not a JSON object"),
        ({"model_cfg": "ViT-B-32"}, "model_cfg is not a JSON object"),
        ({"model_cfg": CONFIG, "preprocess_cfg": [1]}, "preprocess_cfg is not a JSON object"),
        ({"model_cfg": {"embed_dim": 3}}, "its model_cfg needs embed_dim, vision_cfg and text_cfg"),
        ({"model_cfg": CONFIG, "preprocess_cfg": {"mean": [1, 2]}}, "mean and std three numbers each"),
        ({"model_cfg": CONFIG | {"vision_cfg": {"image_size": "large"}}}, "image_size needs to be a number"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_an_input_error(config, message, weights, tmp_path):
    path = described(weights, tmp_path / "mine", config)
    if config is None:
        (path.parent / "open_clip_config.json").unlink()
    with pytest.raises(InputError, match=message) as error:
        resolve(f"mine:{path}", cache=tmp_path / "cache", device="cpu")
    assert "\n" not in str(error.value)


class Danger:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_checkpoint_that_would_run_code_is_refused(weights, tmp_path):
    path = tmp_path / "evil.pt"
    torch.save({**weights, "extra": Danger(str(tmp_path / "was_run"))}, path)
    encoder, _ = resolve(f"{ARCH}:{path}", cache=tmp_path / "cache", device="cpu")
    with pytest.raises(InputError, match=r"evil\.pt is not a checkpoint"):
        encoder.encode(np.zeros((1, 64, 64, 3), np.uint8))
    assert not (tmp_path / "was_run").exists()
    path.write_bytes(pickle.dumps(Danger(str(tmp_path / "was_run"))))
    encoder, _ = resolve(f"{ARCH}:{path}", cache=tmp_path / "cache", device="cpu")
    with pytest.raises(InputError, match=r"evil\.pt is not a checkpoint"):
        encoder.encode_text(["a hen"])
    assert not (tmp_path / "was_run").exists()


def test_a_checkpoint_of_another_architecture_is_an_input_error(weights, tmp_path):
    path = save({k: v for k, v in weights.items() if "resblocks.1" not in k}, tmp_path / "half.safetensors")
    encoder, _ = resolve(f"{ARCH}:{path}", cache=tmp_path / "cache", device="cpu")
    with pytest.raises(InputError, match=rf"not a checkpoint of {ARCH}"):
        encoder.encode(np.zeros((1, 64, 64, 3), np.uint8))


def test_an_operator_without_translation_runs_by_torch_and_is_said(tmp_path, caplog, capfd):
    prep = Preprocessing(size=8, resize_to=8)
    builds = []

    def build():
        builds.append(1)
        layer = torch.nn.Linear(3, 4)
        return _torch.normalising(lambda x: (torch.special.bessel_j0(layer(x.mean(dim=(2, 3)))).detach(),), layer, prep)

    path = tmp_path / "image.onnx"
    graph = _onnx.image_tower(path, build, ("out",), prep, "cpu", 1)
    assert graph.run(np.zeros((5, 8, 8, 3), np.uint8), ("out",))[0].shape == (5, 4)
    assert isinstance(graph, _torch.TorchGraph)
    assert "torch runs the image tower" in caplog.text
    assert [p.name for p in tmp_path.iterdir()] == ["image.failed"]
    assert capfd.readouterr().out == "", "the exporter's own talk would spoil --json"


def test_an_export_that_disagrees_with_torch_is_not_kept(tmp_path):
    prep = Preprocessing(size=8, resize_to=8)

    class Fickle(torch.nn.Module):
        def forward(self, pixels):
            # What a wrong translation looks like from outside: the exported graph computes something else.
            sign = -1.0 if torch.onnx.is_in_onnx_export() else 1.0
            return (pixels.float().mean(dim=(1, 2)) * torch.tensor([1.0, sign, sign]),)

    with pytest.raises(ValueError, match="disagrees with torch"):
        _onnx.export(Fickle().eval(), tmp_path / "image.onnx", ("out",), prep.size)
    assert list(tmp_path.iterdir()) == []


class Hub(http.server.SimpleHTTPRequestHandler):
    """As much of a model hub as its client asks for: files with a commit and an entity tag."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.replace("/resolve/main/", "/").replace(f"/resolve/{'0' * 40}/", "/"))

    def end_headers(self) -> None:
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{abs(hash(self.path)):x}"')
        super().end_headers()

    def log_message(self, *args: object) -> None: ...


def test_a_model_of_the_hub_is_fetched_once_and_then_needs_no_hub(weights, tmp_path):
    save(
        weights,
        tmp_path / "hub" / "org" / "tiny" / "open_clip_model.safetensors",
        PREPARED | {"resize_mode": "longest"},
    )
    handler = functools.partial(Hub, directory=str(tmp_path / "hub"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = """
import sys
from pathlib import Path
import numpy as np
from curator.encoders import resolve
encoder, _ = resolve("hf-hub:org/tiny", cache=Path(sys.argv[1]), device="cpu")
print(encoder.info.preprocessing.mode, encoder.info.fingerprint)
print(encoder.encode(np.full((1, 64, 64, 3), 77, np.uint8)).tobytes().hex()[:64])
"""
    env = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("HF_")}
    env |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", code, str(tmp_path / "cache")]
    first = subprocess.run(command, env=env, capture_output=True, text=True)
    server.shutdown()
    server.server_close()
    second = subprocess.run(command, env=env, capture_output=True, text=True)
    assert first.stdout.startswith("longest sha256:"), first.stderr
    assert second.stdout == first.stdout, second.stderr


def test_a_configuration_of_the_hub_that_cannot_be_used_is_an_input_error(tmp_path):
    said = {
        "list": ("[1]", "is not a JSON object"),
        "text": ('{"model_cfg": "ViT-B-32"}', "model_cfg is not a JSON object"),
        "short": ('{"model_cfg": {"embed_dim": 3}}', "does not describe a CLIP"),
        "none": ("{}", "has no model_cfg"),
        "broken": ("{", "is not a JSON object"),
    }
    for name, (text, _) in said.items():
        (tmp_path / "hub" / "org" / name).mkdir(parents=True)
        (tmp_path / "hub" / "org" / name / "open_clip_config.json").write_text(text)
    handler = functools.partial(Hub, directory=str(tmp_path / "hub"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = """
import sys
from pathlib import Path
from curator.encoders import resolve
from curator.errors import InputError
for name in sys.argv[2:]:
    try:
        resolve(f"hf-hub:org/{name}", cache=Path(sys.argv[1]), device="cpu")
    except InputError as error:
        print(error)
"""
    env = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("HF_")}
    env |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", code, str(tmp_path / "cache"), *said]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    server.shutdown()
    server.server_close()
    lines = done.stdout.splitlines()
    assert len(lines) == len(said), done.stderr
    for line, (_, message) in zip(lines, said.values(), strict=True):
        assert message in line
