"""What --model means; and a network that is missing is noticed within five seconds and said in one sentence."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from curator.encoders import REGISTRY, resolve
from curator.errors import InputError

RESOLVE = """
import json, sys, time
from pathlib import Path
from curator.encoders import resolve
from curator.errors import CuratorError
start = time.monotonic()
try:
    encoder, notes = resolve(sys.argv[1], cache=Path(sys.argv[2]), device="cpu")
    said = [encoder.info.kind, *notes]
except CuratorError as error:
    said = [type(error).__name__, str(error)]
seconds = time.monotonic() - start
print(json.dumps({"said": said, "seconds": seconds, "torch": "torch" in sys.modules}))
"""


def resolve_there(model: str, folder: Path, **env: str) -> dict:
    """`resolve` in a process of its own with an empty hub cache: the hub's client reads its settings once, on import."""
    clean = {
        k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith(("HF_", "TRANSFORMERS"))
    }
    command = [sys.executable, "-c", RESOLVE, model, str(folder / "cache")]
    done = subprocess.run(command, env=clean | {"HF_HOME": str(folder)} | env, capture_output=True, text=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture
def black_hole():
    """A server that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        server.setblocking(False)
        yield server


def address(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def soonest(least: float, *args, **env: str) -> dict:
    """`resolve_there`, of three tries one that took less than so many seconds: the machine may be busy with other things."""
    for _ in range(3):
        found = resolve_there(*args, **env)
        if found["seconds"] < least:
            break
    return found


@pytest.fixture
def nobody():
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_auto_without_a_network_is_embedded_and_says_so(nobody, tmp_path):
    found = soonest(5, "auto", tmp_path, HF_ENDPOINT=nobody)
    kind, note = found["said"]
    assert kind == "embedded"
    assert "cannot be reached" in note
    assert "text prompts" in note
    assert "--model ViT-B-32/datacomp_xl_s13b_b90k" in note
    assert "--model ViT-B-32:/path/to/open_clip_model.safetensors" in note
    assert found["seconds"] < 5
    assert found["torch"] is False


def test_auto_before_a_hub_that_never_answers_takes_under_five_seconds(black_hole, tmp_path):
    found = soonest(5, "auto", tmp_path, HF_ENDPOINT=address(black_hole))
    assert found["said"][0] == "embedded"
    assert "does not answer" in found["said"][1] or "timed out" in found["said"][1]
    assert found["seconds"] < 5


def test_auto_offline_by_choice_asks_nobody(black_hole, tmp_path):
    found = resolve_there("auto", tmp_path, HF_ENDPOINT=address(black_hole), HF_HUB_OFFLINE="1")
    assert found["said"][0] == "embedded"
    assert "HF_HUB_OFFLINE is set" in found["said"][1]
    with pytest.raises(BlockingIOError):
        black_hole.accept()


def test_auto_falls_back_when_the_fetch_breaks_off(tmp_path):
    """A server that answers the question whether it is there, and has nothing that a hub would send."""
    code = (
        "import http.server\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_HEAD(self): self.send_response(200); self.end_headers()\n"
        "    def do_GET(self): self.send_error(404)\n"
        "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)\n"
        "print(s.server_port, flush=True)\n"
        "s.serve_forever()\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        found = resolve_there("auto", tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{server.stdout.readline().strip()}")
    finally:
        server.kill()
        server.wait()
    assert found["said"][0] == "embedded"
    assert "failed" in found["said"][1]


NAMED = ("ViT-B-32/datacomp_xl_s13b_b90k", "ViT-B-16-SigLIP/webli", "hf-hub:laion/CLIP-ViT-B-32-x")


@pytest.fixture(scope="module")
def asked_for_by_name(tmp_path_factory) -> dict[str, dict]:
    """What comes of each; they wait for the hub at the same time."""
    folders = [tmp_path_factory.mktemp("named") for _ in NAMED]
    with socket.create_server(("127.0.0.1", 0), backlog=16) as hub, ThreadPoolExecutor(len(NAMED)) as threads:
        found = threads.map(lambda model, folder: soonest(5, model, folder, HF_ENDPOINT=address(hub)), NAMED, folders)
        return dict(zip(NAMED, found, strict=True))


@pytest.mark.parametrize("model", NAMED)
def test_a_clip_asked_for_by_name_is_one_error_within_five_seconds(model, asked_for_by_name):
    found = asked_for_by_name[model]
    kind, message = found["said"]
    assert kind == "MissingExtraError"
    assert "is not on this machine and cannot be downloaded" in message
    assert "--model embedded" in message
    assert "\n" not in message
    assert found["seconds"] < 5


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("embeded", "did you mean 'embedded'?"),
        ("ViT-B32/openai", "did you mean 'ViT-B-32'"),
        ("vit-b-32/openai", "did you mean 'ViT-B-32'"),
        ("ViT-B-32/datacomp_xl", "did you mean 'datacomp_xl_s13b_b90k'"),
        ("ViT-B-32", "needs a pretrained tag, as in ViT-B-32/"),
        ("ViT-B-32:/no/such/file.pt", "there is no checkpoint at"),
        ("ViT-B-32:/no/such/file.txt", "a name that ends in .safetensors"),
        ("hf-hub:nobody", "hf-hub:ORGANISATION/NAME"),
        ("", "no model architecture is called ''"),
    ],
)
def test_a_model_that_does_not_exist_is_an_input_error(model, message, tmp_path):
    with pytest.raises(InputError) as error:
        resolve(model, cache=tmp_path, device="cpu")
    assert message in str(error.value)


def test_a_device_that_does_not_exist_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="choose auto, cpu or cuda"):
        resolve("pixels", cache=tmp_path, device="gpu")
    with pytest.raises(InputError, match="does not exist on this machine"):
        resolve("pixels", cache=tmp_path, device="cuda:99")


def test_every_encoder_joins_by_its_file():
    assert {"embedded", "open_clip", "pixels"} <= set(REGISTRY.names())


def test_light_encoders_start_quickly(tmp_path):
    found = soonest(1, "pixels", tmp_path)
    assert found == {"said": ["pixels"], "seconds": found["seconds"], "torch": False}
    assert found["seconds"] < 1
