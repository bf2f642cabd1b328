"""Where the time of embedding goes: each stage alone, the encoder alone, and everything together, in one process.

    python benchmarks/speed/stages.py [--n 600] [--repeats 3] [--cleanvision PYTHON]

The photographs are made of the sample pictures: 500 x 375 JPEGs, and 4000 x 3000 ones with grain. Both encoders are
measured, the embedded one and an open_clip ViT-B/32 with random weights, which costs what a trained one costs. A rate is of
wall time, a cost of processor time, which a busy machine changes less. What is compared is measured in turn, and the
median of the ratios is given. `--cleanvision` names a Python that has CleanVision. Writes results/speed_stages.json.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from curator import attributes, encoders
from curator.commands.session import Session
from curator.engines import workers
from curator.io.decoding import images
from curator.regions import foreground, patches

HOME = Path(__file__).parent.parent.parent
RESULT = HOME / "benchmarks" / "results" / "speed_stages.json"
SAMPLE = HOME / "sample_data" / "bunnies" / "train"
N_LARGE = 12
CLEANVISION = """
import sys, time
from cleanvision import Imagelab
if __name__ == "__main__":
    lab = Imagelab(data_path=sys.argv[1])
    start = time.perf_counter()
    lab.find_issues(n_jobs=int(sys.argv[2]), verbose=False)
    print("seconds", time.perf_counter() - start)
"""


def photographs(folder: Path, n: int) -> Path:
    """n JPEGs of 500 x 375: parts of the sample pictures, mirrored, with grain, no two alike."""
    rng = np.random.default_rng(0)
    sources = sorted(SAMPLE.rglob("*.jpg"))
    for k in range(n):
        picture = Image.open(sources[k % len(sources)]).convert("RGB")
        x, y = rng.integers(0, 40, 2)
        part = picture.crop((x, y, x + 280, y + 210)).resize((500, 375), Image.Resampling.BICUBIC)
        pixels = np.asarray(part, np.float32)[:, :: rng.choice([-1, 1])] * rng.uniform(0.8, 1.1)
        grained = (pixels + rng.normal(0, 3, pixels.shape)).clip(0, 255).astype(np.uint8)
        path = folder / f"class{k % 4}" / f"{k:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grained).save(path, quality=92)
    return folder


def large_photographs() -> list[bytes]:
    """Twelve-megapixel JPEGs, of 2 to 4 MB."""
    rng = np.random.default_rng(0)
    out = []
    for source in sorted(SAMPLE.rglob("*.jpg"))[:: len(list(SAMPLE.rglob("*.jpg"))) // N_LARGE][:N_LARGE]:
        picture = Image.open(source).convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC)
        pixels = np.asarray(picture, np.float32) + rng.normal(0, 4, (3000, 4000, 3)).astype(np.float32)
        file = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
        out.append(file.getvalue())
    return out


def clip_of(folder: Path) -> str:
    """`--model` for a ViT-B/32 with random weights."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "random.safetensors")
    return f"ViT-B-32:{folder / 'random.safetensors'}"


def cost(work: Callable[[], Any], n: int) -> tuple[float, Any]:
    """Milliseconds of processor time per image, and what came out."""
    start = time.process_time()
    out = work()
    return 1000 * (time.process_time() - start) / n, out


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def stages(model: str, data: Path, cache: Path, n: int = 96) -> dict[str, float]:
    """Milliseconds of processor time per image of each step, on one thread."""
    encoder, _ = encoders.resolve(model, cache=cache, device="cpu", jobs=1)
    eye = encoders.eye_of(encoder, cache=cache, jobs=1)
    prep = encoder.info.preprocessing
    contents = [path.read_bytes() for path in sorted(data.rglob("*.jpg"))[:n]]
    n = len(contents)
    images.decode_bytes(contents[0], prep)
    out: dict[str, float] = {}
    out["hash"], _ = cost(lambda: [images.sha256(c) for c in contents], n)
    out["decode, input, analysis picture, perceptual hash"], photos = cost(
        lambda: [images.decode_bytes(c, prep, known_sha256="-") for c in contents], n
    )
    inputs = np.stack([p.input for p in photos])
    fitted = images.fit(inputs, eye.input_size)
    # In batches, as a run has them: what is done to a hundred at once no longer fits in the cache.
    batches = [slice(k, k + encoder.batch_size) for k in range(0, n, encoder.batch_size)]
    eye.look(fitted[:2]), encoder.encode(inputs[:2])
    out["eye"], looked = cost(lambda: [eye.look(fitted[b]) for b in batches], n)
    features = np.concatenate([f for _, f in looked])
    out["encoder, once"], _ = cost(lambda: [encoder.encode(inputs[b]) for b in batches], n)
    out["foreground"], found = cost(lambda: [foreground.foreground(features[b]) for b in batches], n)
    likely = np.concatenate(found)
    out["cover the object"], _ = cost(lambda: [foreground.cover(inputs[b], likely[b]) for b in batches], n)
    out["pack patches"], _ = cost(lambda: [patches.pack(fitted[b], features[b], likely[b]) for b in batches], n)
    out["spread the foreground"], seen = cost(
        lambda: [
            replace(p, foreground=foreground.spread(m, *p.pixels.shape[:2], prep))
            for p, m in zip(photos, likely, strict=True)
        ],
        n,
    )
    attributes.measure(seen[0])
    out["measures"], _ = cost(lambda: [attributes.measure(p) for p in seen], n)
    return {name: round(value, 3) for name, value in out.items()}


