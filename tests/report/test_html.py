"""The report: complete in one file, inert whatever the names hold, small whatever was found."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from changed import replace
from report_example import BUNNY, CLASSES, EVIL, EVIL_ID, ids_of, jpeg, make_recommendation

from curator.report.html.album import Album, image_size
from curator.report.html.page import MAX_BYTES, advice, render
from curator.types import (
    Audit,
    AuditRun,
    Column,
    Confirmation,
    DuplicateGroup,
    LabelError,
    Measures,
    ProbeReport,
    Recommendation,
    Skipped,
)

Thumbnails = Callable[[str], bytes | None]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
VOID = {"meta", "link", "br", "img", "input", "hr", "wbr"}


class Page(HTMLParser):
    """Every element with its attributes, the text, and whether the tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture
def full(run: AuditRun, thumbnails: Thumbnails, recommendation: Recommendation, probe: ProbeReport) -> str:
    return render(run, thumbnails, recommendation=recommendation, probe=probe, pool_thumbnails=jpeg)


def test_the_first_screen_answers(full: str) -> None:
    page = Page(full)
    start = " ".join(page.text.split("Findings\n")[0].split())
    for said in (
        "3 shortcuts found",
        "95% of bunny images have a green background, against 5% of the others.",
        "What to do",
    ):
        assert said in " ".join(page.text.split())
    assert "curator" in start
    assert "Add bunny images on something other than green." in page.text
    assert page.text.index("CLIP could not be fetched") < page.text.index("Is it more than chance?")


def test_of_a_rare_value_the_others_are_asked_for(run: AuditRun) -> None:
    """A fifth of the bunnies are on a lawn and nobody else is: more bunnies off lawns is what there is already."""
    first = run.audit.findings[0]
    assert advice(run, replace(first, share_in_class=0.5)).startswith(f"Add {first.class_name} images on something")
    rare = replace(first, share_in_class=0.2)
    assert advice(run, rare) == "Add images of the other classes that have a green background."
    two = replace(run, dataset=replace(run.dataset, classes=(first.class_name, "hen"), labels=run.dataset.labels * 0))
    assert advice(two, rare) == "Add hen images that have a green background."


def test_the_verdict_counts_what_a_half_bears_out(run: AuditRun, thumbnails: Thumbnails) -> None:
    chance = Confirmation(10, 1, 0, 0.1, (-0.1, 0.3))
    weak = replace(run.audit.findings[0], severity="low", confirmation=chance)
    page = Page(render(replace(run, audit=replace(run.audit, findings=(weak,), verdict="none found")), thumbnails))
    assert "findings that you accept" not in page.text
    text = " ".join(page.text.split())
    assert "No shortcut found" in text
    assert "1 weak finding is listed below; it was not confirmed on any random half of the images." in text
    assert "What to do" not in text


def test_it_loads_nothing(full: str) -> None:
    page = Page(full)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    assert rules.pop("img-src") == "data:"
    # The page's own script and style, by what they say, and nothing else: no name can add a word to either.
    for directive, tag in (("script-src", "script"), ("style-src", "style")):
        (attrs,) = page.all(tag)
        assert attrs == {}
        text = full.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(directive) == f"'sha256-{digest}'"
    assert rules == {}
    assert not [tag for tag, attrs in page.elements if "style" in attrs]
    assert "url(" not in full
    assert "@import" not in full
    for tag, attrs in page.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            if name in attrs:
                assert attrs[name].startswith("data:" if tag in {"image", "link"} else "#"), (tag, name)


def test_every_link_leads_somewhere(full: str) -> None:
    page = Page(full)
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for _, a in page.elements if a.get("href", "").startswith("#")]
    targets += [i for _, a in page.elements for i in a.get("aria-labelledby", "").split()]
    assert len(targets) > 30
    assert set(targets) <= set(ids)


def test_it_is_well_formed_and_its_headings_are_in_order(full: str) -> None:
    page = Page(full)
    assert page.crossed == []
    assert page.open == []
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert all("aria-hidden" in svg or svg["role"] == "img" for svg in page.all("svg"))


def test_names_are_inert(full: str) -> None:
    page = Page(full)
    assert page.all("img") == []
    assert not [a for _, attrs in page.elements for a in attrs if a.startswith("on")]
    assert EVIL in page.text
    assert not set(full) & set("\x1b\u202e\udcff\u200f")
    assert "\\u202egpj\\x1b[31m\\udcff" in page.text
    full.encode("utf-8")


