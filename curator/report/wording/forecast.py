"""A forecast in words: whether the target can be reached, and how many images it needs."""

from __future__ import annotations

from curator.report.wording.text import count, percent, visible, with_interval
from curator.types.forecast import FARTHEST, ClassForecast, Forecast, Needed, PairForecast

MOST_CLASSES = 20
MOST_PAIRS = 5
_NAME = 28


def headline(forecast: Forecast) -> str:
    """The result in one sentence.

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
    '95% may not be reachable: it needs more than 20 times as many images as there are.'
    >>> headline(replace(f, needed=Needed(None, (900, None)), plateau=Estimate(0.91, (0.88, 0.97))))
    '95% is not reachable with this encoder: with more such images, accuracy reaches at most 91% [88, 97].'
    >>> headline(replace(f, now=Point(400, 0.96, (0.94, 0.98))))
    '95% is reached: it needs about 180 images of every class [110 or more]; there are 400.'
    """
    target, there = percent(forecast.target), forecast.now.n_per_class
    need = forecast.needed
    if _is_unknown(need, there):
        return f"There are too few images to tell whether {target} can be reached: {there:,} of every class."
    if need.n_per_class is None and forecast.plateau.value >= forecast.target:
        return f"{target} may not be reachable: it needs more than {FARTHEST} times as many images as there are."
    if need.n_per_class is None:
        most = with_interval(forecast.plateau.value, forecast.plateau.ci)
        return f"{target} is not reachable with this encoder: with more such images, accuracy reaches at most {most}."
    start = f"{target} is reached: it needs" if need.n_per_class <= there else f"{target} needs"
    return f"{start} about {need.n_per_class:,} images of every class {_ends(need)}; there are {there:,}."


def _is_unknown(need: Needed, there: int) -> bool:
    """Whether the forecast says nothing: the target may be reached already, or never."""
    low = need.ci[0]
    return need.n_per_class is None and low is not None and low <= there


def _ends(need: Needed) -> str:
    low, high = need.ci
    if low is None:
        return "[none may do]"
    return f"[{low:,} or more]" if high is None else f"[{low:,}, {high:,}]"


def short(need: Needed, there: int) -> str:
    """The number of images of every class that is needed, for a table; the data has `there` now.

    >>> short(Needed(None, (900, None)), 40), short(Needed(None, (9, None)), 40), short(Needed(1200, (900, None)), 40)
    ('out of sight', 'cannot be told', '1,200 [900 or more]')
    """
    if _is_unknown(need, there):
        return "cannot be told"
    return "out of sight" if need.n_per_class is None else f"{need.n_per_class:,} {_ends(need)}"


def facts(forecast: Forecast) -> list[str]:
    """What stands below the headline, in sentences: the accuracy now, the test images, the plateau, and zero-shot accuracy."""
    classes = count(len(forecast.per_class), "class", "classes")
    now = with_interval(forecast.now.accuracy, forecast.now.ci)
    out = [
        f"Now {now} with {forecast.now.n_per_class:,} images of every class, the mean of {classes}.",
        f"Tested on {forecast.tested} ({count(forecast.n_test, 'image')}).",
    ]
    if forecast.reachable:
        most = with_interval(forecast.plateau.value, forecast.plateau.ci)
        out.append(f"With more such images, accuracy reaches at most {most}.")
    if forecast.zero_shot is not None:
        zero = with_interval(forecast.zero_shot.accuracy, forecast.zero_shot.ci)
        enough = " Perhaps no training images are needed." if forecast.zero_shot.accuracy >= forecast.target else ""
        out.append(f"Accuracy without any training image: {zero} ({forecast.zero_shot.means}).{enough}")
    return out


def lines(forecast: Forecast) -> list[str]:
    """The lines that the terminal shows below the headline."""
    there = forecast.now.n_per_class
    out = [*facts(forecast), f"Encoder: {forecast.encoder}."]
    out += [f"Note: {note}" for note in forecast.notes]
    out += ["", "Images of every class and accuracy:"]
    out += [_row(f"{p.n_per_class:>9,}", with_interval(p.accuracy, p.ci), "measured") for p in forecast.curve]
    out += [_row(f"{p.n_per_class:>9,}", with_interval(p.accuracy, p.ci), "expected") for p in forecast.expected]
    out += ["", f"By class: accuracy now, and images of every class for {percent(forecast.target)}:"]
    worst = sorted(forecast.per_class, key=lambda c: c.accuracy)
    out += [_line(c.name, c, there) for c in worst[:MOST_CLASSES]]
    if len(worst) > MOST_CLASSES:
        out.append(f"  {count(len(worst) - MOST_CLASSES, 'more class', 'more classes')} in forecast.json.")
    out += ["", "Pairs of classes, the most confused first:"]
    out += [_line(f"{p.a} / {p.b}", p, there) for p in forecast.confusable_pairs[:MOST_PAIRS]]
    easy = forecast.easiest_pair
    if easy is not None and easy not in forecast.confusable_pairs[:MOST_PAIRS]:
        out += ["The least confused pair:", _line(f"{easy.a} / {easy.b}", easy, there)]
    return out


def _line(name: str, of: ClassForecast | PairForecast, there: int) -> str:
    return _row(visible(name, _NAME), with_interval(of.accuracy, of.ci), short(of.needed, there))


def _row(name: str, accuracy: str, rest: str) -> str:
    return f"  {name:<{_NAME}}  {accuracy:<14}  {rest}"
