"""What people join and install: one version, one list of packages, the installed command, the right Python."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import main
from edit.command_line import build_parser
from photo.missing import explain_missing_package

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHECK_SIZE = runpy.run_path(str(ROOT / ".ci" / "check_size.py"))
SAMPLE_WITHOUT_FACES = ROOT / "data" / "inputs" / "image_5.jpg"


def read_requirements(name: str) -> list[str]:
    """The packages that a requirements file names itself, without those of the files that it includes."""
    lines = [line.partition(" #")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "-"))]


# ---- version and packages ------------------------------------------------------------------------------------------


def test_the_version_is_that_of_the_newest_changes(capsys: pytest.CaptureFixture[str]) -> None:
    newest = re.search(r"^## \[(\S+)\] – ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] == PROJECT["version"]
    with pytest.raises(SystemExit) as stop:
        main.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"main.py {PROJECT['version']}\n"


def test_a_version_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edit.command_line.ROOT", tmp_path)
    with pytest.raises(SystemExit) as stop:
        main.main(["--version"])
    assert stop.value.code == 2
    assert re.fullmatch(r"error: .*pyproject\.toml.*\.\n", capsys.readouterr().err)


def test_the_extras_are_what_the_requirements_files_name() -> None:
    extras = PROJECT["optional-dependencies"]
    assert set(extras) == {"diffusion", "formats", "page", "sign"}
    assert extras["sign"] == read_requirements("requirements_sign.txt")
    assert extras["formats"] == read_requirements("requirements_formats.txt")
    listed = read_requirements("requirements_torch.txt") + read_requirements("requirements.txt")
    assert len(listed) == 6
    assert sorted(extras["diffusion"] + extras["page"]) == sorted(listed)
    assert [line for line in extras["page"] if line.startswith("gradio")] == extras["page"]


def test_the_packages_of_the_draft_engine_have_one_list() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert PROJECT["dynamic"] == ["dependencies"] and "dependencies" not in PROJECT
    assert settings["tool"]["setuptools"]["dynamic"] == {"dependencies": {"file": ["requirements_draft.txt"]}}
    # What setuptools cannot read from such a file: other files that it includes.
    text = (ROOT / "requirements_draft.txt").read_text(encoding="utf-8")
    assert not re.findall(r"^-", text, flags=re.MULTILINE)
    assert len(read_requirements("requirements_draft.txt")) == 12


# ---- the right Python ----------------------------------------------------------------------------------------------


def test_an_older_python_can_read_main() -> None:
    ast.parse((ROOT / "main.py").read_text(encoding="utf-8"), feature_version=(3, 8))


def test_an_older_python_gets_one_sentence() -> None:
    script = (
        "import runpy, sys; sys.version_info, sys.version = (3, 10, 2), '3.10.2 (of old)'; runpy.run_path('main.py')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: Python 3.11 or newer is needed, and this is 3.10.2.\n"


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10"])
def test_a_real_older_python_gets_that_sentence(version: str) -> None:
    python = shutil.which(f"python{version}")
    asked = python and subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
    if not asked or f" {version}." not in asked.stdout:
        pytest.skip(f"Python {version} is not installed")
    command = [str(python), str(ROOT / "main.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"error: Python 3\.11 or newer is needed, and this is {version}\.\d+\.\n", done.stderr)


def test_outside_of_the_environment_one_sentence_says_how_to_get_in(tmp_path: Path) -> None:
    """A Python without any package, as the system's own one."""
    command = [sys.executable, "-S", str(ROOT / "main.py"), "--input_path", str(SAMPLE_WITHOUT_FACES)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .* lacks the package numpy; .*\n", done.stderr)
    assert not list(tmp_path.iterdir())


def explain(root: Path, windows: bool = False) -> str:
    return explain_missing_package("numpy", root, windows)


def test_the_environment_is_to_be_activated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "the program"
    (root / ".venv").mkdir(parents=True)
    assert explain(root).endswith(f"first: source '{root / '.venv'}/bin/activate'")
    assert explain(root, windows=True).endswith(f'first: "{root}{os.sep}.venv\\Scripts\\activate"')
    monkeypatch.chdir(root)
    assert explain(root).endswith("first: source .venv/bin/activate")
    assert explain(root, windows=True).endswith(r"first: .venv\Scripts\activate")


def test_the_environment_is_to_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "the program"
    root.mkdir()
    assert explain(root).endswith(
        f"first: make -C '{root}' demo, and after that source '{root / '.venv'}/bin/activate'"
    )
    monkeypatch.chdir(root)
    assert explain(root).endswith("first: make demo, and after that source .venv/bin/activate")
    assert explain(root, windows=True).endswith(
        r"first: python -m venv .venv, then .venv\Scripts\activate, then pip install -r requirements_draft.txt"
    )


def test_an_environment_that_is_not_whole_is_to_be_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.chdir(tmp_path)
    assert explain(tmp_path) == ".venv lacks the package numpy; run: pip install -r requirements_draft.txt"


# ---- the installed command -----------------------------------------------------------------------------------------

needs_make = pytest.mark.skipif(os.name != "posix" or shutil.which("make") is None, reason="make is not installed")


def make(target: str, prefix: Path, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a target of the Makefile with the environment of this test, of which nothing is installed anew."""
    ready = Path(sys.prefix) / ".draft-ready"
    command = ["make", "-C", str(ROOT), target, f"PREFIX={prefix}", f"VENV={sys.prefix}", f"--old-file={ready}"]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == code, done.stderr
    return done


@needs_make
def test_the_installed_command_runs_from_another_folder(tmp_path: Path) -> None:
    prefix, elsewhere = tmp_path / "a place", tmp_path / "elsewhere"
    (elsewhere / "in").mkdir(parents=True)
    shutil.copy(SAMPLE_WITHOUT_FACES, elsewhere / "in" / "photo.jpg")
    path = os.environ["PATH"]
    assert f'export PATH="{prefix}/bin:$PATH"' in make("install", prefix).stdout
    path = f"{prefix}/bin{os.pathsep}{path}"
    assert "export PATH" not in make("install", prefix, PATH=path).stdout

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["open-eyes", *arguments], cwd=elsewhere, env={**os.environ, "PATH": path}, capture_output=True, text=True,
            encoding="utf-8", check=False,
        )  # fmt: skip

    done = run("in/photo.jpg", "--copy_unchanged")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "Written: data/outputs/photo.jpg"
    assert (elsewhere / "data" / "outputs" / "photo.jpg").is_file()
    assert run("-i", "in/photo.jpg", "-o", "a name.png").returncode == 0
    assert (elsewhere / "a name.png").is_file()
    assert run("-i", "missing.jpg").returncode == 2

    make("uninstall", prefix)
    assert not list((prefix / "bin").iterdir())
    make("uninstall", prefix)


@needs_make
def test_a_command_of_that_name_from_elsewhere_stays(tmp_path: Path) -> None:
    other = tmp_path / "bin" / "open-eyes"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho something else\n", encoding="utf-8")
    for target in ("install", "uninstall"):
        assert "was not made here" in make(target, tmp_path, code=2).stderr
        assert "something else" in other.read_text(encoding="utf-8")
    assert list(other.parent.iterdir()) == [other]


@needs_make
def test_the_command_says_when_the_program_is_gone(tmp_path: Path) -> None:
    make("install", tmp_path)
    command = tmp_path / "bin" / "open-eyes"
    text = command.read_text(encoding="utf-8")
    moved = re.sub(r"^program='.*'$", f"program='{tmp_path}/gone'", text, flags=re.MULTILINE)
    assert moved != text
    command.write_text(moved, encoding="utf-8")
    done = subprocess.run([str(command)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}/gone ") and "make install" in done.stderr


@needs_make
def test_help_lists_every_target(tmp_path: Path) -> None:
    named = re.findall(r"^make (\w+) +\S", make("help", tmp_path).stdout, flags=re.MULTILINE)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert named == targets


# ---- the repository ------------------------------------------------------------------------------------------------


def test_workflows_forms_and_hooks_can_be_read() -> None:
    yaml: Any = pytest.importorskip("yaml", reason="PyYAML is not installed")
    files = [*ROOT.glob(".github/**/*.yml"), ROOT / ".pre-commit-config.yaml"]
    assert len(files) == 5
    read = {file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}
    jobs = read["test.yml"]["jobs"]
    actions = {step["uses"].partition("@")[0] for job in jobs.values() for step in job["steps"] if "uses" in step}
    assert actions == {"actions/checkout", "actions/setup-python"}
    pythons = jobs["draft"]["strategy"]["matrix"]["python"]
    assert all(isinstance(version, str) for version in pythons), "3.10 without quotes is 3.1"
    assert PROJECT["requires-python"] == f">={pythons[0]}"
    for form in ("bug.yml", "bad_result.yml"):
        ids = [part["id"] for part in read[form]["body"] if part["type"] != "markdown"]
        assert len(ids) == len(set(ids)) >= 5
    assert {"analyze", "report", "consent"} <= {part.get("id") for part in read["bad_result.yml"]["body"]}
    hooks = [hook for repository in read[".pre-commit-config.yaml"]["repos"] for hook in repository["hooks"]]
    assert {repository["repo"] for repository in read[".pre-commit-config.yaml"]["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    for hook in hooks:
        script = hook["entry"].split()[1]
        assert (ROOT / script).is_file()


def test_flags_named_in_the_issue_forms_exist() -> None:
    flags = {flag for action in build_parser()._actions for flag in action.option_strings}
    for form in ROOT.glob(".github/ISSUE_TEMPLATE/*.yml"):
        assert set(re.findall(r"(?<![\w-])--[a-z]\w+", form.read_text(encoding="utf-8"))) <= flags


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large, small = tmp_path / "large.bin", tmp_path / "small.bin"
    with large.open("wb") as file:
        file.truncate(12_000_001)
    with small.open("wb") as file:
        file.truncate(12_000_000)
    assert CHECK_SIZE["main"]([str(small)]) == 0
    assert CHECK_SIZE["main"]([str(small), str(large)]) == 1
    assert capsys.readouterr().err == f"error: {large} has 12.0 MB, and 12 MB is the most\n"


def test_nothing_in_the_repository_is_too_large() -> None:
    models = [path for path in ROOT.iterdir() if path.is_file()]
    assert max(path.stat().st_size for path in models) > 1_000_000
    assert CHECK_SIZE["main"]([str(path) for path in models]) == 0
