"""The local engine: everything once, in order, and one bad file never stops a run."""

import os
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from changed import replace
from PIL import Image

from curator import encoders
from curator.engines import local
from curator.errors import CuratorError, DataError
from curator.io.decoding import images
from curator.io.store.store import Store
from curator.readers import scan
from curator.regions import foreground, patches

N = 23
HALF = 1e-3
"""What keeping a number in half precision may cost it, as a fraction."""


class Counting:
    """The pixels encoder, keeping count of the pictures it was given."""

    def __init__(self, cache) -> None:
        self._encoder = encoders.resolve("pixels", cache=cache)[0]
        self.info = self._encoder.info
        self.batches: list[int] = []
        self.given: list[np.ndarray] = []

    def encode(self, inputs):
        self.batches.append(len(inputs))
        self.given.extend(inputs)
        return self._encoder.encode(inputs)

    def encode_text(self, prompts):
        return self._encoder.encode_text(prompts)

    def concepts(self, vectors):
        return self._encoder.concepts(vectors)


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8))


def measure(photo):
    return {"mean": float(photo.pixels.mean()), "wide": photo.facts.width > photo.facts.height, "note": None}


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    for k in range(N):
        (data / f"class {k % 3}").mkdir(parents=True, exist_ok=True)
        picture(k).save(data / f"class {k % 3}" / f"{k:02}.png")
    return data


@pytest.fixture
def encoder(tmp_path):
    return Counting(tmp_path)


def store(folder, name: str = "store") -> Store:
    return Store(folder.parent / name)


def same(a, b) -> None:
    assert a.dataset.ids.tolist() == b.dataset.ids.tolist()
    assert np.array_equal(a.embeddings.vectors, b.embeddings.vectors)
    pd.testing.assert_frame_equal(a.rows, b.rows)
    pd.testing.assert_frame_equal(a.facts, b.facts)


def test_every_row_is_about_its_own_image(folder, encoder):
    dataset = scan(str(folder))
    out = local.run(dataset, encoder, measure, store(folder), batch_size=4)
    assert out.dataset.ids.tolist() == dataset.ids.tolist()
    assert (out.n_new, out.embeddings.encoder) == (N, encoder.info)
    assert out.rows.columns.tolist() == ["mean", "wide", "note"]
    assert out.rows.index.tolist() == out.facts.index.tolist() == dataset.ids.tolist()
    assert out.facts["phash"].dtype == np.uint64
    for i in range(N):
        photo = images.decode(dataset.path(i), encoder.info.preprocessing)
        assert np.allclose(out.embeddings.vectors[i], encoder.encode(photo.input[None])[0], rtol=HALF, atol=1e-6)
        assert out.rows["mean"].iloc[i] == photo.pixels.mean()
        assert out.facts["sha256"].iloc[i] == photo.facts.sha256
        assert int(out.facts["phash"].iloc[i]) == photo.phash


def test_batches_are_filled_in_the_order_of_the_data_set(folder, encoder):
    dataset = scan(str(folder))
    local.run(dataset, encoder, measure, store(folder), jobs=3, batch_size=2)
    want = [images.decode(dataset.path(i), encoder.info.preprocessing).input for i in range(N)]
    assert np.array_equal(encoder.given, want)


def test_jobs_and_a_warm_store_change_nothing(folder, encoder):
    dataset = scan(str(folder))
    first = local.run(dataset, encoder, measure, store(folder, "1"), jobs=1, batch_size=5)
    assert encoder.batches == [5, 5, 5, 5, 3]
    same(first, local.run(dataset, encoder, measure, store(folder, "4"), jobs=4, batch_size=5))
    encoder.batches.clear()
    again = local.run(dataset, encoder, measure, store(folder, "1"))
    assert (again.n_new, encoder.batches) == (0, [])
    same(first, again)


def test_only_new_contents_are_embedded(folder, encoder):
    dataset = scan(str(folder))
    local.run(dataset, encoder, measure, store(folder))
    os.rename(folder / "class 0" / "00.png", folder / "class 1" / "renamed.png")
    picture(500).save(folder / "class 2" / "new.png")
    picture(501).save(folder / "class 2" / "02.png")
    encoder.batches.clear()
    out = local.run(scan(str(folder)), encoder, measure, store(folder))
    assert (out.n_new, sum(encoder.batches), len(out.dataset)) == (2, 2, N + 1)


