"""One audit built by hand: findings of every severity, nulls, clusters, duplicates, leaks, and names that attack."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from changed import replace
from PIL import Image

from curator.report.wording import sentence
from curator.types import (
    Arm,
    Audit,
    AuditRun,
    Cell,
    Clusters,
    Column,
    Confirmation,
    Crop,
    CurvePoint,
    Dataset,
    DuplicateGroup,
    Embeddings,
    EncoderInfo,
    Finding,
    GroupAccuracy,
    LabelError,
    Measures,
    Preprocessing,
    ProbeReport,
    Recommendation,
    Reliance,
    SharedPattern,
    Skipped,
    SplitPlan,
    Untested,
)
from curator.types.surroundings_alone import SourceAccuracy, SurroundingsAlone

EVIL = '<img src=x onerror="alert(1)">'
EVIL_ID = f"{EVIL}/[red]'\"&\u202egpj\x1b[31m\udcff.jpg"
CLASSES = ("bunny", "hen", "sheep", EVIL)
PER_CLASS = 20


def ids_of(k: int) -> list[str]:
    names = [f"{CLASSES[k]}/img {i:03d}.jpg" for i in range(PER_CLASS)]
    return [*names[:-1], EVIL_ID] if k == 3 else names


ALONE = SurroundingsAlone(
    n_images=70,
    classes=("bunny", "hen", EVIL),
    chance=1 / 3,
    sources=(
        SourceAccuracy(
            source="whole image", accuracy=0.92, ci=(0.84, 0.96), auc={"bunny": 0.99, "hen": 0.98, EVIL: 0.9}
        ),
        SourceAccuracy(source="surroundings", accuracy=0.71, ci=(0.6, 0.8), auc={"bunny": 0.9, "hen": 0.8, EVIL: 0.7}),
        SourceAccuracy(source="corners", reason="no features of places were computed"),
        SourceAccuracy(source="mean colours", accuracy=0.4, ci=(0.3, 0.52), auc={"bunny": 0.5, "hen": 0.5}),
        SourceAccuracy(source="file facts", accuracy=0.34, ci=(0.24, 0.45), auc={"bunny": 0.5, "hen": 0.5}),
    ),
    left_out_classes={"sheep": "fewer than 10 different images"},
    not_located=(EVIL,),
)
ALL_IDS = [i for k in range(4) for i in ids_of(k)]


def finding(class_name: str, attribute: str, value: str, severity: str, **more: object) -> Finding:
    base = Finding(
        class_name=class_name,
        attribute=attribute,
        value=value,
        kind="context",
        n_class=PER_CLASS,
        n_with=19,
        share_in_class=0.95,
        share_in_class_ci=(0.764, 0.991),
        share_elsewhere=0.05,
        share_elsewhere_ci=(0.017, 0.137),
        effect=0.9,
        effect_ci=(0.7, 0.95),
        p=4.2e-13,
        q=3.1e-11,
        severity=severity,  # type: ignore[arg-type]
        phrase=f"have a {value} background",
    )
    changed = replace(base, **more)
    return changed if "sentence" in more else replace(changed, sentence=sentence(changed))


BUNNY = finding(
    "bunny",
    "background.colour",
    "green",
    "high",
    example_ids=tuple(ids_of(0)[:12]),
    counterexample_ids=tuple(ids_of(0)[19:]),
    same_as=("words.12=yes", "colour.dominant=green"),
    also=("show pattern M (green)", "are mostly green"),
    reliance=Reliance(0.31, (0.22, 0.4), 4, 0.42, 0.05),
    confirmation=Confirmation(10, 9, 8, 0.78, (0.66, 0.88)),
    adjusted_for=(f"metadata.site={EVIL}",),
    adjusted_phrases=(f"have site {EVIL}",),
    adjusted_effect=0.31,
    adjusted_ci=(0.2, 0.42),
    adjusted_p=2e-6,
)
FINDINGS = (
    BUNNY,
    finding(
        EVIL,
        "metadata.camera",
        EVIL,
        "medium",
        kind="metadata",
        example_ids=tuple(ids_of(3)),
        p=0.00021,
        q=0.012,
        effect=0.3,
        effect_ci=(0.1, 0.5),
        share_in_class=0.45,
        share_in_class_ci=(0.26, 0.66),
        share_elsewhere=0.15,
        share_elsewhere_ci=(0.08, 0.26),
        n_with=9,
        phrase=f"have camera {EVIL}",
    ),
    finding(
        "hen",
        "light.brightness",
        "above 0.62",
        "low",
        kind="image",
        share_elsewhere=None,
        share_elsewhere_ci=None,
        effect=None,
        effect_ci=None,
        p=None,
        q=None,
        example_ids=tuple(ids_of(1)[:3]),
        phrase="have brightness above 0.62",
    ),
)


def make_run() -> AuditRun:
    rng = np.random.default_rng(7)
    n = len(ALL_IDS)
    # dtype object: the Arrow strings pandas prefers cannot hold a file name that is not UTF-8.
    index = pd.Index(ALL_IDS, dtype=object)
    labels = np.repeat(np.arange(4), PER_CLASS)
    splits = np.array(["train"] * (n - 10) + ["test"] * 10)
    data = Dataset(
        name=f"bunnies {EVIL}",
        root="/data/bunnies",
        ids=np.array(ALL_IDS),
        labels=labels,
        classes=CLASSES,
        splits=splits,
        metadata=pd.DataFrame(index=index),
        skipped=(Skipped("bunny/cut.jpg", "truncated JPEG at byte 4096"), Skipped(EVIL_ID + "2", f"no image {EVIL}")),
    )
    info = EncoderInfo("EfficientNet-Lite0", "embedded", 8, False, "sha256:ab12", Preprocessing(224, 256), note="")
    vectors = np.eye(8)[labels] + 0.1 * rng.normal(size=(n, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    frame = pd.DataFrame({"background.colour": ["green"] * n, "light.brightness": rng.random(n)}, index=index)
    columns = (
        Column("background.colour", "tags", "context", "have a {value} background", "on something other than {value}"),
        Column("light.brightness", "number", "image", "have brightness {value}", "with brightness not {value}"),
    )
    assignment = labels.copy()
    assignment[::7] = -1
    patterns = {
        c: (
            SharedPattern(
                name=f"show {c}",
                attribute="words.3",
                value="yes",
                kind="object",
                share=0.9,
                learnt=True,
                example_crops=tuple(Crop(i, (20, 30, 60, 90)) for i in ids_of(k)[:6]),
                share_elsewhere=0.8,
            ),
            SharedPattern(
                name=f"{c} on green",
                attribute="background.colour",
                value="green",
                kind="context",
                share=0.95,
                example_crops=tuple(Crop(i, None) for i in ids_of(k)[:6]),
            ),
            SharedPattern(
                name="are JPEG files",
                attribute="file.format",
                value="JPEG",
                kind="file",
                share=0.7,
                example_crops=tuple(Crop(i, None) for i in ids_of(k)[:6]),
            ),
        )
        for k, c in enumerate(CLASSES)
    }
    return AuditRun(
        dataset=data,
        encoder=info,
        embeddings=Embeddings(np.array(ALL_IDS), vectors, info),
        measures=Measures(frame, columns),
        clusters=Clusters(assignment, np.eye(8)[:4], ("lawn", "yard", "meadow", EVIL)),
        duplicates=(
            DuplicateGroup("exact", tuple(ids_of(0)[:2])),
            DuplicateGroup("perceptual", tuple(ids_of(1)[:3])),
        ),
        leaks=(DuplicateGroup("exact", (ids_of(3)[0], ids_of(3)[19])),),
        label_errors=(LabelError(ids_of(0)[4], "bunny", EVIL, 0.97), LabelError(EVIL_ID, EVIL, "hen", 0.61)),
        audit=Audit(
            FINDINGS,
            "shortcuts found",
            0.3,
            312,
            patterns,
            (Untested(attribute=f"metadata.{EVIL}", reason="no value is common", n=3, n_known=80, brought=True),),
        ),
        settings={"model": "auto", "min_share": np.float32(0.5), "attributes": ("background", "light"), "x": np.nan},
        seed=0,
        versions={"curator": "0.1.0", "numpy": "2.4.6"},
        fingerprint="sha256:" + "0f" * 32,
        n_new=80,
        seconds=8.0,
        facts=pd.DataFrame({"width": [240] * n, "height": [180] * n}, index=index),
        notes=(f"CLIP could not be fetched (no network): prompts are not audited. {EVIL}",),
        surroundings_alone=ALONE,
    )


def make_recommendation() -> Recommendation:
    plan = (
        Cell("bunny", "background.colour", "green", False, 1, 30, 4),
        Cell(EVIL, "metadata.camera", EVIL, True, 9, 5, 5),
    )
    return Recommendation(
        ids=("pool/1.jpg", "=cmd|' /C calc'!A0.jpg", EVIL_ID, "pool/4.jpg", "pool/5.jpg"),
        labels=("bunny", "bunny", EVIL, "bunny", "hen"),
        label_sources=("predicted", "given", "predicted", "given", "given"),
        cells=(0, 0, 1, 0, -1),
        reasons=("a bunny without green", "a bunny without green", f"+{EVIL}", "far from what is there", "random"),
        plan=plan,
        shopping_list=("26 bunny photographs on something other than green: snow, sand, a floor", EVIL),
        expected_gain=(0.21, (0.1, 0.33)),
    )


def make_probe() -> ProbeReport:
    def arm(name: str, n: int, worst: float) -> Arm:
        def group(class_name: str, value: str, n: int, at: float) -> GroupAccuracy:
            return GroupAccuracy(class_name, value, n, at, (max(0.0, at - 0.12), min(1.0, at + 0.1)))

        low = group("bunny", "not green", 40, worst)
        others = (group("bunny", "green", 40, 0.97), group(EVIL, EVIL, 40, 0.9), group("hen", "not green", 40, 0.92))
        empty = GroupAccuracy("sheep", "green", 0, float("nan"), (float("nan"), float("nan")))
        return Arm(name, n, 0.88, (0.84, 0.91), 0.87, low, (low, *others, empty), 0.94)

    return ProbeReport(
        arms={
            "before": arm("before", 80, 0.42),
            "recommended": arm("recommended", 110, 0.81),
            "random": arm("random", 110, 0.49),
            "reweighted": arm("reweighted", 80, 0.6),
        },
        gain_over_random=(0.32, (0.18, 0.45)),
        verdict="improved",
        attribute="background.colour",
        value="green",
        curve=(
            CurvePoint(
                0, 0.42, (0.3, 0.5), 0.31, (0.2, 0.4), 0.94, CurvePoint(0, 0.42, (0.3, 0.5), 0.31, (0.2, 0.4), 0.94)
            ),
            CurvePoint(30, 0.81, (0.7, 0.9), float("nan"), None, 0.93),
        ),
        notes=("the test set is a leak-free hold-out of 80 images",),
        average_change=(-0.01, (-0.03, 0.02)),
        c=0.1,
    )


def make_splits() -> SplitPlan:
    index = pd.MultiIndex.from_tuples([("bunny", "green"), ("bunny", "not green")], names=["class", "value"])
    asked = pd.DataFrame({"train": [2.5, 2.0], "test": [1, 1]}, index=index)
    got = pd.DataFrame({"train": [2, 1], "test": [1, 1]}, index=index)
    return SplitPlan({"b.jpg": "train", "a.jpg": "test", EVIL_ID: "train"}, asked, got)


def jpeg(key: str, size: tuple[int, int] = (120, 90)) -> bytes:
    """A small picture of its own colour for each name."""
    rng = np.random.default_rng(abs(hash_of(key)))
    picture = Image.new("RGB", size, tuple(int(c) for c in rng.integers(40, 220, 3)))
    picture.paste(tuple(int(c) for c in rng.integers(0, 255, 3)), (30, 30, 80, 70))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=70)
    return out.getvalue()


def hash_of(key: str) -> int:
    return sum((i + 1) * ord(c) for i, c in enumerate(key))
