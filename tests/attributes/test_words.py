"""Visual words as attributes: planted kinds of patches are found on their side, named by what is known, and read of a pool."""

from __future__ import annotations

import numpy as np
import pytest
from changed import replace
from photos import Texts, embedded
from scipy.stats import fisher_exact

from curator.attributes import FAMILIES, concepts, words
from curator.attributes.words import _kinds, _looks, _names, letters, spelling
from curator.config import AuditSettings, Settings
from curator.regions import visual_words
from curator.types import Embedded, Measures, Patches, Salience

GRID, DIM, N = 10, 16, 80
GREEN, WHITE, RED = (60, 160, 60), (240, 240, 240), (200, 30, 30)
OFF = Texts({}, 4, text=False)


def data(
    kinds: np.ndarray, likely: np.ndarray, vectors: np.ndarray | None = None, salient: np.ndarray | None = None
) -> Embedded:
    """Pictures whose places are of these kinds (n, g, g), some of them the object's. Kind 1 is green, 2 red, others white.

    Places of one kind are exactly alike, so that there are as many words as kinds. What stands out (n, g, g) is what is
    likely the object, unless given.
    """
    colour = np.array([WHITE, GREEN, RED, *[WHITE] * (DIM - 3)], np.uint8)[kinds]
    out = embedded(np.ones((len(kinds), 4)) if vectors is None else vectors)
    patches = Patches(
        out.dataset.ids,
        (127 * np.eye(DIM)[kinds]).astype(np.int8),
        np.where(likely, 255, 0).astype(np.uint8),
        colour,
        np.full(kinds.shape, 5, np.uint8),
        "eye",
        seen(likely if salient is None else salient),
    )
    return replace(out, patches=patches)


def seen(salient: np.ndarray) -> Salience:
    """All images looked at; the salient object covers these places."""
    return Salience(np.arange(len(salient)), np.where(salient, 255, 0).astype(np.uint8))