def test_identical_files_are_embedded_once(folder, encoder):
    for k in range(5):
        picture(1).save(folder / f"class {k % 3}" / f"copy {k}.png")
    out = local.run(scan(str(folder)), encoder, measure, store(folder), jobs=4)
    assert (out.n_new, sum(encoder.batches), len(out.dataset)) == (N, N, N + 5)
    copies = out.facts["sha256"] == out.facts.loc["class 1/01.png", "sha256"]
    assert copies.sum() == 6
    assert len(np.unique(out.embeddings.vectors[copies.to_numpy()], axis=0)) == 1


def test_bad_files_are_skipped_with_their_reason_in_order(folder, encoder):
    whole = (folder / "class 0" / "00.png").read_bytes()
    (folder / "class 2" / "cut.png").write_bytes(whole[:900])
    (folder / "class 0" / "same cut.png").write_bytes(whole[:900])
    (folder / "class 1" / "empty.jpg").touch()
    dataset = scan(str(folder))
    (folder / "class 1" / "01.png").unlink()
    for jobs in (1, 4):
        out = local.run(dataset, encoder, measure, store(folder, str(jobs)), jobs=jobs)
        assert [(s.id, s.reason) for s in out.dataset.skipped] == [
            ("class 0/same cut.png", "truncated PNG at byte 900"),
            ("class 1/01.png", "no such file"),
            ("class 1/empty.jpg", "0 bytes"),
            ("class 2/cut.png", "truncated PNG at byte 900"),
        ]
        assert len(out.dataset) == len(out.rows) == N - 1


