"""Settings: one frozen dataclass per stage, read from TOML, overruled by flags. An unknown key is an InputError."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from curator import intended
from curator.errors import InputError
from curator.intended import Intended

_LEAST_SAMPLE = 100
_LARGEST = 1e15
"""No count or fraction is larger; above it, floats no longer tell whole numbers apart."""
S = TypeVar(
    "S",
    bound="AuditSettings | DuplicateSettings | RecommendSettings | ValidateSettings | SplitSettings | AppSettings",
)


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """When an association is a finding, and how severe.

    `alpha`: false-discovery rate over all tests. `min_effect`: the interval of the effect must lie above it.
    `medium`, `high`: severity by the lower end of that interval. `min_support`: fewer images than this with a value are
    not tested. `cuts`: quantiles at which a number is cut in two. `n_permutations`: label shuffles behind
    `expected_false_findings`. `n_splits`: random halves behind each finding's confirmation. `n_edited`: findings, worst first,
    whose attribute is edited in the pictures to see what a probe makes of it. `leans`: a probe's reliance from which a
    finding weighs more, and below which it weighs less. `clusters`: how many, 0 = by the size of the set. `objects`: what
    describes the object itself counts like anything else. `sample`: learn from that many images, drawn at random, what is
    then counted in all of them; 0 = look at all closely. `intended`: what the user accepts.
    """

    alpha: float = 0.05
    min_effect: float = 0.05
    medium: float = 0.2
    high: float = 0.4
    min_support: int = 3
    cuts: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)
    n_permutations: int = 50
    n_splits: int = 10
    n_edited: int = 3
    leans: float = 0.15
    clusters: int = 0
    n_examples: int = 12
    concepts: str = ""
    objects: bool = False
    sample: int = 0
    intended: tuple[Intended, ...] = field(default=(), metadata={"read": intended.read})

    def __post_init__(self) -> None:
        _fraction("alpha", self.alpha)
        if not 0 <= self.min_effect <= self.medium <= self.high <= 1:
            raise InputError("settings: 0 <= min_effect <= medium <= high <= 1 is needed.")
        if any(not 0 < c < 1 for c in self.cuts):
            raise InputError(f"settings: cuts are quantiles between 0 and 1; found {list(self.cuts)}.")
        _at_least(
            0,
            min_support=self.min_support,
            n_permutations=self.n_permutations,
            n_splits=self.n_splits,
            n_edited=self.n_edited,
            clusters=self.clusters,
            sample=self.sample,
        )
        if 0 < self.sample < _LEAST_SAMPLE:
            raise InputError(f"settings: sample is at least {_LEAST_SAMPLE}, or 0 for all images; found {self.sample}.")


@dataclass(frozen=True, slots=True)
class DuplicateSettings:
    """`hamming`: differing bits of 64 up to which two perceptual hashes agree. `cosine`: when two embeddings do.
    `confirm`: a perceptual match counts only where the embeddings agree this far too."""

    hamming: int = 6
    cosine: float = 0.98
    confirm: float = 0.94


@dataclass(frozen=True, slots=True)
class RecommendSettings:
    """`strategy`: a name from the recommenders. `confidence`: a predicted label below it is not trusted with a place.
    `doubtful`: one below it is taken last. `c`: inverse regularisation of the probes that predict labels (chosen on composed
    photographs, seeds 101 to 103)."""

    budget: int = 30
    strategy: str = "counterexample"
    confidence: float = 0.6
    doubtful: float = 0.8
    c: float = 0.1
    max_findings: int = 3


@dataclass(frozen=True, slots=True)
class ValidateSettings:
    """The probe: `c_grid` inverse regularisations to choose from, `n_random` draws of the random arm, `n_bootstrap`
    resamples of the test set and `n_seeds` of the training set behind every interval, `min_group` images for a group to
    count. Under 19 random draws nothing can be called an improvement: see `validation.compare`."""

    c_grid: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 10.0)
    n_random: int = 40
    n_bootstrap: int = 1000
    n_seeds: int = 100
    min_group: int = 5
    test_frac: float = 0.3

    def __post_init__(self) -> None:
        _fraction("test_frac", self.test_frac)
        _at_least(
            1, n_random=self.n_random, n_bootstrap=self.n_bootstrap, n_seeds=self.n_seeds, min_group=self.min_group
        )
        if not self.c_grid or not all(0 < c < float("inf") for c in self.c_grid):
            raise InputError(f"settings: c_grid holds numbers above 0; found {list(self.c_grid)}.")


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """Fractions of the splits, by name; they sum to 1."""

    fractions: Mapping[str, float] = field(default_factory=lambda: {"train": 0.7, "val": 0.15, "test": 0.15})

    def __post_init__(self) -> None:
        if not self.fractions or any(f <= 0 for f in self.fractions.values()):
            raise InputError("settings: every split needs a fraction above 0.")
        if abs(sum(self.fractions.values()) - 1) > 1e-6:
            raise InputError(f"settings: split fractions sum to {sum(self.fractions.values()):g}; 1 is needed.")


@dataclass(frozen=True, slots=True)
class AppSettings:
    """`most_images`: of more, the FiftyOne App shows every image that is flagged and a sample of the others."""

    most_images: int = 100_000

    def __post_init__(self) -> None:
        _at_least(1, most_images=self.most_images)


@dataclass(frozen=True, slots=True)
class Settings:
    """All stages together."""

    audit: AuditSettings = field(default_factory=AuditSettings)
    duplicates: DuplicateSettings = field(default_factory=DuplicateSettings)
    recommend: RecommendSettings = field(default_factory=RecommendSettings)
    validate: ValidateSettings = field(default_factory=ValidateSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    app: AppSettings = field(default_factory=AppSettings)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the JSON files; `settings_of` reads them back."""
        values = asdict(self)
        values["audit"]["intended"] = [entry.as_dict() for entry in self.audit.intended]
        return values


