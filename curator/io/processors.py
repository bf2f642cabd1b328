"""What the processor of this machine can do."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_PROCESSORS = Path("/proc/cpuinfo")


def instructions(processors: Path = _PROCESSORS) -> frozenset[str]:
    """Instruction sets of the processor, as Linux names them ("avx2", "avx512_bf16"); empty if the system lists none."""
    with suppress(OSError):
        for line in processors.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, flags = line.partition(":")
            if name.strip() in ("flags", "Features"):  # x86; ARM
                return frozenset(flags.split())
    return frozenset()