def test_an_image_that_cannot_be_measured_is_skipped_and_a_bug_is_not_hidden(folder, encoder):
    def fussy(photo):
        if photo.pixels[0, 0, 0] > 128:
            raise DataError("too bright")
        return {}

    dataset = scan(str(folder))
    out = local.run(dataset, encoder, fussy, store(folder))
    bright = [k for k in range(N) if np.asarray(picture(k))[0, 0, 0] > 128]
    assert 0 < len(bright) < N
    assert {s.id for s in out.dataset.skipped} == {f"class {k % 3}/{k:02}.png" for k in bright}
    assert out.rows.shape == (N - len(bright), 0)
    with pytest.raises(ZeroDivisionError):
        local.run(dataset, encoder, lambda photo: {"x": 1 // 0}, store(folder, "other"))


def test_a_vector_that_is_not_finite_costs_its_image_only(folder, encoder):
    real = encoder.encode

    def broken(inputs):
        vectors = real(inputs).copy()
        vectors[0] = np.nan
        return vectors

    encoder.encode = broken
    out = local.run(scan(str(folder)), encoder, measure, store(folder), batch_size=N)
    assert [s.reason for s in out.dataset.skipped] == ["the encoder gave a vector that is not finite"]
    assert len(out.dataset) == N - 1


def test_no_readable_image_is_an_error_with_the_first_reasons(folder, encoder):
    dataset = scan(str(folder))
    for k in range(N):
        (folder / f"class {k % 3}" / f"{k:02}.png").write_bytes(b"<html>")
    with pytest.raises(DataError, match=rf"none of the {N} images of data can be read .*00\.png.*looks like HTML"):
        local.run(dataset, encoder, measure, store(folder))


def test_what_was_embedded_before_a_failure_is_kept(folder, encoder):
    real = encoder.encode

    def fails_late(inputs):
        if len(encoder.batches) == 3:
            raise RuntimeError("out of memory")
        return real(inputs)

    encoder.encode = fails_late
    dataset = scan(str(folder))
    with pytest.raises(RuntimeError, match="out of memory"):
        local.run(dataset, encoder, measure, store(folder), batch_size=4)
    assert len(store(folder).keys()) == 12
    encoder.encode = real
    assert local.run(dataset, encoder, measure, store(folder)).n_new == N - 12


def test_a_damaged_store_is_mended(folder, encoder):
    dataset = scan(str(folder))
    first = local.run(dataset, encoder, measure, store(folder))
    next((folder.parent / "store").glob("*.npy")).write_bytes(b"\x00" * 100)
    again = local.run(dataset, encoder, measure, store(folder))
    assert again.n_new == N
    same(first, again)


def test_progress_grows_and_ends_at_all(folder, encoder, monkeypatch):
    monkeypatch.setattr(local, "_PROGRESS_SECONDS", -1.0)
    (folder / "class 1" / "empty.jpg").touch()
    told = []
    local.run(scan(str(folder)), encoder, measure, store(folder), batch_size=4, on_progress=lambda *t: told.append(t))
    assert told[-1] == (N + 1, N + 1)
    done = [n for n, _ in told]
    assert done == sorted(done)
    assert len(set(done)) >= 4


def test_rows_follow_the_data_set_given(folder, encoder):
    dataset = scan(str(folder))
    some = dataset.take([7, 3, 11])
    out = local.run(some, encoder, measure, store(folder))
    assert out.rows.index.tolist() == some.ids.tolist()
    whole = local.run(dataset, encoder, measure, store(folder))
    assert np.array_equal(whole.embeddings.vectors[[7, 3, 11]], out.embeddings.vectors)
    assert replace(whole, seconds=0.0).take([7, 3, 11]).facts.equals(out.facts)


@pytest.fixture(scope="module")
def eye(tmp_path_factory):
    """The packaged network, which sees places for itself and for others."""
    return encoders.resolve("embedded", cache=tmp_path_factory.mktemp("eye"))[0]


@pytest.fixture
def scenes(tmp_path):
    """Pictures with something in the middle of them: a striped square on a plain of another colour, no two alike."""
    data = tmp_path / "scenes"
    for k in range(9):
        rng = np.random.default_rng(k)
        pixels = np.full((96, 128, 3), rng.integers(0, 256, 3)) + rng.normal(0, 4, (96, 128, 3))
        at = 20 + 5 * k
        pixels[30:66, at : at + 40] = rng.integers(0, 256, 3)
        pixels[30:66:4, at : at + 40] = rng.integers(0, 256, 3)
        (data / f"class {k % 3}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(data / f"class {k % 3}" / f"{k:02}.png")
    return data


def sight(folder, eye, name: str = "seen") -> local.Sight:
    return local.Sight(eye, Store(folder.parent / name, np.uint8))


def same_sight(a, b) -> None:
    same(a, b)
    assert np.array_equal(a.embeddings.surround, b.embeddings.surround)
    assert a.patches.ids.tolist() == b.patches.ids.tolist()
    for part in ("features", "foreground", "colour", "texture"):
        assert np.array_equal(getattr(a.patches, part), getattr(b.patches, part)), part


@pytest.mark.parametrize("borrowed", [True, False])
def test_patches_and_surround_are_those_of_their_own_image(scenes, encoder, eye, borrowed):
    """Another encoder's vectors with the eye's patches, or both of the eye; every row is computed here a second time."""
    maker = encoder if borrowed else eye
    dataset = scan(str(scenes))

    def covered(photo):
        return {"share": float(photo.foreground.mean()), "shape": str(photo.foreground.shape)}

    out = local.run(dataset, maker, covered, store(scenes), sight=sight(scenes, eye), jobs=3, batch_size=4)
    assert out.patches.ids.tolist() == out.embeddings.ids.tolist() == dataset.ids.tolist()
    assert (out.patches.eye, out.patches.grid) == (eye.info.fingerprint, eye.grid)
    hidden = np.linalg.norm(out.embeddings.surround - out.embeddings.vectors, axis=1)
    assert (hidden > 0.05).sum() >= 7
    for i in range(len(dataset)):
        photo = images.decode(dataset.path(i), maker.info.preprocessing)
        given = photo.input[None]
        fitted = images.fit(given, eye.input_size)
        seen = eye.look(fitted)[1]
        likely = foreground.foreground(seen)
        want = patches.unpack(np.array(["one"]), patches.pack(fitted, seen), eye.grid, "")
        # Batches of another size move the last bit of a feature, and that its rounding.
        assert np.abs(out.patches.features[i].astype(int) - want.features[0]).max() <= 1
        assert np.abs(out.patches.foreground[i].astype(int) - want.foreground[0]).max() <= 1
        assert np.array_equal(out.patches.colour[i], want.colour[0])
        assert np.array_equal(out.patches.texture[i], want.texture[0])
        assert np.allclose(out.embeddings.vectors[i], maker.encode(given)[0], rtol=HALF, atol=1e-5)
        assert np.allclose(
            out.embeddings.surround[i], maker.encode(foreground.cover(given, likely))[0], rtol=HALF, atol=1e-5
        )
        shown = foreground.spread(likely[0], *photo.pixels.shape[:2], maker.info.preprocessing)
        assert out.rows["share"].iloc[i] == pytest.approx(shown.mean(), abs=1e-5)
        assert out.rows["shape"].iloc[i] == str(photo.pixels.shape[:2])


def test_what_was_seen_comes_back_from_the_store_in_the_order_asked_for(folder, encoder, eye):
    dataset = scan(str(folder))
    first = local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye), batch_size=4)
    assert first.n_new == N
    encoder.batches.clear()
    again = local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye))
    assert (again.n_new, encoder.batches) == (0, [])
    same_sight(first, again)
    some = dataset.take([7, 3, 11])
    same_sight(first.take([7, 3, 11]), local.run(some, encoder, measure, store(folder), sight=sight(folder, eye)))


