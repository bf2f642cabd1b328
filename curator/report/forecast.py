"""A forecast in words."""

from __future__ import annotations

from curator.report import wording
from curator.types.forecast import FARTHEST, ClassForecast, Forecast, Needed, PairForecast

MOST_CLASSES = 20
MOST_PAIRS = 5
_NAME = 28


def headline(forecast: Forecast) -> str:
    """The answer in a sentence.

    >>> from msgspec.structs import replace
    >>> from curator.types.document import Estimate
    >>> from curator.types.forecast import Point
    >>> at = Point(40, 0.874, (0.85, 0.9))
    >>> f = Forecast(
    ...     target=0.95, now=at, needed=Needed(180, (110, None)), plateau=Estimate(0.97, (0.94, 1)), curve=(at,),
    ...     expected=(), per_class=(), confusable_pairs=(), easiest_pair=None, zero_shot=None, n_test=400, tested="",
    ...     encoder="", seed=0
    ... )
    >>> headline(f)
    '95% needs about 180 images of every class [110 or more]; there are 40.'
    >>> headline(replace(f, needed=Needed(None, (900, None))))
    '95% is not in sight: it takes more than 20 times the images that are there, if it can be reached.'
    >>> headline(replace(f, needed=Needed(None, (900, None)), plateau=Estimate(0.91, (0.88, 0.97))))
    '95% is not reachable with this encoder: more such images lead to 91% [88, 97] at most.'
    >>> headline(replace(f, now=Point(400, 0.96, (0.94, 0.98))))
    '95% is reached: it needs about 180 images of every class [110 or more]; there are 400.'
    """
    target, there = wording.percent(forecast.target), forecast.now.n_per_class
    need = forecast.needed
    if _untold(need, there):
        return f"Whether {target} can be reached cannot be told from so few images; there are {there:,} of every class."
    if need.n_per_class is None and forecast.plateau.value >= forecast.target:
        return f"{target} is not in sight: it takes more than {FARTHEST} times the images that are there, if it can be reached."
    if need.n_per_class is None:
        most = wording.with_interval(forecast.plateau.value, forecast.plateau.ci)
        return f"{target} is not reachable with this encoder: more such images lead to {most} at most."
    start = f"{target} is reached: it needs" if need.n_per_class <= there else f"{target} needs"
    return f"{start} about {need.n_per_class:,} images of every class {_ends(need)}; there are {there:,}."


def _untold(need: Needed, there: int) -> bool:
    """Nothing is known: it may be reached already, and may never be."""
    low = need.ci[0]
    return need.n_per_class is None and low is not None and low <= there


def _ends(need: Needed) -> str:
    low, high = need.ci
    if low is None:
        return "[none may do]"
    return f"[{low:,} or more]" if high is None else f"[{low:,}, {high:,}]"


def short(need: Needed, there: int) -> str:
    """The images of every class that are needed, as a table has it; `there` are there now.

    >>> short(Needed(None, (900, None)), 40), short(Needed(None, (9, None)), 40), short(Needed(1200, (900, None)), 40)
    ('out of sight', 'cannot be told', '1,200 [900 or more]')
    """
    if _untold(need, there):
        return "cannot be told"
    return "out of sight" if need.n_per_class is None else f"{need.n_per_class:,} {_ends(need)}"


def lines(forecast: Forecast) -> list[str]:
    """What the terminal shows below the headline."""
    k = wording.count(len(forecast.per_class), "class", "classes")
    there = forecast.now.n_per_class
    now = wording.with_interval(forecast.now.accuracy, forecast.now.ci)
    out = [
        f"Now {now} with {there:,} images of every class, the mean of {k}; encoder {forecast.encoder}.",
        f"Tested on {forecast.tested} ({wording.count(forecast.n_test, 'image')}).",
    ]
    if forecast.reachable:
        out.append(
            f"More such images lead to {wording.with_interval(forecast.plateau.value, forecast.plateau.ci)} at most."
        )
    if forecast.zero_shot is not None:
        zero = wording.with_interval(forecast.zero_shot.accuracy, forecast.zero_shot.ci)
        enough = " Perhaps none is needed." if forecast.zero_shot.accuracy >= forecast.target else ""
        out.append(f"Without any image {zero}: {forecast.zero_shot.means}.{enough}")
    out += [f"Note: {note}" for note in forecast.notes]
    out += ["", "Images of every class and accuracy:"]
    out += [_row(f"{p.n_per_class:>9,}", wording.with_interval(p.accuracy, p.ci), "measured") for p in forecast.curve]
    out += [
        _row(f"{p.n_per_class:>9,}", wording.with_interval(p.accuracy, p.ci), "expected") for p in forecast.expected
    ]
    out += ["", f"By class: accuracy now, and images of every class for {wording.percent(forecast.target)}:"]
    worst = sorted(forecast.per_class, key=lambda c: c.accuracy)
    out += [_line(c.name, c, there) for c in worst[:MOST_CLASSES]]
    if len(worst) > MOST_CLASSES:
        out.append(f"  {wording.count(len(worst) - MOST_CLASSES, 'more class', 'more classes')} in forecast.json.")
    out += ["", "Telling two apart, the hardest first:"]
    out += [_line(f"{p.a} / {p.b}", p, there) for p in forecast.confusable_pairs[:MOST_PAIRS]]
    easy = forecast.easiest_pair
    if easy is not None and easy not in forecast.confusable_pairs[:MOST_PAIRS]:
        out += ["The easiest:", _line(f"{easy.a} / {easy.b}", easy, there)]
    return out


def _line(name: str, of: ClassForecast | PairForecast, there: int) -> str:
    return _row(wording.visible(name, _NAME), wording.with_interval(of.accuracy, of.ci), short(of.needed, there))


def _row(name: str, accuracy: str, rest: str) -> str:
    return f"  {name:<{_NAME}}  {accuracy:<14}  {rest}"
