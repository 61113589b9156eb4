"""The tables of flags are those of the parser."""

from __future__ import annotations

import re

from benchmark import make_docs
from edit.command_line import build_parser


def test_the_committed_page_is_up_to_date() -> None:
    assert make_docs.PAGE.read_text(encoding="utf-8") == make_docs.write_page(), "run python -m benchmark.make_docs"


def test_every_flag_has_a_row() -> None:
    flags = {flag for action in build_parser()._actions for flag in action.option_strings}
    rows = re.findall(r"^\| (`-.*?`) \| .+ \| .* \|$", make_docs.write_page(), flags=re.MULTILINE)
    named = {flag for row in rows for flag in re.findall(r"`(-[\w-]+)", row)}
    assert named == flags - {"-h", "--help"}


def test_a_row_tells_values_default_and_place() -> None:
    page = make_docs.write_page()
    assert "| `--smile_strength 0-1` | how broad the smile is (default: 0.5) | `smile.strength` |" in page
    assert "| `--eyes [{auto,always,never}]` | " in page and "| `--reference_path PHOTO [PHOTO ...]` | " in page
