"""Files that somebody signed with minisign: FILE.minisig beside FILE holds who, when, and that the bytes are these.

Signatures are checked here, never made: whoever signs keeps the key, and does it with minisign.

Source: https://jedisct1.github.io/minisign/ (Ed25519, RFC 8032, over BLAKE2b-512; the trusted comment is signed, too).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from curator.errors import DataError, InputError

SUFFIX = ".minisig"
_LARGEST = 1 << 14
"""Bytes; minisign writes some 300, and comments of no more than 8 KiB."""
_KEY, _SIGNATURE = 32, 64
_ID = 8
_TRUSTED = b"trusted comment: "


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose signatures count. `id` is as minisign prints it."""

    id: str
    content: bytes


def read_key(said: str) -> PublicKey:
    """The key itself, `RW...`, or the file that `minisign -G` wrote it to.

    Raises:
        InputError: it is neither.
    """
    line = said.strip().encode("utf-8", "surrogateescape")
    content = _decoded(line, 2 + _ID + _KEY)
    if content is None:
        try:
            lines = [each for each in _lines(Path(said)) if not each.startswith(b"untrusted comment:")]
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"{said} is no public key of minisign, nor a file with one ({why}).") from None
        content = _decoded(lines[0], 2 + _ID + _KEY) if len(lines) == 1 else None
    if content is None or content[:2] != b"Ed":
        raise InputError(f"{said} holds no public key of minisign; give what `minisign -G` calls the public key, RW...")
    return PublicKey(_id(content), content[2 + _ID :])


def check(path: Path, key: PublicKey) -> str:
    """The trusted comment of the signature beside `path`, which that key made of just these bytes.

    Raises:
        DataError: there is no signature, or it is not of this key, these bytes and this comment.
    """
    beside = path.with_name(path.name + SUFFIX)
    try:
        lines = _lines(beside)
    except FileNotFoundError:
        raise DataError(
            f"{path} is not signed: there is no {beside.name} beside it. Sign it with `minisign -Sm {path.name}`."
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{beside} cannot be read ({error}).") from None
    head = _decoded(lines[1], 2 + _ID + _SIGNATURE) if len(lines) == 4 else None
    whole = _decoded(lines[3], _SIGNATURE) if len(lines) == 4 else None
    if head is None or whole is None or not lines[2].startswith(_TRUSTED) or head[:2] not in (b"ED", b"Ed"):
        raise DataError(f"{beside} is no signature of minisign; sign {path.name} again.")
    if head[:2] == b"Ed":
        raise DataError(f"{beside} is of minisign's old form; sign {path.name} again, without -l.")
    if _id(head) != key.id:
        raise DataError(f"{path} was signed with another key: {_id(head)}, not {key.id}.")
    signature, comment = head[2 + _ID :], lines[2].removeprefix(_TRUSTED)
    public = Ed25519PublicKey.from_public_bytes(key.content)
    try:
        with path.open("rb") as file:
            public.verify(signature, hashlib.file_digest(file, hashlib.blake2b).digest())
    except InvalidSignature:
        raise DataError(f"{path} is not what was signed with the key {key.id}; ask for the file that was.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from None
    try:
        public.verify(whole, signature + comment)
    except InvalidSignature:
        raise DataError(f"the comment in {beside} is not what was signed with the key {key.id}.") from None
    return comment.decode("utf-8", "replace")


def _lines(path: Path) -> list[bytes]:
    """Raises: OSError. ValueError: no such small file."""
    if not path.is_file() and path.exists():
        raise ValueError("no file")
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"more than {_LARGEST} bytes")
    return [line.removesuffix(b"\r") for line in content.removesuffix(b"\n").split(b"\n")]


def _decoded(line: bytes, n: int) -> bytes | None:
    """The `n` bytes that a line of base64 stands for; None where it stands for anything else."""
    try:
        content = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if len(content) == n else None


def _id(content: bytes) -> str:
    return f"{int.from_bytes(content[2 : 2 + _ID], 'little'):016X}"
