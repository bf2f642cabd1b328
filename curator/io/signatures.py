"""Checks files signed with minisign: FILE.minisig beside FILE holds the signer's key id, a comment and the signature.

Signatures are only checked here, never made. The signer keeps the key and signs with minisign.

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
"""Maximum size in bytes. minisign writes about 300, and comments of at most 8 KiB."""
_KEY, _SIGNATURE = 32, 64
_ID = 8
_TRUSTED = b"trusted comment: "


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public key of an accepted signer. `id` has minisign's printed form."""

    id: str
    content: bytes


def read_key(text: str) -> PublicKey:
    """Read a public key: the key itself, `RW...`, or the path of the file that `minisign -G` wrote.

    Raises:
        InputError: it is neither.
    """
    line = text.strip().encode("utf-8", "surrogateescape")
    content = _decoded(line, 2 + _ID + _KEY)
    if content is None:
        try:
            lines = [each for each in _lines(Path(text)) if not each.startswith(b"untrusted comment:")]
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise InputError(
                f"{text} is neither a public key of minisign nor a file with one ({why}); give RW... or its file."
            ) from None
        content = _decoded(lines[0], 2 + _ID + _KEY) if len(lines) == 1 else None
    if content is None or content[:2] != b"Ed":
        raise InputError(
            f"{text} does not contain a public key of minisign; give the public key of `minisign -G`, RW..."
        )
    return PublicKey(_id(content), content[2 + _ID :])


def check(path: Path, key: PublicKey) -> str:
    """Check the signature beside `path` and return its trusted comment.

    Raises:
        DataError: the signature is missing, or it does not fit this key, these bytes and this comment.
    """
    beside = path.with_name(path.name + SUFFIX)
    try:
        lines = _lines(beside)
    except FileNotFoundError:
        raise DataError(
            f"{path} is not signed (no {beside.name} beside it); a signature is needed; run `minisign -Sm {path.name}`."
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{beside} cannot be read ({error}); check the file and its permissions.") from None
    head = _decoded(lines[1], 2 + _ID + _SIGNATURE) if len(lines) == 4 else None
    whole = _decoded(lines[3], _SIGNATURE) if len(lines) == 4 else None
    if head is None or whole is None or not lines[2].startswith(_TRUSTED) or head[:2] not in (b"ED", b"Ed"):
        raise DataError(f"{beside} is not a minisign signature; sign {path.name} again.")
    if head[:2] == b"Ed":
        raise DataError(f"{beside} has minisign's old format; sign {path.name} again, without -l.")
    if _id(head) != key.id:
        raise DataError(f"{path} was signed with the key {_id(head)}; the key {key.id} is needed; check --public-key.")
    signature, comment = head[2 + _ID :], lines[2].removeprefix(_TRUSTED)
    public = Ed25519PublicKey.from_public_bytes(key.content)
    try:
        with path.open("rb") as file:
            public.verify(signature, hashlib.file_digest(file, hashlib.blake2b).digest())
    except InvalidSignature:
        raise DataError(
            f"{path} differs from what was signed with the key {key.id}; ask for the signed file."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the file and its permissions.") from None
    try:
        public.verify(whole, signature + comment)
    except InvalidSignature:
        raise DataError(
            f"the comment in {beside} differs from what was signed with the key {key.id}; ask for the original."
        ) from None
    return comment.decode("utf-8", "replace")


def _lines(path: Path) -> list[bytes]:
    """Raises: OSError. ValueError: it is not a regular file, or too large."""
    if not path.is_file() and path.exists():
        raise ValueError("not a regular file")
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"more than {_LARGEST} bytes")
    return [line.removesuffix(b"\r") for line in content.removesuffix(b"\n").split(b"\n")]


def _decoded(line: bytes, n: int) -> bytes | None:
    """The `n` bytes of a line of base64, or None if the line is something else."""
    try:
        content = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if len(content) == n else None


def _id(content: bytes) -> str:
    return f"{int.from_bytes(content[2 : 2 + _ID], 'little'):016X}"
