"""Write docs/scale.md from benchmarks/results; `--check` exits with 1 if the page is not what the results say now.

python docs/make_scale.py
python docs/make_scale.py --check
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = Path(__file__).with_name("scale.md")
SIZES = {"1 million": 1e6, "100 million": 1e8, "1 billion": 1e9}
CORE_HOUR, GPU_HOUR = 0.05, 2.0
"""Dollars. Assumed, for orders of magnitude: what clouds ask on demand differs by a factor of three."""
GPU_PASSES = 2500.0
"""Images a second of one pass of ViT-B/32 on an A100, as clip-retrieval publishes it. Nothing here was measured on a GPU."""
FILE_KB = 45.0
"""Of a 500 x 375 JPEG."""
KB = {"embedded": 5.12, "ViT-B/32": 2.05, "patches": 22.94, "row": 0.25}
"""Kilobytes in the store for an image: two vectors of 1280 or 512 numbers in half precision, 14 x 14 places, the measures."""
ENCODERS = ("embedded", "ViT-B/32")


def cost(steps: dict[str, dict[str, float]], encoder: str) -> float:
    """Processor milliseconds of one image with this encoder. With `embedded` the eye's pass is the first of the two, with a
    CLIP the encoder sees the picture and its surround beside it."""
    extra = 0.0 if encoder == "embedded" else steps[encoder]["encoder, once"]
    return sum(steps[encoder].values()) + extra


def amount(value: float) -> str:
    """With two figures, so that nobody takes a plan for a measurement.

    >>> amount(8444.0), amount(0.42)
    ('8,400', '0.42')
    """
    if value >= 100:
        step = 10 ** (len(str(int(value))) - 2)
        return f"{round(value / step) * step:,.0f}"
    return f"{value:.2g}"


def table(heads: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def on_processors(steps: dict[str, dict[str, float]]) -> str:
    rows = []
    for name, n in SIZES.items():
        hours = [n * cost(steps, e) / 3.6e6 for e in ENCODERS]
        rows.append([name, *(f"{amount(h)} core-hours, ${amount(h * CORE_HOUR)}" for h in hours)])
    return table(["images", *(f"`{e}`" for e in ENCODERS)], rows)


def on_gpus(steps: dict[str, dict[str, float]]) -> tuple[str, float, float]:
    """The table, images a second that one GPU could take, and the cores that would have to feed it."""
    rate = GPU_PASSES / 2
    beside = cost(steps, "ViT-B/32") - 2 * steps["ViT-B/32"]["encoder, once"]
    cores = rate * beside / 1000
    rows = []
    for name, n in SIZES.items():
        gpu, core = n / rate / 3600, n * beside / 3.6e6
        price = f"${amount(gpu * GPU_HOUR + core * CORE_HOUR)}"
        rows.append([name, amount(gpu), amount(core), price])
    return table(["images", "GPU-hours", "core-hours beside them", "together"], rows), rate, cores


def on_disk() -> str:
    rows = []
    for name, n in SIZES.items():
        sizes = [n * (KB[e] + KB["row"]) / 1e9 for e in ENCODERS]
        patches, files = n * KB["patches"] / 1e9, n * FILE_KB / 1e9
        rows.append([name, *(f"{amount(tb)} TB" for tb in (files, *sizes, patches))])
    return table(["images", "files", "vectors, `embedded`", "vectors, ViT-B/32", "places"], rows)


def audits(runs: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"{r['n']:,}",
            f"{r['seconds']:.0f} s",
            f"{1000 * r['cpu_seconds'] / r['n']:.2f} ms",
            f"{r['peak_mb'] / 1000:.1f} GB",
        ]
        for r in runs
    ]
    return table(["images", "time", "processor time per image", "peak memory"], rows)


def on_a_cluster(ray: dict[str, Any]) -> str:
    """How much a second node gains, and how many workers the process that asks can serve."""
    low, high = min(ray["steady"]["ratios"]), max(ray["steady"]["ratios"])
    one = sum(run["steady"] for run in ray["runs"] if run["nodes"] == 1) / ray["repeats"]
    home = 1000 / ray["home_ms"]
    spoilt = ray.get("disturbed", {}).get("steady", {}).get("ratios", [])
    disturbed = (
        f"A run beside another benchmark gave {min(spoilt):.2f} to {max(spoilt):.2f}, which says nothing. "
        if spoilt
        else ""
    )
    start = statistics.median(run["first_back_seconds"] for run in ray["runs"])
    return f"""Two nodes of a Ray cluster, each bound to one processor and with one worker, embed {ray["steady"]["ratio"]:.2f} times ({low:.2f} to {high:.2f}) as many images a
second as one node, once the first fifth of the images is back. With the start of {start:.0f} s, for {ray["images"]} images, it is {ray["with_start"]["ratio"]:.2f} times
(`benchmarks/speed/ray_scale.py`, {ray["repeats"]} repeats). {disturbed}Nobody has run curator on more than two nodes.

