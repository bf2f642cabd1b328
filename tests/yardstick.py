"""How much work something is, whatever the processor and however busy the machine."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

N_FIXED = 1_000_000


def _fixed() -> None:
    """A tenth of a second of a processor of 2024: loops and arrays, as the statistics have both."""
    total = 0
    for k in range(N_FIXED):
        total += k * k % 7
    for k in range(10):
        np.sort(np.random.default_rng(k).random(N_FIXED // 3))


def times_the_fixed(work: Callable[[], object]) -> float:
    """Processor time of `work` over that of a fixed piece of work; the least of three each, as others may use the processor."""

    def least(what: Callable[[], object]) -> float:
        used = []
        for _ in range(3):
            start = time.process_time()
            what()
            used.append(time.process_time() - start)
        return min(used)

    return least(work) / least(_fixed)