def scene(has: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A white surround of kinds 0 and 3, a red object (2) in the middle, and a green strip (1) at the bottom of some."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice([0, 3], (len(has), GRID, GRID))
    kinds[:, 4:6, 4:6] = 2
    kinds[has, 9, 2:7] = 1
    likely = np.zeros(kinds.shape, np.bool_)
    likely[:, 4:6, 4:6] = True
    return kinds, likely


def derive(these: Embedded, encoder=OFF, settings=None, reference=None) -> Measures:
    return FAMILIES.get("words").derive(these, encoder, settings or Settings(), reference or these)


def word_at(these: Embedded, i: int, y: int, x: int) -> str:
    return f"words.{spelling(these, these)[i, y, x]}"


HAS = np.arange(N) % 4 == 0


def test_a_planted_patch_of_the_surround_is_a_word_with_its_presence_its_looks_and_its_place():
    these = data(*scene(HAS))
    out = derive(these)
    column = out.column(word_at(these, 0, 9, 3))
    np.testing.assert_array_equal(out.frame[column.name].to_numpy(bool), HAS)
    assert (column.kind, column.form, column.absence) == ("context", "flag", False)
    name = f"pattern {letters(column.word)} (green, fine texture, lower half)"
    assert column.phrase == f"show {name}|do not show {name}"


@pytest.mark.parametrize("on_disk", [False, True])
def test_of_many_pictures_a_sample_is_learnt_from_and_all_are_read(monkeypatch, on_disk):
    these = data(*scene(HAS))
    monkeypatch.setattr(words, "MOST_LEARNT", N // 2)
    words._learn.cache_clear()
    learnt: list[int] = []
    real = visual_words.learn
    monkeypatch.setattr(visual_words, "learn", lambda patches, seed: learnt.append(len(patches)) or real(patches, seed))
    if on_disk:
        these = replace(these, patches=replace(these.patches, features=Afar(these.patches.features)))
    out = derive(these)
    column = out.column(word_at(these, 0, 9, 3))
    np.testing.assert_array_equal(out.frame[column.name].to_numpy(bool), HAS)
    name = f"pattern {letters(column.word)} (green, fine texture, lower half)"
    assert column.phrase == f"show {name}|do not show {name}"
    pool = data(*scene(~HAS, seed=1))
    np.testing.assert_array_equal(derive(pool, reference=these).frame[column.name].to_numpy(bool), ~HAS)
    assert set(learnt) == {N // 2}


class Afar:
    """Features that are handed out some at a time, as those on the disk are."""

    def __init__(self, features: np.ndarray) -> None:
        self._features, self.shape = features, features.shape

    def __len__(self) -> int:
        return len(self._features)

    def __getitem__(self, rows) -> np.ndarray:
        assert len(self._features[rows]) <= max(N // 2, 512)
        return self._features[rows]

    def take(self, rows, axis=0) -> Afar:
        return Afar(self._features[rows])


def test_what_lies_on_the_object_is_the_objects():
    these = data(*scene(HAS))
    column = derive(these).column(word_at(these, 0, 4, 4))
    assert column.kind == "object"
    assert derive(these).frame[column.name].all()


def test_words_of_the_surround_are_not_counted_on_the_object_and_one_place_is_not_enough():
    kinds, likely = scene(np.zeros(N, np.bool_))
    kinds[HAS, 9, 2:4] = 1  # two places of the surround: a small mark
    kinds[1, 9, 2] = 1  # one place: a seam
    kinds[2, 4, 4:6] = 1  # two places, but on the object
    these = data(kinds, likely)
    flag = derive(these).frame[word_at(these, 0, 9, 3)].to_numpy(bool)
    np.testing.assert_array_equal(flag, HAS)


@pytest.mark.parametrize("much", [6, 30])
def test_a_word_that_many_have_a_little_of_is_cut_where_much_of_it_begins(much):
    """A lawn and three places that look like one. The cut is the data set's: a pool of lawns alone is all lawn."""
    kinds, likely = scene(np.zeros(N, np.bool_))
    kinds[~HAS, 9, 2:4] = 1
    kinds.reshape(N, -1)[np.ix_(HAS, 60 + np.arange(much))] = 1
    these = data(kinds, likely)
    name = word_at(these, 0, 6, 0)
    np.testing.assert_array_equal(derive(these).frame[name].to_numpy(bool), HAS)
    lawns, floors = data(kinds[HAS], likely[HAS]), data(kinds[~HAS], likely[~HAS])
    assert derive(lawns, reference=these).frame[name].all()
    assert not derive(floors, reference=these).frame[name].any()


@pytest.mark.parametrize(("covered", "kind"), [(0, "unclear"), (1, "unclear"), (2, "object")])
def test_a_strip_beside_the_object_is_of_the_kind_that_stands_out_and_measured_anyway(covered, kind):
    """Three places that touch the object, whichever side the border rule puts them on."""
    kinds, likely = scene(np.zeros(N, np.bool_))
    kinds[HAS, 6, 4:7] = 1
    salient = likely.copy()
    salient[HAS, 6, 4 : 4 + covered] = True
    these = data(kinds, likely, salient=salient)
    out = derive(these)
    name = word_at(these, 0, 6, 4)
    assert out.column(name).kind == kind
    np.testing.assert_array_equal(out.frame[name].to_numpy(bool), HAS)


@pytest.mark.parametrize("foreground", [0, 120, 230])
def test_the_border_rule_does_not_say_what_a_word_lies_on(foreground):
    kinds, likely = scene(np.zeros(N, np.bool_))
    these = data(kinds, likely)
    shades = np.where(likely, foreground, 0).astype(np.uint8)
    these = replace(these, patches=replace(these.patches, foreground=shades))
    assert derive(these).column(word_at(these, 0, 4, 4)).kind == "object"
    assert derive(these).column(word_at(these, 0, 0, 0)).kind == "context"


def test_a_word_that_cannot_be_told_counts_on_the_object_too():
    """Four places, half of them on what the border rule calls the object: a context word has two left, an unclear one four."""
    kinds, likely = scene(np.zeros(N, np.bool_))
    kinds[HAS, 6:8, 4:6] = 1
    kinds[1, 6, 4:6] = 1
    likely[:, 6, 4:6] = True
    salient = np.zeros_like(likely)
    salient[:, 0:2, 4:6] = True
    unclear = salient.copy()
    unclear[HAS, 6, 4] = True
    flags = {}
    for stands_out in (salient, unclear):
        these = data(kinds, likely, salient=stands_out)
        column = derive(these).column(word_at(these, 0, 7, 4))
        flags[column.kind] = derive(these).frame[column.name].to_numpy(bool)
    assert set(flags) == {"context", "unclear"}
    assert not flags["context"][1]
    assert flags["unclear"][1]


def test_without_a_look_at_the_images_no_word_can_be_told():
    these = data(*scene(HAS))
    for nothing in (None, Salience(np.zeros(0, np.intp), np.zeros((0, GRID, GRID), np.uint8))):
        blind = replace(these, patches=replace(these.patches, salience=nothing))
        columns = derive(blind).columns
        assert len(columns) == 4
        assert {c.kind for c in columns} == {"unclear"}


def kind_of(
    on: int, off: int, n: int = 10, n_found: int = 10, maps: int = 255, at: tuple[int, int] = (4, 1)
) -> list[str]:
    """The kinds of two words in `n` images: 0 everywhere, and 1 at `on` places that stand out and `off` beside them, in a row
    from `at` on. Four other places of word 0 stand out in the first `n_found` images."""
    words, salient = np.zeros((n, GRID, GRID), np.uint8), np.zeros((n, GRID, GRID), np.uint8)
    y, x = at
    words[:, y, x : x + on + off] = 1
    salient[:n_found, y, x : x + on] = maps
    salient[:n_found, 7:9, 7:9] = 255
    blank = np.zeros((n, GRID, GRID), np.uint8)
    ids = np.array([f"{i:04d}" for i in range(n)])
    patches = Patches(
        ids, np.zeros((n, GRID, GRID, 2), np.int8), blank, np.zeros((*blank.shape, 3), np.uint8), blank, "eye",
        Salience(np.arange(n), salient),
    )  # fmt: skip
    return list(_kinds(words, patches, 2))


@pytest.mark.parametrize(
    ("on", "off", "kind"),
    [(0, 6, "context"), (1, 6, "context"), (1, 5, "unclear"), (2, 3, "unclear"), (3, 3, "object"), (6, 0, "object")],
)
def test_a_word_lies_around_up_to_015_and_on_the_object_from_05(on, off, kind):
    """1 of 7 places is 0.143, 1 of 6 is 0.167, 2 of 5 is 0.4."""
    assert kind_of(on, off) == ["context", kind]


@pytest.mark.parametrize(
    ("near", "far", "kind"), [(6, 0, "unclear"), (6, 2, "unclear"), (6, 6, "context"), (0, 6, "context")]
)
def test_a_word_that_is_seldom_far_from_the_object_is_unclear(near, far, kind):
    """The object is 2 x 2 of 10 x 10 places, with 32 places near it and 64 far off; the ratio of odds is 26, 5.2, 2 and 0.2."""
    words, salient = np.zeros((10, GRID, GRID), np.uint8), np.zeros((10, GRID, GRID), np.uint8)
    salient[:, 4:6, 4:6] = 255
    words[:, 6, 2 : 2 + near] = 1
    words[:, 0, 1 : 1 + far] = 1
    blank = np.zeros((10, GRID, GRID), np.uint8)
    ids = np.array([f"{i:04d}" for i in range(10)])
    patches = Patches(
        ids, np.zeros((10, GRID, GRID, 2), np.int8), blank, np.zeros((*blank.shape, 3), np.uint8), blank, "eye",
        Salience(np.arange(10), salient),
    )  # fmt: skip
    assert list(_kinds(words, patches, 2)) == ["context", kind]


def test_how_much_of_a_place_is_covered_counts():
    """Six places that are covered to a tenth are surroundings, to a third unclear, to six tenths the object's."""
    assert [kind_of(6, 0, maps=m)[1] for m in (25, 85, 153)] == ["context", "unclear", "object"]


@pytest.mark.parametrize(
    ("n", "n_found", "told"), [(10, 4, True), (10, 3, False), (2, 2, False), (3, 3, True), (5, 2, False)]
)
def test_an_object_must_be_found_in_four_of_ten_of_a_words_images_and_in_three(n, n_found, told):
    assert kind_of(6, 0, n, n_found) == (["context", "object"] if told else ["unclear", "unclear"])


def test_images_in_which_no_object_is_found_say_nothing_about_where_a_word_lies():
    """The word lies on the object in five images, and no object is found in the other five."""
    assert kind_of(6, 0, 10, 5)[1] == "object"


def test_images_with_a_single_place_of_a_word_do_not_count():
    assert kind_of(1, 0) == ["context", "unclear"]


@pytest.mark.parametrize(("at", "kind"), [((0, 0), "context"), ((9, 6), "context"), ((4, 3), "unclear")])
def test_what_sticks_to_the_edge_is_surroundings_though_a_quarter_of_it_stands_out(at, kind):
    """A watermark of four places, one of them salient; by the edge, and in the middle."""
    assert kind_of(1, 3, at=at)[1] == kind


def test_what_sticks_to_the_edge_and_stands_out_to_four_tenths_is_unclear():
    assert kind_of(2, 3, at=(0, 0))[1] == "unclear"


def test_words_drawn_without_a_look_at_the_class_go_with_no_class():
    """The null: p values of the words of ten sets; Fisher's test is below 0.05 at most that often, to 3.3 standard errors."""
    p = []
    for seed in range(10):
        rng = np.random.default_rng([7, seed])
        kinds = rng.choice([0, 3, 4], (N, GRID, GRID))
        kinds[:, 4:6, 4:6] = 2
        likely = kinds == 2
        for k in range(20):  # twenty strips of a kind of their own in a third of the pictures each
            kinds[rng.random(N) < 0.3, k // 2, 0:2] = 5 + k % (DIM - 5)
        out = derive(data(kinds, likely))
        label = rng.permutation(N) < N // 2
        for c in out.columns:
            v = out.frame[c.name].to_numpy(bool)
            if 8 <= v.sum() <= N - 8:
                table = [[(v & label).sum(), (v & ~label).sum()], [(~v & label).sum(), (~v & ~label).sum()]]
                p.append(fisher_exact(table)[1])
    assert len(p) >= 60
    assert np.mean(np.array(p) < 0.05) < 0.05 + 3.3 * (0.05 * 0.95 / len(p)) ** 0.5


def test_a_pool_is_read_by_the_words_of_the_data_set():
    these = data(*scene(HAS))
    pool = data(*scene(np.ones(10, np.bool_), seed=9))
    name = word_at(these, 0, 9, 3)
    assert derive(pool, reference=these).frame[name].all()
    assert derive(pool, reference=these).columns == derive(these).columns


def test_where_nothing_sees_places_there_are_no_words():
    assert derive(embedded(np.ones((5, 4)))).columns == ()


def prompted(agree: bool, tmp_path, kind: str = "open_clip") -> tuple[Embedded, Texts, Settings]:
    """The planted strip in pictures whose vectors say meadow: the same pictures, or others."""
    words = tmp_path / "words.txt"
    words.write_text("[scenes]\nmeadow\n" + "".join(f"thing {i:02d}\n" for i in range(10)))
    known = {"meadow": np.eye(24)[0], **{f"thing {i:02d}": np.eye(24)[i + 1] for i in range(10)}}
    says = HAS if agree else np.arange(N) % 4 == 1
    rng = np.random.default_rng(0)
    vectors = np.eye(24)[0] * says[:, None] + rng.normal(size=(N, 24)) * 0.05 + 3 * np.eye(24)[-2]
    encoder = Texts(known, 24)
    encoder.info = replace(encoder.info, kind=kind)
    return data(*scene(HAS), vectors), encoder, Settings(audit=AuditSettings(concepts=str(words)))


def test_a_prompt_that_goes_with_a_word_names_it(tmp_path):
    these, encoder, settings = prompted(True, tmp_path)
    out = derive(these, encoder, settings)
    assert [name for name, _, _ in concepts.kept(encoder, settings, these)] == ["meadow"]
    named = {c.name: c.phrase for c in out.columns if "meadow" in c.phrase}
    assert list(named) == [word_at(these, 0, 9, 3)]
    assert next(iter(named.values())).startswith(
        f"show meadow (pattern {letters(out.column(next(iter(named))).word)}, green, fine texture, lower half)|"
    )


def test_a_prompt_of_other_pictures_names_nothing(tmp_path):
    """The null: the prompt parts the pictures as clearly, but not as the word does."""
    these, encoder, settings = prompted(False, tmp_path)
    assert [name for name, _, _ in concepts.kept(encoder, settings, these)] == ["meadow"]
    assert not any("meadow" in c.phrase for c in derive(these, encoder, settings).columns)


def test_prompts_that_are_often_wrong_name_nothing(tmp_path):
    these, encoder, settings = prompted(True, tmp_path, kind="embedded")
    assert concepts.kept(encoder, settings, these)
    assert not any("meadow" in c.phrase for c in derive(these, encoder, settings).columns)


class Names(Texts):
    """An encoder with names of its own: half of the pictures are hens, with that probability."""

    def __init__(self, probability: float, hens: np.ndarray) -> None:
        super().__init__({}, 4, text=False)
        self.scores = np.stack([np.where(hens, probability, 0.01), np.full(len(hens), 0.02)], 1)

    def concepts(self, vectors):
        return ("hen", "crane"), self.scores


@pytest.mark.parametrize(("probability", "named"), [(0.4, True), (0.05, False)])
def test_a_word_on_the_object_is_called_what_the_encoder_calls_the_picture(probability, named):
    kinds, likely = scene(np.zeros(N, np.bool_))
    kinds[HAS, 4:6, 4:6] = 4
    kinds[HAS, 0, 0:3] = 1  # in the same pictures, but not on the object
    these = data(kinds, likely)
    out = derive(these, Names(probability, HAS))
    assert out.column(word_at(these, 0, 4, 4)).phrase.startswith("show hen (pattern ") == named
    assert sum("hen" in c.phrase for c in out.columns) == named


def test_every_word_has_a_letter_of_its_own():
    assert _names(["a", "a", "", "a"], {3: "x"}) == ["pattern A (a)", "pattern B (a)", "pattern C", "x (pattern D, a)"]
    assert _names(["", "a"], {0: "x", 1: "x"}) == ["x (pattern A)", "x (pattern B, a)"]


def test_letters_are_unique_and_go_on_after_z():
    all_of_them = [letters(k) for k in range(26 * 27)]
    assert len(set(all_of_them)) == len(all_of_them)
    assert (all_of_them[1], all_of_them[51], all_of_them[52], all_of_them[-1]) == ("B", "AZ", "BA", "ZZ")


@pytest.mark.parametrize(("green", "says"), [(90, True), (89, False), (100, True)])
def test_a_colour_is_said_only_if_nine_of_ten_places_have_it(green, says):
    colour = np.array([GREEN if i < green else RED for i in range(100)], np.uint8).reshape(1, GRID, GRID, 3)
    blank = np.zeros((1, GRID, GRID), np.uint8)
    patches = Patches(
        np.array(["a"]), np.zeros((1, GRID, GRID, 2), np.int8), blank, colour, np.full_like(blank, 5), "eye"
    )
    assert _looks(blank, patches, 1) == ["green, fine texture" if says else "fine texture"]