@pytest.mark.parametrize("where", ["store", "seen"])
def test_a_flipped_bit_costs_one_image_and_is_mended_in_the_same_run(folder, encoder, eye, where, caplog):
    dataset = scan(str(folder))
    first = local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye), batch_size=N)
    npy = next((folder.parent / where).glob("*.npy"))
    content = bytearray(npy.read_bytes())
    content[-5] ^= 16
    npy.write_bytes(content)
    again = local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye), batch_size=N)
    assert again.n_new == 1
    assert "1 vectors of the cache are damaged" in caplog.text
    same(first, again)
    assert np.array_equal(first.patches.colour, again.patches.colour)
    assert local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye)).n_new == 0


def test_a_store_that_loses_what_was_just_put_in_is_an_error(folder, encoder, monkeypatch):
    class Leaking(Store):
        def append(self, keys, vectors, rows):
            super().append(keys[1:], vectors[1:], rows.iloc[1:])

    with pytest.raises(CuratorError, match="lost 1 images just stored"):
        local.run(scan(str(folder)), encoder, measure, Leaking(folder.parent / "store"), batch_size=N)


def test_what_is_damaged_as_soon_as_it_is_stored_is_embedded_once_more(folder, encoder):
    class Clumsy(Store):
        def append(self, keys, vectors, rows):
            super().append(keys, vectors, rows)
            if not hasattr(self, "dropped"):
                self.dropped = next(self.folder.glob("*.npy"))
                self.dropped.write_bytes(self.dropped.read_bytes()[:-1])

    dataset = scan(str(folder))
    out = local.run(dataset, encoder, measure, Clumsy(folder.parent / "store"), batch_size=N)
    same(local.run(dataset, encoder, measure, store(folder, "other"), batch_size=N), out)


def test_vectors_have_unit_norm_in_full_precision(folder, encoder, eye):
    out = local.run(scan(str(folder)), encoder, measure, store(folder), sight=sight(folder, eye))
    for vectors in (out.embeddings.vectors, out.embeddings.surround):
        assert vectors.dtype == np.float32
        assert np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1).max() < 1e-6


def test_features_that_stay_on_the_disk_are_the_same(folder, encoder, eye, monkeypatch):
    dataset = scan(str(folder))
    held = local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye))
    monkeypatch.setattr(patches, "IN_MEMORY", 0)
    out = local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye)).patches
    assert isinstance(held.patches.features, np.ndarray)
    assert not isinstance(out.features, np.ndarray)
    assert (out.features.shape, len(out)) == (held.patches.features.shape, N)
    for rows in (slice(None), slice(3, 7), np.array([7, 2, 2, 20]), np.arange(N) % 2 == 0):
        assert np.array_equal(out.features[rows], held.patches.features[rows])
    some = out.take([5, 1, 9]).take(np.array([False, True, True]))
    assert np.array_equal(some.features[:], held.patches.features[[1, 9]])
    assert np.array_equal(some.colour, held.patches.colour[[1, 9]])
    assert np.array_equal(held.patches.take(np.arange(N) > 20).features, held.patches.features[21:])


@pytest.mark.parametrize("lost", ["store", "seen"])
def test_an_image_counts_as_stored_when_both_stores_have_it(folder, encoder, eye, lost):
    """One shard of either is lost: its images, and only these, are computed again."""
    dataset = scan(str(folder))
    some = dataset.take(np.arange(9))
    local.run(some, encoder, measure, store(folder), sight=sight(folder, eye))
    early = set((folder.parent / lost).iterdir())
    first = local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye))
    assert first.n_new == N - 9
    for path in early:
        path.unlink()
    again = local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye))
    assert again.n_new == 9
    same(first, again)
    assert np.array_equal(first.patches.colour, again.patches.colour)
    assert local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye)).n_new == 0


