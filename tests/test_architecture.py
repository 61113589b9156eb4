"""What the code as a whole promises: its layers, its size, what it imports, what it ships."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = {path.stem: path for path in sorted(ROOT.glob("*.py"))}
SOURCES = [*MODULES.values(), *sorted(ROOT.glob("tests/*.py")), *sorted(ROOT.glob("benchmark/*.py"))]
TEXTS = [
    *SOURCES,
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("*.txt")),
    *sorted(ROOT.glob("*.toml")),
    ROOT / "Makefile",
    ROOT / ".ci" / "run",
]
HEAVY = {"accelerate", "diffusers", "gradio", "mediapipe", "torch", "transformers"}
ENGINES = {"draft_engine", "inpaint"}
MODEL_ENDINGS = {".caffemodel", ".onnx", ".prototxt", ".task", ".xml"}


def find_imports(path: Path, module_level_only: bool = False) -> set[str]:
    """The top-level names of all that a file imports; what is imported for types alone does not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        is_inside = module_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_typing or is_inside:
            skipped.update(ast.walk(node))
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


GRAPH = {name: find_imports(path) & set(MODULES) for name, path in MODULES.items()}


def reach(name: str) -> set[str]:
    """Every module of the project that `name` imports, directly or through others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in GRAPH[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found


# ---- layers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
def test_imports_never_run_in_a_circle(name: str) -> None:
    assert name not in reach(name)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("options", set()),
        ("landmarks", set()),
        ("photo_types", {"landmarks", "options"}),
        ("report", {"landmarks", "options", "photo_types"}),
        ("resemblance", {"landmarks", "options", "photo_types"}),
        ("landmarker", {"landmarks", "options", "photo_types"}),
        ("faces", {"face_boxes", "face_look", "landmarker", "landmarks", "options", "photo_types"}),
        ("tiling", {"landmarks", "options", "photo_types", "tile_mask"}),
    ],
)
def test_the_lowest_modules_stand_on_little(name: str, allowed: set[str]) -> None:
    if name in MODULES:
        assert reach(name) <= allowed


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name: str) -> None:
    below = reach(name)
    assert "main" not in below
    if name != "main":
        assert "ui" not in below
    is_page = name == "ui" or name.startswith("ui_")
    if not is_page and name not in {"main", "burst", "burst_files", "contact_sheet"}:
        assert "fix" not in below, "only the command line, the page and the best take use the whole"
    if not is_page and name != "main":
        assert not any(other.startswith("ui_") for other in below), "the page serves nobody"
    if not is_page and name not in {"main", "engines"}:
        assert "engines" not in below, "only the command line and the page choose an engine"
        assert len((below | {name}) & ENGINES) <= 1, "engines do not know each other"
    if name == "fix" or name.startswith(("photo_", "eyes_mask", "mouth_mask")):
        assert not below & ENGINES, "an engine is given, not imported"


def test_the_nouns_need_numpy_alone() -> None:
    for name in ("landmarks", "photo_types"):
        assert find_imports(MODULES[name]) - set(MODULES) - sys.stdlib_module_names <= {"numpy"}
    assert find_imports(MODULES["options"]) <= sys.stdlib_module_names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_heavy_packages_are_imported_where_they_are_needed(path: Path) -> None:
    assert not find_imports(path, module_level_only=True) & HEAVY


def test_the_draft_way_loads_no_heavy_package() -> None:
    script = (
        f"import sys, fix, draft_engine, photo_io; print([name for name in {sorted(HEAVY)!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- style -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
def test_modules_stay_short(name: str) -> None:
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("name", MODULES)
def test_only_main_prints_exits_and_catches_everything(name: str) -> None:
    if name == "main":
        return
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"print", "sys.exit", "exit", "quit", "breakpoint"}
        if isinstance(node, ast.ExceptHandler):
            caught = "everything" if node.type is None else ast.unparse(node.type)
            assert caught not in {"everything", "Exception", "BaseException"}


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_documented(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert not {name for name in MODULES if re.search("util|helper|common|misc", name)}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_text_names_a_place_on_one_machine(path: Path) -> None:
    home_like = re.compile(r"(?<![\w./-])/(?:home|root|Users|work|tmp|opt|mnt)/\w")
    assert not home_like.findall(path.read_text(encoding="utf-8"))


# ---- what is shipped -------------------------------------------------------------------------------------


def test_every_model_is_named_with_its_checksum() -> None:
    rows = re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})`", (ROOT / "THIRD_PARTY.md").read_text(), flags=re.MULTILINE)
    listed = dict(rows)
    models = {path.name: path for path in ROOT.iterdir() if path.suffix in MODEL_ENDINGS}
    assert models
    assert set(models) <= set(listed)
    for name, path in models.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name], name


def test_every_sample_photo_tells_where_it_comes_from() -> None:
    text = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "data" / "inputs").iterdir()):
        assert path.name in text, f"{path.name} is not in THIRD_PARTY.md"


def test_both_opencv_packages_have_one_version() -> None:
    pins = re.findall(
        r"^opencv-(?:contrib-)?python(\S+; .*)$", (ROOT / "requirements_draft.txt").read_text(), re.MULTILINE
    )
    assert len(pins) == 4 and len(set(pins)) == 2
