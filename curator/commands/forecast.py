"""`curator forecast`: how many images are needed for a target accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from curator.attributes.concepts import TEMPLATES
from curator.commands.session import Session, fingerprint
from curator.errors import DataError, InputError, MissingExtraError
from curator.probe import learning_curve
from curator.probe.learning_curve import Bootstrap, Learner, PowerLaw, Rows, Trials
from curator.probe.linear import Probe
from curator.readers import Data
from curator.report.wording import notes as words
from curator.similarity import duplicates
from curator.similarity.vectors import unit
from curator.types import Embedded, Floats, Ints, Mask
from curator.types.forecast import ClassForecast, Forecast, PairForecast, Point, ZeroShot

SMALLEST = 10
"""Minimum number of different images of a class: five folds of two."""
MOST_CLASSES = 100
"""Maximum number of classes. A probe of more takes minutes, and a forecast fits a hundred probes."""
MOST_IMAGES = 20_000
"""Maximum number of images used. With more, the error of the power law itself would be the larger one."""
MOST_ROWS = 4_000
"""Maximum number of training images of one probe."""
CHEAP_ROWS = 1_000
"""Up to this many training images a fit takes a fraction of a second."""
N_FOLDS = 5
C_GRID = (0.001, 0.01, 0.1, 1.0)
"""Inverse regularisations of the probes, with which forecasts were checked (benchmarks/forecast.py); validate has its own."""
MOST_PAIRS = 10
FEW = 40
"""With fewer images of every class most forecasts failed the check (benchmarks/results/forecast.json)."""
FAR = 4
"""Multiple of the present images up to which forecasts were checked on held-back data (benchmarks/results/forecast.json)."""


def forecast(data: Data, session: Session | None = None, *, target: float = 0.95) -> Forecast:
    """How many training images of every class a linear probe needs for a mean accuracy over classes of `target`.

    The probe is tested on the test split of `data`, or else on its val split, or else by cross-validation. Duplicates are
    never on both sides.

    Raises:
        DataError: fewer than two classes have `SMALLEST` distinct images, or there are more than `MOST_CLASSES`.
        InputError: the target is not a fraction between 0 and 1.
    """
    if not 0 < target < 1:
        raise InputError(f"the target is {target:g}; a fraction between 0 and 1 is needed; give for example 0.95.")
    session = session or Session.open()
    embedded = session.embed(session.scan(data))
    chosen = _choose(embedded, session)
    repeats, sizes = _repeats(chosen, session.rng("forecast folds"))
    k = len(chosen.classes)
    trials = learning_curve.measure(
        chosen.vectors, chosen.labels, repeats, sizes, _learner(k), C_GRID, session.rng("forecast"),
        progress=lambda done, n: session.progress("forecasting", done, n),
    )  # fmt: skip
    boot = Bootstrap(trials, session.rng("forecast bootstrap"))
    whole = boot.overall()
    law = learning_curve.fit(whole, session.rng("forecast fit"))
    pairs, easiest = _pairs(chosen, trials, boot, target, session)
    zero_shot, why_none = _zero_shot(chosen, trials, boot, session)
    needed = law.needed(target)
    notes = [*session.notes, *chosen.notes, *why_none]
    if chosen.n_now < FEW:
        notes.append(words.a_guess(FEW))
    if needed.n_per_class is not None and needed.n_per_class > FAR * chosen.n_now:
        notes.append(words.far(FAR))
    return Forecast(
        target=target,
        now=_point(law, chosen.n_now),
        needed=needed,
        # Most curves show no plateau, and the fit uses this for near forecasts. The plateau itself is fitted without it.
        plateau=learning_curve.fit(whole, session.rng("forecast fit"), even=1.0).ceiling(),
        curve=whole.points(),
        expected=tuple(_point(law, chosen.n_now * 2**j) for j in range(1, 5)),
        per_class=tuple(_of_class(c, chosen, boot, target, session) for c in range(k)),
        confusable_pairs=pairs,
        easiest_pair=easiest,
        zero_shot=zero_shot,
        n_test=len(trials.labels),
        tested=chosen.tested,
        encoder=session.encoder.info.name,
        seed=session.seed,
        notes=tuple(dict.fromkeys(n for n in notes if n)),
        fingerprint=fingerprint(embedded),
    )


def _learner(n_classes: int) -> Learner:
    return lambda vectors, labels, c: Probe.fit(vectors, labels, n_classes, c).probabilities


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The images that take part: vectors, renumbered labels, and a number (n,) for the content of each image.

    `test` (n,) marks the images of the test split; None for cross-validation. `counts` (k,) is the number of training
    images of each class, and `n_now` the smallest of them.
    """

    vectors: Floats
    labels: Ints
    contents: Ints
    classes: tuple[str, ...]
    test: Mask | None
    counts: Ints
    tested: str
    notes: tuple[str, ...]

    @property
    def n_now(self) -> int:
        return int(self.counts.min())


