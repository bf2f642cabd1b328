"""Vectors of two classes and a value that gives them away."""

from __future__ import annotations

import numpy as np

from curator.probe.expected_gain import Known


def images(rng, counts, *, signal=0.8, shortcut=2.0) -> Known:
    """Two classes that `signal` tells apart a little and a value that the picture shows much more plainly.

    `counts` {(class, value): n}.
    """
    parts = [(np.full(n, k), np.full(n, has)) for (k, has), n in counts.items()]
    y, has = (np.concatenate(column) for column in zip(*parts, strict=True))
    x = rng.normal(size=(len(y), 12)).astype(np.float32)
    x[:, 0] += signal * (2 * y - 1)
    x[:, 1] += shortcut * (2 * has - 1)
    return Known(x, y.astype(np.int32), has.astype(bool))


BIASED = {(0, True): 57, (0, False): 3, (1, True): 3, (1, False): 57}
