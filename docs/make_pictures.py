"""Make the pictures of the README and the tutorial from the sample data and from what the tutorial's commands wrote.

    python docs/make_pictures.py curator-out/bunnies            # the folder that the tutorial's commands wrote to
    python docs/make_pictures.py curator-out/bunnies --out DIR  # draws elsewhere
    python docs/make_pictures.py --app http://127.0.0.1:5151    # those of the App, while `curator browse` of docs/app.md runs

Rows of sample pictures are laid out here; pictures of the report and of the App are taken by Chromium.
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
APP = {"width": 1600, "height": 900}
APP_MS = 180_000  # the App takes seconds to load, and minutes on a busy machine
DRAWN_MS = 5_000  # thumbnails and the map are drawn after they are there

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
    flatten(out, ("report.png", "finding.png", "curves.png"))


def shots_of_the_app(url: str, out: Path) -> None:
    """What `curator browse` opens on, and the view of the recommended images."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-cy")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=APP)
        page.set_default_timeout(APP_MS)
        page.add_locator_handler(page.get_by_text("Dismiss", exact=True), lambda button: button.click())
        page.goto(url)
        page.get_by_test_id("panel-content-curator_map").locator(".js-plotly-plot").wait_for()
        panel = page.get_by_test_id("panel-content-curator_findings")
        for name in ("app.png", "app-recommended.png"):
            if name == "app-recommended.png":
                panel.get_by_role("button", name="Recommended", exact=True).click()
            page.get_by_test_id("looker").first.wait_for()
            panel.get_by_role("button", name="Audit", exact=True).hover()  # an advertisement is closed first
            page.mouse.move(0, 0)
            page.wait_for_timeout(DRAWN_MS)
            page.screenshot(path=out / name)
        browser.close()
    flatten(out, ("app.png", "app-recommended.png"))


def flatten(out: Path, names: tuple[str, ...]) -> None:
    """A third of the size, and no difference that an eye sees."""
    for name in names:
        with Image.open(out / name) as shot:
            flat = shot.convert("RGB").quantize(256)
        flat.save(out / name, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the pictures of the README and the tutorial.")
    parser.add_argument("results", type=Path, nargs="?", help="what the tutorial's commands wrote, curator-out/bunnies")
    parser.add_argument("--app", metavar="URL", help="where `curator browse` serves the App")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures", help="where to write")
    arguments = parser.parse_args()
    results: Path | None = arguments.results
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.app:
        shots_of_the_app(arguments.app, out)
    if results is None:
        return
    audit = json.loads((results / "audit.json").read_text(encoding="utf-8"))
    rows_of_pictures(story(), 180).save(out / "bunnies.jpg", quality=85)
    rows_of_pictures(conflicting(audit), 160).save(out / "conflicting.jpg", quality=80)
    rows_of_pictures(recommended(results / "recommendation.csv"), 88).save(out / "recommended.jpg", quality=80)
    shots_of_the_report(results / "report.html", out)


if __name__ == "__main__":
    main()