def together(model: str, data: Path, folder: Path, repeats: int) -> dict[str, Any]:
    """End to end against the passes of the networks alone, on all cores, in turn; and a second run with nothing new."""
    session = Session.open(model, cache=folder / "models")
    dataset = session.scan(data)
    encoder = session.encoder
    eye = encoders.eye_of(encoder, cache=session.cache)
    borrowed = eye.info.fingerprint != encoder.info.fingerprint
    some = range(0, len(dataset), max(1, len(dataset) // 128))
    inputs = np.stack([images.decode(dataset.path(i), encoder.info.preprocessing).input for i in some])
    fitted = images.fit(inputs, eye.input_size)

    def passes() -> None:
        """What is computed of every image: its places, its vector, the vector of its surround."""
        for k in range(0, len(inputs), encoder.batch_size):
            eye.look(fitted[k : k + encoder.batch_size])
            for _ in range(1 + borrowed):
                encoder.encode(inputs[k : k + encoder.batch_size])

    passes()
    found: list[dict[str, float]] = []
    for turn in range(repeats):
        before = len(inputs) / seconds(passes)
        # A store of its own; the exported networks are shared by a link.
        work = replace(session, cache=folder / f"{len(model)}-{turn}")
        work.cache.mkdir()
        (work.cache / "encoders").symlink_to(session.cache / "encoders")
        took = seconds(lambda work=work: work.embed(dataset))
        again = seconds(lambda work=work: work.embed(dataset))
        after = len(inputs) / seconds(passes)
        forward = (before + after) / 2
        found.append({"forward": forward, "end_to_end": len(dataset) / took, "again": again / took})
    return {
        "passes": 2 + borrowed,
        "forward_images_per_second": round(statistics.median(f["forward"] for f in found), 1),
        "end_to_end_images_per_second": round(statistics.median(f["end_to_end"] for f in found), 1),
        "ratio": round(statistics.median(f["end_to_end"] / f["forward"] for f in found), 3),
        "ratios": [round(f["end_to_end"] / f["forward"], 3) for f in found],
        "second_run": round(statistics.median(f["again"] for f in found), 4),
    }


def large(repeats: int) -> dict[str, Any]:
    """Twelve megapixels: everything from a file, with and without decoding at a fraction of the size; Pillow's decode alone."""
    contents = large_photographs()
    prep = encoders.resolve("embedded", cache=Path(tempfile.gettempdir()), device="cpu")[0].info.preprocessing

    def plain(content: bytes, *, alone: bool) -> None:
        picture = Image.open(io.BytesIO(content))
        picture.load()
        if not alone:
            images.prepare(picture, prep)
            images._phash(images._shrink(picture, images.ANALYSIS_SIDE))
            images.sha256(content)

    found = []
    for _ in range(repeats):
        ours, _ = cost(lambda: [images.decode_bytes(c, prep) for c in contents], len(contents))
        whole, _ = cost(lambda: [plain(c, alone=False) for c in contents], len(contents))
        alone, _ = cost(lambda: [plain(c, alone=True) for c in contents], len(contents))
        found.append((ours, whole, alone))
    ours, whole, alone = (statistics.median(f[k] for f in found) for k in range(3))
    return {
        "megabytes": round(sum(map(len, contents)) / len(contents) / 1e6, 2),
        "curator_ms": round(ours, 1),
        "same_with_plain_pillow_decode_ms": round(whole, 1),
        "pillow_decode_alone_ms": round(alone, 1),
        "ratio": round(statistics.median(f[1] / f[0] for f in found), 2),
        "ratio_to_decode_alone": round(statistics.median(f[2] / f[0] for f in found), 2),
    }


def isolation(data: Path) -> dict[str, float]:
    """What a process of its own costs: the first picture, and wall milliseconds of each on one worker and in a thread."""
    prep = encoders.resolve("embedded", cache=Path(tempfile.gettempdir()), device="cpu")[0].info.preprocessing
    contents = [path.read_bytes() for path in sorted(data.rglob("*.jpg"))[:200]]
    pool = workers.Workers()
    start = seconds(lambda: pool.decode(contents[0], "-", prep))
    there, here = [], []
    for _ in range(3):
        there.append(seconds(lambda: [pool.decode(c, "-", prep) for c in contents]))
        here.append(seconds(lambda: [images.decode_bytes(c, prep, known_sha256="-") for c in contents]))
    pool.close()
    return {
        "start_seconds": round(start, 2),
        "worker_ms": round(1000 * min(there) / len(contents), 2),
        "thread_ms": round(1000 * min(here) / len(contents), 2),
    }


def against_cleanvision(python: str, data: Path, folder: Path, repeats: int) -> dict[str, Any]:
    """Pixel attributes and hashes of the same files: `--model pixels`, which runs no network, and CleanVision's issues."""
    cores = len(os.sched_getaffinity(0))
    found = []
    for turn in range(repeats):
        session = Session.open("pixels", cache=folder / f"pixels-{turn}")
        dataset = session.scan(data)
        ours = seconds(lambda session=session, dataset=dataset: session.embed(dataset))
        done = subprocess.run(
            [python, "-c", CLEANVISION, str(data), str(cores)], capture_output=True, text=True, check=True, cwd=folder
        )
        found.append((ours, float(done.stdout.split("seconds")[-1])))
    n = len(dataset)
    return {
        "images": n,
        "curator_images_per_second": round(statistics.median(n / o for o, _ in found), 1),
        "cleanvision_images_per_second": round(statistics.median(n / t for _, t in found), 1),
        "ratio": round(statistics.median(t / o for o, t in found), 2),
    }


def peak(model: str, data: Path, folder: Path) -> float:
    """The most memory, in MB, that the process holds that embeds `data`; its workers hold about 100 MB each beside it."""
    code = (
        "import sys; from pathlib import Path; from curator.commands.session import Session; "
        "b = Session.open(sys.argv[1], cache=Path(sys.argv[3])); b.embed(b.scan(sys.argv[2])); "
        "print(next(int(line.split()[1]) / 1024 for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    Session.open(model, cache=folder / "models").encoder.encode(np.zeros((1, 224, 224, 3), np.uint8))  # exports it
    (folder / f"peak-{data.name}").mkdir()
    (folder / f"peak-{data.name}" / "encoders").symlink_to(folder / "models" / "encoders")
    arguments = [sys.executable, "-c", code, model, str(data), str(folder / f"peak-{data.name}")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=HOME)
    return round(float(done.stdout), 0)


PARTS = ("steps", "together", "large", "isolation", "cleanvision", "memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cleanvision", help="a Python that has CleanVision; without one that part is left out")
    parser.add_argument(
        "--memory", type=int, nargs=2, default=(500, 3000), help="images of the two runs that are compared"
    )
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="measure these; the others stay as written"
    )
    given = parser.parse_args()
    old = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() and given.only is not PARTS else {}
    result: dict[str, Any] = {
        "schema": "curator.benchmark.speed_stages/1",
        "cores": len(os.sched_getaffinity(0)),
        **old,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = photographs(folder / "photographs", given.n)
        models = {"embedded": "embedded"}
        if {"steps", "together"} & set(given.only):
            models["ViT-B/32"] = clip_of(folder)
        for part in given.only:
            if part == "steps":
                found: Any = {m: stages(spec, data, folder / "models") for m, spec in models.items()}
            elif part == "together":
                found = {m: together(spec, data, folder, given.repeats) for m, spec in models.items()}
            elif part == "large":
                found = large(given.repeats)
            elif part == "isolation":
                found = isolation(data)
            elif part == "cleanvision" and given.cleanvision:
                found = against_cleanvision(given.cleanvision, data, folder, given.repeats)
            elif part == "memory":
                few, many = (photographs(folder / f"memory{n}", n) for n in given.memory)
                peaks = [peak("embedded", sample, folder) for sample in (few, many)]
                found = {"images": list(given.memory), "peak_mb": peaks}
            else:
                continue
            # How busy the machine was is part of what was measured.
            result[part] = {"images": given.n, "repeats": given.repeats, "load": round(os.getloadavg()[0], 1), **found}
            print(part, json.dumps(result[part], indent=1), flush=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