def test_each_picture_is_embedded_once(run: AuditRun, thumbnails: Thumbnails) -> None:
    once = Page(render(run, thumbnails, recommendation=make_recommendation(), pool_thumbnails=jpeg))
    pictures = [i["href"] for i in once.all("image")]
    assert len(pictures) > 20
    assert len(pictures) == len(set(pictures))
    assert len(once.all("use")) > len(pictures)
    for uri in pictures:
        assert base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))[:2] == b"\xff\xd8"
    one = Page(render(run, lambda _: jpeg("always the same")))
    assert len(one.all("image")) == 1


def test_a_picture_that_cannot_be_read_is_said(run: AuditRun) -> None:
    def broken(key: str) -> bytes | None:
        if key.startswith("hen"):
            raise OSError("gone")
        return b"<svg onload=alert(1)>" if key.startswith("sheep") else jpeg(key)

    page = Page(render(run, broken))
    shown = [a for tag, a in page.elements if a.get("class") == "gone"]
    assert any("hen/img 000.jpg" in a["aria-label"] for a in shown)
    assert any("sheep/img 000.jpg" in a["aria-label"] for a in shown)
    assert all(i["href"].startswith("data:image/jpeg") for i in page.all("image"))


def test_what_is_left_out_is_counted(full: str) -> None:
    of_bunny = full.split('id="finding-1"')[1].split("</article>")[0]
    assert of_bunny.count('<figure class="shot') == 8 + 1
    assert "and 11 more" in of_bunny


def test_bars_are_as_long_as_the_shares(full: str) -> None:
    bars = re.findall(r'<rect class="fill[^"]*" x="0" y="\d+" width="([\d.]+)%"', full)
    assert bars[:4] == ["95.0", "5.0", "95.0", "5.0"]
    assert "bunny: 95% [76, 99]; the others: 5% [2, 14]. Whiskers are 95 % intervals." in full


def test_dots_stand_where_the_arms_do(full: str) -> None:
    assert re.findall(r'<circle class="dot[^"]*" cx="([\d.]+)%" cy="[\d.]+" r="7"', full) == [
        "42.0",
        "81.0",
        "49.0",
        "60.0",
    ]
    assert "+32 points [+18, +45]" in Page(full).text


def test_a_class_alone_is_compared_with_nothing(run: AuditRun, thumbnails: Thumbnails) -> None:
    alone = replace(run.audit.findings[2], class_name="hen")
    page = render(replace(run, audit=Audit((alone,), "too few images to tell", None, 0)), thumbnails)
    text = Page(page).text
    assert "Too few images to tell" in text
    assert "The data has no other class to compare with" in text
    assert "Is it more than chance?" not in text
    assert page.count('class="fill main"') == 2
    assert page.count('class="fill"') == 0


def test_nothing_found_is_said_with_its_limits(run: AuditRun, thumbnails: Thumbnails) -> None:
    text = Page(render(replace(run, audit=Audit((), "none found", 0.2, 312)), thumbnails)).text
    assert "No shortcut found" in text
    assert "312 pairs of class and attribute value were tested over 80 images" in " ".join(text.split())


def test_the_same_audit_gives_the_same_page(run: AuditRun, thumbnails: Thumbnails, probe: ProbeReport) -> None:
    assert render(run, thumbnails, probe=probe) == render(replace(run, seconds=1.0), thumbnails, probe=probe)


def test_it_stays_under_five_megabytes(run: AuditRun) -> None:
    noise = jpeg("x") + bytes(range(256)) * 120

    def large(key: str) -> bytes:
        return noise + key.encode("utf-8", "surrogateescape")

    long_name = '"' * 5000
    long_ids = tuple(f"{i}{long_name}" for i in range(30))
    findings = tuple(
        replace(
            BUNNY,
            value=f"{i} {long_name}",
            sentence=f"{i} {long_name}",
            same_as=(long_name,) * 50,
            example_ids=long_ids,
        )
        for i in range(10_000)
    )
    groups = tuple(DuplicateGroup("exact", (ids_of(0)[i % 20], f"{i}{long_name}")) for i in range(10_000))
    doubts = tuple(LabelError(i, long_name, long_name, 0.9) for i in ids_of(1) * 500)
    monstrous = replace(
        run,
        audit=replace(run.audit, findings=findings),
        duplicates=groups,
        leaks=groups,
        label_errors=doubts,
        dataset=replace(run.dataset, skipped=tuple(Skipped(f"{i}{long_name}", long_name) for i in range(10_000))),
        settings={str(i): long_name for i in range(10_000)},
        notes=(long_name,) * 1000,
    )
    page = render(monstrous, large)
    assert len(page.encode()) <= MAX_BYTES
    text = " ".join(Page(page).text.split())
    assert "10,000 shortcuts found" in text
    assert re.search(r"9,\d\d\d more are in audit.json", text)


