"""Make the pictures of the README and the tutorial from the sample data and from what the tutorial's commands wrote.

    python docs/make_pictures.py curator-out/bunnies            # the folder that the tutorial's commands wrote to
    python docs/make_pictures.py curator-out/bunnies --out DIR  # draws elsewhere

Rows of sample pictures are laid out here; pictures of the report are taken of report.html by Chromium. The two pictures
of the App (app.png, app-recommended.png) are taken by hand, from `curator browse` as the tutorial gives it.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from itertools import groupby
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

SAMPLE = Path(__file__).parents[1] / "sample_data"
TRAIN, POOL = SAMPLE / "bunnies" / "train", SAMPLE / "bunnies" / "pool"
GAP, CAPTION = 6, 24  # pixels between pictures, and for the line above a row
WIDE = 1100  # pixels: the report as a laptop shows it

Row = tuple[str, list[Path]]


def rows_of_pictures(rows: list[Row], side: int) -> Image.Image:
    """Each row a line of words and its pictures, `side` pixels square; the words stand above the pictures."""
    width = max(len(files) for _, files in rows) * (side + GAP) - GAP
    sheet = Image.new("RGB", (width, len(rows) * (CAPTION + side + GAP) - GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for i, (words, files) in enumerate(rows):
        top = i * (CAPTION + side + GAP)
        pen.text((0, top + 2), words, "black", font)
        for j, file in enumerate(files):
            with Image.open(file) as picture:
                small = picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(small, (j * (side + GAP), top + CAPTION))
    return sheet


def story() -> list[Row]:
    """The four bunnies and the five more."""
    return [
        ("four bunnies, all on grass", sorted((SAMPLE / "four_bunnies").rglob("*.jpg"))),
        ("five more, somewhere else", sorted((SAMPLE / "five_more").rglob("*.jpg"))),
    ]


def conflicting(audit: dict[str, Any]) -> list[Row]:
    """Bunnies that follow the first finding beside all that break it."""
    first = audit["findings"][0]
    n, n_with = first["n_class"], first["n_with"]
    return [
        (f"{n_with} of {n} bunnies follow the rule, among them", [TRAIN / i for i in first["example_ids"][:6]]),
        (f"the {n - n_with} that break it", [TRAIN / i for i in first["counterexample_ids"]]),
    ]


def recommended(table: Path) -> list[Row]:
    """The recommended images by class and value, as the table has them."""
    with table.open(encoding="utf-8", newline="") as file:
        images = sorted(csv.DictReader(file), key=lambda row: (row["class"], row["value"], int(row["rank"])))
    cells = groupby(images, key=lambda row: (row["class"], row["value"]))
    return [(f"{name}, {value}", [POOL / row["id"] for row in rows]) for (name, value), rows in cells]


def shots_of_the_report(report: Path, out: Path) -> None:
    """The top of the report, the first finding with its evidence, and the proof with its curves."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDE, "height": 1340}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        page.screenshot(path=out / "report.png")
        page.locator("#finding-1").screenshot(path=out / "finding.png")
        page.locator("#proof .curves").screenshot(path=out / "curves.png")
        browser.close()
    for name in ("report.png", "finding.png", "curves.png"):
        with Image.open(out / name) as shot:
            flat = shot.convert("RGB").quantize(256)  # a third of the size, and no difference that an eye sees
        flat.save(out / name, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the pictures of the README and the tutorial.")
    parser.add_argument("results", type=Path, help="what the tutorial's commands wrote, curator-out/bunnies")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures", help="where to write")
    arguments = parser.parse_args()
    results: Path = arguments.results
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    audit = json.loads((results / "audit.json").read_text(encoding="utf-8"))
    rows_of_pictures(story(), 180).save(out / "bunnies.jpg", quality=85)
    rows_of_pictures(conflicting(audit), 160).save(out / "conflicting.jpg", quality=80)
    rows_of_pictures(recommended(results / "recommendation.csv"), 88).save(out / "recommended.jpg", quality=80)
    shots_of_the_report(results / "report.html", out)


if __name__ == "__main__":
    main()
