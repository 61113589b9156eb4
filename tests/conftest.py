"""Photos for the tests: the samples, the portraits, and the development photos where they lie beside the checkout."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from diffusion import weights
from diffusion.families import FAMILIES
from face import model_files
from face.search import find_faces
from face.types import Face
from photo.types import Pixels
from tests.support import photos, tiny_families, tiny_models

if TYPE_CHECKING:
    from diffusion.painter import TilePainter

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data" / "inputs"

# One thread: the tiny models are slower with several, and far slower on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test takes the hints that were given on this machine for its own, or gives them; nor its library of photos.
for _name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
    os.environ[_name] = tempfile.mkdtemp(prefix="open_eyes_tests_")

LoadPhoto = photos.LoadPhoto
FindFaces = Callable[[Pixels], tuple[Face, ...]]
ReplaceModel = Callable[[str, bytes | None, bool], None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pass over what only a POSIX system can do."""
    for item in items:
        if os.name != "posix" and item.get_closest_marker("posix"):
            item.add_marker(pytest.mark.skip(reason="needs a POSIX system"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("photos") and not photos.have_development_photos():
        pytest.skip(photos.LEFT_OUT)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Say how many tests were left out for want of the development photos, in the last line before pytest's own."""
    yield
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if photos.LEFT_OUT in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests were left out: {photos.LEFT_OUT}.")


@pytest.fixture(scope="session")
def sample() -> LoadPhoto:
    """Loads one of the photos under data/inputs by name, uint8 (H, W, 3) RGB, read-only."""
    return photos.make_loader(SAMPLES)


@pytest.fixture(scope="session")
def real_photo() -> LoadPhoto:
    """Loads a portrait of tests/photos, or a development photo by its path in their folder."""
    return photos.make_loader(photos.PORTRAITS, photos.DEVELOPMENT)


@pytest.fixture(scope="session")
def shared_photo() -> LoadPhoto:
    """Loads one of the development photos by its path in their folder, for the tests marked `photos`."""
    return photos.make_loader(photos.DEVELOPMENT)


@pytest.fixture(scope="session")
def faces_of() -> FindFaces:
    """Finds the faces of a photo, each photo only once."""
    found: dict[int, tuple[Pixels, tuple[Face, ...]]] = {}

    def find(pixels: Pixels) -> tuple[Face, ...]:
        # The photo is kept beside its faces so that its id stays its own.
        if id(pixels) not in found:
            found[id(pixels)] = (pixels, find_faces(pixels))
        return found[id(pixels)][1]

    return find


@pytest.fixture
def replace_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ReplaceModel:
    """Puts other content, or None for no file, in the place of a model file of this name.

    With the last argument the sum is that of the content: then what reads the model has to find the fault itself.
    """

    def replace(name: str, content: bytes | None, is_sum_right: bool) -> None:
        checksum = model_files.MODELS[name][1]
        if content is not None:
            (tmp_path / name).write_bytes(content)
            checksum = hashlib.sha256(content).hexdigest() if is_sum_right else checksum
        monkeypatch.setitem(model_files.MODELS, name, (tmp_path, checksum))

    return replace


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a saved Stable Diffusion model with random weights, whose native size is 64 px."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return tiny_models.save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_xl_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a saved Stable Diffusion XL model with random weights, whose native size is 64 px."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return tiny_models.save_tiny(tmp_path_factory.mktemp("tiny_xl"), xl=True)


@pytest.fixture(scope="session")
def load_tiny() -> Iterator[Callable[[Path], TilePainter]]:
    """Loads a model through the real way, in float32 whatever this CPU does best."""
    pytest.importorskip("torch")
    from diffusion import painter

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painter, "_has_fast_bf16", lambda: False)

        def load(folder: Path) -> TilePainter:
            return painter.load_painter(painter.LoadOptions(weights.fetch_weights(str(folder), offline=True), "cpu"))

        yield load


@pytest.fixture(scope="session")
def load_flow(
    tmp_path_factory: pytest.TempPathFactory, load_tiny: Callable[[Path], TilePainter]
) -> Iterator[Callable[[str], TilePainter]]:
    """Returns the painter of a tiny flow model by the name of its family, each made and loaded once."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as qwen

    from diffusion import painter

    known: dict[str, TilePainter] = {}

    def load(name: str) -> TilePainter:
        if name not in known and name in tiny_families.BUILDERS:
            folder = tmp_path_factory.mktemp("flow")
            tiny_families.BUILDERS[name]().save_pretrained(folder)
            known[name] = load_tiny(folder)
        elif name not in known:
            family = next(family for family in FAMILIES if family.name == name)
            known[name] = painter.TilePainter(tiny_families.make_tiny_qwen_edit(), 8, family)
        return known[name]

    with pytest.MonkeyPatch.context() as patch:
        # The editor looks at pictures of a megapixel, whatever the size of the tile.
        patch.setattr(qwen, "CONDITION_IMAGE_SIZE", tiny_models.TILE_PX**2)
        patch.setattr(qwen, "VAE_IMAGE_SIZE", tiny_models.TILE_PX**2)
        yield load
