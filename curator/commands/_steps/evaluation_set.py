"""Choose the test images for the probe: a given test set, a split of the data, or a held-out part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator.commands._steps.candidates import class_indices, strange, twins
from curator.commands._steps.targets import as_embedded
from curator.commands.session import Session
from curator.errors import DataError
from curator.probe.groups import Groups
from curator.readers import Data
from curator.report.wording import notes as words
from curator.shortcuts import indicators
from curator.types import AuditRun, DuplicateGroup, Embedded, Finding, Ids, Ints, Mask, Measures


@dataclass(frozen=True, slots=True)
class Given:
    """A test set from the user, measured with the thresholds of the data."""

    embedded: Embedded
    labels: Ints
    measures: Measures
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exam:
    """The test images with their labels and groups; `train` are the rows of the data that are left for training.

    `held_out`: the test images were held out of the data.
    """

    embedded: Embedded
    labels: Ints
    groups: Groups
    train: NDArray[np.intp]
    held_out: bool = False


def read_test(test: Data, run: AuditRun, session: Session) -> Given:
    """Embed and measure a test set.

    Raises:
        DataError: none of its images has a class of the data.
    """
    embedded = session.embed(session.scan(test))
    names = np.array(embedded.dataset.label_names(), dtype=np.str_)
    labels = class_indices(names, run.dataset.classes)
    if (labels < 0).all():
        raise DataError(
            f"no image of the test set {embedded.dataset.name} has a class of the data "
            f"({', '.join(run.dataset.classes)}); correct its labels."
        )
    notes = strange(names, run.dataset.classes, "test set")
    if (names == "").any():
        notes.append(words.unlabelled("Test images", int((names == "").sum())))
    return Given(embedded, labels, session.measures(embedded, as_embedded(run)), tuple(notes))


def examine(run: AuditRun, finding: Finding, given: Given | None, session: Session) -> tuple[Exam, list[str]]:
    """The test set for one shortcut, and notes about it.

    Raises:
        DataError: the class has too few images without the value.
    """
    data = run.dataset
    labelled = data.labels >= 0
    is_train = data.train_labels() >= 0
    has, known = indicators.read(run.measures, finding.attribute, finding.value)
    if given is not None:
        return _given(run, finding, given, np.flatnonzero(is_train), session)
    split = next((s for s in ("test", "val") if s in data.splits and "train" in data.splits), None)
    held = split is None
    if split is not None:
        leaked = _with_a_twin(data.ids, run.duplicates, is_train)
        rows = np.flatnonzero(labelled & known & (data.splits == split) & ~leaked)
        notes = [words.split_is_test(split, len(rows))]
        n_leaked = int((leaked & (data.splits == split)).sum())
        if n_leaked:
            notes.append(words.repeats_training(n_leaked))
    else:
        rows, notes = _hold_out(run, finding, has, labelled & known, session)
        is_train = labelled.copy()
        is_train[rows] = False
    groups, small = _groups(data.labels[rows], has[rows], run, finding, session)
    exam = Exam(as_embedded(run).take(rows), data.labels[rows], groups, np.flatnonzero(is_train), held)
    return exam, [*notes, *small]


def _given(
    run: AuditRun, finding: Finding, given: Given, train: NDArray[np.intp], session: Session
) -> tuple[Exam, list[str]]:
    has, known = indicators.read(given.measures, finding.attribute, finding.value)
    repeated = repeats_between(given.embedded, as_embedded(run).take(train), session)
    rows = np.flatnonzero((given.labels >= 0) & known & ~repeated)
    notes = list(given.notes)
    if repeated.any():
        notes.append(words.repeats_training(int(repeated.sum())))
    groups, small = _groups(given.labels[rows], has[rows], run, finding, session)
    return Exam(given.embedded.take(rows), given.labels[rows], groups, train), [*notes, *small]


def _groups(labels: Ints, has: Mask, run: AuditRun, finding: Finding, session: Session) -> tuple[Groups, list[str]]:
    """The groups that are large enough to be tested, and the names of the others."""
    classes, smallest = run.dataset.classes, session.settings.validate.min_group
    small = []
    for k, name in enumerate(classes):
        for value in (True, False):
            n = int(((labels == k) & (has == value)).sum())
            if n < smallest:
                small.append(f"{name}, {'' if value else 'not '}{finding.value} ({n})")
            if n < smallest and name == finding.class_name and not value:
                raise DataError(
                    f"the test set has {n} {name} image{'s' if n != 1 else ''} without "
                    f"{finding.attribute}={finding.value}; {smallest} are needed; give a larger --test."
                )
    return Groups.of(labels, has, len(classes), smallest), [words.small_groups(smallest, small)] if small else []


def _hold_out(
    run: AuditRun, finding: Finding, has: Mask, usable: Mask, session: Session
) -> tuple[NDArray[np.intp], list[str]]:
    """Rows of a test set with the same number of images from every class x value group that is large enough.

    A group is large enough with twice `min_group` images; smaller groups are used for training only. Duplicates stay
    together, in training if possible.

    Raises:
        DataError: the class without the value is not large enough.
    """
    settings, data = session.settings.validate, run.dataset
    group = np.where(usable, data.labels * 2 + has, -1)
    sizes = np.bincount(group[group >= 0], minlength=2 * len(data.classes))
    least = 2 * settings.min_group
    own = int(sizes[2 * data.classes.index(finding.class_name)])
    if own < least:
        raise DataError(
            f"the data has {own} {finding.class_name} image{'s' if own != 1 else ''} without "
            f"{finding.attribute}={finding.value}; {least} are needed to train on some and test on others; "
            "give a labelled --test."
        )
    sharing = np.flatnonzero(sizes >= least)
    fair = round(settings.test_frac * int(sizes.sum()) / len(sharing))
    k = max(settings.min_group, min(int(sizes[sharing].min()) // 2, fair))
    room = np.where(sizes >= least, k, 0)
    rows: list[int] = []
    for piece in _pieces(data.ids, run.duplicates, session.rng("holdout")):
        need = np.bincount(group[piece][group[piece] >= 0], minlength=len(sizes))
        if (group[piece] >= 0).all() and (need <= room).all():
            room -= need
            rows += piece
    return np.array(sorted(rows), np.intp), [words.held_out(len(rows), k)]


def _pieces(ids: Ids, groups: Sequence[DuplicateGroup], rng: np.random.Generator) -> list[list[int]]:
    """Rows that must stay together, the smallest pieces first, in random order among pieces of equal size."""
    position = {str(id): i for i, id in enumerate(ids)}
    together = [[position[i] for i in g.ids] for g in groups]
    taken = {i for piece in together for i in piece}
    pieces = [*together, *([i] for i in range(len(ids)) if i not in taken)]
    return sorted((pieces[i] for i in rng.permutation(len(pieces))), key=len)


def _with_a_twin(ids: Ids, groups: Sequence[DuplicateGroup], mask: Mask) -> Mask:
    """Which images (n,) are in a group of duplicates that contains an image of `mask`, including that image itself."""
    inside = dict(zip(ids.tolist(), mask.tolist(), strict=True))
    twins = {i for g in groups if any(inside[j] for j in g.ids) for i in g.ids}
    return np.array([i in twins for i in ids.tolist()], np.bool_)


def repeats_between(mine: Embedded, theirs: Embedded, session: Session) -> Mask:
    """Which of `mine` are duplicates of one of `theirs`."""
    groups = twins(mine, theirs, session)
    shared = {i for g in groups if any(j.startswith("second/") for j in g.ids) for i in g.ids}
    return np.isin(np.char.add("first/", mine.dataset.ids), np.array(sorted(shared), dtype=np.str_))
