"""A real Ctrl-C in the middle of a run: what was embedded is kept, and the next run goes on from there."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from curator import encoders
from curator.engines import local
from curator.io.store.store import Store
from curator.readers import scan

N = 120

RUN = """
import sys, time
from pathlib import Path
from curator import encoders
from curator.engines import local
from curator.readers import scan
from curator.io.store.store import Store

data, folder = sys.argv[1], Path(sys.argv[2])
encoder = encoders.resolve("pixels", cache=folder)[0]

def slow(photo):
    time.sleep(0.05)
    return {"mean": float(photo.pixels.mean())}

def tell(done, all):
    if done:
        print(done, flush=True)

local.run(scan(data), encoder, slow, Store(folder), jobs=2, batch_size=4, on_progress=tell)
"""


def test_ctrl_c_keeps_what_was_embedded(tmp_path):
    data, folder = tmp_path / "data", tmp_path / "store"
    (data / "cat").mkdir(parents=True)
    for k in range(N):
        grey = np.random.default_rng(k).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(grey).save(data / "cat" / f"{k:03}.png")
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(data), str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if int(line) >= 12:
            break
    os.kill(process.pid, signal.SIGINT)
    asked = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - asked < 10
    assert process.returncode == -signal.SIGINT, errors
    assert errors.strip().endswith("KeyboardInterrupt")

    store = Store(folder)
    kept = len(store.keys())
    assert 12 <= kept < N
    assert not list(folder.glob("*.part*"))
    encoder = encoders.resolve("pixels", cache=folder)[0]
    out = local.run(scan(str(data)), encoder, lambda photo: {"mean": float(photo.pixels.mean())}, store)
    assert (out.n_new, len(out.dataset)) == (N - kept, N)
    pictures = [np.asarray(Image.open(out.dataset.path(i))).mean() for i in range(N)]
    assert out.rows["mean"].tolist() == pytest.approx(pictures)
