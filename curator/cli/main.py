"""The `curator` command group. Only here errors become a line and an exit code."""

from __future__ import annotations

import logging
import sys
from errno import EPIPE
from importlib import import_module
from typing import Any

import click

from curator import __version__
from curator.cli._support.completion import with_completion
from curator.errors import CuratorError, did_you_mean

COMMANDS = {
    "audit": "Find the shortcuts in DATA.",
    "recommend": "Choose images of a pool to add.",
    "validate": "Test with a linear probe whether adding them helps.",
    "forecast": "Forecast how many images are needed.",
    "export": "Write balanced, leak-free splits.",
    "browse": "Open the FiftyOne App on the audited set.",
    "embed": "Embed DATA and keep the embeddings in the cache.",
    "cache": "List the stored embeddings, or remove some.",
    "verify": "Repeat the audit of an audit.json, and compare.",
    "selftest": "Plant shortcuts in copies of DATA, and count how many are found.",
    "doctor": "Check what works on this machine, and how to fix the rest.",
}
ERROR, MET, INTERRUPTED = 1, 3, 130


class _Lazy(click.Group):
    """Imports a command's module when the command is called. The list of commands needs no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"curator.cli.{cmd_name}").command
        command.short_help = COMMANDS[cmd_name]  # otherwise the list shows the first sentence of the long help, cut off
        return with_completion(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            # click does not know commands that are not imported yet.
            ctx.fail(f"no command is called {name!r}; {did_you_mean(name, COMMANDS, 'curator --help lists them.')}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CuratorError as e:
            _say(str(e))
            ctx.exit(ERROR)
        except OSError as e:
            if e.errno == EPIPE:  # `curator ... | head`: the reader has closed the pipe
                raise
            # A full disk or a deleted folder is for the user to repair. The traceback is shown with -vv.
            logging.getLogger(__name__).debug("where it came from:", exc_info=e)
            _say(
                f"{e.strerror or e}{f': {e.filename}' if e.filename else ''}; free some space or choose another folder."
            )
            ctx.exit(ERROR)
        except Exception as e:
            # Compared by name, because commands without a database do not import pymongo.
            if not type(e).__module__.startswith("pymongo"):
                raise
            logging.getLogger(__name__).debug("where it came from:", exc_info=e)
            _say("the MongoDB of the App stopped answering; start it and run the command again.")
            ctx.exit(ERROR)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted. The embeddings made so far are kept; run the same command to continue.", err=True)
            ctx.exit(INTERRUPTED)


def _say(message: str) -> None:
    from curator.report.wording import visible

    line = visible(" ".join(message.split()))
    click.echo(f"Error: {line.encode('utf-8', 'backslashreplace').decode()}", err=True)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="curator")
def cli() -> None:
    """Find the shortcuts in an image data set, say which images to add, and prove that adding them worked.

    DATA is a folder of class folders (also under train/ val/ test/) or a .csv, .parquet or .jsonl table with the columns
    path and label. curator never writes to it.

    Exit codes: 0 done, 1 an error you can act on, 2 usage, 3 --fail-on was met, 130 interrupted.
    """


def main() -> None:
    """For `python -m curator`."""
    sys.exit(cli.main(standalone_mode=True))
