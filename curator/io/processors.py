"""The number of processors this process may use, and their features. A container may have two of a machine's sixty-four."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_PROCESSORS = Path("/proc/cpuinfo")


def available() -> int:
    """The number of processors that this process may use, limited by its share of their time; at least one.

    More threads than that only wait, because the encoder's threads wait for each other after every layer.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = quota()
    return allowed if share is None else min(allowed, math.ceil(share))


def quota(cgroups: Path = _CGROUPS, own: Path = _OWN) -> float | None:
    """The number of processors that control groups allow (`docker run --cpus 2`: 2.0), or None if there is no limit.

    The tightest limit of the process's own group and all groups above it counts. Both versions of control groups are read.
    """
    found = []
    with suppress(OSError):
        for line in own.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            # Inside a container the path may be the host's and not visible. The root group is then the container's group.
            for base in (cgroups, cgroups / "cpu") if controllers else (cgroups,):
                group = base / path.strip("/")
                for folder in (group, *(p for p in group.parents if p.is_relative_to(base))):
                    found += [limit for limit in (_limit(folder),) if limit]
    return min(found, default=None)


def instructions(processors: Path = _PROCESSORS) -> frozenset[str]:
    """Instruction sets of the processor, as Linux names them ("avx2", "avx512_bf16"); empty if the system lists none."""
    with suppress(OSError):
        for line in processors.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, said = line.partition(":")
            if name.strip() in ("flags", "Features"):  # x86; ARM
                return frozenset(said.split())
    return frozenset()


def _limit(group: Path) -> float | None:
    with suppress(OSError, ValueError):  # "max" is not a number and means no limit
        wanted, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        return int(wanted) / int(period)
    with suppress(OSError, ValueError):
        wanted, period = ((group / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period"))
        return int(wanted) / int(period) if int(wanted) > 0 else None
    return None
