"""Curator beside FiftyOne and clip-retrieval: the same files, the same checkpoint, the same vectors, in one run.

    python benchmarks/speed/peers.py [--n 300] [--repeats 3] [--clip-retrieval PYTHON]

Embedding: 500 x 375 JPEGs (those of stages.py) through an open_clip ViT-B/32 with random weights, by curator's `embed`, by
curator's engine with one pass and nothing measured, by FiftyOne's `compute_embeddings` and by clip-retrieval's runner (its
reader, mapper and writer, without its process that logs).
Near-duplicates: synthetic vectors (those of audit_scale.py), by curator's `duplicates.groups` and FiftyOne Brain's
`compute_near_duplicates` at the same cosine. Everyone runs in a process of its own that has loaded its model before the
clock starts; they take turns, and the median of the ratios is given. `--clip-retrieval` names a Python that has it.
CleanVision's turn is in stages.py. Writes results/speed_peers.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import audit_scale
import numpy as np
import stages

from curator.config import DuplicateSettings

RESULT = stages.HOME / "benchmarks" / "results" / "speed_peers.json"
BATCH = 32
"""Images at once for the peers. FiftyOne's default is one, clip-retrieval's 256, which is for GPUs."""
BRAIN_SECONDS = 400
CLEARLY = 0.005
"""Planted pairs are asked for from this much above the threshold: Brain centres the vectors first, which moves a cosine."""
CLIP_RETRIEVAL = """
import json, sys, time
import numpy as np
from pathlib import Path
from all_clip import load_clip
from clip_retrieval.clip_inference.mapper import ClipMapper
from clip_retrieval.clip_inference.reader import FilesReader
from clip_retrieval.clip_inference.runner import Runner, Sampler
from clip_retrieval.clip_inference.writer import NumpyWriter
data, checkpoint, out, batch, jobs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
model = {"clip_model": "open_clip:ViT-B-32/" + checkpoint, "use_jit": False, "warmup_batch_size": batch}
_, preprocess, tokenizer = load_clip(**model)
mapper = ClipMapper(enable_image=True, enable_text=False, enable_metadata=False, use_mclip=False, mclip_model="", **model)
class Quiet:  # its logger starts a process that imports everything again, for seconds
    start = end = lambda self: None
    def __call__(self, stats): pass
run = Runner(
    lambda sampler: FilesReader(sampler, preprocess, tokenizer, data, batch, jobs, enable_text=False),
    lambda: mapper, lambda i: NumpyWriter(i, out, False, True, False, 1), lambda i: Quiet(), 1)
start = time.perf_counter()
run(0)
took = time.perf_counter() - start
import pandas
vectors = np.load(next(Path(out).glob("img_emb/*.npy"))).astype(np.float32)
paths = pandas.read_parquet(next(Path(out).glob("metadata/*.parquet"))).image_path
np.savez(out + "/vectors.npz", ids=np.array([str(Path(p).relative_to(data)) for p in paths]), vectors=vectors)
print("\\nfound", json.dumps({"seconds": took}))
"""


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What came out; wall seconds, and the memory in MB that the process held at most, before and meanwhile."""
    before = audit_scale.peak_mb()
    audit_scale.forget_peak()
    start = time.perf_counter()
    out = work()
    took = time.perf_counter() - start
    return out, {"seconds": took, "before_mb": round(before), "peak_mb": round(audit_scale.peak_mb())}


def by_curator(data: Path, checkpoint: Path, out: Path, whole: bool) -> dict[str, float]:
    """`whole`: what `curator embed` does. Else decoding (with hashes), one pass, the store: what the peers do, too."""
    from curator.commands.session import Session
    from curator.engines import local
    from curator.io.store.store import Store

    session = Session.open(f"ViT-B-32:{checkpoint}", cache=checkpoint.parent / "models")
    size = session.encoder.info.preprocessing.size
    session.encoder.encode(np.zeros((1, size, size, 3), np.uint8))
    # A store of its own; the exported networks are shared by a link.
    (out / "encoders").symlink_to(session.cache / "encoders")
    store = Store.for_(out, session.encoder.info.fingerprint, "nothing", session.encoder.info.name)
    dataset = session.scan(data)
    if whole:
        from dataclasses import replace

        found, cost = timed(lambda: replace(session, cache=out).embed(dataset))
    else:
        found, cost = timed(lambda: local.run(dataset, session.encoder, lambda photo: {}, store))
    np.savez(out / "vectors.npz", ids=found.embeddings.ids, vectors=found.embeddings.vectors)
    return cost


def samples(paths: list[str]) -> Any:
    """A FiftyOne data set of them."""
    import fiftyone

    fiftyone.config.show_progress_bars = False
    made = fiftyone.Dataset()
    made.add_samples([fiftyone.Sample(filepath=path) for path in paths], progress=False)
    return made


