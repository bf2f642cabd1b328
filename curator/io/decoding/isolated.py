"""The worker side of `curator.engines.workers`: a process that decodes one image at a time, within limits.

A template process imports everything once and forks a worker on request. Nothing is pickled: a request is JSON and the file's
bytes, an answer is JSON and pixels. A decoder under an attacker's control can therefore return only an image.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType
from typing import Any

import numpy as np

from curator.errors import DataError
from curator.io.decoding import images
from curator.types import FileFacts, Photo, Preprocessing

ORDER = struct.Struct("<cq")  # to the template: an order and the worker's process id
ANSWER = struct.Struct("<q")  # from the template: a process id or a wait status
FRAME = struct.Struct("<II")  # before a request or an answer: number of bytes of JSON and of content
FORK, BURY = b"F", b"B"
GONE = 1 << 32
"""The template's answer for a worker that it does not know. Wait statuses are smaller."""


def serve(control: int, memory: int, seconds: float) -> None:
    """Run the template until `control`, a socket, is closed by the process that made it."""
    import scipy.fftpack  # noqa: F401  (with the next line, what the perceptual hash needs; imported once for all workers)

    images.warm()
    turns = os.memfd_create("turns") if hasattr(os, "memfd_create") else None
    with socket.socket(fileno=control) as orders:
        while True:
            data, fds, _, _ = socket.recv_fds(orders, ORDER.size, 1)
            if len(data) < ORDER.size:
                return
            order, pid = ORDER.unpack(data)
            if order == BURY:
                orders.sendall(ANSWER.pack(_bury(pid)))
                continue
            pid = os.fork()
            if pid == 0:
                code = 1
                with suppress(BaseException):  # the worker must not return into the template's loop
                    orders.close()
                    _work(fds[0], memory, seconds, turns)
                    code = 0
                os._exit(code)
            os.close(fds[0])
            orders.sendall(ANSWER.pack(pid))


def _bury(pid: int) -> int:
    """The wait status of a worker that closed its socket. It is killed if it does not end by itself."""
    for patience in range(200):
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return GONE
        if ended:
            return status
        if patience == 100:
            os.kill(
                pid, signal.SIGKILL
            )  # safe: it is our own child and not waited for yet, so the number is not reused
        time.sleep(0.005)
    return GONE


def _work(fd: int, memory: int, seconds: float, turns: int | None) -> None:
    """Answer requests until the other side is closed. Exceeding a limit ends the process: see `Clock`."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # a decoder does not write files
    ceiling = _own_memory() + memory
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    if turns is not None:
        images.take_turns(_Turn(turns))
    clock = Clock(seconds)
    with socket.socket(fileno=fd) as line:
        while (request := receive(line)) is not None:
            head, content = request
            clock.start()
            answer = _decode(head, content, clock)
            clock.stop()
            send(line, *answer)


def _decode(head: dict[str, Any], content: memoryview, clock: Clock) -> tuple[dict[str, Any], list[memoryview]]:
    prep = dict(head["preprocessing"])
    prep["mean"], prep["std"] = tuple(prep["mean"]), tuple(prep["std"])
    try:
        photo = images.decode_bytes(
            bytes(content), Preprocessing(**prep), known_sha256=head["sha256"], on_size=clock.extend
        )
    except DataError as error:
        return {"reason": str(error)}, []
    about = {"facts": asdict(photo.facts), "phash": photo.phash, "shape": photo.pixels.shape, "side": len(photo.input)}
    return about, [memoryview(a.tobytes()) for a in (photo.pixels, photo.input)]


def photo_of(head: dict[str, Any], content: memoryview) -> Photo:
    """The `Photo` of an answer. Raises: DataError with the reason if decoding failed; ValueError if the answer is invalid."""
    if "reason" in head:
        raise DataError(str(head["reason"]))
    height, width, _ = head["shape"]
    side = head["side"]
    cut = height * width * 3
    pixels = np.frombuffer(content[:cut], np.uint8).reshape(height, width, 3)
    input_ = np.frombuffer(content[cut:], np.uint8).reshape(side, side, 3)
    return Photo(FileFacts(**head["facts"]), pixels, input_, int(head["phash"]))


def send(line: socket.socket, head: dict[str, Any], contents: list[memoryview]) -> None:
    """Send one request or answer."""
    text = json.dumps(head).encode()
    line.sendall(FRAME.pack(len(text), sum(len(c) for c in contents)) + text)
    for content in contents:
        line.sendall(content)


def receive(line: socket.socket) -> tuple[dict[str, Any], memoryview] | None:
    """The next request or answer. None if the other side has closed the socket."""
    frame = _exactly(line, FRAME.size)
    if frame is None:
        return None
    n_head, n_content = FRAME.unpack(frame)
    both = _exactly(line, n_head + n_content)
    return None if both is None else (json.loads(bytes(both[:n_head])), both[n_head:])


def _exactly(line: socket.socket, n: int) -> memoryview | None:
    whole = memoryview(bytearray(n))
    at = 0
    while at < n:
        got = line.recv_into(whole[at:])
        if not got:
            return None
        at += got
    return whole


def _own_memory() -> int:
    """Address space of this process in bytes; 1 GiB if the system does not report it."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 1 << 30


class Clock:
    """Ends this process through the kernel when one image takes too long, because a decoder stuck in C code runs no Python.

    The limit is in seconds of processor time, so that a busy machine skips no image that an idle one accepts. An image of more
    than `images.LARGE_PIXELS` gets proportionally more time. Waiting time has a loose limit too, because large images wait for
    their turn.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        for number in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)

    def start(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, self._seconds)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)

    def extend(self, n_pixels: int) -> None:
        if n_pixels > images.LARGE_PIXELS:
            signal.setitimer(signal.ITIMER_PROF, self._seconds * n_pixels / images.LARGE_PIXELS)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


PATIENCE_SECONDS = 300.0
"""Maximum time that a worker may spend on one image, including waiting."""


class _Turn:
    """A lock among processes that share a descriptor. The system releases it when its holder dies."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_EX)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_UN)