def _choose(embedded: Embedded, session: Session) -> _Chosen:
    data, notes = embedded.dataset, list[str]()
    contents, labelled = _contents(embedded, session), data.labels >= 0
    if (~labelled).any():
        notes.append(words.unlabelled("Images", int((~labelled).sum())))
    split = next((s for s in ("test", "val") if s in data.splits and "train" in data.splits), None)
    train = labelled & (data.splits == "train") if split else labelled
    test = labelled & (data.splits == split) if split else np.zeros(len(data), np.bool_)
    leaked = test & np.isin(contents, contents[train])
    test &= ~leaked
    if leaked.any():
        notes.append(words.repeats_training(int(leaked.sum())))
    kept, small = [], []
    for k, name in enumerate(data.classes):
        own = data.labels == k
        n = len(np.unique(contents[train & own]))
        if n >= SMALLEST and (split is None or (test & own).sum() >= SMALLEST):
            kept.append(k)
        else:
            small.append(f"{name} ({n}{f', {int((test & own).sum())} in {split}' if split else ''})")
    if len(kept) < 2:
        raise DataError(
            f"{len(kept)} of {len(data.classes)} classes have {SMALLEST} different images"
            f"{f', and as many in {split}' if split else ''}; a forecast needs two such classes; add images."
        )
    if len(kept) > MOST_CLASSES:
        raise DataError(
            f"the data has {len(kept)} classes; a forecast allows at most {MOST_CLASSES}; give fewer classes."
        )
    if small:
        notes.append(words.small_classes(SMALLEST, small))
    most, rng = MOST_IMAGES // len(kept), session.rng("forecast images")
    parts = [np.flatnonzero((train | test) & (data.labels == k)) for k in kept]
    rows = np.concatenate([np.sort(rng.permutation(part)[:most]) for part in parts])
    if max(map(len, parts)) > most:
        notes.append(words.at_most(most))
    labels = np.searchsorted(kept, data.labels[rows]).astype(np.int32)
    names = tuple(data.classes[k] for k in kept)
    counts = np.bincount(labels[train[rows]]).astype(np.int32)
    if counts.max() >= 2 * counts.min():
        notes.append(words.smallest_class(names[int(counts.argmin())], int(counts.min())))
    tested = words.tested_on(split, N_FOLDS)
    return _Chosen(
        embedded.embeddings.vectors[rows], labels, contents[rows], names, test[rows] if split else None, counts, tested,
        tuple(notes),
    )  # fmt: skip


def _contents(embedded: Embedded, session: Session) -> Ints:
    """A number for each image (n,), equal for duplicates of any kind."""
    data, facts = embedded.dataset, embedded.facts
    groups = duplicates.groups(
        data.ids,
        list(facts["sha256"]),
        facts["phash"].to_numpy(np.uint64),
        embedded.embeddings,
        session.settings.duplicates,
    )
    at = {str(i): row for row, i in enumerate(data.ids)}
    shown = np.arange(len(data), dtype=np.int32)
    # Each kind of evidence extends the groups of the one before, so an image's largest group contains its other groups.
    for group in sorted(groups, key=lambda g: len(g.ids)):
        shown[[at[i] for i in group.ids]] = at[group.ids[0]]
    return shown


