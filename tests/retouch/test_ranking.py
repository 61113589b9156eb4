"""Which of several paintings of one face is the best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edit.options import DiffusionOptions, Options
from edit.plan import EditPlan, Engine, PaintResult
from edit.reasons import Cause, Reason
from face.types import Feature
from photo.blend import Patch
from photo.canvas import Canvas
from photo.files import load_photo
from photo.types import Box, Pixels, Progress, Region
from retouch import attempts
from retouch.engines import DraftEngine
from retouch.files import FileJob
from retouch.places import JobFiles
from retouch.quality import Outcome
from retouch.ranking import match_texture, rank
from tests.conftest import SAMPLES
from tests.support.faces import make_analysis, make_edit, make_face

GOOD = Outcome(True, 0.3, Cause(Reason.EYE_NOT_OPEN), 0.9)


def make_grainy(sigma: float, blur: float = 0.0, seed: int = 0) -> Pixels:
    """Edges under grain, uint8 (200, 200, 3)."""
    squares = np.kron(np.indices((10, 10)).sum(axis=0) % 2, np.ones((20, 20))) * 80.0 + 80
    picture = np.repeat(squares[..., None], 3, axis=2)
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    return np.asarray(np.clip(picture + np.random.default_rng(seed).normal(0, sigma, picture.shape), 0, 255), np.uint8)


PHOTO = make_grainy(6)
EDIT = make_edit(
    make_analysis(make_face(1, Box(10, 10, 190, 190)), PHOTO), Feature.LEFT_EYE,
    Region(Box(60, 60, 140, 140), np.ones((80, 80), np.float32)),
)  # fmt: skip


def make_patch(pixels: Pixels) -> Patch:
    return Patch(EDIT.region, pixels[EDIT.region.box.slices])


def score(outcome: Outcome, pixels: Pixels = PHOTO) -> float:
    return rank([EDIT], [outcome], [make_patch(pixels)])


def test_more_of_the_person_and_wider_open_is_better() -> None:
    assert 0 < score(GOOD) <= 1
    assert score(GOOD) > score(replace(GOOD, similarity=0.7))
    assert score(GOOD) > score(replace(GOOD, value=0.2))
    assert score(replace(GOOD, value=0.5)) == score(replace(GOOD, value=0.6)), "beyond the goal nothing is won"


def test_grain_and_sharpness_as_around_are_better() -> None:
    same = match_texture(EDIT, make_patch(make_grainy(6, seed=1)))
    assert same > 0.85
    assert same > match_texture(EDIT, make_patch(make_grainy(0)))
    assert same > match_texture(EDIT, make_patch(make_grainy(20, seed=1)))
    assert same > match_texture(EDIT, make_patch(make_grainy(6, blur=4, seed=1)))
    assert score(GOOD, make_grainy(6, seed=1)) > score(GOOD, make_grainy(0, blur=4))


class Tint:
    """Paints every try in another grey over the draft."""

    name = "tint"
    candidates, retries = 3, 0

    def __init__(self) -> None:
        self.fallback: Engine = DraftEngine()

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        patches = (np.full((*edit.region.alpha.shape, 3), 50 * plan.attempt, np.uint8) for edit in plan.edits)
        return PaintResult(tuple(patches))


def test_the_other_candidates_of_a_face_are_written_beside_the_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [0.5, 0.9, 0.7]

    def check(_candidate: Pixels, edits: list[object], *_: object, aims_high: bool) -> list[Outcome]:
        similarity = 0.8 if aims_high else good[checked[0] // 2 % 3]
        checked[0] += not aims_high
        return [replace(GOOD, similarity=similarity)] * len(edits)

    checked = [0]
    monkeypatch.setattr(attempts, "check_face", check)
    source = SAMPLES / "image_1.jpg"
    files = JobFiles((source,), output=tmp_path / "out.png", masks_dir=tmp_path / "masks", no_library=True)
    job = FileJob(files, Options(diffusion=DiffusionOptions(candidates=3)), lambda _: None)
    job.__dict__["engine"] = (Tint(), "")
    summary = job.run_photo(job.plan()[0], lambda *_: None)
    names = sorted(path.name for path in (tmp_path / "masks").glob("face_*"))
    assert names == [f"face_{face}_candidate_{number}.png" for face in (1, 2) for number in (2, 3)]
    assert "Other candidates written, the best first: 4 in" in summary.text
    photo, kept = load_photo(source).pixels, load_photo(tmp_path / "out.png").pixels
    other = load_photo(tmp_path / "masks" / names[0]).pixels
    changed = (kept != photo).any(axis=2)
    assert (other != kept).any() and not (other != photo).any(axis=2)[~changed].any()
