"""The README promises nothing that is not there, and leaves out no flag."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest

import main as command_line

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FLAGS = {flag for action in command_line.build_parser()._actions for flag in action.option_strings}
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
CODE_BLOCKS = "\n".join(re.findall(r"^```\w*\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE))
COMMANDS = re.findall(r"^python main\.py (.*)$", CODE_BLOCKS.replace("\\\n", ""), flags=re.MULTILINE)


def test_every_flag_in_the_readme_exists() -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", README))
    assert named
    assert named <= FLAGS


def test_every_flag_is_in_the_readme() -> None:
    aliases = {"--input", "--output"}
    missing = {flag for flag in FLAGS if flag.startswith("--")} - set(re.findall(r"--[a-z][\w-]*", README)) - aliases
    assert not missing


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    command_line.build_parser().parse_args(shlex.split(command, comments=True))


def test_there_are_examples() -> None:
    assert len(COMMANDS) >= 5


def test_every_make_target_exists_and_is_explained() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)", CODE_BLOCKS)) | set(re.findall(r"`make ([a-z]+)`", README))
    assert named == TARGETS


def test_every_file_named_exists() -> None:
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link}
    quoted = set(re.findall(r"`([\w./-]+\.(?:py|md|txt|toml|task|onnx|caffemodel|prototxt|xml))`", README))
    assert links
    assert not [name for name in sorted(links | quoted) if not (ROOT / name).exists()]


def test_the_python_example_imports_what_exists() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    imports = [node for node in ast.parse(example).body if isinstance(node, ast.ImportFrom)]
    assert imports
    for node in imports:
        module = importlib.import_module(node.module or "")
        assert all(hasattr(module, alias.name) for alias in node.names)
