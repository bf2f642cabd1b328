"""Run FiftyOne's server behind a guard: the page loads nothing from other sites, and no other page can use the server.

This is run as a script, with FiftyOne's script and its flags as arguments; `curator.app` does that. Without the guard
FiftyOne's page would load web fonts, its maps would load tiles, and a name in Markdown could load an image from any site. The
server has no password, so it would also accept commands from any page that is open in a browser on this machine.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import ip_address
from typing import Any

POLICY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'; base-uri 'self'; form-action 'self'"
ANY_HOST = "CURATOR_APP_ANY_HOST"
"""Environment variable that allows any host name: set in a notebook, and if the App is open to the network."""

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


def guarded(app: App, any_host: bool) -> App:
    """The ASGI application behind the guard."""

    async def guard(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", POLICY.encode())
                message = {**message, "headers": [*message.get("headers", ()), policy]}
            await send(message)

        if scope["type"] == "http" and (why := refused(scope, any_host)):
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": why.encode()})
            return
        await app(scope, receive, send_with_policy)

    return guard


def refused(scope: Message, any_host: bool) -> str:
    """Why a request is refused; "" if it is answered.

    Browsers mark each request that was made by another site. A site whose own name points to this machine's address (DNS
    rebinding) is recognised by that name in the Host header.
    """
    headers = {bytes(name).lower(): bytes(value).decode("latin-1").lower() for name, value in scope["headers"]}
    opened = scope["method"] == "GET" and headers.get(b"sec-fetch-mode") == "navigate"
    if headers.get(b"sec-fetch-site") == "cross-site" and not opened:
        return "curator: another site asked for this."
    host = headers.get(b"host", "localhost")
    if not any_host and not _is_plain(host):
        return "curator: open the App as http://localhost or http://127.0.0.1 (browse --address IP for other names)."
    return ""


def _is_plain(host: str) -> bool:
    """Whether a Host is `localhost` or an address, with or without a port."""
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    try:
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False


def main() -> None:
    """Run FiftyOne's script, given as argument, with the guard around every application that it serves."""
    import hypercorn.asyncio

    serve = hypercorn.asyncio.serve

    def serve_guarded(app: App, *more: Any, **flags: Any) -> Any:
        return serve(guarded(app, ANY_HOST in os.environ), *more, **flags)  # type: ignore[arg-type]

    hypercorn.asyncio.serve = serve_guarded  # type: ignore[assignment]
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
