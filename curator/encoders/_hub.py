"""The model hub: checks within seconds whether it can be reached, looks for cached files, and downloads others."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from curator.errors import MissingExtraError

# The hub client alone would retry for 47 s. A user without a network should wait less than 5 s in total.
PATIENCE = 4.0
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # in the order of preference
CONFIG = "open_clip_config.json"

# huggingface_hub reads this when it is first imported. No information about the user's runs may leave the machine.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def endpoint() -> str:
    """The hub's address: HF_ENDPOINT or https://huggingface.co."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def unreachable(path: str = "", patience: float = PATIENCE) -> str:
    """Why `path` on the hub cannot be downloaded, or "" if it can. Answers within `patience` seconds."""
    if any(
        os.environ.get(k, "").upper() in {"1", "ON", "YES", "TRUE"} for k in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    ):
        return "HF_HUB_OFFLINE is set"
    host = endpoint().partition("//")[2] or endpoint()
    answer: list[str] = []

    def ask() -> None:
        request = urllib.request.Request(f"{endpoint()}/{path}", method="HEAD")
        try:
            # The address is the hub's, or the user's own HF_ENDPOINT.
            with urllib.request.urlopen(request, timeout=patience):  # nosec B310
                answer.append("")
        except urllib.error.HTTPError as error:
            answer.append(f"{host} answers {error.code} {error.reason}")
        except (OSError, ValueError) as error:
            answer.append(f"{host} cannot be reached: {getattr(error, 'reason', error)}")

    # Name lookup has no timeout, so the request runs in a thread that may be abandoned.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    return answer[0] if answer else f"{host} does not answer within {patience:g} s"


def cached(repo: str, names: tuple[str, ...] = WEIGHTS) -> Path | None:
    """The first of the files `names` of `repo` in the hub's cache on this machine. Does not import torch."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        found = try_to_load_from_cache(repo, name)
        if isinstance(found, str) and Path(found).is_file():
            return Path(found)
    return None


def fetch(repo: str, names: tuple[str, ...] = WEIGHTS) -> Path:
    """The first of the files `names` that `repo` has, downloaded unless cached.

    Raises:
        MissingExtraError: the hub cannot be reached (noticed within 5 s) or lacks the file, or the download failed.
    """
    found = cached(repo, names)
    if found:
        return found
    why, deadline = "", time.monotonic() + PATIENCE
    for name in names:
        why = unreachable(f"{repo}/resolve/main/{name}", max(0.1, deadline - time.monotonic()))
        # 401 and 403 mean a private or gated model. The hub client sends the user's token, which the request did not.
        if why == "" or re.search(r" answers 40[13]\b", why):
            return _download(repo, name)
        if " answers 404" not in why:
            break
    raise MissingExtraError(f"{repo} is not on this machine and cannot be downloaded ({why}).")


def _download(repo: str, name: str) -> Path:
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from huggingface_hub import hf_hub_download

    try:
        # No revision is pinned, because every result names the checksum of the downloaded file.
        return Path(hf_hub_download(repo, name))  # nosec B615
    except Exception as error:
        # The hub client raises errors of four libraries, which all mean the same to the user.
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise MissingExtraError(f"the download of {repo}/{name} failed ({line}); run again.") from error
