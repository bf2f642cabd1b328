"""Decodes images in separate processes. A decoder that crashes, hangs or needs too much memory costs one image, not the run.

`multiprocessing` is not used, because it runs the user's script again in every worker and forks or pickles what must not be.
The template of the workers is a plain interpreter that gets its task on the command line.
"""

from __future__ import annotations

import atexit
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from functools import cache
from typing import Any

from curator.errors import DataError
from curator.io.decoding import images
from curator.types import Photo, Preprocessing

SECONDS = 5.0
"""Processor time allowed for decoding one image; above 24 megapixels proportionally more. 24 megapixels take 1.3 s as JPEG
2000, the slowest format, and 0.7 s as PNG."""
MEMORY = 4 << 30
"""Bytes of address space allowed for decoding one image, besides the program itself. A PNG of 119 megapixels with an alpha
channel needs 1.8 GB."""
_TRIES = 2
"""A worker may have been killed because other processes used the memory, so a second worker tries once more."""
_LINE_BYTES = 1 << 20

_log = logging.getLogger("curator")


class Workers:
    """Worker processes, as many as there are decoding threads. They wait between runs and end with this process.

    Thread-safe. If processes cannot be started (Windows, no free descriptors), images are decoded in this process.
    """

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self._seconds, self._memory = seconds, memory
        self._template: _Template | None = None
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._without = os.name != "posix" or bool(getattr(sys, "frozen", False))
        self.n_died = 0
        self.busy: set[int] = set()
        """Process ids of the workers that are decoding an image."""

    def decode(self, content: bytes, sha256: str, preprocessing: Preprocessing) -> Photo:
        """`images.decode_bytes` in another process.

        Raises: DataError with a short reason, also if its worker died, was too slow or needed too much memory.
        """
        request = {"preprocessing": asdict(preprocessing), "sha256": sha256}
        reason = ""
        for _ in range(_TRIES):
            worker = self._take()
            if worker is None:
                return images.decode_bytes(content, preprocessing, known_sha256=sha256)
            self.busy.add(worker.pid)
            try:
                answer = worker.ask(request, content)
            finally:
                self.busy.discard(worker.pid)
            if answer is not None:
                with self._lock:
                    self._idle.append(worker)
                photo: Photo = _far_side().photo_of(*answer)
                return photo
            status = self._bury(worker)
            reason, again = self._why(status)
            if not again:
                break
        raise DataError(reason)

    def close(self) -> None:
        """End the workers. The next image would start new ones."""
        with self._lock:
            for worker in self._idle:
                worker.line.close()
            self._idle = []
            template, self._template = self._template, None
        if template:
            template.close()

    def _take(self) -> _Worker | None:
        """An idle live worker, or a new one. None if no worker can be started."""
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if not select.select([worker.line], [], [], 0)[0]:
                    return worker
                worker.line.close()  # the worker died while it was idle
                if self._template:
                    self._template.bury(worker.pid)
            if self._without:
                return None
            for _ in range(_TRIES):  # the template itself may have been killed
                try:
                    self._template = self._template or _Template(self._seconds, self._memory)
                    return self._template.fork()
                except (OSError, EOFError) as error:
                    template, self._template = self._template, None
                    if template:
                        template.close()
                    problem = error
            self._without = True
        _log.warning("images are decoded in this process, because no other process can be started (%s).", problem)
        return None

    def _bury(self, worker: _Worker) -> int:
        worker.line.close()
        with self._lock:
            self.n_died += 1
            return self._template.bury(worker.pid) if self._template else 0

    def _why(self, status: int) -> tuple[str, bool]:
        """The reason for a worker's end, and whether another worker may try."""
        number = os.WTERMSIG(status) if status < _far_side().GONE and os.WIFSIGNALED(status) else 0
        if number in (signal.SIGPROF, signal.SIGALRM):
            return f"takes more than {self._seconds:g} s to decode", False
        if number == signal.SIGKILL:
            return "its decoder was killed twice (is the memory full?)", True
        name = signal.Signals(number).name if number else "no signal"
        return f"its decoder crashed twice ({name})", True


@cache
def _far_side() -> Any:
    from curator.io.decoding import isolated  # imported late, because Windows lacks modules that it imports

    return isolated


class _Worker:
    """This process's connection to one worker."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid, self.line = pid, line

    def ask(self, request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], memoryview] | None:
        """The worker's answer, or None if it died."""
        try:
            _far_side().send(self.line, request, [memoryview(content)])
            answer: tuple[dict[str, Any], memoryview] | None = _far_side().receive(self.line)
        except OSError:  # the worker closed the socket, or did not answer in time
            return None
        return answer


class _Template:
    """The process that forks the workers."""

    def __init__(self, seconds: float, memory: int) -> None:
        near, far = socket.socketpair()
        with far:
            places = [place for place in sys.path if isinstance(place, str)]
            code = (
                f"import sys; sys.path[:] = {places!r}; "
                f"from curator.io.decoding.isolated import serve; serve({far.fileno()}, {memory}, {seconds})"
            )
            # In its own session, so that Ctrl-C reaches only this process, which then ends the others. One thread, because it
            # forks.
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # libtiff and libjpeg print messages
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        self._orders = near

    def fork(self) -> _Worker:
        near, far = socket.socketpair()
        try:
            for end in (near, far):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LINE_BYTES)
            near.settimeout(_far_side().PATIENCE_SECONDS + 10)
            socket.send_fds(self._orders, [_far_side().ORDER.pack(_far_side().FORK, 0)], [far.fileno()])
            return _Worker(self._answer(), near)
        except BaseException:
            near.close()
            raise
        finally:
            far.close()

    def bury(self, pid: int) -> int:
        """The wait status of a worker that closed its socket."""
        try:
            self._orders.sendall(_far_side().ORDER.pack(_far_side().BURY, pid))
            return self._answer()
        except (OSError, EOFError):
            return int(_far_side().GONE)

    def close(self) -> None:
        self._orders.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> int:
        size = _far_side().ANSWER.size
        data = self._orders.recv(size, socket.MSG_WAITALL)
        if len(data) < size:
            raise EOFError("the decoding processes ended")
        return int(_far_side().ANSWER.unpack(data)[0])


_shared: tuple[int, Workers] | None = None
_making = threading.Lock()


def shared() -> Workers:
    """The workers of this process, which later runs use again."""
    global _shared
    with _making:
        if _shared is None or _shared[0] != os.getpid():  # after a fork the workers belong to the parent
            _shared = os.getpid(), Workers()
            atexit.register(_shared[1].close)
        return _shared[1]
