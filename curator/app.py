"""Looking at an audit in the FiftyOne App, on this machine only."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from curator.errors import InputError, MissingExtraError
from curator.exporters.fiftyone import MARK, load_fiftyone, to_fiftyone
from curator.exporters.mongodb import Database, find_database
from curator.types import AuditRun, Dataset, Measures, Recommendation

__all__ = ["Browsing", "Database", "browse", "find_database", "has_browser", "ssh_hint"]

_PORT_TRIES = 50


@dataclass(slots=True)
class Browsing:
    """A running App. `views` are the saved views, worst finding first; `n_images` counts every sample shown."""

    url: str
    dataset_name: str
    views: tuple[str, ...]
    n_images: int
    opened_browser: bool
    _session: Any = field(repr=False)
    _closed: threading.Event = field(default_factory=threading.Event, repr=False)

    def wait(self) -> None:
        """Block until Ctrl-C (or `close` from another thread), then close the App. Ctrl-C is the way out, no error."""
        try:
            while not self._closed.wait(1):
                pass
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Stop the App's server. The data set stays in FiftyOne; mongod ends with this process."""
        session, self._session = self._session, None
        self._closed.set()
        if session is not None:
            session._disable_wait_warning = True  # it would print advice on a session closed within seconds
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def browse(
    run: AuditRun,
    *,
    recommendation: Recommendation | None = None,
    pool: Dataset | None = None,
    pool_measures: Measures | None = None,
    name: str | None = None,
    port: int = 5151,
    address: str = "127.0.0.1",
    open_browser: bool = True,
    wait: bool = True,
) -> Browsing:
    """Build the FiftyOne data set of an audit and serve the App on it, at the worst finding's view.

    `name` is the data set's in FiftyOne ("curator-" and the run's by default). The App asks for no password: any
    `address` but this machine's own shows the images to the network. With `wait` this returns after Ctrl-C. A browser is
    opened only where there is a screen; nothing is printed and no usage data are sent.

    Raises:
        InputError: the port is taken, or the name belongs to a data set that curator did not make.
        MissingExtraError: no FiftyOne or no MongoDB.
    """
    _check_port(address, port)
    fo = load_fiftyone()
    dataset = to_fiftyone(
        run,
        name or f"curator-{run.dataset.name}",
        recommendation=recommendation,
        pool=pool,
        pool_measures=pool_measures,
    )
    views = tuple(dataset.info[MARK]["views"])
    start = dataset.load_saved_view(views[0]) if views else None
    notebook = "ipykernel" in sys.modules
    _start_server(fo, address, port)
    session = fo.Session(
        dataset=None if start is not None else dataset,
        view=start,
        port=port,
        address=address,
        # "remote" only means that FiftyOne opens no browser of its own; in a notebook it shows the App in the cell.
        remote=not notebook,
    )
    browsing = Browsing(f"http://{_in_url(address)}:{port}", dataset.name, views, len(dataset), False, session)
    try:
        if open_browser and not notebook and has_browser():
            browsing.opened_browser = webbrowser.open(browsing.url, new=2)
        if wait:
            browsing.wait()
    except BaseException:
        browsing.close()
        raise
    return browsing


def _start_server(fo: Any, address: str, port: int) -> None:
    """Have the App's server up before a session asks for it.

    A session gives the server it starts ten seconds, then writes to stdout and waits ten more; a busy machine needs longer.
    """
    from fiftyone.core.service import ServerService, ServiceListenTimeout
    from fiftyone.core.session import session

    try:
        session._server_services[port] = ServerService(port, address=address, do_not_track=fo.config.do_not_track)
    except ServiceListenTimeout as error:
        raise MissingExtraError(
            f"FiftyOne's App did not start on {address}:{port} within a minute; try again."
        ) from error


def has_browser() -> bool:
    """Whether a browser opened here would be seen: there is a screen, and nobody came by ssh."""
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def ssh_hint(port: int, host: str | None = None) -> str:
    """The command that, run on one's own machine, brings the App of this one to http://localhost:PORT.

    >>> ssh_hint(5151, "box")
    'ssh -N -L 5151:127.0.0.1:5151 box'
    """
    return f"ssh -N -L {port}:127.0.0.1:{port} {host or socket.gethostname()}"


def _in_url(address: str) -> str:
    """The address as a browser on this machine reaches it."""
    if address in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _is_free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just given up is free
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _check_port(address: str, port: int) -> None:
    """FiftyOne would wait a minute for a port it cannot have, or join whatever App is there already."""
    if not 0 < port < 65536:
        raise InputError(f"port {port} does not exist; choose one from 1024 to 65535.")
    if _is_free(address, port):
        return
    free = next((p for p in range(port + 1, min(port + _PORT_TRIES, 65536)) if _is_free(address, p)), None)
    hint = f"use --port {free}" if free else "check the address, or choose another port"
    raise InputError(f"port {port} of {address} is taken (another App still open?); {hint}.")
