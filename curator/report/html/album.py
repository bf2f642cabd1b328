"""The images of an HTML report. Each is embedded once, even if it is shown several times, within a limit of bytes."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from curator.errors import CuratorError
from curator.types import Box

Thumbnails = Callable[[str], bytes | None]
# Very wide and very tall images are cropped to this, so that one image cannot push the others off its row.
WIDEST, NARROWEST = 2.2, 0.45
_NO_PICTURE = (96, 72)


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of an image that is shown: left, top, width and height in the pixels of the embedded image."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Shot:
    """One place where an image is shown. `ref` is the element id of the embedded image, or "" without one; size in pixels."""

    id: str
    caption: str
    ref: str
    width: int
    height: int
    frame: Frame | None = None


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of images; `n_more` images are left out."""

    shots: tuple[Shot, ...]
    n_more: int = 0


@dataclass(slots=True)
class Album:
    """Collects the images of a page until `budget` bytes of base64 are used. Later images become placeholders."""

    budget: int
    symbols: list[tuple[str, str, int, int]] = field(default_factory=list)
    n_left_out: int = 0
    _spent: int = 0
    _by_digest: dict[bytes, tuple[str, int, int]] = field(default_factory=dict)
    _by_image: dict[tuple[Thumbnails | None, str], tuple[str, int, int]] = field(default_factory=dict)

    def strip(
        self,
        ids: Iterable[str],
        thumbnails: Thumbnails | None,
        limit: int,
        captions: Callable[[str], str] | None = None,
        total: int = 0,
    ) -> Strip:
        """The first `limit` of the images as a row; `captions` gives the text under each.

        `total` is the number of images if there are more than `ids` lists.
        """
        every = list(ids)
        return Strip(
            tuple(self.shot(i, thumbnails, captions(i) if captions else "") for i in every[:limit]),
            max(0, max(total, len(every)) - limit) if every else 0,
        )

    def shot(self, id: str, thumbnails: Thumbnails | None, caption: str = "") -> Shot:
        """The embedded image, or a placeholder if it cannot be read or the budget is used up."""
        key = (thumbnails, id)
        if key not in self._by_image:
            self._by_image[key] = self._embed(id, thumbnails)
        return Shot(id, caption, *self._by_image[key])

    def small(self, id: str, thumbnails: Thumbnails | None, smaller: Thumbnails | None) -> Shot:
        """The image as it is already embedded, or else from `smaller`, which takes fewer bytes."""
        known = self._by_image.get((thumbnails, id))
        return Shot(id, "", *known) if known and known[0] else self.shot(id, smaller)

    def crop(self, id: str, thumbnails: Thumbnails | None, box: Box | None, size: tuple[int, int] | None) -> Shot:
        """The image with the part that lies in the box. `box` and `size` are in pixels of the image on disk.

        Without `box` or `size`, and for a box that is the whole image, the shot has no such part.
        """
        shot = self.shot(id, thumbnails)
        if box is None or size is None or not shot.ref or box == (0, 0, *size):
            return shot
        # The same scaling as in the page: the image fills the frame and its middle is kept.
        scale = max(shot.width / size[0], shot.height / size[1])
        left, top = (shot.width - size[0] * scale) / 2, (shot.height - size[1] * scale) / 2
        x, right = (min(max(left + v * scale, 0), shot.width) for v in (box[0], box[2]))
        y, bottom = (min(max(top + v * scale, 0), shot.height) for v in (box[1], box[3]))
        frame = Frame(round(x, 1), round(y, 1), round(right - x, 1), round(bottom - y, 1))
        return replace(shot, frame=frame if frame.width and frame.height else None)

    def _embed(self, id: str, thumbnails: Thumbnails | None) -> tuple[str, int, int]:
        try:
            data = thumbnails(id) if thumbnails else None
        except (CuratorError, OSError):
            data = None
        size = image_size(data) if data else None
        if not data or size is None:
            return ("", *_NO_PICTURE)
        digest = hashlib.sha256(data).digest()
        if digest in self._by_digest:
            return self._by_digest[digest]
        cost = 4 * len(data) // 3 + 200
        if self._spent + cost > self.budget:
            self.n_left_out += 1
            return ("", *_NO_PICTURE)
        self._spent += cost
        mime, width, height = size
        ratio = min(max(width / height, NARROWEST), WIDEST)
        width = round(height * ratio)
        found = (f"p{len(self.symbols) + 1}", width, height)
        uri = f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
        self.symbols.append((found[0], uri, width, height))
        self._by_digest[digest] = found
        return found


def image_size(data: bytes) -> tuple[str, int, int] | None:
    """The MIME type, width and height that a JPEG or PNG declares. None for anything else, so that only images are embedded.

    >>> image_size(b"GIF89a") is None
    True
    """
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return ("image/png", width, height) if width and height else None
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        # A frame header (SOF0..SOF15), except the three codes in that range that mean something else.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return ("image/jpeg", width, height) if width and height else None
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None