**Workers write nothing.** They send about 30 kB per image to the process that asked, which stores it and spends {ray["home_ms"]:.1f} ms of one processor
on it. That is the next limit: some {amount(home)} images a second for one process, or {amount(home / one)} such workers. Beyond that, split the list into tables, and
give each a process and a `--cache` of its own. `curator embed` holds no vectors. It keeps the name and the hash of each image, 0.5 kB, which
is 50 GB for a hundred million images."""


def sampled(runs: list[dict[str, Any]]) -> str:
    """What `audit --sample` cost for embeddings and for images, and what a hundred million would cost."""
    rows = [
        [
            f"{r['n']:,} {'images' if r['model'] == 'embedded' else 'embeddings'}",
            f"{r['sample']:,}",
            f"{r['cpu_seconds'] - r['stages']['counts']['cpu_seconds'] - r['stages'].get('embedding', {}).get('cpu_seconds', 0):.0f} s",
            f"{1000 * r['stages']['counts']['cpu_seconds'] / r['n']:.3f} ms",
            f"{r['peak_mb'] / 1000:.1f} GB",
        ]
        for r in runs
    ]
    given = [r for r in runs if r["model"] != "embedded"]
    (pictures,) = (r for r in runs if r["model"] == "embedded")
    first, last = given[0], given[-1]
    kb = 1000 * (last["peak_mb"] - first["peak_mb"]) / (last["n"] - first["n"])
    each = 1000 * pictures["stages"]["counts"]["cpu_seconds"] / pictures["n"]
    head = ["counted", "images in the sample", "all but counting", "counting, per image", "peak memory"]
    return f"""{table(head, rows)}

Processor time, two shared cores (`benchmarks/speed/sample_scale.py`). `curator audit --sample N` learns attributes from N images and counts them in
all images ([how](how-to/my-own-data.md#more-images-than-memory)). Shares and tests are of all images; the sample gives what needs single images.
Counts of pieces add up. So with `--engine ray` the workers count, and return for 4,096 images a table of classes by values. **The table that is
tested has the same size for a thousand images as for a billion**, and is the same to the byte as on one machine.

Counting an image takes {each:.2f} ms, so a hundred million take {amount(each * 1e8 / 3.6e6)} core-hours. The list of names and the columns of metadata grow with n:
{kb:.2f} kB per image with 12 columns, {amount(kb * 1e8 / 1e6)} GB for a hundred million images. If you already have embeddings, give a
[clip-retrieval folder](how-to/my-own-data.md#embeddings-that-you-already-have): curator then opens no image."""


def page() -> str:
    stages = json.loads((RESULTS / "speed_stages.json").read_text(encoding="utf-8"))
    runs = json.loads((RESULTS / "speed_audit.json").read_text(encoding="utf-8"))["runs"]
    ray = json.loads((RESULTS / "speed_ray.json").read_text(encoding="utf-8"))
    sample = json.loads((RESULTS / "speed_sample.json").read_text(encoding="utf-8"))["runs"]
    steps = stages["steps"]
    gpus, rate, cores = on_gpus(steps)
    eye = steps["ViT-B/32"]["eye"]
    largest = runs[-1]
    gb = largest["peak_mb"] / 1000 * 1e8 / largest["n"]
    return f"""# Scale: a plan on paper

<!-- Written by docs/make_scale.py from benchmarks/results. Run it again when a result changes. -->

What a million, a hundred million and a billion images would take. The cost of one image was measured (500 x 375 JPEGs, processor time on one
thread, [Performance](performance.md)); the rest is multiplication. Nobody has run curator on a hundred million images.

## Embedding on processors

{on_processors(steps)}

The price of a core-hour is assumed to be ${CORE_HOUR:.2f}. One image costs {cost(steps, "embedded"):.0f} ms with `embedded` and {cost(steps, "ViT-B/32"):.0f} ms with ViT-B/32. Files are embedded
independently of each other, so hours divide by cores, as long as the disk keeps up: a thousand cores with `embedded` read {1e6 / cost(steps, "embedded") * FILE_KB / 1e6:.1f} GB a second.

## Embedding on GPUs

{gpus}

The price of a GPU-hour is assumed to be ${GPU_HOUR:.2f}. The speed of one pass of ViT-B/32, {GPU_PASSES:,.0f} images a second, is published for an A100 and was
**not measured here**. curator makes two passes, so {rate:,.0f} images a second. **The processors beside the GPU are then the bottleneck**: decoding, the
pass of EfficientNet-Lite0 ({eye:.0f} ms on a processor) and the measures need {cores:.0f} cores for one such GPU, where clouds give 8 to 16. The first thing to
build is EfficientNet-Lite0 on the GPU.

## Many machines

{on_a_cluster(ray)}

## What is stored

{on_disk()}

The places ({KB["patches"]:.0f} kB per image) are for visual words, heatmaps and close-ups. They are the first limit on disk: for a hundred million images they
take ten times as much as the vectors with ViT-B/32. `curator cache prune` removes what is not used. Keeping the places of a sample only is not built.

## The audit

{audits(runs)}

On synthetic vectors, attributes and labels, two shared cores. Memory grows with n: the memory of one image times a hundred million is {amount(gb)} GB.
**So the table of measures in memory is the first limit of an audit of all images**, between ten and a hundred million on one machine.

## A sample, and counts of all

{sampled(sample)}

## The limits, in the order in which you meet them

1. The processors beside the GPU: see above.
2. The process that asks for an embedding, on a large cluster: see above.
3. The list of files: a data set is one list of names in memory, some 200 bytes each, {1e9 * 200 / 1e9:.0f} GB for a billion images.
4. The memory of the audit, from ten million images on; with `--sample`, the columns of metadata, from some tens of millions on.
5. The places on disk, from a hundred million images on.
6. The index of near-duplicates: it holds 256 bytes for each image, so a machine of 64 GB ends at about two hundred million images.
"""


if __name__ == "__main__":
    new = page()
    if "--check" in sys.argv:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != new:
            raise SystemExit("Error: docs/scale.md does not say what the results do; run docs/make_scale.py.")
    else:
        PAGE.write_text(new, encoding="utf-8")
