"""What the images of a class share: the shares are right, each side is heard, and nothing is said twice."""

from __future__ import annotations

import numpy as np
from planted import flag, indicators, labels

from curator.shortcuts.shared_patterns import LIFT, PER_SIDE, shared_patterns
from curator.types import Column, SharedPattern


def word(k: int, said: str, kind: str, nth: int = 0) -> Column:
    return Column(
        f"words.{k}",
        "flag",
        kind,
        f"show {said}|do not show {said}",
        "",
        absence=False,
        learnt=True,
        nth=nth,  # type: ignore[arg-type]
    )


def first(n: int, here: int, elsewhere: int, size: int = 100) -> np.ndarray:
    """`here` images of the first class and `elsewhere` of the second, of `n` each."""
    out = np.zeros(2 * size, bool)
    out[:here] = out[size : size + elsewhere] = True
    return out[: 2 * n]


def found(columns: dict[str, np.ndarray], described: list[Column], classes: np.ndarray | None = None):
    classes = labels(100, 100) if classes is None else classes
    return shared_patterns(indicators(columns, described), classes, ("bunny", "hen"))


def names(patterns: tuple[SharedPattern, ...]) -> list[str]:
    return [f"{p.kind} {p.attribute}" for p in patterns]


def test_the_object_and_what_is_around_it_both_answer_though_one_has_all_the_lift():
    """Grass tells bunnies from hens, eyes do not: both are what the pictures have in common."""
    columns = {"grass": first(100, 95, 5), "words.1": first(100, 90, 88), "jpeg": first(100, 100, 100)}
    shared = found(columns, [word(1, "eyes", "object"), flag("jpeg", "file")])
    eyes, grass = shared["bunny"]
    assert names(shared["bunny"]) == ["object words.1", "context grass"]
    assert (eyes.share, eyes.share_elsewhere, grass.share, grass.share_elsewhere) == (0.9, 0.88, 0.95, 0.05)
    # Hens have eyes; 5 % on grass are not most, and to be on none is no place in a picture.
    assert names(shared["hen"]) == ["object words.1"]


def test_with_nothing_shared_nothing_is_said():
    """Null: columns drawn alike for both classes, none in most images, and a number, whose cuts are no pattern."""
    rng = np.random.default_rng(1)
    columns = {f"c{i}": rng.random(200) < 0.4 for i in range(30)} | {
        "light": rng.random(200) + np.repeat([0.5, 0], 100)
    }
    numbers = [Column("light", "number", "image", "have light {value}", "")]
    assert found(columns, numbers) == {"bunny": (), "hen": ()}


def test_what_is_as_common_elsewhere_is_left_out_where_something_is_not():
    columns = {"grass": first(100, 95, 5), "sky": first(100, 99, 97)}
    assert names(found(columns, [])["bunny"]) == ["context grass"]
    assert names(found(columns, [])["hen"]) == ["context sky"]


def test_the_error_of_the_measure_is_no_lift():
    columns = {"sky": first(100, 97, 80), "jpeg": first(100, 97, 80)}
    sky = Column("sky", "flag", "image", "show sky|no sky", "", bias=0.17 - LIFT + 0.01)
    assert names(found(columns, [sky, flag("jpeg", "file")])["bunny"]) == ["file jpeg"]


def test_two_words_that_go_together_are_one_and_the_stronger_stands():
    """Words 1 and 2 are missing in the same bunnies. Word 3 is as common, but missing in others: another thing."""
    one, two, other = first(100, 98, 5), first(100, 97, 40), first(100, 98, 5)
    other[:100] = np.roll(other[:100], 50)
    described = [word(k, s, "context") for k, s in ((1, "lawn"), (2, "meadow"), (3, "a watermark"))]
    shared = found({"words.1": one, "words.2": two, "words.3": other}, described)
    assert names(shared["bunny"]) == ["context words.1", "context words.3"]


def test_what_is_said_in_the_same_words_is_said_once():
    described = [word(1, "green, smooth", "context"), word(2, "green, smooth", "context", nth=2)]
    shared = found({"words.1": first(100, 70, 5), "words.2": first(100, 85, 5)}, described)
    (only,) = shared["bunny"]
    assert (only.attribute, only.name) == ("words.2", "show green, smooth")


def test_a_side_is_short():
    rng = np.random.default_rng(0)
    columns = {f"words.{k}": np.r_[rng.random(100) < 0.8, np.zeros(100, bool)] for k in range(12)}
    described = [word(k, f"thing {k}", "object" if k % 2 else "context") for k in range(12)]
    kinds = [p.kind for p in found(columns, described)["bunny"]]
    assert kinds == ["object"] * PER_SIDE + ["context"] * PER_SIDE


def test_a_class_alone_is_compared_with_nothing():
    shared = shared_patterns(indicators({"grass": np.ones(9, bool)}), labels(9), ("bunny",))
    assert (shared["bunny"][0].share, shared["bunny"][0].share_elsewhere) == (1.0, None)