def _repeats(chosen: _Chosen, rng: np.random.Generator) -> tuple[list[list[tuple[Rows, Rows]]], Ints]:
    """The training and test rows of each repeat, and the sizes of the curve that all repeats allow."""
    most = MOST_ROWS // len(chosen.classes)
    # Expensive probes get fewer repeats. They also have more test images, which reduce the error more than repeats.
    n_repeats = 4 if min(chosen.n_now, most) * len(chosen.classes) <= CHEAP_ROWS else 2
    if chosen.test is not None:
        repeats = [[(np.flatnonzero(~chosen.test), np.flatnonzero(chosen.test))] for _ in range(2 * n_repeats)]
    else:
        repeats = [learning_curve.folds(chosen.labels, chosen.contents, N_FOLDS, rng) for _ in range(n_repeats)]
    largest = min(int(np.bincount(chosen.labels[train]).min()) for parts in repeats for train, _ in parts)
    sizes = learning_curve.sizes(min(largest, most))
    if len(sizes) < learning_curve.FEWEST_SIZES:
        raise DataError(
            f"with duplicates kept together, {largest} images of a class are left to train on; a forecast needs "
            "5; add different images."
        )
    return repeats, sizes


def _point(law: PowerLaw, n: int) -> Point:
    accuracy = law.accuracy(n)
    return Point(n, accuracy.value, accuracy.ci)


def _of_class(c: int, chosen: _Chosen, boot: Bootstrap, target: float, session: Session) -> ClassForecast:
    law = learning_curve.fit(boot.of_class(c), session.rng("forecast fit"))
    now = law.accuracy(chosen.n_now)
    return ClassForecast(chosen.classes[c], int(chosen.counts[c]), now.value, now.ci, law.needed(target))


def _pairs(
    chosen: _Chosen, trials: Trials, boot: Bootstrap, target: float, session: Session
) -> tuple[tuple[PairForecast, ...], PairForecast | None]:
    """The most confused pairs, worst first, and the easiest pair if it is another one."""
    lost = ~trials.beats
    rows = [trials.labels == k for k in range(len(chosen.classes))]
    confused = np.array([[lost[:, :, r, k].mean() for k in range(len(rows))] for r in rows])
    # The mean is over all sizes, because many pairs are never confused at the largest.
    order = sorted(combinations(range(len(rows)), 2), key=lambda p: (-(confused[p] + confused[p[::-1]]), p))

    def of(a: int, b: int) -> PairForecast:
        law = learning_curve.fit(boot.of_pair(a, b), session.rng("forecast fit"))
        now = law.accuracy(chosen.n_now)
        return PairForecast(chosen.classes[a], chosen.classes[b], now.value, now.ci, law.needed(target))

    pairs = tuple(sorted((of(*p) for p in order[:MOST_PAIRS]), key=lambda pair: pair.accuracy))
    return pairs, of(*order[-1]) if len(order) > 1 else None


def _zero_shot(chosen: _Chosen, trials: Trials, boot: Bootstrap, session: Session) -> tuple[ZeroShot | None, list[str]]:
    """The accuracy of the class names alone on the test images, or a note on why there is none."""
    info = session.encoder.info
    if not info.text:
        return None, []
    things = [name.replace("_", " ").replace("-", " ") for name in chosen.classes]
    prompts = [template.format(f"{_article(thing)} {thing}") for thing in things for template in TEMPLATES]
    try:
        towers = unit(unit(session.encoder.encode_text(prompts)).reshape(len(things), len(TEMPLATES), -1).mean(1))
    except MissingExtraError as e:
        return None, [words.no_zero_shot(e)]
    tested = chosen.vectors if chosen.test is None else chosen.vectors[chosen.test]
    errors = boot.of_guesses((tested @ towers.T).argmax(1) == trials.labels)
    means = words.zero_shot_by(info.name, info.kind == "embedded")
    point = errors.points()[0]
    return ZeroShot(point.accuracy, point.ci, means), []


def _article(thing: str) -> str:
    return "an" if thing[:1].lower() in "aeiou" else "a"
