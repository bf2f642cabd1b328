"""Signatures made in a test, as minisign's documentation says, with a key of the test's own."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from curator.io.signatures import SUFFIX


class Signer:
    """A key, and what it signs; `form` b"Ed" is that of `minisign -l`."""

    def __init__(self, id: bytes = b"\x01\x02\x03\x04\x05\x06\x07\x08", form: bytes = b"ED") -> None:
        self.key, self.id, self.form = Ed25519PrivateKey.generate(), id, form
        public = b"Ed" + id + self.key.public_key().public_bytes_raw()
        self.public = base64.b64encode(public).decode()

    def sign(self, path: Path, comment: str = "by hand") -> None:
        content = path.read_bytes()
        signature = self.key.sign(hashlib.blake2b(content).digest() if self.form == b"ED" else content)
        whole = self.key.sign(signature + comment.encode())
        lines = (
            b"untrusted comment: anything",
            base64.b64encode(self.form + self.id + signature),
            b"trusted comment: " + comment.encode(),
            base64.b64encode(whole),
        )
        path.with_name(path.name + SUFFIX).write_bytes(b"\n".join(lines) + b"\n")
