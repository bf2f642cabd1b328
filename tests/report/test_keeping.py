"""What a new report keeps of the one that it replaces: the plan and the proof, while they are of the same data."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from report_example import jpeg

from curator.report.html.page import MAX_BYTES, render
from curator.report.html.previous import kept
from curator.types import AuditRun, ProbeReport, Recommendation

Pictures = Callable[[str], bytes | None]


@pytest.fixture
def full(run: AuditRun, recommendation: Recommendation, probe: ProbeReport, thumbnails: Pictures) -> str:
    return render(run, thumbnails, recommendation=recommendation, probe=probe, pool_thumbnails=lambda i: jpeg("p" + i))


def pictures_of(page: str, section: str) -> list[str]:
    """What each picture of a section shows, as the bytes that its reference leads to."""
    symbols = dict(re.findall(r'<image id="([^"]+)" .*? href="([^"]+)"/>', page))
    part = page[page.index(f'<section id="{section}"') :]
    return [symbols[ref] for ref in re.findall(r'<use href="#([^"]+)"', part[: part.index("</section>")])]


def test_a_second_audit_keeps_the_plan_and_the_proof(run: AuditRun, full: str, thumbnails: Pictures) -> None:
    bare = render(run, thumbnails)
    page, said = kept(bare, full, MAX_BYTES)
    assert said == ""
    for part in (
        '<section id="add"',
        '<section id="proof"',
        'href="#add">What to add',
        'href="#proof">Proof',
        "picked out below",
    ):
        assert (bare.count(part), page.count(part)) == (0, full.count(part)), part
    # The pictures of the pool come with it, each under a name that the new page does not use.
    assert pictures_of(page, "add") == pictures_of(full, "add") != []
    names = re.findall(r'<image id="([^"]+)"', page)
    assert len(names) == len(set(names))
    again, _ = kept(bare, page, MAX_BYTES)  # and once more, from what was kept
    assert again == page


def test_what_is_of_other_data_or_of_another_encoder_is_left_out_and_said(
    run: AuditRun, full: str, thumbnails: Pictures
) -> None:
    other = render(replace(run, fingerprint="sha256:other"), thumbnails)
    assert kept(other, full, MAX_BYTES) == (
        other,
        "The plan or proof in report.html was of other data and is left out; run recommend and validate again.",
    )
    another = render(replace(run, encoder=replace(run.encoder, fingerprint="sha256:another")), thumbnails)
    page, said = kept(another, full, MAX_BYTES)
    assert page == another
    assert "by another encoder" in said
    bare = render(run, thumbnails)
    page, said = kept(bare, full, len(bare.encode()) + 100)
    assert page == bare
    assert "no room" in said


def test_a_new_plan_takes_the_place_of_the_old_and_of_its_proof(
    run: AuditRun, recommendation: Recommendation, full: str, thumbnails: Pictures
) -> None:
    new = render(run, thumbnails, recommendation=replace(recommendation, shopping_list=("nothing",)))
    page, said = kept(new, full, MAX_BYTES)
    assert page == new
    assert "of an earlier plan" in said
    assert kept(new, render(run, thumbnails, recommendation=recommendation), MAX_BYTES) == (new, "")


def test_there_may_be_nothing_to_keep(run: AuditRun, thumbnails: Pictures) -> None:
    bare = render(run, thumbnails)
    for earlier in ("", bare, "<html></html>", "<!-- /add --><!-- add -->", "<!-- add -->x" * 2 + "<!-- /add -->"):
        assert kept(bare, earlier, MAX_BYTES) == (bare, "")
