"""`curator selftest`: plant shortcuts of known size in the user's images, and count how many an audit finds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.commands.audit import audit_embedded
from curator.commands.session import Session, one_class
from curator.errors import DataError
from curator.io import editing
from curator.io.decoding import images
from curator.io.editing import Pixels
from curator.types import AuditRun, Dataset, Embedded, Measures
from curator.types.selftest import Plant, Planted, SelfTest

SMALLEST = 10
"""Minimum number of images of a class that takes part."""
ELSEWHERE = 0.1
"""Share of the other classes' images that also get the planted shortcut, because real shortcuts are seldom clean."""
_SIDE = 512
"""Longest side of the copies, in pixels: more than any encoder sees."""
_QUALITY = 92
_LOW_QUALITY = 20
_WARM, _BLACK = (255, 190, 110), (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Planting:
    """A shortcut to plant: the edit, and the JPEG quality of the copy. `Column.planted_by` says which attributes show it."""

    edit: Callable[[Pixels], Pixels]
    quality: int = _QUALITY


PLANTS: Mapping[Plant, Planting] = {
    "tint": Planting(lambda p: editing.tint(p, _WARM, 0.5)),
    "border": Planting(lambda p: editing.frame(p, _BLACK, 0.04)),
    "patch": Planting(lambda p: editing.patch(p, "bottom right", 0.15)),
    "recompress": Planting(lambda p: p, _LOW_QUALITY),
}


class _Measured(Session):
    """A session that measures the same images once, because measures do not depend on the labels, which change per draw.

    The same images are those with the same files in the same order.
    """

    __slots__ = ("kept",)

    def measures(self, embedded: Embedded, reference: Embedded | None = None) -> Measures:
        kept: dict[str, Measures] = getattr(self, "kept", {})
        key = "\n".join([*embedded.dataset.ids.tolist(), *embedded.facts["sha256"].tolist()])
        if key not in kept:
            # A dataclass with slots is created twice, and a bare super() would refer to the first class.
            kept = {key: Session.measures(self, embedded, reference)}
            object.__setattr__(self, "kept", kept)
        return kept[key]


def selftest(
    data: str | Path,
    session: Session | None = None,
    *,
    draws: int = 10,
    per_class: int = 60,
    effects: Sequence[float] = (0.3, 0.6),
) -> SelfTest:
    """Power and false alarms of an audit of this data by this encoder.

    Up to `per_class` images of each class are copied into a temporary folder, all with the same encoding. Labels are then
    shuffled, so that no real attribute goes with them. Twice `draws` null draws are audited without a planted shortcut. In
    the other draws, one class has it in a share `ELSEWHERE` + effect of its images, all others in a share `ELSEWHERE`.
    Nothing is written to DATA.

    Raises:
        DataError: too few images.

    Error: the draws of one effect edit the same images and differ only in the labels, so their interval is slightly too
    narrow. The edits are as strong as in `PLANTS`; weaker shortcuts are found less often.
    Source: power as in Cohen (1988); intervals by Wilson (1927).
    """
    start = time.monotonic()
    session = session or Session.open()
    source = _sample(one_class(session.scan(data)), per_class, session.rng("selftest sample"))
    settings = session.settings
    # Label shuffles and random halves are not needed here: they do not change whether there is a finding.
    lean = replace(settings, audit=replace(settings.audit, n_permutations=0, n_splits=0))
    work = _Measured(**{f: getattr(session, f) for f in Session.__dataclass_fields__} | {"settings": lean})
    rng = session.rng("selftest")
    targets = {kind: int(rng.integers(len(source.classes))) for kind in PLANTS}
    order = {kind: rng.permutation(len(source)) for kind in PLANTS}
    n_most = {kind: max(sum(_counts(source, targets[kind], e)) for e in effects) for kind in PLANTS}
    with tempfile.TemporaryDirectory(prefix="curator-selftest-") as folder:
        edited = {kind: order[kind][: n_most[kind]] for kind in PLANTS}
        copies = work.embed(_copies(source, edited, Path(folder), session))
        row = {id: i for i, id in enumerate(copies.dataset.ids.tolist())}
        # A planted shortcut counts as found at any severity, so no images are edited to judge the severity.
        quick = replace(work, settings=replace(lean, audit=replace(lean.audit, n_edited=0)))
        audits = _audits(copies, row, source, draws * (2 + len(PLANTS) * len(effects)))
        clean = np.full(len(source), "clean")
        alarms = sum(_alarm(a) for a in (audits(clean, rng.permutation(source.labels), work) for _ in range(2 * draws)))
        planted: list[Planted] = []
        for kind in PLANTS:
            for effect in effects:
                inside, outside = _counts(source, targets[kind], effect)
                chosen = order[kind][: inside + outside]
                versions = clean.copy().astype("U16")
                versions[chosen] = kind
                found = 0
                for _ in range(draws):
                    labels = _labels(source, targets[kind], chosen, inside, rng)
                    name = source.classes[targets[kind]]
                    found += _found(audits(versions, labels, quick), name, kind, len(source.classes))
                planted.append(Planted(kind, effect, found, draws))
    return SelfTest(
        tuple(planted), alarms, 2 * draws, len(source), source.class_counts(), session.encoder.info.name,
        ELSEWHERE, time.monotonic() - start, session.notes,
    )  # fmt: skip


def _sample(data: Dataset, per_class: int, rng: np.random.Generator) -> Dataset:
    """Up to `per_class` images of every class that has `SMALLEST`; a single class is split into two at random."""
    usable = data.train_labels() >= 0
    rows: list[NDArray[np.intp]] = []
    labels: list[NDArray[np.intp]] = []
    classes: list[str] = []
    for k, name in enumerate(data.classes):
        own = rng.permutation(np.flatnonzero(usable & (data.labels == k)))[:per_class]
        if len(own) >= SMALLEST:
            rows.append(own)
            labels.append(np.full(len(own), len(classes)))
            classes.append(name)
    if not classes or (len(classes) == 1 and len(rows[0]) < 2 * SMALLEST):
        raise DataError(
            f"the largest class of {data.name} has {max(data.class_counts().values(), default=0)} images; a self-test needs "
            f"two classes of {SMALLEST} images, or one of {2 * SMALLEST}; add images."
        )
    if len(classes) == 1:
        labels = [np.arange(len(rows[0])) % 2]
        classes = [f"half of {classes[0]}", f"other half of {classes[0]}"]
    chosen = data.take(np.concatenate(rows))
    return replace(
        chosen,
        labels=np.concatenate(labels).astype(np.int32),
        classes=tuple(classes),
        splits=np.full(len(chosen), ""),
    )


def _counts(data: Dataset, target: int, effect: float) -> tuple[int, int]:
    """How many images of the target class get the planted edit, and how many others."""
    n = int((data.labels == target).sum())
    return round(n * min(1.0, ELSEWHERE + effect)), round((len(data) - n) * ELSEWHERE)


def _copies(source: Dataset, edited: Mapping[Plant, NDArray[np.intp]], folder: Path, session: Session) -> Dataset:
    """Copies of the images with the same encoding in `folder`/clean, and edited copies in a folder named after the edit.

    An unreadable image is not an error here: `Session.embed` leaves it out and counts it.
    """
    kinds = {kind: set(rows.tolist()) for kind, rows in edited.items()}
    ids, origin = [], []
    for name in ("clean", *PLANTS):
        (folder / name).mkdir()
    for i in range(len(source)):
        session.progress("copying", i + 1, len(source))
        try:
            image = editing.shrink(images.whole(source.path(i)), _SIDE)
        except DataError as error:
            raise DataError(
                f"{source.ids[i]} cannot be read ({error}); a self-test must read every image; remove it."
            ) from None
        made = {"clean": editing.jpeg(image, _QUALITY)}
        made |= {kind: editing.jpeg(p.edit(image), p.quality) for kind, p in PLANTS.items() if i in kinds[kind]}
        for name, content in made.items():
            (folder / name / f"{i:06d}.jpg").write_bytes(content)
            ids.append(f"{name}/{i:06d}.jpg")
            origin.append(i)
    metadata = source.metadata.iloc[origin].set_axis(pd.Index(ids), axis=0)
    n = len(ids)
    return Dataset(
        "selftest", str(folder), np.array(ids), source.labels[origin], source.classes, np.full(n, ""), metadata
    )


def _audits(
    copies: Embedded, row: Mapping[str, int], source: Dataset, total: int
) -> Callable[[NDArray[np.str_], NDArray[np.int32], Session], AuditRun]:
    """A function that audits one version of every image with given labels and updates the progress bar."""
    number: Iterator[int] = iter(range(1, total + 1))

    def one(versions: NDArray[np.str_], labels: NDArray[np.int32], work: Session) -> AuditRun:
        rows = [row[f"{version}/{i:06d}.jpg"] for i, version in enumerate(versions)]
        taken = copies.take(rows)
        dataset = replace(taken.dataset, labels=labels.astype(np.int32), classes=source.classes)
        found = audit_embedded(replace(taken, dataset=dataset), work)
        work.progress("auditing draws", next(number), total)
        return found

    return one


def _labels(
    data: Dataset, target: int, chosen: NDArray[np.intp], inside: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Shuffled labels: the target's label goes to `inside` of the chosen images, and otherwise to images not chosen."""
    carry = rng.permutation(chosen)
    rest = rng.permutation(np.setdiff1d(np.arange(len(data)), chosen))
    n = int((data.labels == target).sum())
    mine = np.concatenate([carry[:inside], rest[: n - inside]])
    labels = np.empty(len(data), np.int32)
    labels[mine] = target
    theirs = np.setdiff1d(np.arange(len(data)), mine)
    labels[theirs] = rng.permutation(data.labels[data.labels != target])
    return labels


def _found(run: AuditRun, class_name: str, kind: str, n_classes: int) -> bool:
    """Whether a finding about the class shows the planted edit; with two classes, the finding may name either."""
    shows = {c.name for c in run.measures.columns if kind in c.planted_by}
    for finding in run.audit.findings:
        names = [f"{finding.class_name}:{finding.attribute}"]
        names += [s if ":" in s.partition("=")[0] else f"{finding.class_name}:{s}" for s in finding.same_as]
        for name in names:
            owner, _, attribute = name.partition("=")[0].rpartition(":")
            if attribute in shows and (owner == class_name or n_classes == 2):
                return True
    return False


def _alarm(run: AuditRun) -> bool:
    return any(f.severity in ("medium", "high") and f.kind != "object" for f in run.audit.findings)
