"""Write docs/cli.md from the commands themselves; `--check` exits with 1 if the page is not what they say now."""

from __future__ import annotations

import sys
from importlib import import_module
from inspect import cleandoc
from pathlib import Path

import click

from curator.cli import main

PAGE = Path(__file__).with_name("cli.md")
_HEAD = """# Command line

<!-- Written by docs/make_cli.py. Change the commands in curator/cli, then run `python docs/make_cli.py`. -->

"""
_COMMON_AFTER = "--model"
"""The first of the flags that `curator.cli._support.options.common` adds; all later ones are common too."""

_COMMON_ONLY = "--max-skipped"
"""A flag that a command has only together with all the common ones."""


def _cell(text: str) -> str:
    """Text for a table cell: one line, no column break."""
    return " ".join(text.split()).replace("|", "\\|")


def _help_of(option: click.Option) -> str:
    """The help text and the default, said once."""
    text, bracket, default = (option.help or "").partition("[default:")
    text = text.strip().rstrip(".") + "."
    if isinstance(option.type, click.Choice):
        text += f" One of: {', '.join(str(c) for c in option.type.choices)}."
    if option.required:
        text += " Required."
    if bracket:
        text += f" Default: {default.strip().rstrip('].')}."
    elif option.show_default and option.default is not None:
        text += f" Default: {option.default}."
    return _cell(text)


def _flag(option: click.Option, ctx: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if option.is_flag or option.count:
        return names
    metavar = option.make_metavar(ctx=ctx)
    # A list of choices is in the text; in the first column it makes the table unreadable.
    return names if isinstance(option.type, click.Choice) else f"{names} `{metavar.strip('[]')}`"


def _table(options: list[click.Option], ctx: click.Context) -> str:
    rows = "\n".join(f"| {_flag(o, ctx)} | {_help_of(o)} |" for o in options)
    return f"| flag | what it does |\n| --- | --- |\n{rows}\n"


def parts_of(text: str) -> tuple[str, str]:
    """The description and the example of a command's help text (the example is "" if there is none)."""
    prose, _, example = cleandoc(text).partition("\b\nExample:\n")
    return prose.strip(), cleandoc(example)


def _options(command: click.Command) -> tuple[list[click.Option], list[click.Option]]:
    """The command's own flags and the common ones."""
    flags = [p for p in command.params if isinstance(p, click.Option)]
    first = next((k for k, o in enumerate(flags) if _COMMON_AFTER in o.opts), len(flags))
    if not any(_COMMON_ONLY in o.opts for o in flags):
        first = len(flags)  # it has some of them, listed with its own
    return flags[:first], flags[first:]


def page() -> str:
    """The whole page as Markdown."""
    group = main.cli
    out = [_HEAD, f"{parts_of(group.help or '')[0]}\n\n"]
    common: list[click.Option] = []
    ctx = click.Context(group, info_name="curator")
    for name in main.COMMANDS:
        command: click.Command = import_module(f"curator.cli.{name}").command
        prose, example = parts_of(command.help or "")
        arguments = " ".join(p.make_metavar(ctx=ctx) for p in command.params if isinstance(p, click.Argument))
        own, shared = _options(command)
        common = common or shared
        out.append(f"## curator {name}\n\n```text\ncurator {name} [OPTIONS] {arguments}".rstrip() + "\n```\n\n")
        out.append(f"{prose}\n\n")
        if example:
            out.append(f"```sh\n{example}\n```\n\n")
        if own:
            out.append(_table(own, ctx) + "\n")
        if shared:
            out.append("Also takes the [common flags](#common-flags).\n\n")
    out.append("## Common flags\n\nEvery command but `cache`, `verify` and `doctor` takes these.\n\n")
    out.append(_table(common, ctx))
    return "".join(out).replace("\n\n\n", "\n\n")


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
            sys.exit(f"{PAGE} is not what the commands say now; run `python docs/make_cli.py`.")
    else:
        PAGE.write_text(page(), encoding="utf-8", newline="\n")
