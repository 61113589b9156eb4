"""What the code as a whole promises: who may import whom, what it imports when, what it ships."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from tests.support.photos import read_labels

ROOT = Path(__file__).parents[1]
BELOW = {
    "photo": set(),
    "face": {"photo"},
    "edit": {"photo", "face"},
    "tiling": {"photo", "face"},
    "eyes_mask": {"photo", "face", "edit"},
    "mouth_mask": {"photo", "face", "edit"},
    "render": {"photo", "face", "edit"},
    "diffusion": {"photo", "face", "edit"},
    "donor": {"photo", "face", "edit", "render", "eyes_mask", "mouth_mask"},
    "inpaint": {"photo", "face", "edit", "tiling", "mouth_mask", "diffusion"},
    "library": {"photo", "face", "donor"},
    "retouch": {
        "photo",
        "face",
        "edit",
        "eyes_mask",
        "mouth_mask",
        "render",
        "diffusion",
        "donor",
        "inpaint",
        "library",
    },
    "page": {"photo", "face", "edit", "eyes_mask", "mouth_mask", "donor", "retouch"},
    "triage": {"photo", "face", "edit", "donor", "library", "retouch"},
    "commands": {"photo", "edit", "diffusion", "library", "retouch", "triage", "page"},
    "main": {"photo", "edit", "retouch", "commands"},
}
"""For every room, a package or a file at the top, those that it may import."""
OUTSIDE = {"tests", "benchmark", "docs", "data", "models", "training"}
FILES = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    if path.relative_to(ROOT).parts[0] not in OUTSIDE
]
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES if path.stem != "__init__"}
SOURCES = [*FILES, *sorted(ROOT.glob("tests/**/*.py")), *sorted(ROOT.glob("benchmark/*.py"))]
TEXTS = [
    *SOURCES,
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("*.txt")),
    *sorted(ROOT.glob("*.toml")),
    ROOT / "Makefile",
    ROOT / ".ci" / "run",
]
HEAVY = {"accelerate", "diffusers", "gradio", "mediapipe", "torch", "transformers"}
MODEL_ENDINGS = {".caffemodel", ".onnx", ".prototxt", ".task", ".xml"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def find_imports(path: Path) -> set[str]:
    """The full names of all modules that a file imports, also inside functions and for types alone."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
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


def test_every_room_is_in_the_table() -> None:
    # A renamed or a new room cannot make the next test empty.
    assert {room(path) for path in FILES} == set(BELOW)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_down(path: Path) -> None:
    for name in find_imports(path):
        other = name.partition(".")[0]
        if other in BELOW and other != room(path):
            assert other in BELOW[room(path)], f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("name", MODULES)
def test_imports_never_run_in_a_circle(name: str) -> None:
    assert name not in reach(name)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_module_passes_on_names_of_another(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, ast.ImportFrom | ast.Import) else ():
            assert alias.asname is None or alias.asname != alias.name, f"{name_of(path)} re-exports {alias.name}"
        if isinstance(node, ast.Assign):
            assert not any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    own = {path_name for path_name in MODULES if path_name == ".".join(path.relative_to(ROOT).with_suffix("").parts)}
    defined = _defined(tree)
    for module in own:
        for other, name in _list_taken().get(module, ()):
            assert name in defined, f"{other} takes {name} from {module}"


@lru_cache(maxsize=1)
def _list_taken() -> dict[str, list[tuple[str, str]]]:
    """What each module is asked for: by its name, who takes which name from it."""
    taken: dict[str, list[tuple[str, str]]] = {}
    for other in MODULES.values():
        for node in ast.walk(ast.parse(other.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                taken.setdefault(node.module, []).extend((name_of(other), alias.name) for alias in node.names)
    return taken


def _defined(tree: ast.Module) -> set[str]:
    """The names that a module itself makes at its top level."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names.update(inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name))
    return names


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/__init__.py")), ids=name_of)
def test_a_package_says_one_sentence(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert len(tree.body) == 1 and ast.get_docstring(tree)


def test_the_errors_need_nothing() -> None:
    assert find_imports(MODULES["photo.errors"]) <= {"__future__", "__future__.annotations"}


@pytest.mark.parametrize("module", ["main", "retouch.pipeline", "retouch.engines"])
def test_the_draft_way_loads_no_heavy_package(module: str) -> None:
    script = f"import sys, {module}; print([name for name in {sorted(HEAVY)!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_help_loads_nothing_but_python() -> None:
    script = (
        "import sys, contextlib, main\n"
        "with contextlib.suppress(SystemExit): main.main(['--help'])\n"
        "print([name for name in ('numpy', 'cv2', 'PIL', 'tqdm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# ---- style -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
def test_only_main_prints_and_exits_and_everything_is_caught_in_one_place(name: str) -> None:
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and name != "main":
            assert ast.unparse(node.func) not in {"print", "sys.exit", "exit", "quit", "breakpoint"}
        if isinstance(node, ast.ExceptHandler) and name != "commands.outcome":
            caught = "everything" if node.type is None else ast.unparse(node.type)
            assert caught not in {"everything", "Exception", "BaseException"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_who_is_let_off_a_limit_of_complexity_or_size_says_why(path: Path) -> None:
    let_off = re.findall(r"# noqa: (?:C901|PLR09\d\d)(.*)", path.read_text(encoding="utf-8"))
    assert all(len(reason.split()) >= 3 for reason in let_off)


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_documented(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert not {name for name in MODULES if re.search("util|helper|common|misc", name)}


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_no_text_names_a_place_on_one_machine(path: Path) -> None:
    home_like = re.compile(r"(?<![\w./-])/(?:home|root|Users|work|tmp|opt|mnt)/\w")
    assert not home_like.findall(path.read_text(encoding="utf-8"))


# ---- what is shipped -------------------------------------------------------------------------------------


def test_every_model_is_named_with_its_checksum() -> None:
    rows = re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})`", (ROOT / "THIRD_PARTY.md").read_text(), flags=re.MULTILINE)
    listed = dict(rows)
    models = [*ROOT.iterdir(), *(ROOT / "models").iterdir()]
    files = {name_of(path): path for path in models if path.suffix in MODEL_ENDINGS}
    assert len(files) >= 6
    assert set(files) <= set(listed)
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name], name


def test_every_sample_photo_tells_where_it_comes_from() -> None:
    text = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "data" / "inputs").iterdir()):
        assert path.name in text, f"{path.name} is not in THIRD_PARTY.md"


def test_every_portrait_is_named_with_its_checksum_and_labelled() -> None:
    rows = re.findall(
        r"^\| `tests/photos/(\S+)` .*`([0-9a-f]{64})`", (ROOT / "THIRD_PARTY.md").read_text(), re.MULTILINE
    )
    portraits = {path.name: path.read_bytes() for path in (ROOT / "tests" / "photos").glob("*.jpg")}
    assert portraits
    assert {name: hashlib.sha256(content).hexdigest() for name, content in portraits.items()} == dict(rows)
    assert {label.path for label in read_labels()} == set(portraits)
    assert sum(map(len, portraits.values())) < 2_500_000


def test_both_opencv_packages_have_one_version() -> None:
    pins = re.findall(
        r"^opencv-(?:contrib-)?python(\S+; .*)$", (ROOT / "requirements_draft.txt").read_text(), re.MULTILINE
    )
    assert len(pins) == 4 and len(set(pins)) == 2
