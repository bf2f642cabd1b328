"""Settings: one frozen dataclass per stage, read from TOML and overridden by flags. An unknown key is an InputError."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from curator import intended
from curator.errors import InputError, did_you_mean
from curator.intended import Intended

_LEAST_SAMPLE = 100
LARGE = 30_000
"""Images above which work that grows with their square, or takes minutes, is done on a sample or by an index."""
_LARGEST = 1e15
"""Maximum size of a count or fraction. Above it, floats no longer distinguish whole numbers."""
S = TypeVar(
    "S",
    bound="AuditSettings | DuplicateSettings | RecommendSettings | ValidateSettings | SplitSettings | AppSettings",
)


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """When an association is a finding, and how severe it is.

    `alpha`: false-discovery rate over all tests. `min_effect`: the interval of the effect must lie above it.
    `medium`, `high`: severity by the lower end of that interval. `min_support`: values in fewer images than this are not
    tested. `cuts`: quantiles at which a number is cut in two. `n_permutations`: number of label shuffles for
    `expected_false_findings`. `n_splits`: number of random halves for each finding's confirmation. `n_edited`: number of
    findings, the most severe first, that are tested by editing the attribute in images and asking a probe. `leans`: reliance
    of a probe above which severity rises, and below which it falls. `clusters`: their number, 0 = by the size of the set.
    `n_examples`: number of examples. `concepts`: path of the user's own vocabulary of prompts. `objects`: findings about the
    object itself count like all others. `sample`: attributes are learnt from a random sample of this many images and counted
    in all images; 0 = use all. `intended`: findings that the user accepts.
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
            raise InputError(
                f"settings: found min_effect {self.min_effect:g}, medium {self.medium:g} and high {self.high:g}; "
                "0 <= min_effect <= medium <= high <= 1 is needed; change one of them."
            )
        if any(not 0 < c < 1 for c in self.cuts):
            raise InputError(
                f"settings: cuts = {list(self.cuts)}; quantiles between 0 and 1 are needed, such as [0.25, 0.5, 0.75]."
            )
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
            raise InputError(
                f"settings: sample = {self.sample}; at least {_LEAST_SAMPLE} is needed, or 0 for all images."
            )


@dataclass(frozen=True, slots=True)
class DuplicateSettings:
    """`hamming`: maximum number of differing bits (of 64) of two alike perceptual hashes. `cosine`: minimum cosine of two alike
    embeddings. `confirm`: minimum cosine that a perceptual match needs as well."""

    hamming: int = 6
    cosine: float = 0.98
    confirm: float = 0.94


@dataclass(frozen=True, slots=True)
class RecommendSettings:
    """`budget`: number of images to recommend. `strategy`: name of a recommender. `confidence`: predicted labels below it are
    not used. `doubtful`: predicted labels below it are used last. `c`: inverse regularisation of the probes that predict labels
    (chosen on composed photographs, seeds 101 to 103). `max_findings`: number of findings that the plan works against."""

    budget: int = 30
    strategy: str = "counterexample"
    confidence: float = 0.6
    doubtful: float = 0.8
    c: float = 0.1
    max_findings: int = 3


@dataclass(frozen=True, slots=True)
class ValidateSettings:
    """Settings of the probe. `c_grid`: inverse regularisations to choose from. `n_random`: draws of the random arm.
    `n_bootstrap` and `n_seeds`: resamples of the test set and of the training set for every interval. `min_group`: minimum
    number of test images of a group. `test_frac`: share held out if there is no test set. With fewer than 19 random draws the
    verdict cannot be an improvement: see `validation.compare`."""

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
            raise InputError(
                f"settings: c_grid = {list(self.c_grid)}; numbers above 0 are needed, such as [0.01, 0.1, 1]."
            )


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """Fractions of the splits by name. They must sum to 1."""

    fractions: Mapping[str, float] = field(default_factory=lambda: {"train": 0.7, "val": 0.15, "test": 0.15})

    def __post_init__(self) -> None:
        if not self.fractions or any(f <= 0 for f in self.fractions.values()):
            raise InputError(
                f"settings: split fractions are {dict(self.fractions)}; at least one split is needed, each above 0."
            )
        if abs(sum(self.fractions.values()) - 1) > 1e-6:
            raise InputError(
                f"settings: split fractions sum to {sum(self.fractions.values()):g}; a sum of 1 is needed; change them."
            )


