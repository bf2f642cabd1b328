"""The operators audit, recommend and validate. Each calls the same library function as the command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from curator import commands
from curator.app.fiftyone_plugin.running import bench_of, name_for, origin_of, steps
from curator.commands._steps import app_contents
from curator.commands.session import Progress
from curator.exporters.fiftyone import MARK
from curator.report.wording import app, plans
from curator.types import AuditRun, ProbeReport

DEFAULT_BUDGET = 30
_OPENING_S = 2.0
"""Seconds the App gets to open a data set. Messages sent before it has opened are lost."""


class _Step(foo.Operator):  # type: ignore[misc]
    """The common part of the three operators: a form, work with progress, and opening the data set on the result."""

    name = label = description = icon = ""
    needs_pool = False

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(
            name=self.name,
            label=self.label,
            description=self.description,
            icon=self.icon,
            dynamic=False,
            execute_as_generator=True,
            allow_immediate_execution=True,
            allow_delegated_execution=True,
            default_choice_to_delegated=False,
        )

    def resolve_input(self, ctx: Any) -> Any:
        inputs, origin = types.Object(), origin_of(ctx.dataset)
        # A field with a default is not required, because a call from Python may omit it and the origin has the value.
        inputs.str("data", label="DATA", description="Folder, table, or fiftyone:NAME", default=origin["data"])
        if self.needs_pool:
            what, pool = "Folder or table of images to choose from", origin.get("pool") or None
            inputs.str("pool", label="Pool", description=what, default=pool, required=pool is None)
            most = origin.get("budget") or DEFAULT_BUDGET
            inputs.int("budget", label="Images to add at most", default=most, min=1)
        self._more(inputs)
        model = origin.get("model") or "auto"
        inputs.str("model", label="Encoder", description="auto, embedded, pixels or a CLIP", default=model)
        return types.Property(inputs, view=types.View(label=self.label))

    def _more(self, inputs: Any) -> None:
        """Add the fields that only this operator has."""

    async def execute(self, ctx: Any) -> AsyncIterator[Any]:
        origin = {**origin_of(ctx.dataset), **{k: v for k, v in ctx.params.items() if v not in (None, "")}}
        name = name_for(ctx.dataset)

        def work(progress: Progress) -> tuple[Any, str]:
            return self._work(origin, name, progress)

        async def done(result: tuple[Any, str]) -> AsyncIterator[Any]:
            dataset, message = result
            # Opened again even if it is open already. A reload asks for the current saved view, and if that view is gone,
            # FiftyOne's server (`Dataset.stages` in its query.py) answers with an error instead of the page.
            yield ctx.ops.open_dataset(dataset.name)
            await asyncio.sleep(_OPENING_S)
            if workspace := dataset.info[MARK]["workspace"]:
                yield ctx.ops.set_spaces(spaces=dataset.load_workspace(workspace))
            if start := self._start(dataset):
                # Set by its stages, because the App knows the names of new saved views only some time after reloading.
                yield ctx.ops.set_view(view=dataset.load_saved_view(start))
            yield ctx.ops.set_progress(label=message, progress=1)
            yield ctx.ops.notify(message, variant="success")

        async for event in steps(ctx, work, done):
            yield event

    def _start(self, dataset: Any) -> str:
        """The saved view to open at; "" for all images."""
        found = [entry["view"] for entry in dataset.info[MARK]["findings"] if entry["view"]]
        of = dict(dataset.info[MARK]["view_of"])
        return str((of.get("recommended") if self.needs_pool else "") or (found[0] if found else ""))

    def _work(self, origin: dict[str, Any], name: str, progress: Progress) -> tuple[Any, str]:
        """The data set with the result, and a sentence about it."""
        raise NotImplementedError


def _kept(origin: dict[str, Any]) -> dict[str, Any]:
    """The form fields that stay valid for the data set; the test set of one validation does not."""
    return {key: value for key, value in origin.items() if key != "test"}


class Audit(_Step):
    """curator audit."""

    name, label, icon = "audit", "curator: audit this dataset", "troubleshoot"
    description = "Find attributes that predict a class but are not part of it"

    def _work(self, origin: dict[str, Any], name: str, progress: Progress) -> tuple[Any, str]:
        run: AuditRun = commands.audit(origin["data"], bench_of(origin, progress))
        progress("writing the data set", 0, 1)
        dataset = app_contents.build(run, name, origin=_kept(origin))
        return dataset, app.audited(len(run.audit.findings), len(run.dataset))


class Recommend(_Step):
    """curator recommend."""

    name, label, icon = "recommend", "curator: recommend images", "playlist_add"
    description = "Choose images of a pool that counteract the findings"
    needs_pool = True

    def _work(self, origin: dict[str, Any], name: str, progress: Progress) -> tuple[Any, str]:
        advice = commands.recommend(
            origin["data"],
            origin["pool"],
            bench_of(origin, progress),
            budget=int(origin.get("budget") or DEFAULT_BUDGET),
        )
        progress("writing the data set", 0, 1)
        dataset = app_contents.build_advice(advice, name, origin=_kept(origin))
        return dataset, plans.recommended(len(advice.recommendation.ids))


class Validate(_Step):
    """curator validate."""

    name, label, icon = "validate", "curator: validate", "fact_check"
    description = "Train the probe without and with the recommended images, and with equally many random images"
    needs_pool = True

    def _more(self, inputs: Any) -> None:
        inputs.str("test", label="Test set", description="Labelled folder or table; empty: images are held out of DATA")

    def _work(self, origin: dict[str, Any], name: str, progress: Progress) -> tuple[Any, str]:
        advice, report = commands.validate(
            origin["data"],
            origin["pool"],
            bench_of(origin, progress),
            test=origin.get("test"),
            budget=int(origin.get("budget") or DEFAULT_BUDGET),
        )
        progress("writing the data set", 0, 1)
        dataset = app_contents.build_advice(advice, name, origin=_kept(origin))
        dataset.info[MARK] = {**dataset.info[MARK], "validation": summary(report)}
        dataset.save()
        return dataset, f"{report.verdict.capitalize()}."


def summary(report: ProbeReport) -> dict[str, Any]:
    """A validation as plain values for the panel; accuracies are fractions."""
    return {
        "verdict": report.verdict,
        "about": f"{report.attribute}={report.value}",
        "gain_over_random": report.gain_over_random and [report.gain_over_random[0], list(report.gain_over_random[1])],
        "arms": [
            {
                "name": arm.name,
                "n_train": arm.n_train,
                "accuracy": arm.accuracy,
                "worst_group": arm.worst_group.accuracy,
                "worst_group_ci": list(arm.worst_group.ci),
                "group": f"{arm.worst_group.class_name}, {arm.worst_group.value}",
            }
            for arm in report.arms.values()
        ],
    }


OPERATORS = (Audit, Recommend, Validate)
