"""Decoding in processes of their own. The faults are real: processes are killed, clocks run out, memory does not suffice."""

import io
import os
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curator import encoders
from curator.engines import local, workers
from curator.errors import DataError
from curator.io.decoding import images
from curator.io.store.store import Store
from curator.readers import scan
from curator.types import Preprocessing

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows decodes in threads")
P = Preprocessing(size=32, resize_to=40)


def encoded(picture: Image.Image, form: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def noise(seed: int, size=(60, 40)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels))


@pytest.fixture(scope="module")
def large() -> bytes:
    """23 megapixels in a few kilobytes: a good fraction of a second to decode."""
    return encoded(Image.new("RGB", (4800, 4800), (9, 99, 199)), compress_level=1)


@pytest.fixture
def pool():
    made = workers.Workers()
    yield made
    made.close()


def decode(pool: workers.Workers, content: bytes):
    return pool.decode(content, images.sha256(content), P)


def test_a_photo_from_another_process_is_the_one_decoded_here(pool):
    jpeg = encoded(Image.open(io.BytesIO(noise(7))), "JPEG", quality=85)
    for content in (noise(0), noise(1, (1, 1)), noise(2, (700, 300)), jpeg):
        there, here = decode(pool, content), images.decode_bytes(content, P)
        assert there.facts == here.facts
        assert there.phash == here.phash
        assert np.array_equal(there.pixels, here.pixels)
        assert np.array_equal(there.input, here.input)


def test_a_bad_file_has_the_reason_it_has_here(pool):
    for content in (b"<html>", noise(0)[:900], b"\x00" * 50):
        with pytest.raises(DataError) as here:
            images.decode_bytes(content, P)
        with pytest.raises(DataError) as there:
            decode(pool, content)
        assert str(there.value) == str(here.value)
    assert pool.n_died == 0


class Killer:
    """Kills whichever worker has a picture in its hands, `times` times."""

    def __init__(self, pool: workers.Workers, times: int) -> None:
        self._pool, self._left, self._end = pool, times, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        killed: set[int] = set()
        while self._left and not self._end.is_set():
            for pid in set(self._pool.busy) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
                self._left -= 1
            time.sleep(0.001)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_) -> None:
        self._end.set()
        self._thread.join()


def test_a_picture_survives_one_death_of_its_worker_and_two_cost_it_alone(pool, large):
    decode(pool, noise(0))
    with Killer(pool, 1):
        assert decode(pool, large).facts.width == 4800
    assert pool.n_died == 1
    with Killer(pool, 2), pytest.raises(DataError, match=r"^its decoder was killed twice \(is the memory full\?\)$"):
        decode(pool, large)
    assert pool.n_died == 3
    assert np.array_equal(decode(pool, noise(5)).pixels, images.decode_bytes(noise(5), P).pixels)


def kill_idle(pool: workers.Workers) -> None:
    os.kill(pool._idle[0].pid, signal.SIGKILL)
    assert select.select([pool._idle[0].line], [], [], 30)[0]


def test_an_idle_worker_that_dies_costs_nothing(pool):
    decode(pool, noise(0))
    kill_idle(pool)
    assert decode(pool, noise(1)).facts.width == 60
    assert pool.n_died == 0


def test_the_template_may_die_too(pool):
    decode(pool, noise(0))
    pool._template._process.kill()
    pool._template._process.wait()
    kill_idle(pool)
    assert decode(pool, noise(1)).facts.width == 60


def test_a_picture_that_takes_too_long_is_skipped_once_and_soon(large):
    pool = workers.Workers(seconds=0.02)
    try:
        start = time.monotonic()
        with pytest.raises(DataError, match=r"^takes more than 0\.02 s to decode$"):
            decode(pool, large)
        assert pool.n_died == 1
        assert time.monotonic() - start < 20
        assert decode(pool, noise(1)).facts.width == 60
    finally:
        pool.close()


def test_time_spent_on_one_picture_is_not_counted_for_the_next():
    content = noise(3, (500, 500))
    pool = workers.Workers(seconds=0.5)
    try:
        used = time.process_time()
        images.decode_bytes(content, P)
        for _ in range(2 + round(1.0 / max(time.process_time() - used, 0.005))):
            decode(pool, content)
        assert pool.n_died == 0
    finally:
        pool.close()


def test_a_picture_that_needs_more_memory_than_the_cap_is_skipped(large):
    pool = workers.Workers(memory=16 << 20)
    try:
        with pytest.raises(DataError, match=r"^not enough memory to decode it$"):
            decode(pool, large)
        assert decode(pool, noise(1)).facts.width == 60
        assert pool.n_died == 0
    finally:
        pool.close()


def test_a_run_loses_the_one_image_whose_worker_dies(tmp_path, large, monkeypatch):
    """Its worker runs into the limit and is ended by the system, in the middle of a run."""
    pool = workers.Workers(seconds=0.05)
    monkeypatch.setattr(workers, "_shared", (os.getpid(), pool))
    data = tmp_path / "data"
    data.mkdir()
    for k in range(12):
        (data / f"{k:02}.png").write_bytes(noise(k))
    encoder = encoders.resolve("pixels", cache=tmp_path)[0]

    def run(store: str):
        return local.run(
            scan(str(data)), encoder, lambda photo: {"w": photo.facts.width}, Store(tmp_path / store), jobs=2
        )

    want = run("without it")
    (data / "05 large.png").write_bytes(large)
    out = run("with it")
    pool.close()
    assert [(s.id, s.reason) for s in out.dataset.skipped] == [("05 large.png", "takes more than 0.05 s to decode")]
    assert out.dataset.ids.tolist() == want.dataset.ids.tolist()
    assert np.array_equal(out.embeddings.vectors, want.embeddings.vectors)
    assert pool.n_died == 1


def test_many_threads_share_the_pool_and_workers_are_used_again(pool):
    contents = [noise(k) for k in range(40)]
    with ThreadPoolExecutor(4) as threads:
        photos = list(threads.map(lambda c: decode(pool, c), contents))
    for photo, content in zip(photos, contents, strict=True):
        assert photo.facts.sha256 == images.sha256(content)
    assert 1 <= len(pool._idle) <= 4
    before = {w.pid for w in pool._idle}
    decode(pool, noise(99))
    assert {w.pid for w in pool._idle} == before


SCRIPT = """
import sys, time
from pathlib import Path
from curator.engines import workers
from curator.types import Preprocessing
if __name__ != "__main__":
    raise SystemExit("the script ran again in a worker")
pool = workers.shared()
content = Path(sys.argv[1]).read_bytes()
print(pool.decode(content, "k", Preprocessing(32, 40)).facts.width, flush=True)
print(pool._idle[0].pid, pool._template._process.pid, flush=True)
if len(sys.argv) > 2:
    time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks the system for its processes")
@pytest.mark.parametrize("how", ["end", "kill", "interrupt"])
def test_no_worker_outlives_its_process_and_no_script_runs_twice(tmp_path, how):
    """A plain script, without the guard that multiprocessing asks for."""
    (tmp_path / "one.png").write_bytes(noise(0))
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = [
        sys.executable,
        str(tmp_path / "script.py"),
        str(tmp_path / "one.png"),
        *(["wait"] if how != "end" else []),
    ]
    with subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    ) as process:
        assert process.stdout.readline() == "60\n"
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        if how != "end":
            process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGINT)
        process.wait(timeout=30)
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in pids)