@dataclass(frozen=True, slots=True)
class AppSettings:
    """`most_images`: of larger sets, the FiftyOne App shows all flagged images and a sample of the others."""

    most_images: int = 100_000

    def __post_init__(self) -> None:
        _at_least(1, most_images=self.most_images)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of all stages."""

    audit: AuditSettings = field(default_factory=AuditSettings)
    duplicates: DuplicateSettings = field(default_factory=DuplicateSettings)
    recommend: RecommendSettings = field(default_factory=RecommendSettings)
    validate: ValidateSettings = field(default_factory=ValidateSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    app: AppSettings = field(default_factory=AppSettings)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the JSON files. `settings_of` reads them back."""
        values = asdict(self)
        values["audit"]["intended"] = [entry.as_dict() for entry in self.audit.intended]
        return values


def read_settings(path: Path | None) -> Settings:
    """Read the settings from a TOML file with one table per stage. If `path` is None, return the defaults.

    Raises:
        InputError: the file does not exist or is not TOML, a table or key is unknown, or a value has the wrong type.
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
    """The settings from a mapping per stage, with defaults for missing keys. `where` is named in errors.

    Raises:
        InputError: a table or key is unknown, or a value has the wrong type.
    """
    defaults = Settings()
    stages = {f.name: getattr(defaults, f.name) for f in fields(Settings)}
    chosen: dict[str, Any] = {}
    for table, values in tables.items():
        if table not in stages or not isinstance(values, dict):
            raise InputError(f"{where}: [{table}] is not a table of settings; {_meant(table, list(stages))}")
        chosen[table] = updated(stages[table], values, f"{where}: [{table}]")
    return replace(defaults, **chosen)


def updated(settings: S, values: Mapping[str, Any], where: str) -> S:
    """`settings` with `values` replaced. Each key must exist and keep its type (an int may replace a float)."""
    known = {f.name: getattr(settings, f.name) for f in fields(settings)}
    readers = {f.name: f.metadata["read"] for f in fields(settings) if "read" in f.metadata}
    clean: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise InputError(f"{where} has no setting {key!r}; {_meant(key, list(known))}")
        default = known[key]
        if key in readers:  # not plain numbers: the setting's own module reads them
            clean[key] = readers[key](value, f"{where} {key}")
            continue
        if not all(_is_of_use(item) for item in (value, *_items(value))):
            raise InputError(
                f"{where} {key} has a value that is infinite, NaN or above {_LARGEST:g}; "
                f"a finite number is needed, such as {_plain(default)!r}."
            )
        if isinstance(default, tuple) and isinstance(value, list):
            value = tuple(value)
        elif isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        expected = Mapping if isinstance(default, Mapping) else type(default)
        if not isinstance(value, expected) or (isinstance(value, bool) and not isinstance(default, bool)):
            kind = type(default).__name__
            raise InputError(f"{where} {key} = {value!r}; a value of type {kind} is needed, such as {default!r}.")
        if not all(_is_number(item) for item in _items(value)):
            raise InputError(f"{where} {key} = {value!r}; numbers are needed, such as {_plain(default)!r}.")
        clean[key] = value
    return replace(settings, **clean)


def _items(value: Any) -> list[Any]:
    """The items of a list or table of settings, which must all be numbers."""
    return list(value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ())


def _is_number(item: Any) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool)


def _is_of_use(item: Any) -> bool:
    """Whether an item is finite and small enough for arithmetic. Other items pass; they are checked elsewhere."""
    return not isinstance(item, int | float) or -_LARGEST <= item <= _LARGEST


def _plain(default: Any) -> Any:
    return list(default) if isinstance(default, tuple) else default


def _meant(word: str, known: list[str]) -> str:
    return did_you_mean(word, known, f"there are: {', '.join(known)}.")


def _at_least(lowest: int, **values: int) -> None:
    for name, value in values.items():
        if value < lowest:
            raise InputError(f"settings: {name} = {value}; at least {lowest} is needed.")


def _fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise InputError(f"settings: {name} = {value:g}; a number between 0 and 1 is needed.")
