"""What every command needs: an encoder, a cache, settings, a seed and a progress callback."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import numpy as np
import platformdirs
from numpy.typing import NDArray

from curator import __version__, attributes, encoders
from curator.config import Settings
from curator.encoders.open_clip import DEFAULT
from curator.engines import lettering, local, ray, salience, spread, steps
from curator.engines.steps import Filled, Shelf
from curator.errors import DataError, InputError
from curator.io.decoding import images
from curator.io.fingerprint import fingerprint as fingerprint
from curator.io.store.store import Store
from curator.readers import Data, clip_retrieval, scan
from curator.regions import patches
from curator.types import Dataset, Embedded, Encoder, Eye, Measures

Out = TypeVar("Out", Embedded, Filled)
T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[str, int, int], None]
"""Arguments: the current step, how much of it is done, and the total."""

ENGINES = ("local", "ray")

_VERSIONS = (
    "curator-audit",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pillow",
    "onnxruntime",
    "open-clip-torch",
    "torch",
)


def default_cache() -> Path:
    """The platform's cache folder for curator."""
    return Path(platformdirs.user_cache_dir("curator"))


def silent(stage: str, done: int, total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Creates the encoder on a worker of another machine from the names used here. Each worker has one thread."""

    model: str
    cache: Path
    device: str
    precision: str

    def __call__(self) -> tuple[Encoder, Eye | None]:
        encoder, _ = encoders.resolve(
            self.model, cache=self.cache, device=self.device, jobs=1, precision=self.precision
        )
        return encoder, encoders.eye_of(encoder, cache=self.cache, jobs=1)


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that stays the same while one command runs. `open` creates a session from names.

    `named`: the user chose the encoder. `max_skipped` is the largest fraction of images that may be unreadable; with more
    the run is an error. `engine` is "local" or "ray"; "ray" needs the `crew`. `ray_address` is the address of a running
    cluster, "" to start one on this machine.
    """

    encoder: Encoder
    cache: Path
    settings: Settings = field(default_factory=Settings)
    seed: int = 0
    jobs: int = 0
    max_skipped: float = 0.05
    path_column: str = "path"
    label_column: str = "label"
    allow_outside: bool = False
    notes: tuple[str, ...] = ()
    progress: Progress = silent
    named: bool = False
    engine: str = "local"
    ray_address: str = ""
    crew: Crew | None = None

    def __post_init__(self) -> None:
        """Raises: InputError: a value is of the wrong type, out of range or unknown."""
        texts = {name: getattr(self, name) for name in ("path_column", "label_column", "ray_address")}
        _check_texts(engine=self.engine, **texts)
        if self.engine not in ENGINES:
            raise InputError(f"engine is {self.engine!r}; {' or '.join(ENGINES)} is needed.")
        if self.ray_address and self.engine != "ray":
            raise InputError("--ray-address needs --engine ray; add it.")
        for name, kind, low, high in (
            ("seed", int, 0, 2**32 - 1),
            ("jobs", int, 0, 4096),
            ("max_skipped", float, 0, 1),
        ):
            value = getattr(self, name)
            if not isinstance(value, int | kind) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(f"{name} is {value!r}; a number from {low} to {high} is needed.")

    @classmethod
    def open(
        cls, model: str = "auto", *, cache: str | Path | None = None, device: str = "auto", jobs: int = 0,
        precision: str = "auto", **rest: object,
    ) -> Session:  # fmt: skip
        """Resolve the encoder by name (see `curator.encoders.resolve`); everything else is kept as given."""
        _check_texts(model=model, device=device, precision=precision)
        if cache is not None and not isinstance(cache, (str, Path)):
            raise InputError(f"cache is {cache!r}; the path of a folder is needed.")
        folder = Path(cache) if cache else default_cache()
        encoder, notes = encoders.resolve(model, cache=folder, device=device, jobs=jobs, precision=precision)
        # Not "auto", because another machine could choose a different encoder for it.
        known = encoder.info.kind if model == "auto" and encoder.info.kind == "embedded" else model
        crew = Crew(DEFAULT if known == "auto" else known, folder.resolve(), device, precision)
        return cls(encoder=encoder, cache=folder, jobs=jobs, notes=notes, crew=crew, named=model != "auto", **rest)  # type: ignore[arg-type]

    def rng(self, stage: str) -> np.random.Generator:
        """A separate generator for the stage, so that its draws do not depend on other stages."""
        return np.random.default_rng([self.seed, int.from_bytes(hashlib.sha256(stage.encode()).digest()[:4], "big")])

    def scan(self, data: Data) -> Dataset:
        """Read DATA's list of images and labels."""
        return scan(
            data, path_column=self.path_column, label_column=self.label_column, allow_outside=self.allow_outside
        )

    def embed(self, dataset: Dataset) -> Embedded:
        """Decode, measure and embed the images that are not in the store, and read all of them back.

        Raises:
            DataError: more than `max_skipped` of the images could not be used.
            InputError: the data set has embeddings and no images.
        """
        return self._run(dataset, local.run, ray.run)

    def fill(self, dataset: Dataset) -> Filled:
        """Like `embed`, but only fill the store: no vector is held in memory. Raises the errors of `embed`."""
        return self._run(dataset, local.fill, ray.fill)

    def recaller(self, stored: Filled) -> Callable[[NDArray[np.intp]], Embedded]:
        """A function that returns images (m,) of those that `fill` stored, in order. It raises CuratorError if one is lost."""
        shelf = self._shelf()  # opened once, because opening a store reads all its keys
        return lambda rows: steps.recalled(stored, rows, shelf, self.encoder.info)

    def each(self, work: Callable[[T], R], pieces: Iterable[T]) -> Generator[R]:
        """The results of `work` for each piece, in order, computed here or on the machines of a cluster."""
        if self.engine == "ray":
            yield from spread.each(work, pieces, self._cluster())
        else:
            yield from map(work, pieces)

    def _run(self, dataset: Dataset, here: Callable[..., Out], there: Callable[..., Out]) -> Out:
        """Run the engine of this machine (`here`) or of a cluster (`there`)."""
        if clip_retrieval.is_folder(dataset.root):
            raise InputError(
                f"{dataset.root} holds embeddings and no images; only curator audit supports that; give the images."
            )
        shelf = self._shelf()
        name = f"reading {dataset.name}"

        def tell(done: int, total: int) -> None:
            self.progress(name, done, total)

        if self.engine == "ray":
            if self.crew is None:
                raise InputError(
                    "the engine 'ray' needs the names of the encoder and eye; make the session with Session.open."
                )
            out = there(
                dataset, self.encoder.info, self.crew, attributes.measure, shelf.store,
                sight=shelf.sight, cluster=self._cluster(),
                batch_size=getattr(self.encoder, "batch_size", local.BATCH_SIZE), on_progress=tell,
            )  # fmt: skip
        else:
            out = here(
                dataset,
                self.encoder,
                attributes.measure,
                shelf.store,
                sight=shelf.sight,
                jobs=self.jobs,
                on_progress=tell,
            )
        skipped = out.dataset.skipped
        n = len(out.dataset) + len(skipped)
        if len(skipped) > self.max_skipped * n:
            raise DataError(
                f"{len(skipped)} of {n} images cannot be used (the first: {skipped[0].id}: {skipped[0].reason}); "
                f"at most {self.max_skipped:.0%} are allowed; repair them or raise --max-skipped."
            )
        return out

    def _cluster(self) -> ray.Cluster:
        return ray.Cluster(self.ray_address, self.jobs)

    def _shelf(self) -> Shelf:
        """The store for the results of this encoder and of the network that sees places."""
        eye = encoders.eye_of(self.encoder, cache=self.cache, jobs=self.jobs)
        measured = (
            f"decoded {images.DECODING} "
            + attributes.fingerprint()
            + (f" seen by {eye.info.fingerprint} {patches.VERSION}" if eye else "")
        )
        store = Store.for_(self.cache, self.encoder.info.fingerprint, measured, self.encoder.info.name)
        return Shelf(store, steps.Sight(eye, self._patches(eye)) if eye else None)

    def _patches(self, eye: Eye) -> Store:
        # The places depend on how the encoder crops its input, with any network that sees them.
        key = f"{eye.info.fingerprint} {self.encoder.info.preprocessing} {patches.VERSION} decoded {images.DECODING}"
        return Store.of_patches(self.cache, key, eye.info.name)

    def measures(self, embedded: Embedded, reference: Embedded | None = None) -> Measures:
        """All attributes, measured with the thresholds of `reference`."""
        seen = self.looked_at(embedded if reference is None else reference)
        if reference is None or reference is embedded:
            return attributes.measures(seen, self.encoder, self.settings, seen)
        return attributes.measures(self._read_lettering(embedded), self.encoder, self.settings, seen)

    def looked_at(self, embedded: Embedded) -> Embedded:
        """The data set with the salient objects and the lettering of some of its images (see `engines.salience`)."""
        name = f"locating objects in {embedded.dataset.name}"
        located = salience.look(
            embedded,
            self.encoder.info.preprocessing,
            self.cache,
            self.jobs,
            lambda done, total: self.progress(name, done, total),
        )
        return self._read_lettering(located)

    def _read_lettering(self, embedded: Embedded) -> Embedded:
        name = f"looking for lettering in {embedded.dataset.name}"
        return lettering.look(embedded, self.cache, self.jobs, lambda done, total: self.progress(name, done, total))


def versions() -> dict[str, str]:
    """Versions of the libraries that the numbers depend on."""
    found = {"curator-audit": __version__}
    for name in _VERSIONS[1:]:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def one_class(dataset: Dataset) -> Dataset:
    """Treat a data set without labels as one class, named after its folder."""
    if dataset.classes:
        return dataset
    return replace(dataset, labels=np.zeros(len(dataset), np.int32), classes=(dataset.name,))


def _check_texts(**values: object) -> None:
    for name, value in values.items():
        if not isinstance(value, str):
            raise InputError(f"{name} is {value!r}; a text is needed.")