def test_the_album_counts_what_it_leaves_out() -> None:
    album = Album(budget=4 * len(jpeg("a")) // 3 + 400)
    strip = album.strip(["a", "b", "a"], jpeg, 3, total=10)
    assert [bool(s.ref) for s in strip.shots] == [True, False, True]
    assert (album.n_left_out, strip.n_more) == (1, 7)


def test_a_pictures_size_is_read_from_its_header() -> None:
    assert image_size(jpeg("a", (120, 90))) == ("image/jpeg", 120, 90)
    assert image_size(jpeg("a")[:20]) is None
    assert image_size(b"") is None


def test_a_class_is_answered_side_by_side(full: str) -> None:
    card = full.split('id="classes-h"')[1].split("</section>")[0].split('<div class="card class">')[1]
    on_object, around = card.split("<h4>Around it</h4>")
    assert full.index('id="findings"') < full.index('id="classes"') < full.index('id="clusters"')
    assert "<h4>On the object</h4>" in on_object
    assert "<strong>90%</strong> <bdi>show bunny</bdi>" in on_object
    assert "(80% of the others)" in on_object
    assert "<strong>95%</strong> <bdi>bunny on green</bdi>" in around
    assert "of the others" not in around
    assert "In the whole image: <strong>70%</strong> <bdi>are JPEG files</bdi>." in " ".join(around.split())
    # Pictures of 240 x 180 are shown with 120 x 90: the box is half as large. The surround has no box: all is shown.
    # One of the four cannot be read.
    assert on_object.count('viewBox="10.0 15.0 20.0 30.0"') == around.count('viewBox="0 0 120 90"') == 3
    assert on_object.count("no image") == 1


@pytest.mark.parametrize(
    ("shown", "disk", "box", "expected"),
    [
        ((120, 90), (240, 180), (20, 30, 60, 90), (10, 15, 20, 30)),
        # Twice as wide as a report shows: the middle is kept, and of a box beyond it what is left.
        ((440, 100), (880, 200), (0, 0, 500, 100), (0, 0, 140, 50)),
        ((120, 90), (240, 180), (0, 0, 240, 180), None),
        ((120, 90), None, (20, 30, 60, 90), None),
        ((120, 90), (240, 180), None, None),
        ((440, 100), (880, 200), (0, 0, 200, 200), None),
    ],
)
def test_a_crop_is_where_the_box_is(
    shown: tuple[int, int],
    disk: tuple[int, int] | None,
    box: tuple[int, int, int, int] | None,
    expected: tuple[float, ...] | None,
) -> None:
    shot = Album(budget=100_000).crop("a", lambda key: jpeg(key, shown), box, disk)
    assert shot.ref
    assert (shot.frame and (shot.frame.x, shot.frame.y, shot.frame.width, shot.frame.height)) == expected


@pytest.mark.parametrize("objects", [False, True])
def test_what_may_be_the_object_is_listed_apart_with_its_sentence(
    run: AuditRun, thumbnails: Thumbnails, objects: bool
) -> None:
    """Two such findings beside the three of the example: they are no cards and in no count."""
    either = replace(BUNNY, attribute="words.1", value="yes", kind="unclear", severity="low", phrase="show pattern B")
    audit = replace(run.audit, findings=(*run.audit.findings, either, replace(either, class_name="hen")))
    run = replace(run, settings={"audit": {"objects": objects}})
    page = render(replace(run, audit=audit), thumbnails)
    text = " ".join(Page(page).text.split())
    assert "3 shortcuts found" in text
    assert page.count("<article") == 3
    assert "2 findings that may be about the object or its surroundings" in text
    assert "the object cannot be told from its surroundings: it fills the frame" in text
    assert "about the objects themselves" not in text
    assert page.count("images show pattern B, against") == 2
    assert page.index('id="unclear"') < page.index("images show pattern B, against")
    assert 'id="unclear"' not in render(run, thumbnails)
    alone = render(replace(run, audit=replace(audit, findings=(either,), verdict="none found")), thumbnails)
    assert "<article" not in alone
    assert "No measured attribute gives a class away." in alone


def test_what_lies_on_the_object_is_kept_apart(run: AuditRun, thumbnails: Thumbnails) -> None:
    fur = replace(BUNNY, attribute="words.3", value="yes", kind="object", severity="low", phrase="show fur")
    audit = replace(run.audit, findings=(*run.audit.findings, fur, replace(fur, class_name="hen")))
    page = render(replace(run, audit=audit), thumbnails)
    text = " ".join(Page(page).text.split())
    assert "3 shortcuts found" in text
    assert "2 findings about the objects themselves, not shortcuts" in text
    assert page.count("images show fur, against") == 2
    assert page.index('id="findings-h"') < page.index('id="clean"') < page.index("images show fur, against")
    assert page.count("<article") == 3
    asked = render(replace(run, audit=audit, settings={"audit": {"objects": True}}), thumbnails)
    assert asked.count("<article") == 5
    assert "which are no shortcuts" not in asked
    alone = render(replace(run, audit=replace(audit, findings=(fur,), verdict="none found")), thumbnails)
    assert "No measured attribute gives a class away." in alone
    assert "<article" not in alone


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
def test_a_browser_shows_it_without_complaint(full: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    file = tmp_path / "report.html"
    file.write_text(full, "utf-8")
    trouble: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            for width, scheme in ((390, "light"), (1280, "dark")):
                page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
                page.on("console", lambda m: trouble.append(f"console: {m.text}"))
                page.on("dialog", lambda d: (trouble.append(f"dialog: {d.message}"), d.dismiss()))
                page.on("pageerror", lambda e: trouble.append(f"error: {e}"))
                page.on("request", lambda r: r.url.startswith(("file:", "data:")) or trouble.append(f"load: {r.url}"))
                page.goto(file.as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert page.locator("h1").bounding_box()["y"] < 800  # type: ignore[index]
                assert page.locator("svg.bars").first.bounding_box()["y"] < 800  # type: ignore[index]
                # A picture that is only referred to is really drawn: the report has no <img> to fail visibly.
                assert page.evaluate("document.querySelector('.shot use').getBoundingClientRect().width") > 20
                page.keyboard.press("Tab")
                assert page.evaluate("document.activeElement.className") == "skip"
                shot = page.screenshot(path=tmp_path / f"{width}.png", full_page=True)
                assert len(shot) > 20_000
        finally:
            browser.close()
    assert trouble == []
    assert EVIL_ID not in full
    assert CLASSES[3] not in full


def test_every_rung_of_the_evidence_is_on_the_page(run: AuditRun, thumbnails: Thumbnails) -> None:
    text = " ".join(Page(render(run, thumbnails)).text.split())
    assert "found in 9 of 10 random halves, confirmed in 8 of the 9 other halves" in text
    assert "held constant, +31 points [+20, +42] remain" in text
    assert "Too few images to tell: 1 attribute not tested" in text
    assert "no value is in more than 3 of 80 images" in text


def test_the_proof_says_what_a_numbered_word_is_and_why_nothing_can_be_proved(
    run: AuditRun, probe: ProbeReport
) -> None:
    word = Column("words.24", "flag", "context", "show grass|show no grass", "that show no grass", learnt=True)
    measures = Measures(run.measures.frame.assign(**{"words.24": True}), (*run.measures.columns, word))
    right = replace(probe.arms["before"], worst_group=replace(probe.arms["before"].worst_group, accuracy=1.0))
    done = replace(probe, attribute="words.24", value="yes", arms={**probe.arms, "before": right})
    page = render(replace(run, measures=measures), lambda _: None, probe=done)
    assert "<p>words.24=yes: images that show grass.</p>" in page
    assert "so nothing can improve" in page
    plain = render(run, lambda _: None, probe=probe)
    assert "images that" not in plain[plain.index('id="proof"') : plain.index("<!-- forecast -->")]


def test_what_a_probe_names_without_the_object_is_on_the_first_screen_with_its_table(
    run: AuditRun, thumbnails: Thumbnails
):
    page = render(run, thumbnails)
    assert page.index("A probe that sees only the surroundings names the class of 71%") < page.index('id="findings"')
    start = page.index('<div class="alone">')
    text = " ".join(Page(page[start : page.index("</details>", start)]).text.split())
    assert "surroundings71% [60, 80]33%" in text
    assert "cornersnot measured: no features of places were computed33%" in text
    assert "sheep (fewer than 10 different images)" in text
    assert '<div class="alone">' not in render(replace(run, surroundings_alone=None), thumbnails)