class Interrupted(Store):
    """A store that Ctrl-C hits before it has written anything, `times` times."""

    times = 1

    def append(self, keys, vectors, rows):
        if self.times:
            self.times -= 1
            raise KeyboardInterrupt
        super().append(keys, vectors, rows)


@pytest.mark.parametrize("times", [1, 99])
def test_an_interrupt_between_the_two_stores_loses_and_doubles_nothing(folder, encoder, eye, times, monkeypatch):
    """What was seen is stored and the vectors are not: stored on the way out, or computed again by the next run."""
    dataset = scan(str(folder))
    want = local.run(
        dataset, encoder, measure, store(folder, "other"), sight=sight(folder, eye, "other seen"), batch_size=4
    )
    monkeypatch.setattr(local, "FLUSH_IMAGES", 8)
    cut = Interrupted(folder.parent / "store")
    cut.times = times
    with pytest.raises(KeyboardInterrupt):
        local.run(dataset, encoder, measure, cut, sight=sight(folder, eye), batch_size=4)
    # The third batch was with the encoder's and waited for its measures: it is stored on the way out, too.
    kept = 12 if times == 1 else 0
    assert (len(sight(folder, eye).store.keys()), len(store(folder).keys())) == (12, kept)
    out = local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye), batch_size=4)
    assert out.n_new == N - kept
    same_sight(want, out)
    assert store(folder).keys() == sight(folder, eye).store.keys() == contents(dataset)


def contents(dataset) -> set[str]:
    return {images.sha256(images.read(dataset.path(i))) for i in range(len(dataset))}


def test_filling_stores_what_a_run_does_and_names_what_cannot_be_read(folder, encoder, eye):
    (folder / "class 1" / "empty.jpg").touch()
    dataset = scan(str(folder))
    told: list[tuple[int, int]] = []
    out = local.fill(
        dataset, encoder, measure, store(folder), sight=sight(folder, eye), on_progress=lambda *t: told.append(t)
    )
    assert (out.n_new, len(out.dataset), told[-1]) == (N, N, (N + 1, N + 1))
    assert [(s.id, s.reason) for s in out.dataset.skipped] == [("class 1/empty.jpg", "0 bytes")]
    encoder.batches.clear()
    after = local.run(dataset, encoder, measure, store(folder), sight=sight(folder, eye))
    assert (after.n_new, encoder.batches) == (0, [])
    other = local.run(dataset, encoder, measure, store(folder, "a"), sight=sight(folder, eye, "b"))
    same_sight(other, after)
    with pytest.raises(DataError, match="none of the 1 images"):
        local.fill(dataset.take(dataset.ids == "class 1/empty.jpg"), encoder, measure, store(folder))


@pytest.mark.parametrize("where", ["store", "seen"])
def test_filling_mends_what_is_damaged(folder, encoder, eye, where):
    dataset = scan(str(folder))
    stores = {"store": store(folder), "sight": sight(folder, eye)}
    first = local.run(dataset, encoder, measure, **stores, batch_size=N)
    npy = next((folder.parent / where).glob("*.npy"))
    content = bytearray(npy.read_bytes())
    content[-5] ^= 16
    npy.write_bytes(content)
    assert local.fill(dataset, encoder, measure, **stores, batch_size=N).n_new == 1
    again = local.run(dataset, encoder, measure, **stores)
    assert again.n_new == 0
    same(first, again)


def test_filling_holds_no_vectors(folder, encoder):
    """23 images whose vectors are 2 MB each and stored already: what is read back is looked at and let go."""
    dataset = scan(str(folder))
    encoder.info = replace(encoder.info, dim=1_000_000)
    kept = store(folder)
    for i in range(N):
        kept.append([images.sha256(images.read(dataset.path(i)))], np.ones((1, 1_000_000)), pd.DataFrame({"x": [i]}))
    peaks = []
    for work in (local.fill, local.run):
        tracemalloc.start()
        assert work(dataset, encoder, measure, store(folder)).n_new == 0
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    assert peaks[0] < 24 < 100 < peaks[1], peaks
