"""Every number that was fitted to photos has its row in docs/calibration.md, and every row its numbers."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from benchmark import calibrate

ROOT = Path(__file__).parent.parent
APART = {"tests", "benchmark", "data", "docs", "models"}
TAG = re.compile(r"# calibration: ([a-z]+(?:-[a-z]+)*)\. \S")
DOCUMENT = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")

Numbers = dict[str, dict[str, list[str]]]
"""For every row the names of its numbers, by module."""


def list_modules() -> list[Path]:
    """The modules of the product, relative to the root."""
    found = (path.relative_to(ROOT) for path in ROOT.glob("**/*.py"))
    return sorted(path for path in found if path.parts[0] not in APART and not path.parts[0].startswith("."))


def read_tags(source: str) -> dict[str, list[str]]:
    """The names below each `# calibration: ROW.` of a module: up to the next comment or the first line of another kind.

    A tag that stands above no number has no names.
    """
    assigned = {
        node.lineno: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assign | ast.AnnAssign)
    }
    lines = source.splitlines()
    found: dict[str, list[str]] = defaultdict(list)
    row, below_comment = "", False
    number = 0
    while number < len(lines):
        number += 1
        line = lines[number - 1].strip()
        tag = TAG.match(line)
        if tag is not None:
            row, below_comment = tag[1], True
            found[row] += []
        elif line.startswith("#"):
            row = row if below_comment else ""
        elif row and number in assigned:
            node, below_comment = assigned[number], False
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found[row] += [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            number = node.end_lineno or number
        else:
            row, below_comment = "", False
    return dict(found)


@cache
def read_numbers() -> Numbers:
    """What the product says."""
    numbers: Numbers = defaultdict(dict)
    for path in list_modules():
        for row, names in read_tags((ROOT / path).read_text(encoding="utf-8")).items():
            assert names, f"{path}: a tag {row} stands above no number"
            numbers[row][path.as_posix()] = names
    return dict(numbers)


def read_table() -> dict[str, list[str]]:
    """The first table of the document: for every row its cells."""
    lines = re.findall(
        r"^\| ([a-z-]+) \| (.*) \|$", DOCUMENT.partition("\n## What was measured")[0], flags=re.MULTILINE
    )
    names = [name for name, _ in lines]
    assert len(names) == len(set(names)), "a row is there twice"
    return {name: rest.split(" | ") for name, rest in lines if name != "row"}


ROWS = read_table()


def test_tags_are_read() -> None:
    source = "# calibration: one. Of what\n# in which unit.\nA, B = 1, 2\nC = 3\n# Else.\nD = 4\n\nE = 5\n"
    assert read_tags(source) == {"one": ["A", "B", "C"]}
    assert read_tags("class A:\n    # calibration: two. Of what.\n    b: int = 1\n") == {"two": ["b"]}
    assert read_tags("# calibration: three. Of what.\n\nA = 1\n") == {"three": []}
    assert read_tags("# calibration: four. Of what.\nA = (\n    1,\n)\nB = 2\n") == {"four": ["A", "B"]}


def test_no_tag_is_written_otherwise() -> None:
    for path in list_modules():
        text = (ROOT / path).read_text(encoding="utf-8")
        assert len(re.findall(r"calibration:", text)) == len(TAG.findall(text)), path


def test_every_row_of_the_product_is_in_the_document_and_the_other_way_round() -> None:
    numbers = read_numbers()
    assert len(numbers) > 25
    assert set(numbers) == set(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_its_numbers(row: str) -> None:
    compared, numbers, fitted, again = ROWS[row]
    said = {
        module: re.findall(r"`(\w+)`", names)
        for module, names in re.findall(r"`([\w/]+\.py)`: ([^;]+)", numbers)
    }  # fmt: skip
    assert said == read_numbers()[row]
    assert compared and fitted and again


def test_every_function_named_exists_and_prints_its_row() -> None:
    named = {row: cells[-1].strip("`") for row, cells in ROWS.items() if cells[-1] != "—"}
    assert named == {row: function.__name__ for row, function in calibrate.ROWS.items()}
    assert all(getattr(calibrate, name) is calibrate.ROWS[row] for row, name in named.items())
