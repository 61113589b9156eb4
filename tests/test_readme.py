"""The README and the pages in docs/ promise nothing that is not there, and leave out no flag."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import shutil
from pathlib import Path

import pytest

from edit.command_line import build_parser
from edit.reasons import Reason
from tests.conftest import SAMPLES

ROOT = Path(__file__).parent.parent
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))}
GENERATED = ROOT / "docs" / "options.md"
GUIDE = ROOT / "CONTRIBUTING.md"
TEXT = "\n".join(PAGES.values())
WRITTEN_BY_HAND = "\n".join(text for path, text in PAGES.items() if path != GENERATED)
FLAGS = {flag for action in build_parser()._actions for flag in action.option_strings}
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
HEADINGS = re.compile(r"^#+ (.*)$", re.MULTILINE)


def find_code(text: str) -> str:
    """The code of a page; what is marked as text shows what the program prints."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join(code for language, code in blocks if language != "text")


def make_anchor(heading: str) -> str:
    """What a heading is called in links, as GitHub does it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


COMMANDS = re.findall(r"^python main\.py (.*)$", find_code(TEXT).replace("\\\n", ""), flags=re.MULTILINE)


def test_the_pages_are_all_here() -> None:
    # A page that was renamed or lost cannot make the tests below empty.
    names = {path.name for path in PAGES}
    assert names >= {"README.md", "use.md", "options.md", "page.md", "how_it_works.md", "limits.md", "calibration.md"}


def test_every_flag_named_exists() -> None:
    # What measures has flags of its own.
    text = re.sub(r"python -m\s+benchmark\.[^\n`]*", "", TEXT)
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))
    assert named
    assert named <= FLAGS


def test_every_flag_is_explained() -> None:
    # The tables made from the parser do not count: they name every flag by themselves.
    named = set(re.findall(r"--[a-z][\w-]*", WRITTEN_BY_HAND))
    missing = {flag for flag in FLAGS if flag.startswith("--")} - named
    assert not missing


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    build_parser().parse_args(shlex.split(command, comments=True))


def test_there_are_examples() -> None:
    assert len(COMMANDS) >= 5


def test_the_example_of_a_few_tests_selects_some() -> None:
    examples = re.findall(r"^python -m pytest (\S+) -k (\w+)", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert examples
    for file, word in examples:
        assert re.search(rf"^def test_\w*{word}", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_every_make_target_exists_and_is_explained() -> None:
    text = f"{TEXT}\n{GUIDE.read_text(encoding='utf-8')}"
    named = set(re.findall(r"\bmake ([a-z]+)", find_code(text))) | set(re.findall(r"`make ([a-z]+)`", text))
    assert named == TARGETS


@pytest.mark.parametrize("page", [*PAGES, GUIDE], ids=lambda path: path.name)
def test_every_file_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = {link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in link}
    quoted = set(re.findall(r"`([\w./-]+\.(?:py|md|txt|toml|yml|task|onnx|caffemodel|prototxt|xml))`", text))
    assert links | quoted
    assert not [name for name in sorted(links) if not (page.parent / name).exists()]
    assert not [name for name in sorted(quoted) if not (ROOT / name).exists()]


def test_the_readme_links_to_every_page() -> None:
    links = set(re.findall(r"\]\((docs/\w+\.md)\)", PAGES[ROOT / "README.md"]))
    assert links == {f"docs/{path.name}" for path in PAGES if path.parent == ROOT / "docs"}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_heading_that_is_linked_exists(page: Path) -> None:
    for name, anchor in re.findall(r"\]\(([^)#:]*)#([^)]*)\)", PAGES[page]):
        target = (page.parent / name).resolve() if name else page
        headings = HEADINGS.findall(target.read_text(encoding="utf-8"))
        assert anchor in {make_anchor(heading) for heading in headings}, f"{target.name} has no {anchor}"


def test_the_codes_of_the_report_are_listed() -> None:
    _, _, table = PAGES[ROOT / "docs" / "use.md"].partition("| `reason_code` |")
    listed = re.findall(r"^\| `([\w-]+)` \|", table, flags=re.MULTILINE)
    # Those for which something is left alone come first in the list of reasons.
    reasons = [reason.value for reason in Reason]
    assert listed == reasons[: reasons.index(Reason.NOT_RECOGNIZED.value)]


def find_python_example() -> str:
    (example,) = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    return str(example)


def test_the_python_example_imports_what_exists() -> None:
    imports = [node for node in ast.parse(find_python_example()).body if isinstance(node, ast.ImportFrom)]
    assert imports
    for node in imports:
        module = importlib.import_module(node.module or "")
        assert all(hasattr(module, alias.name) for alias in node.names)


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(SAMPLES / "image_2.jpg", tmp_path / "group.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(find_python_example(), "the example", "exec"), {})
    assert "made the mouth smile" in capsys.readouterr().out
    assert (tmp_path / "fixed.png").is_file()
