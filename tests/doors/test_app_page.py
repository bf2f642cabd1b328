"""The guard before the App's server: who may ask it, and what its page may load. `tests/browser` asks a real browser."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from curator.app.fiftyone_plugin.serving import POLICY, guarded

HERE = "127.0.0.1:5151"


def asked(method: str = "GET", any_host: bool = False, **headers: str) -> tuple[int, dict[bytes, bytes], int]:
    """Status and headers of the answer, and how often the application behind the guard was asked."""
    n = 0
    sent: list[dict[str, Any]] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        nonlocal n
        n += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
        await send({"type": "http.response.body", "body": b"images"})

    async def send(message: Any) -> None:
        sent.append(message)

    names = {key.replace("_", "-").encode(): value.encode() for key, value in headers.items()}
    scope = {"type": "http", "method": method, "headers": list(names.items())}
    asyncio.run(guarded(behind, any_host)(scope, None, send))  # type: ignore[arg-type]
    return sent[0]["status"], dict(sent[0]["headers"]), n


def test_every_answer_says_that_the_page_may_load_nothing_from_elsewhere() -> None:
    status, headers, n = asked(host=HERE)
    assert (status, n) == (200, 1)
    assert headers == {b"x": b"y", b"content-security-policy": POLICY.encode()}
    allowed = {source for part in POLICY.split(";") for source in part.split()[1:]}
    assert allowed == {"'self'", "data:", "blob:", "'unsafe-inline'", "'unsafe-eval'", "'none'"}
    assert POLICY.startswith("default-src 'self' ")


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "OPTIONS"])
def test_no_other_site_gives_the_app_an_order(method: str) -> None:
    for mode in ("no-cors", "cors", *([] if method == "GET" else ["navigate"])):
        assert asked(method, host=HERE, sec_fetch_site="cross-site", sec_fetch_mode=mode)[::2] == (403, 0)
        assert asked(method, True, host=HERE, sec_fetch_site="cross-site", sec_fetch_mode=mode)[::2] == (403, 0)


@pytest.mark.parametrize("site", ["same-origin", "none", "same-site", ""])
def test_its_own_page_and_programs_are_answered(site: str) -> None:
    said = {"sec_fetch_site": site} if site else {}
    assert asked("POST", host=HERE, **said)[::2] == (200, 1)
    # a link to the App, in a notebook or a mail
    assert asked(host=HERE, sec_fetch_site="cross-site", sec_fetch_mode="navigate")[::2] == (200, 1)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:5151", "127.0.0.1.evil.example", "localhost.evil", "", "[", "[x]:1"]
)
def test_no_name_but_this_machines_own_is_answered_to(host: str) -> None:
    """A site whose name leads to 127.0.0.1 is no other site to the browser."""
    assert asked(host=host, sec_fetch_site="same-origin")[::2] == (403, 0)
    assert asked(any_host=True, host=host)[::2] == (200, 1)


@pytest.mark.parametrize("host", ["localhost", "localhost:5151", "LOCALHOST:1", "127.0.0.1", "[::1]", "[::1]:5151"])
def test_this_machines_own_names_are_answered_to(host: str) -> None:
    assert asked(host=host)[::2] == (200, 1)
