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
    return table(["images", "time", "processor time an image", "peak memory"], rows)


def on_a_cluster(ray: dict[str, Any]) -> str:
    """What a second node brought, and how many the process that asks can serve."""
    low, high = min(ray["steady"]["ratios"]), max(ray["steady"]["ratios"])
    one = sum(run["steady"] for run in ray["runs"] if run["nodes"] == 1) / ray["repeats"]
    home = 1000 / ray["home_ms"]
    spoilt = ray.get("disturbed", {}).get("steady", {}).get("ratios", [])
    disturbed = (
        f"A run beside another benchmark gave {min(spoilt):.2f} to {max(spoilt):.2f}, which tells nothing. "
        if spoilt
        else ""
    )
    return f"""Two nodes of a Ray cluster, each bound to one processor and with one worker, embed {ray["steady"]["ratio"]:.2f} times ({low:.2f} to {high:.2f}) the images a second of
one, once a fifth are back; with the start of {statistics.median(run["first_back_seconds"] for run in ray["runs"]):.0f} s, of {ray["images"]} images, {ray["with_start"]["ratio"]:.2f} times (`benchmarks/speed/ray_scale.py`, {ray["repeats"]} repeats). {disturbed}Nobody has run curator
on more than two nodes.

**What was computed comes home.** Workers write nothing: about 30 kB an image go to the process that asked, which spends {ray["home_ms"]:.1f} ms of one processor on it and
stores it. That is the next limit: some {amount(home)} images a second for one process, {amount(home / one)} such workers. Beyond that split the list into tables, and give each a
process and a `--cache` of its own. `curator embed` holds no vectors; of each image it keeps what it is called and its hash, 0.5 kB, so 50 GB at a hundred million."""


def sampled(runs: list[dict[str, Any]]) -> str:
    """What `audit --sample` cost, of embeddings and of pictures, and what that makes of a hundred million."""
    rows = [
        [
            f"{r['n']:,} {'pictures' if r['model'] == 'embedded' else 'embeddings'}",
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
    head = ["images", "looked at", "all but counting", "counting an image", "peak memory"]
    return f"""{table(head, rows)}

Processor time, two shared cores (`benchmarks/speed/sample_scale.py`). `curator audit --sample N` looks at N images closely, and counts all ([how](how-to/my-own-data.md#more-images-than-memory)).
Counts of pieces add up, so with `--engine ray` the workers count, and what comes back of 4,096 images is a table of classes by values: **what is tested is as large
for a thousand images as for a billion**, and to the byte as one machine counts. Shares and tests are of all images; the sample tells what needs images one by one. Counting a picture takes {each:.2f} ms, so a hundred million take {amount(each * 1e8 / 3.6e6)} core-hours. What grows with n
is the list of names and the columns of metadata: {kb:.2f} kB an image with 12 columns, {amount(kb * 1e8 / 1e6)} GB at a hundred million. For embeddings that are there already, give a
[clip-retrieval folder](how-to/my-own-data.md#embeddings-that-you-already-have): no image is touched."""


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

What a million, a hundred million and a billion images would take. What one image costs was measured (500 x 375 JPEGs, processor
time on one thread, [performance](performance.md)); the rest is multiplication. Nobody has run curator on a hundred million images.

## Embedding on processors

{on_processors(steps)}

A core-hour is taken at ${CORE_HOUR:.2f}. One image costs {cost(steps, "embedded"):.0f} ms with `embedded` and {cost(steps, "ViT-B/32"):.0f} ms with ViT-B/32. Files are embedded independently of each other, so
hours divide by cores, as long as the disk keeps up: a thousand cores with `embedded` read {1e6 / cost(steps, "embedded") * FILE_KB / 1e6:.1f} GB a second.

## Embedding on GPUs

{gpus}

A GPU-hour is taken at ${GPU_HOUR:.2f}, and {GPU_PASSES:,.0f} images a second of one pass of ViT-B/32, which is published for an A100 and was **not measured
here**. curator makes two passes, so {rate:,.0f} images a second. **The bottleneck then moves to the processors beside the GPU**: decoding, the eye (EfficientNet-Lite0,
{eye:.0f} ms on a processor), and the measures want {cores:.0f} cores for one such GPU, where clouds give 8 to 16. The first thing to build is the eye on the GPU.

## Many machines

{on_a_cluster(ray)}

## What is stored

{on_disk()}

The places ({KB["patches"]:.0f} kB an image) are for visual words, heatmaps and close-ups. They are what breaks first on disk: at a hundred million images they
are ten times the vectors. `curator cache prune` removes what is not used; keeping places of a sample only is not built.

## The audit

{audits(runs)}

On synthetic vectors, attributes and labels, two shared cores. Memory grows with n: what one image needs, times a hundred million, is {amount(gb)} GB. **So the table of
measures in memory is what breaks first in the audit** of all images, between ten and a hundred million on one machine.

## A sample, and counts of all

{sampled(sample)}

## What breaks, in this order

1. The machine beside the GPU: see above.
2. The process that asks for an embedding, on a large cluster: see above.
3. The listing of files: a data set is one list of names in memory, some 200 bytes each, {1e9 * 200 / 1e9:.0f} GB at a billion.
4. The audit's memory, from ten million images on; with `--sample`, the columns of metadata, from some tens of millions on.
5. The places on disk, from a hundred million on.
6. The index of near-duplicates: it holds 256 bytes for each image, so a machine of 64 GB ends at about two hundred million.
"""


if __name__ == "__main__":
    new = page()
    if "--check" in sys.argv:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != new:
            raise SystemExit("Error: docs/scale.md does not say what the results do; run docs/make_scale.py.")
    else:
        PAGE.write_text(new, encoding="utf-8")
