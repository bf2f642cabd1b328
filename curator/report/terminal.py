"""What the terminal shows: the verdict, then the findings as sentences, worst first, in at most 80 columns.

Names are printed as text, never as markup, and control characters in them are spelled out. The console decides on colour:
rich uses none without a terminal or if NO_COLOR is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from curator.report import overview, wording
from curator.report.ci import gate
from curator.report.wording import checks, findings, plans, probes
from curator.types import Finding, ProbeReport, Recommendation, Skipped
from curator.types.document import SkippedFile
from curator.types.documents import AuditDocument
from curator.types.documents.audit import DrawnFrom, LeftOut
from curator.types.surroundings_alone import SurroundingsAlone

WIDTH = 80
LONGEST = 600
MOST_LINES = 10
MOST_UNTESTED = 3
MOST_NAMES = 3
_STYLES = overview.STYLES
_VERDICTS = {"shortcuts found": "bold red", "none found": "bold green", "too few images to tell": "bold yellow"}
_PROOFS = {"fixed": "bold green", "improved": "bold green", "no evidence of improvement": "bold yellow"}


def print_audit(audit: AuditDocument, console: Console, limit: int = MOST_LINES) -> None:
    """Print the verdict, the notes, the `limit` worst findings as sentences, and the counts of everything else.

    Findings that describe the objects themselves are counted, not listed.
    """
    data = audit.dataset
    n_images = audit.drawn_from.n_images if isinstance(audit.drawn_from, DrawnFrom) else data.n_images
    _say(console, f"{audit.verdict[0].upper()}{audit.verdict[1:]}", style=_VERDICTS[audit.verdict])
    counts = [
        wording.count(n_images, "image"),
        wording.count(len(data.classes), "class", "classes"),
        wording.count(audit.n_tests, "test"),
    ]
    _say(console, f"{data.name}: {', '.join(counts)}; encoder {audit.encoder.name}.", style="dim")
    alone = audit.surroundings_alone
    if isinstance(alone, SurroundingsAlone):
        warns = any(alone.gives_away(s.source) for s in alone.sources if s.source != "whole image")
        _say(console, wording.surroundings_alone(alone), style="yellow" if warns else "")
    print_notes((audit.encoder.note, *audit.notes), console)
    shortcuts = overview.headline([f for f in audit.findings if gate.is_shortcut(f.kind, audit.counts_objects)])
    if shortcuts and audit.verdict == "none found" and not all(f.intended for f in shortcuts):
        console.print()
        _say(console, findings.UNCONFIRMED, style="dim")
    for finding in shortcuts[:limit]:
        console.print()
        _finding(console, finding)
    table = overview.table(shortcuts[:limit], min(WIDTH, console.width))
    if table:
        console.print()
    for style, line in table:
        _put(console, Text(_encodable(console, line), style=style))
    unclear = [f for f in audit.findings if f.kind == "unclear"]
    n_unclear = len(unclear)
    strongest = findings.headline(max(unclear, key=lambda f: abs(f.effect or 0))) if unclear else ""
    rest = findings.unlisted(
        len(shortcuts) - limit, len(audit.findings) - len(shortcuts) - n_unclear, n_unclear, strongest
    )
    if rest:
        console.print()
        _say(console, rest, style="dim")
    left = audit.left_out if isinstance(audit.left_out, LeftOut) else LeftOut()
    also = findings.cleanup(
        len(audit.duplicates.leaks),
        len(audit.duplicates.groups) + (left.duplicate_groups or 0),
        len(audit.label_errors) + (left.label_errors or 0),
        len(data.skipped),
    )
    # Only the user's own columns are listed here; audit.json and the report list all untested attributes.
    brought = [wording.untested(u) for u in audit.untested_attributes if u.brought]
    if brought:
        console.print()
        _say(console, findings.NOT_TESTED, style="dim")
        _list(console, brought[:MOST_UNTESTED], style="dim")
        _rest(console, len(brought) - MOST_UNTESTED, "column", "audit.json")
    if also:
        console.print()
        _say(console, also)
    print_skipped(data.skipped, console)


def print_notes(notes: Iterable[str], console: Console) -> None:
    """Print each note once, without empty ones."""
    for note in dict.fromkeys(n for n in notes if n):
        _say(console, f"Note: {note}", style="yellow")


def print_skipped(skipped: Sequence[Skipped | SkippedFile], console: Console, limit: int = 3) -> None:
    """Print the first `limit` skipped images with the reason, and how many more there are."""
    for one in skipped[:limit]:
        _say(console, f"skipped {wording.visible(one.id, 60)}: {one.reason}", indent=2, style="dim")
    if len(skipped) > limit:
        _say(console, f"and {len(skipped) - limit:,} more", indent=2, style="dim")


def print_lines(lines: Iterable[str], console: Console, indent: int = 0) -> None:
    """Print wrapped paragraphs as text, so that names in them are not read as markup."""
    for line in lines:
        _say(console, line, indent=indent, hang=2)


def _finding(console: Console, finding: Finding) -> None:
    word, style = ("known", "dim") if finding.intended else (finding.severity, _STYLES[finding.severity])
    line = Text(f"{word.upper():<6}  ", style=style)
    line.append(_encodable(console, finding.sentence), style="not bold not dim default")
    _put(console, line, hang=8)
    if finding.intended:
        _say(console, findings.accepted(finding), indent=8)
    facts = "; ".join(filter(None, (*wording.facts(finding), wording.seen_as(finding, MOST_NAMES))))
    for fact in filter(None, (facts, *checks.results(finding))):
        _say(console, fact, indent=8, style="dim")


def print_plan(rec: Recommendation, console: Console, limit: int = MOST_LINES) -> None:
    """Print the plan before anything is written.

    Each cell has its number of images now, planned and chosen, and how many suitable images the pool has.
    """
    if not rec.plan:
        return
    _say(console, "The plan", style="bold")
    for cell in [c for c in rec.plan if c.want][:limit] or rec.plan[:limit]:
        _say(console, f"{' ' * (4 - len(str(cell.got)))}{plans.step(cell)}", indent=2, hang=5)
    _rest(console, len([c for c in rec.plan if c.want]) - limit, "cell", "recommend.json")
    console.print()


def print_recommendation(rec: Recommendation, console: Console, limit: int = MOST_LINES) -> None:
    """Print how many images to add or leave out, the expected gain, and the shopping list."""
    _say(console, plans.totals(rec), style="bold")
    gain = wording.expected_gain(rec)
    if gain:
        _say(console, gain)
    for caution in plans.cautions(rec):
        _say(console, caution, style="yellow")
    if rec.shopping_list:
        console.print()
        _say(console, plans.MISSING, style="bold")
        _list(console, rec.shopping_list[:limit])
        _rest(console, len(rec.shopping_list) - limit, "line", "recommend.json")


def print_validation(report: ProbeReport, console: Console, about: str = "") -> None:
    """Print the verdict of the linear probe and the worst group's accuracy in each arm. `about` says what is examined."""
    _say(console, f"{report.verdict[0].upper()}{report.verdict[1:]}", style=_PROOFS[report.verdict])
    for line in probes.results(report):
        _say(console, line)
    print_notes(report.notes, console)
    console.print()
    if about:
        _say(console, about)
    _say(console, f"{probes.WORST_GROUP}, with its 95 % interval:", style="bold")
    for name, arm in report.arms.items():
        group = arm.worst_group
        who = f"{wording.visible(group.class_name, 30)}, {wording.visible(group.value, 30)}"
        share = wording.with_interval(group.accuracy, group.ci)
        _say(console, f"{wording.arm_words(name):<20}{share:<15} {who} (n = {group.n:,})", indent=2, hang=36)


