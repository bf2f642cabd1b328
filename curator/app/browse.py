"""Show an audit in the FiftyOne App, on this machine only."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from curator import commands
from curator.app.fiftyone_plugin import installing, serving
from curator.commands import Advice, Session
from curator.commands._steps import app_contents
from curator.errors import InputError, MissingExtraError
from curator.exporters.fiftyone import MARK
from curator.io.fiftyone import load_fiftyone
from curator.io.mongodb import Database, find_database
from curator.types import AuditRun, Dataset, Embedded, Measures, Recommendation

__all__ = ["Browsing", "Database", "browse", "find_database", "first_view", "has_browser", "plain_origin", "ssh_hint"]

Show = Literal["findings", "recommended", "duplicates", "label errors"]
_WHY_NONE = {
    "findings": "the audit found no shortcut.",
    "recommended": "no image is recommended; give --pool to choose images from.",
    "duplicates": "the data has no duplicates.",
    "label errors": "the audit found no doubtful labels.",
}
_PORT_TRIES = 50
_START_S = 240
"""Seconds the App's server may take to start. It takes 8 s alone and over a minute on a machine with five times the load."""


@dataclass(slots=True)
class Browsing:
    """A running App. `views` are the saved views, worst finding first; `n_images` counts every sample shown."""

    url: str
    dataset_name: str
    views: tuple[str, ...]
    n_images: int
    opened_browser: bool
    _fiftyone_session: Any = field(repr=False)
    _closed: threading.Event = field(default_factory=threading.Event, repr=False)

    def wait(self) -> None:
        """Block until Ctrl-C (or `close` from another thread), then close the App. Ctrl-C is the normal end, not an error."""
        try:
            while not self._closed.wait(1):
                pass
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Stop the App's server. The data set stays in FiftyOne; mongod ends with this process."""
        fiftyone_session, self._fiftyone_session = self._fiftyone_session, None
        self._closed.set()
        if fiftyone_session is not None:
            fiftyone_session._disable_wait_warning = True  # it would warn about a session closed within seconds
            fiftyone_session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def browse(
    data: AuditRun | Advice | str | Path,
    *,
    recommendation: Recommendation | None = None,
    pool: Embedded | Dataset | str | Path | None = None,
    pool_measures: Measures | None = None,
    budget: int | None = None,
    session: Session | None = None,
    name: str | None = None,
    port: int = 5151,
    address: str = "127.0.0.1",
    open_browser: bool = True,
    wait: bool | None = None,
    show: Show | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Browsing:
    """Build the FiftyOne data set of an audit and open the App at the view of the worst finding, or of `show`.

    `data` is an audit, the advice of `curator.recommend` (its pool and recommended images are shown too), or DATA, which
    is audited first. With a `pool`, up to `budget` images of it are recommended. `name` is the name of the data set in
    FiftyOne (default: "curator-" and the name of the run). The App has no password: with any `address` other than this
    machine's own, the network can see the images. A browser is opened only if there is a screen; in a notebook the App is
    in the cell. With `wait` (the default outside notebooks) this returns after Ctrl-C. No usage data are sent. curator's
    operators and panels are installed as a FiftyOne plugin; `origin` says how they audit again.

    Raises:
        InputError: the port is in use, the name belongs to a data set that curator did not make, or there is nothing
            that `show` could show.
        MissingExtraError: FiftyOne or MongoDB is missing.
    """
    if not isinstance(data, AuditRun | Advice | str | Path):
        raise InputError(
            f"browse was given a {type(data).__name__}; an audit, an advice or the path of DATA is needed; give "
            "what curator.audit returns for it."
        )
    _check_port(address, port)
    fo = load_fiftyone()
    notebook = "ipykernel" in sys.modules
    if isinstance(data, str | Path):
        origin = origin or plain_origin(data, pool if isinstance(pool, str | Path) else None, budget)
        data = _worked_out(data, pool if isinstance(pool, str | Path) else None, budget, session)
        pool = None
    if isinstance(pool, str | Path):
        raise InputError(
            "a pool given by name needs DATA given by name; name both, or give an advice of curator.recommend."
        )
    run = data.run if isinstance(data, Advice) else data
    title = name or f"curator-{run.dataset.name}"
    if isinstance(data, Advice):
        dataset = build(data, title, origin)
    else:
        dataset = app_contents.build(
            data, title, recommendation=recommendation, pool=pool, pool_measures=pool_measures, origin=origin
        )
    installing.install(fo.config.plugins_dir)
    views = tuple(dataset.info[MARK]["views"])
    start = first_view(dataset, show)
    _start_server(fo, address, port)
    workspace = dataset.info[MARK]["workspace"]
    fiftyone_session = fo.Session(
        dataset=None if start else dataset,
        view=dataset.load_saved_view(start) if start else None,
        spaces=dataset.load_workspace(workspace) if workspace else None,
        color_scheme=dataset.app_config.color_scheme,  # a view would use FiftyOne's own colours
        port=port,
        address=address,
        # "remote" only means that FiftyOne does not open a browser. In a notebook it shows the App in the cell.
        remote=not notebook,
    )
    url = f"http://{_in_url(address)}:{port}"
    browsing_now = Browsing(url, dataset.name, views, len(dataset), False, fiftyone_session)
    try:
        if open_browser and not notebook and has_browser():
            browsing_now.opened_browser = webbrowser.open(url, new=2)
        if wait or (wait is None and not notebook):
            browsing_now.wait()
    except BaseException:
        browsing_now.close()
        raise
    return browsing_now


def build(found: AuditRun | Advice, name: str, origin: Mapping[str, Any] | None = None) -> Any:
    """Build the FiftyOne data set `name` of an audit, or of an advice with its pool; `to_fiftyone` says what it keeps.

    curator's plugin is installed in FiftyOne, so that it is available no matter how the App is opened.
    """
    installing.install(load_fiftyone().config.plugins_dir)
    if isinstance(found, Advice):
        return app_contents.build_advice(found, name, origin=origin)
    return app_contents.build(found, name, origin=origin)


def first_view(dataset: Any, show: Show | None) -> str:
    """The saved view to open the App at; "" (all images) if nothing was found.

    Raises:
        InputError: there is nothing that `show` could show.
    """
    of = dict(dataset.info[MARK]["view_of"])
    found = [entry["view"] for entry in dataset.info[MARK]["findings"] if entry["view"]]
    if show is None:
        return str(found[0]) if found else ""
    view = found[0] if show == "findings" and found else of.get(show, "")
    if not view:
        raise InputError(f"nothing to show: {_WHY_NONE[show]}")
    return str(view)


def plain_origin(
    data: str | Path, pool: str | Path | None = None, budget: int | None = None, **more: Any
) -> dict[str, Any]:
    """How to run an audit again, as plain values that are valid in any folder. `more` are fields of `Session.open`."""

    def whole(source: str | Path | None) -> str:
        if source is None or str(source) == "" or ":" in str(source):
            return str(source or "")
        return str(Path(source).expanduser().resolve())

    return {"data": whole(data), "pool": whole(pool), "budget": budget, **more}


def _worked_out(
    data: str | Path, pool: str | Path | None, budget: int | None, session: Session | None
) -> AuditRun | Advice:
    if pool is None:
        return commands.audit(data, session)
    return commands.recommend(data, pool, session, budget=budget)


def _start_server(fo: Any, address: str, port: int) -> None:
    """Start the App's server before a session asks for it, behind the guard of `fiftyone_plugin/serving.py`.

    A session gives its server ten seconds, then writes to stdout and waits ten more. A busy machine needs longer.
    """
    from fiftyone.core.service import ServerService, ServiceListenTimeout
    from fiftyone.core.session import session as fiftyone_session

    class Patient(ServerService):  # type: ignore[misc]
        def _wait_for_child_port(self, port: int | None = None, timeout: float = _START_S) -> int:
            return int(super()._wait_for_child_port(port=port, timeout=max(timeout, _START_S)))

        @property
        def command(self) -> list[str]:
            python, *script = super().command
            return [python, "-P", serving.__file__, *script]

        @property
        def env(self) -> dict[str, str]:
            here_only = address in ("127.0.0.1", "localhost", "::1") and "ipykernel" not in sys.modules
            return {**super().env, **({} if here_only else {serving.ANY_HOST: "1"})}

    try:
        fiftyone_session._server_services[port] = Patient(port, address=address, do_not_track=fo.config.do_not_track)
    except ServiceListenTimeout as error:
        raise MissingExtraError(
            f"FiftyOne's App did not start on {address}:{port} within {_START_S} s; try again."
        ) from error


def has_browser() -> bool:
    """Whether a user would see a browser opened here: there is a screen, and the session is not over ssh."""
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def ssh_hint(port: int, host: str | None = None) -> str:
    """The ssh command to run on the user's own machine, which shows this machine's App at http://localhost:PORT.

    >>> ssh_hint(5151, "box")
    'ssh -N -L 5151:127.0.0.1:5151 box'
    """
    return f"ssh -N -L {port}:127.0.0.1:{port} {host or socket.gethostname()}"


def _in_url(address: str) -> str:
    """The address for a browser on this machine."""
    if address in ("0.0.0.0", "::", ""):  # nosec B104
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _is_free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just released counts as free
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _check_port(address: str, port: int) -> None:
    """Check the port, because FiftyOne would wait a minute for one in use, or connect to another App there."""
    if not 0 < port < 65536:
        raise InputError(f"port {port} does not exist; choose a port from 1024 to 65535.")
    if _is_free(address, port):
        return
    free = next((p for p in range(port + 1, min(port + _PORT_TRIES, 65536)) if _is_free(address, p)), None)
    hint = f"use --port {free}" if free else "check the address, or choose another port"
    raise InputError(f"port {port} of {address} is taken (another App still open?); {hint}.")