def read_settings(path: Path | None) -> Settings:
    """The settings of a TOML file with one table per stage; the defaults where `path` is None.

    Raises:
        InputError: no such file, not TOML, an unknown table or key, or a value of the wrong type.
    """
    if path is None:
        return Settings()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise InputError(f"cannot read the settings {path}: {e.strerror}; check --config.") from e
    except (ValueError, RecursionError) as e:  # not UTF-8, not TOML, a number of thousands of digits
        raise InputError(f"{path} is not valid TOML ({e}); see docs/concepts.md for an example.") from e
    return settings_of(tables, str(path))


def settings_of(tables: Mapping[str, Any], where: str) -> Settings:
    """The settings of one mapping per stage, the defaults where one is silent; `where` is named in errors.

    Raises:
        InputError: an unknown table or key, or a value of the wrong type.
    """
    defaults = Settings()
    stages = {f.name: getattr(defaults, f.name) for f in fields(Settings)}
    chosen: dict[str, Any] = {}
    for table, values in tables.items():
        if table not in stages or not isinstance(values, dict):
            raise InputError(f"{where}: [{table}] is no table of settings; {_meant(table, list(stages))}")
        chosen[table] = updated(stages[table], values, f"{where}: [{table}]")
    return replace(defaults, **chosen)


def updated(settings: S, values: Mapping[str, Any], where: str) -> S:
    """`settings` with `values` in place; each key must exist and keep its type (an int may stand for a float)."""
    known = {f.name: getattr(settings, f.name) for f in fields(settings)}
    readers = {f.name: f.metadata["read"] for f in fields(settings) if "read" in f.metadata}
    clean: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise InputError(f"{where} has no setting {key!r}; {_meant(key, list(known))}")
        default = known[key]
        if key in readers:  # more than numbers: the setting's own module knows its form
            clean[key] = readers[key](value, f"{where} {key}")
            continue
        if not all(_is_of_use(item) for item in (value, *_items(value))):
            raise InputError(f"{where} {key} is no number of any use; {_plain(default)!r} is one.")
        if isinstance(default, tuple) and isinstance(value, list):
            value = tuple(value)
        elif isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        expected = Mapping if isinstance(default, Mapping) else type(default)
        if not isinstance(value, expected) or (isinstance(value, bool) and not isinstance(default, bool)):
            raise InputError(f"{where} {key} = {value!r}; a {type(default).__name__} such as {default!r} is needed.")
        if not all(_is_number(item) for item in _items(value)):
            raise InputError(f"{where} {key} = {value!r}; numbers are needed, such as {_plain(default)!r}.")
        clean[key] = value
    return replace(settings, **clean)


def _items(value: Any) -> list[Any]:
    """What a list or a table of settings holds; all of these hold numbers."""
    return list(value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ())


def _is_number(item: Any) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool)


def _is_of_use(item: Any) -> bool:
    """Not infinite, no NaN, and not so large that arithmetic on it fails; what is no number at all is none of its business."""
    return not isinstance(item, int | float) or -_LARGEST <= item <= _LARGEST


def _plain(default: Any) -> Any:
    return list(default) if isinstance(default, tuple) else default


def _meant(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}."


def _at_least(lowest: int, **values: int) -> None:
    for name, value in values.items():
        if value < lowest:
            raise InputError(f"settings: {name} is at least {lowest}; found {value}.")


def _fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise InputError(f"settings: {name} lies between 0 and 1; found {value:g}.")
