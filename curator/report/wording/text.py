"""Numbers and names as text: percentages, points, probabilities, counts."""

from __future__ import annotations

import unicodedata

from curator.types import Interval

# Characters that reorder the text around them. A file name must not change the sentence that contains it.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


def visible(text: str, limit: int = 0) -> str:
    r"""The text with control, surrogate and direction characters escaped, shortened in the middle to `limit` characters.

    >>> visible("bunny\x1b[31m.jpg")
    'bunny\\x1b[31m.jpg'
    >>> visible("abcdefghij", limit=5)
    'ab…ij'
    """
    if 0 < limit < len(text):
        head = (limit - 1) // 2
        text = f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(c) if c in _BIDI or unicodedata.category(c) in _UNSEEN else c for c in text)


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def percent(share: float) -> str:
    """A fraction in whole per cent. A fraction above 0 is at least 1%, and a fraction below 1 is at most 99%.

    >>> percent(0.934), percent(0.002), percent(0.998), percent(1.0)
    ('93%', '1%', '99%', '100%')
    """
    return f"{whole(share)}%"


def whole(share: float) -> int:
    """A fraction in whole per cent, as a number; see `percent`."""
    whole = round(100 * share)
    return 99 if whole >= 100 and share < 1 else 1 if whole <= 0 < share else whole


def with_interval(share: float, ci: Interval | None) -> str:
    """A fraction and its 95 % interval, in per cent.

    >>> with_interval(0.934, (0.871, 0.962))
    '93% [87, 96]'
    """
    return percent(share) if ci is None else f"{percent(share)} [{whole(ci[0])}, {whole(ci[1])}]"


def points(difference: float, ci: Interval | None = None) -> str:
    """The difference of two fractions in percentage points, with sign and interval.

    >>> points(0.82, (0.751, 0.874)), points(-0.05)
    ('+82 points [+75, +87]', '−5 points')
    """
    word = "point" if abs(round(100 * difference)) == 1 else "points"
    tail = "" if ci is None else f" [{signed(ci[0])}, {signed(ci[1])}]"
    return f"{signed(difference)} {word}{tail}"


def signed(fraction: float) -> str:
    """A fraction in whole percentage points, with its sign."""
    whole = round(100 * fraction)
    return "0" if whole == 0 else f"{'+' if whole > 0 else '−'}{abs(whole)}"


def probability(p: float) -> str:
    """A p or q value in the usual short form.

    >>> probability(0.0312), probability(4.2e-12), probability(0.0)
    ('0.031', '4e-12', '<1e-300')
    """
    if p < 1e-300:
        return "<1e-300"
    return f"{p:.2g}" if p >= 0.001 else f"{p:.0e}".replace("e-0", "e-")


def odds(p: float) -> str:
    """A probability in words.

    >>> odds(0.3), odds(0.031), odds(0.00021), odds(1e-12)
    ('30 times in 100', '3 times in 100', 'once in 5,000', 'less than once in a billion')
    """
    if p < 1e-9:
        return "less than once in a billion"
    if p >= 0.0095:
        n = round(100 * p)
        return "once in 100" if n == 1 else f"{n} times in 100"
    return f"once in {float(f'{1 / p:.0e}'):,.0f}"


def chart(points: str) -> str:
    """A chart in words, for people who cannot see it."""
    return f"{points}. Whiskers are 95 % intervals."


def count(n: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun.

    >>> count(1, "class", "classes"), count(1200, "image")
    ('1 class', '1,200 images')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