def by_fiftyone(data: Path, checkpoint: Path, out: Path) -> dict[str, float]:
    """The vectors are handed back and not written to its database."""
    import fiftyone.zoo

    paths = sorted(data.rglob("*.jpg"))
    dataset = samples([str(path) for path in paths])
    model = fiftyone.zoo.load_zoo_model("open-clip-torch", clip_model="ViT-B-32", pretrained=str(checkpoint))
    dataset[:2].compute_embeddings(model, batch_size=2)
    vectors, cost = timed(lambda: dataset.compute_embeddings(model, batch_size=BATCH))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.savez(out / "vectors.npz", ids=np.array([p.relative_to(data).as_posix() for p in paths]), vectors=unit)
    dataset.delete()
    return cost


def made(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors, and the planted pairs among them that are clearly as near as near-duplicates must be."""
    labels = np.random.default_rng(1).integers(0, audit_scale.CLASSES, n)
    vectors, of = audit_scale.vectors(n, np.random.default_rng(0), labels)
    copies = np.flatnonzero(of != np.arange(n))
    cosine = np.einsum("nd,nd->n", vectors[copies], vectors[of[copies]])
    near = copies[cosine >= DuplicateSettings().cosine + CLEARLY]
    return vectors, near, of[near]


def near_by_curator(n: int) -> dict[str, float]:
    from curator.similarity import duplicates
    from curator.types import Embeddings as Vectors
    from curator.types import EncoderInfo, Preprocessing

    vectors, one, other = made(n)
    ids = np.array([f"{k:07}.jpg" for k in range(n)])
    info = EncoderInfo("synthetic", "given", vectors.shape[1], False, "sha256:0", Preprocessing(224, 224))
    embeddings = Vectors(ids, vectors, info)
    found, cost = timed(
        lambda: duplicates.groups(ids, [str(k) for k in range(n)], None, embeddings, DuplicateSettings())
    )
    group = {id: k for k, g in enumerate(found) for id in g.ids}
    joined = [group.get(a, -1) == group.get(b, -2) for a, b in zip(ids[one], ids[other], strict=True)]
    return {**cost, "found": float(np.mean(joined)), "planted": len(joined), "in_groups": len(group)}


def near_by_brain(n: int) -> dict[str, float]:
    """Of a pair of near-duplicates Brain marks one and keeps one: found means that it does not keep both."""
    import fiftyone.brain

    vectors, one, other = made(n)
    dataset = samples([f"/none/{k:07}.jpg" for k in range(n)])
    apart = 1 - DuplicateSettings().cosine
    index, cost = timed(
        lambda: fiftyone.brain.compute_near_duplicates(dataset, embeddings=vectors, threshold=apart, progress=False)
    )
    kept, ids = set(index.unique_ids), dataset.values("id")
    split = [not (ids[a] in kept and ids[b] in kept) for a, b in zip(one, other, strict=True)]
    dataset.delete()
    return {**cost, "found": float(np.mean(split)), "planted": len(split), "marked": len(index.duplicate_ids)}


def apart(folder: Path, *arguments: str, seconds: float | None = None) -> dict[str, Any]:
    """A turn in a process of its own, with a FiftyOne database of its own. Raises: TimeoutExpired after `seconds`."""
    environment = os.environ | {
        "FIFTYONE_DATABASE_DIR": str(folder / "mongo"), "FIFTYONE_DO_NOT_TRACK": "true", "FIFTYONE_CONFIG_PATH": "none",
    }  # fmt: skip
    command = [*arguments] if arguments[0] != "--turn" else [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=seconds)
    if done.returncode:
        raise SystemExit(f"Error: {' '.join(command)[:200]} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.split("\nfound ")[-1])
    return found


def embedding(folder: Path, n: int, repeats: int, python: str | None) -> dict[str, Any]:
    data = stages.photographs(folder / "photographs", n)
    stages.clip_of(folder)
    checkpoint = folder / "random.safetensors"
    turns = ["curator", "curator, one pass", "FiftyOne", *(["clip-retrieval"] if python else [])]

    def turn(who: str, k: int) -> tuple[dict[str, Any], Path]:
        out = folder / f"{turns.index(who)}-{k}"
        out.mkdir()
        if who == "clip-retrieval":
            assert python
            cores = str(len(os.sched_getaffinity(0)))
            given = (str(data), str(checkpoint), str(out), str(BATCH), cores)
            return apart(folder, python, "-c", CLIP_RETRIEVAL, *given), out
        return apart(folder, "--turn", who, str(data), str(checkpoint), str(out)), out

    turn("curator", -1)  # exports the networks
    rounds, outs = [], {}
    for k in range(repeats):
        found = {who: turn(who, k) for who in turns}
        rounds.append({who: cost["seconds"] for who, (cost, _) in found.items()})
        outs = {who: out for who, (_, out) in found.items()}
        print(rounds[-1], flush=True)
    return {
        "images": n, "repeats": repeats, "batch": BATCH,
        "images_per_second": {w: round(statistics.median(n / r[w] for r in rounds), 1) for w in turns},
        "times_as_fast": {
            f"{ours} / {peer}": ratios([r[peer] / r[ours] for r in rounds]) for ours in turns[:2] for peer in turns[2:]
        },
        "least_cosine_to_curator": {peer: round(agreement(outs["curator"], outs[peer]), 5) for peer in turns[2:]},
    }  # fmt: skip


def ratios(values: list[float]) -> dict[str, Any]:
    return {"median": round(statistics.median(values), 2), "all": [round(v, 2) for v in values]}


def agreement(one: Path, other: Path) -> float:
    """The least cosine between the vectors of the same file."""
    with np.load(one / "vectors.npz") as a, np.load(other / "vectors.npz") as b:
        theirs = dict(zip(b["ids"].tolist(), b["vectors"], strict=True))
        wanted = np.stack([theirs[id] for id in a["ids"].tolist()]).astype(np.float64)
        lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(a["vectors"], axis=1)
        return float(((a["vectors"] * wanted).sum(axis=1) / lengths).min())


def near_duplicates(folder: Path, sizes: list[int], repeats: int) -> dict[str, Any]:
    rows = []
    for n in sizes:
        found: list[tuple[dict[str, Any], dict[str, Any]]] = []
        try:
            for _ in range(repeats if n <= 10_000 else 1):
                ours = apart(folder, "--turn", "near, curator", str(n))
                found.append((ours, apart(folder, "--turn", "near, Brain", str(n), seconds=BRAIN_SECONDS)))
        except subprocess.TimeoutExpired:
            rows.append({"n": n, "curator": summary([ours]), "Brain": f"took more than {BRAIN_SECONDS} s"})
            continue
        rows.append({
            "n": n,
            "times_as_fast": ratios([theirs["seconds"] / ours["seconds"] for ours, theirs in found]),
            "memory": round(statistics.median(added(theirs) / added(ours) for ours, theirs in found), 2),
            "curator": summary([ours for ours, _ in found]), "Brain": summary([theirs for _, theirs in found]),
        })  # fmt: skip
        print(rows[-1], flush=True)
    return {"cosine": DuplicateSettings().cosine, "dim": audit_scale.DIM, "sizes": rows}


def added(cost: Mapping[str, float]) -> float:
    """MB that the work took on top of what the process held before; at least 1."""
    return max(1.0, cost["peak_mb"] - cost["before_mb"])


def summary(costs: list[dict[str, Any]]) -> dict[str, Any]:
    out = {key: value for key, value in costs[-1].items() if key not in ("seconds", "before_mb", "peak_mb")}
    return out | {
        "seconds": round(statistics.median(c["seconds"] for c in costs), 3),
        "added_mb": round(statistics.median(added(c) for c in costs)),
        "peak_mb": round(statistics.median(c["peak_mb"] for c in costs)),
    }


def versions_of(python: str, *packages: str) -> dict[str, str]:
    code = "import sys, json; from importlib.metadata import version as v; print(json.dumps({p: v(p) for p in sys.argv[1:]}))"
    found: dict[str, str] = json.loads(subprocess.check_output([python, "-c", code, *packages], text=True))
    return found


def take_turn(who: str, rest: list[str]) -> dict[str, float]:
    if who == "near, curator":
        return near_by_curator(int(rest[0]))
    if who == "near, Brain":
        return near_by_brain(int(rest[0]))
    data, checkpoint, out = map(Path, rest)
    if who == "FiftyOne":
        return by_fiftyone(data, checkpoint, out)
    return by_curator(data, checkpoint, out, whole=who == "curator")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=300, help="images to embed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--vectors", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="vectors to compare")
    parser.add_argument("--clip-retrieval", help="a Python that has it; without one it is left out")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--turn", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.turn:
        print("\nfound", json.dumps(take_turn(given.turn[0], given.turn[1:])))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        embedded = embedding(folder, given.n, given.repeats, given.clip_retrieval)
        near = near_duplicates(folder, given.vectors, given.repeats)
    packages = ["fiftyone", "fiftyone-brain", "torch", "open-clip-torch", "onnxruntime"]
    result = {
        "schema": "curator.benchmark.speed_peers/1",
        "cores": len(os.sched_getaffinity(0)), "load_before": round(load, 1),
        "versions": versions_of(sys.executable, *packages),
        "embedding": embedded, "near_duplicates": near,
    }  # fmt: skip
    if given.clip_retrieval:
        packages = ["clip-retrieval", "torch", "open-clip-torch"]
        result["clip_retrieval_versions"] = versions_of(given.clip_retrieval, *packages)
    given.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
