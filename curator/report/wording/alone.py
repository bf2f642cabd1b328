"""What the surroundings and the files alone tell of the class, in words."""

from __future__ import annotations

from curator.report.wording.text import count, percent, with_interval
from curator.types.surroundings_alone import SurroundingsAlone


def surroundings_alone(found: SurroundingsAlone) -> str:
    """How much of the class the surroundings and the files give away without the object, as one to three sentences.

    >>> from msgspec.structs import replace
    >>> from curator.types.surroundings_alone import SourceAccuracy
    >>> of = lambda source, accuracy, low, high: SourceAccuracy(source=source, accuracy=accuracy, ci=(low, high))
    >>> found = SurroundingsAlone(n_images=99, classes=("a", "b"), chance=0.5, sources=(
    ...     of("whole image", 0.92, 0.86, 0.96), of("surroundings", 0.71, 0.62, 0.79), of("file facts", 0.5, 0.4, 0.6)))
    >>> surroundings_alone(found)
    'A probe that sees only the surroundings names the class of 71% of the images (chance 50%, whole image 92%): they \
give much of the class away.'
    >>> surroundings_alone(replace(found, sources=(of("whole image", 0.9, 0.8, 1), of("surroundings", 0.55, 0.45, 0.64))))
    'A probe that sees only the surroundings names the class of 55% of the images (chance 50%, whole image 90%): they \
tell little.'
    """
    own, rest = found.of("surroundings"), [s for s in found.sources if s.source not in ("whole image", "surroundings")]
    if own.accuracy is None:
        said = [f"What the surroundings alone tell of the class was not measured: {own.reason}."]
    else:
        whole = found.of("whole image").accuracy
        beside = "" if whole is None else f", whole image {percent(whole)}"
        tell = (
            "give much of the class away"
            if found.gives_away("surroundings")
            else "tell little"
            if found.tells_little("surroundings")
            else f"may tell little or much (95 % interval {with_interval(own.accuracy, own.ci).partition(' ')[2]})"
        )
        said = [
            f"A probe that sees only the surroundings names the class of {percent(own.accuracy)} of the images "
            f"(chance {percent(found.chance)}{beside}): they {tell}."
        ]
    # If the surroundings give the class away, so do often the corners and colours, which are parts of them.
    told = [s for s in rest if found.gives_away(s.source)]
    told = [s for s in told if s.source == "file facts" or not found.gives_away("surroundings")]
    for s in sorted(told, key=lambda s: -(s.accuracy or 0))[:1]:
        said.append(f"A probe that sees only the {s.source} names {percent(s.accuracy or 0)}.")
    if own.accuracy is not None and found.not_located:
        where = f" in images of {', '.join(found.not_located[:3])}"
        where += f" and {count(more, 'more class', 'more classes')}" if (more := len(found.not_located) - 3) > 0 else ""
        where = "" if len(found.not_located) == len(found.classes) else where
        said.append(f"The object cannot be located{where}, so the surroundings may show it.")
    return " ".join(said)
