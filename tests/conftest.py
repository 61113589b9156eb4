"""Photos for the tests: the shipped samples, and the development photos where they lie beside the checkout."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from diffusion import weights
from face.search import find_faces
from face.types import Face
from photo.types import Pixels
from tests.support import tiny_models

if TYPE_CHECKING:
    from diffusion.painter import TilePainter

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data" / "inputs"
SHARED_PHOTOS = ROOT.parent / "shared" / "photos"

# One thread: the tiny models are slower with several, and far slower on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

LoadPhoto = Callable[[str], Pixels]
FindFaces = Callable[[Pixels], tuple[Face, ...]]


def _load(path: Path) -> Pixels:
    bgr = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR)
    pixels = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    pixels.setflags(write=False)
    return pixels


def _loader(folder: Path) -> LoadPhoto:
    loaded: dict[str, Pixels] = {}

    def load(name: str) -> Pixels:
        if name not in loaded:
            loaded[name] = _load(folder / name)
        return loaded[name]

    return load


@pytest.fixture(scope="session")
def sample() -> LoadPhoto:
    """Loads one of the photos under data/inputs by name, uint8 (H, W, 3) RGB, read-only."""
    return _loader(SAMPLES)


@pytest.fixture(scope="session")
def shared_photo() -> LoadPhoto:
    """Loads one of the development photos by its path in their folder; skips the test where they are not."""
    if not SHARED_PHOTOS.is_dir():
        pytest.skip("the development photos are not here: they may not be shipped with the project")
    return _loader(SHARED_PHOTOS)


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
