"""Make docs/options.md, the tables of all flags, from the parser: python -m benchmark.make_docs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from edit.command_line import build_parser
from edit.flags import list_flags
from edit.options import GROUPS, Options

PAGE = Path(__file__).parents[1] / "docs" / "options.md"

_INTRODUCTION = """# Options

Made from the program by `python -m benchmark.make_docs`; do not edit it by hand. `--help`
lists the same flags.

The last column is where a flag's value lies in `Options` of `edit/options.py`, for use from Python: there
`--smile_strength 0.4` is `Options(smile=SmileOptions(strength=0.4))`. `auto` edits where it is needed, `always` also
where the program would not by itself, `never` leaves it alone; `--eyes` and `--smile` without a word mean `auto`.
"""
_HEAD = "| flag | what it does | in Python |\n| --- | --- | --- |\n"


def main() -> int:
    """Write the page."""
    PAGE.write_text(write_page(), encoding="utf-8")
    print(f"Written: {PAGE}")
    return 0


def write_page() -> str:
    """The page in Markdown: a table for each group of the parser."""
    parser = build_parser()
    places = dict(_list_places())
    tables = []
    for group in parser._action_groups:
        rows = [_write_row(action, places) for action in group._group_actions if action.dest != "help"]
        if rows:
            title = group.title or ""
            tables.append(f"## {title[:1].upper()}{title[1:]}\n\n{_HEAD}{''.join(rows)}")
    return "\n".join([_INTRODUCTION, *tables])


def _list_places() -> Iterator[tuple[str, str]]:
    """The name under which the parser keeps a value, and where it lies in `Options`."""
    for own in fields(Options):
        if own.name in GROUPS:
            yield from ((flag.dest, f"{own.name}.{name}") for name, flag, _ in list_flags(GROUPS[own.name]))
    yield from ((flag.dest, name) for name, flag, _ in list_flags(Options))


def _write_row(action: argparse.Action, places: dict[str, str]) -> str:
    value = _name_value(action)
    flags = ", ".join(f"`{flag}{f' {value}' if value else ''}`" for flag in action.option_strings) or f"`{value}`"
    words = (action.help or "") % {"default": action.default, "prog": "main.py"}
    place = f"`{places[action.dest]}`" if action.dest in places else ""
    return f"| {flags} | {words} | {place} |\n"


def _name_value(action: argparse.Action) -> str:
    """What stands for the value of a flag, in brackets where it may be left away; empty where it takes none."""
    if action.nargs == 0:
        return ""
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else ""
    name = str(action.metavar or choices or action.dest.upper())
    if action.nargs == "?":
        return f"[{name}]"
    return {"+": f"{name} [{name} ...]", "*": f"[{name} ...]"}.get(str(action.nargs), name)


if __name__ == "__main__":
    raise SystemExit(main())
