"""kill -9 in the middle of writing and merging: what was said to be stored is there, and nothing half-written is."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np

from curator.io.store import merging
from curator.io.store.store import ABOUT, Store

WRITER = """
import hashlib, sys
from pathlib import Path
import numpy as np, pandas as pd
from curator.io.store import merging
from curator.io.store.store import Store

merging.MAX_ALIKE = 3
store, first = Store(Path(sys.argv[1])), int(sys.argv[2])
for n in range(first, first + 400, 2):
    keys = [hashlib.sha256(f"{k}".encode()).hexdigest() for k in (n, n + 1)]
    vectors = np.full((2, 300), [[n], [n + 1]], np.float16)
    store.append(keys, vectors, pd.DataFrame({"number": [n, n + 1]}))
    print(n, flush=True)
"""
ROUNDS = 6


def test_kill_9_loses_nothing_that_was_said_to_be_stored(tmp_path):
    chance = random.Random(0)
    said: set[int] = set()
    for k in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(400 * k)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(chance.randrange(1, 12))]
        time.sleep(chance.random() * 0.05)
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        said |= {int(n) + i for n in [*lines, *rest.split()] for i in (0, 1)}
    store = Store(tmp_path)
    assert len(store) - len(said) in range(0, 2 * ROUNDS + 1, 2)  # a pair may be there that nobody was told of
    keys = [hashlib.sha256(f"{n}".encode()).hexdigest() for n in sorted(said)]
    found, vectors, rows = store.read(keys)
    assert found.all()
    assert rows["number"].tolist() == sorted(said)
    assert np.array_equal(vectors, np.repeat(np.array(sorted(said), np.float16)[:, None], 300, axis=1))
    left = {p.name for p in tmp_path.iterdir()} - {ABOUT}
    assert not [name for name in left if name.endswith(".part")]
    orphans = {name for name in left if name.endswith(".npy") and name[:-4] not in merging.names(tmp_path)}
    assert len(orphans) <= ROUNDS  # they go when nobody can be about to finish them