def _list(console: Console, lines: Iterable[str], style: str = "") -> None:
    for line in lines:
        _say(console, f"- {line}", indent=2, hang=2, style=style)


def _rest(console: Console, n: int, noun: str, where: str) -> None:
    if n > 0:
        _say(console, f"{wording.count(n, f'more {noun}')} in {where}.", indent=2, style="dim")


def _say(console: Console, text: str, *, indent: int = 0, hang: int = 0, style: str = "") -> None:
    _put(console, Text(_encodable(console, text), style=style), indent=indent, hang=hang)


def _encodable(console: Console, text: str) -> str:
    """The text with characters outside the console's encoding spelled out, so that a name cannot stop the report."""
    encoding = console.encoding or "utf-8"
    return wording.visible(text, LONGEST).replace("−", "-").encode(encoding, "backslashreplace").decode(encoding)


def _put(console: Console, text: Text, *, indent: int = 0, hang: int = 0) -> None:
    """Print one wrapped paragraph. Lines after the first are indented `hang` further."""
    width = min(WIDTH, console.width) - indent
    lines = list(text.wrap(console, width))
    if hang and len(lines) > 1:
        # The lines after the first are narrower, so wrap them again.
        rest = text[len(lines[0].plain) :]
        rest = rest[len(rest.plain) - len(rest.plain.lstrip()) :]
        lines = lines[:1]
    else:
        rest = Text()
    for line in lines:
        line.rstrip()
        console.print(
            Text(" " * indent).append_text(line), highlight=False, no_wrap=True, overflow="ignore", crop=False
        )
    if rest:
        _put(console, rest, indent=indent + hang)
