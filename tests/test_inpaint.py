"""The Stable Diffusion engine on photos and made-up plans; most tests do without networks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import pytest

from diffusion.families import find_family
from diffusion.jobs import OnStep, Sampling, TileJob, TileResult
from diffusion.prompts import compose_prompt
from edit.options import DiffusionOptions, Options
from edit.plan import EditPlan, PaintResult, Rendered
from edit.reasons import Cause, Reason
from eyes_mask import eye_region
from face.analysis import FaceAnalysis
from face.types import EYES, Face, Feature
from inpaint import DETAIL_STRENGTH, StableDiffusionEngine
from photo.blend import count_changes
from photo.canvas import Canvas
from photo.types import Photo, Pixels, Progress
from retouch.engines import DraftEngine
from retouch.pipeline import analyze, fix_photo, plan_edits
from retouch.progress import ignore_progress
from retouch.report import explain
from tests.conftest import FindFaces, LoadPhoto
from tests.support.faces import make_donor, make_edit, move_face
from tests.support.painting import composite_with, paint_with, put_in

if TYPE_CHECKING:
    from diffusion.painter import TilePainter

LoadTiny = Callable[[Path], "TilePainter"]


class FakePainter:
    """Paints by `change`, and remembers what it was asked for."""

    def __init__(self, change: Callable[[TileJob], Pixels | None], size: int = 64) -> None:
        self.change = change
        self.native_size = size
        self.calls: list[tuple[list[TileJob], Sampling]] = []

    def paint(self, jobs: Sequence[TileJob], sampling: Sampling, on_step: OnStep) -> list[TileResult]:
        self.calls.append((list(jobs), sampling))
        results = []
        for number, job in enumerate(jobs, start=1):
            pixels = self.change(job)
            results.append(TileResult(pixels, "" if pixels is not None else "the picture was empty"))
            on_step(number / len(jobs))
        return results


class Shade:
    """A draft that darkens the boxes of the edits by ten grey levels."""

    name = "shade"

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        for edit in plan.edits:
            canvas.put(edit.region.box, np.maximum(canvas.work[edit.region.box.slices], 10) - np.uint8(10))
        patches = tuple(canvas.work[edit.region.box.slices].copy() for edit in plan.edits)
        canvas.restore()
        on_progress("shaded", 1.0)
        return PaintResult(patches)


EMPTY = Cause(Reason.PAINTER_FAILED, {"text": "the picture was empty"})


def lighten_mask(job: TileJob) -> Pixels:
    return np.where(job.mask[..., None] > 0, np.minimum(job.image, 215) + 40, job.image).astype(np.uint8)


def make_engine(painter: FakePainter | TilePainter, options: Options | None = None) -> StableDiffusionEngine:
    return StableDiffusionEngine(options or Options(), Shade(), lambda: cast("TilePainter", painter))


def make_photo(height: int, width: int) -> Pixels:
    rows, columns = np.ogrid[:height, :width]
    pixels = np.empty((height, width, 3), np.uint8)
    for channel, factor in enumerate((1, 2, 3)):
        pixels[..., channel] = 60 + (rows * factor // 3 + columns) % 120
    pixels.setflags(write=False)
    return pixels


@pytest.fixture(scope="module")
def model_face(sample: LoadPhoto, faces_of: FindFaces) -> Face:
    return faces_of(sample("image_3.jpg"))[0]


def place_face(model: Face, number: int, center: tuple[float, float], eye_distance_px: float) -> Face:
    """The face of a sample photo, moved and scaled."""
    return move_face(model, *center, eye_distance_px, number=number)


def plan_eyes_of(photo: Pixels, *faces: Face, attempt: int = 0) -> EditPlan:
    edits = []
    for face in faces:
        for feature in EYES:
            region = eye_region(photo.shape, face, feature)
            assert region is not None
            edits.append(make_edit(FaceAnalysis(photo, face), feature, region))
    return EditPlan(tuple(edits), attempt=attempt)


# ---- nothing outside the masks ---------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["face", "grid"])
@pytest.mark.parametrize(
    ("height", "width", "center", "eye_distance"),
    [
        (64, 64, (32, 30), 26),
        (65, 131, (30, 20), 20),
        (203, 317, (160, 100), 15),  # a face that is enlarged
        (600, 401, (200, 300), 190),  # one that is shrunk, and refined
        (301, 1207, (60, 60), 60),  # at the photo's edge
    ],
)
def test_no_byte_outside_the_masks_changes(
    model_face: Face, scheme: str, height: int, width: int, center: tuple[float, float], eye_distance: float
) -> None:
    photo = make_photo(height, width)
    plan = plan_eyes_of(photo, place_face(model_face, 1, center, eye_distance))
    engine = make_engine(FakePainter(lighten_mask), Options(diffusion=DiffusionOptions(tile_scheme=scheme)))
    final = composite_with(engine, photo, plan)
    changed, outside = count_changes(photo, final, [edit.region for edit in plan.edits])
    assert changed > 0 and outside == 0
    assert not np.array_equal(final, composite_with(Shade(), photo, plan))


@pytest.mark.parametrize("scheme", ["face", "grid"])
def test_a_photo_of_24_megapixels_with_ten_faces(model_face: Face, scheme: str) -> None:
    photo = make_photo(4000, 6000)
    places = [(600 + 1000 * (n % 5), 900 + 2000 * (n // 5)) for n in range(10)]
    faces = [place_face(model_face, n, place, 100 + 30 * n) for n, place in enumerate(places, start=1)]
    plan = plan_eyes_of(photo, *faces)
    painter = FakePainter(lighten_mask, size=512)
    engine = make_engine(painter, Options(diffusion=DiffusionOptions(tile_scheme=scheme)))
    final = composite_with(engine, photo, plan)
    changed, outside = count_changes(photo, final, [edit.region for edit in plan.edits])
    assert changed > 10_000 and outside == 0
    for edit in plan.edits:
        core = edit.region.alpha > 0.9
        rise = final[edit.region.box.slices][core].astype(int) - photo[edit.region.box.slices][core]
        assert 20 < rise.mean() < 75  # ten levels down by the draft, forty up in each round


def test_networks_that_change_nothing_leave_the_draft_as_it_is(model_face: Face) -> None:
    photo = make_photo(401, 303)
    plan = plan_eyes_of(photo, place_face(model_face, 1, (150, 200), 90))
    for scheme in ("face", "grid"):
        engine = make_engine(
            FakePainter(lambda job: job.image), Options(diffusion=DiffusionOptions(tile_scheme=scheme))
        )
        np.testing.assert_array_equal(paint_with(engine, photo, plan), paint_with(Shade(), photo, plan))


def test_what_was_painted_fills_the_mask_at_every_scale(model_face: Face) -> None:
    photo = make_photo(600, 600)
    for eye_distance in (12.0, 40.0, 200.0):
        plan = plan_eyes_of(photo, place_face(model_face, 1, (300, 300), eye_distance))
        draft = paint_with(Shade(), photo, plan)
        painted = paint_with(make_engine(FakePainter(lighten_mask)), photo, plan)
        for edit in plan.edits:
            core = edit.region.alpha > 0.9  # the rim fades out
            rise = painted[edit.region.box.slices][core].astype(int) - draft[edit.region.box.slices][core]
            assert np.median(rise) >= 35


def test_a_drift_in_colour_is_taken_out(model_face: Face) -> None:
    photo = make_photo(400, 400)
    plan = plan_eyes_of(photo, place_face(model_face, 1, (200, 200), 90))
    drift = FakePainter(lambda job: np.asarray(np.clip(job.image * 1.06 + 7, 0, 255), np.uint8), size=256)
    painted = paint_with(make_engine(drift), photo, plan)
    draft = paint_with(Shade(), photo, plan)
    assert np.abs(painted.astype(int) - draft).mean() < 1


def make_textured_photo() -> Pixels:
    """A photo with structure of every size and direction, as skin and hair have it."""
    random = np.random.default_rng(3)
    layers = [
        cv2.resize(random.normal(0, 18, (size, size, 3)), (400, 400), interpolation=cv2.INTER_CUBIC)
        for size in (25, 60, 200)
    ]
    return np.asarray(np.clip(120 + sum(layers), 0, 255), np.uint8)


def test_a_picture_that_came_out_shifted_zoomed_and_tinted_is_laid_over_the_photo(model_face: Face) -> None:
    photo = make_textured_photo()
    plan = plan_eyes_of(photo, place_face(model_face, 1, (200, 200), 90))

    def shift(job: TileJob) -> Pixels:
        matrix = np.array([[1.01, 0, 3.4], [0, 1.01, -5.3]], np.float32)
        moved = cv2.warpAffine(lighten_mask(job), matrix, job.mask.shape, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(np.clip(moved * np.array([1.04, 1.0, 0.96]) + (3, -2, 4), 0, 255), np.uint8)

    straight = paint_with(make_engine(FakePainter(lighten_mask, size=256)), photo, plan).astype(int)
    shifted = paint_with(make_engine(FakePainter(shift, size=256)), photo, plan).astype(int)
    draft = paint_with(Shade(), photo, plan).astype(int)
    assert np.abs(shifted - straight).mean() < 0.15 * np.abs(straight - draft).mean()
    for edit in plan.edits:
        core = edit.region.alpha > 0.9
        apart = np.abs(shifted - straight)[edit.region.box.slices][core]
        assert apart.mean() < 4, "of forty levels that it was lightened by"


def test_a_picture_that_cannot_be_laid_over_the_photo_leaves_the_draft_and_says_how_far_off_it_is(
    model_face: Face,
) -> None:
    photo = make_textured_photo()
    plan = plan_eyes_of(photo, place_face(model_face, 1, (200, 200), 90))

    def bend(job: TileJob) -> Pixels:
        y, x = np.mgrid[:256, :256].astype(np.float32)
        return np.asarray(cv2.remap(lighten_mask(job), x, y + 3 * np.sin(x / 20), cv2.INTER_LINEAR), np.uint8)

    result = make_engine(FakePainter(bend, size=256)).paint(Canvas(photo), plan, ignore_progress)
    cause = result.failures[1]
    assert cause.reason is Reason.PAINTED_OFF and float(str(cause.values["shift"])) > 0.5
    assert re.search(r"in another place \(\d+\.\d pixels\)", explain(cause))
    np.testing.assert_array_equal(put_in(photo, plan, result), paint_with(Shade(), photo, plan))


def test_other_surroundings_leave_the_draft(model_face: Face) -> None:
    photo = make_textured_photo()
    plan = plan_eyes_of(photo, place_face(model_face, 1, (200, 200), 90))
    painter = FakePainter(lambda job: np.where(job.mask[..., None] > 0, job.image, job.image[::-1]), size=256)
    result = make_engine(painter).paint(Canvas(photo), plan, ignore_progress)
    assert dict(result.failures) == {1: Cause(Reason.PAINTED_AROUND)}


# ---- what the networks are asked for ---------------------------------------------------------------------


def test_every_face_has_one_tile_with_all_its_edits(sample: LoadPhoto) -> None:
    photo = sample("image_1.jpg")
    plan = plan_edits(analyze(photo), Options())
    painter = FakePainter(lighten_mask, size=512)
    paint_with(make_engine(painter), photo, plan)
    ((jobs, sampling),) = painter.calls
    assert len(jobs) == len({edit.face.number for edit in plan.edits}) == 2
    assert sampling == Sampling("dpm++", 25, 6.0, 0.5)
    assert "eyes open" in jobs[0].prompt and "smile" not in jobs[0].prompt
    assert "smile" in jobs[1].prompt and "eyes open" not in jobs[1].prompt
    for job in jobs:
        assert job.image.shape == (512, 512, 3) and set(np.unique(job.mask)) == {0, 255}


def test_the_networks_start_from_the_draft(model_face: Face) -> None:
    photo = make_photo(300, 300)
    plan = plan_eyes_of(photo, place_face(model_face, 1, (150, 150), 80))
    painter = FakePainter(lighten_mask)
    paint_with(make_engine(painter), photo, plan)
    first_round = painter.calls[0][0]
    painter.calls.clear()
    engine = StableDiffusionEngine(Options(), DraftEngine(), lambda: cast("TilePainter", painter))
    paint_with(engine, photo, plan)
    assert not np.array_equal(first_round[0].image, painter.calls[0][0][0].image)


def test_a_face_larger_than_its_tile_is_refined_from_the_first_round(model_face: Face) -> None:
    photo = make_photo(900, 900)
    faces = [place_face(model_face, 1, (450, 450), 300), place_face(model_face, 2, (100, 100), 15)]
    plan = plan_eyes_of(photo, *faces)
    painter = FakePainter(lighten_mask, size=128)
    paint_with(make_engine(painter), photo, plan)
    (first, first_sampling), (second, second_sampling) = painter.calls
    assert len(first) == 2 and len(second) >= 1
    assert first_sampling.strength == 0.5 and second_sampling.strength == DETAIL_STRENGTH
    # The second round sees what the first one painted.
    assert max(job.image.max() for job in second) > photo.max()


def test_every_tile_and_attempt_has_a_seed_of_its_own(model_face: Face) -> None:
    photo = make_photo(900, 900)
    faces = [place_face(model_face, 1, (450, 450), 300), place_face(model_face, 2, (100, 100), 40)]

    def list_seeds(options: Options, attempt: int, *chosen: Face) -> list[int]:
        painter = FakePainter(lighten_mask, size=128)
        plan = plan_eyes_of(photo, *chosen, attempt=attempt)
        paint_with(make_engine(painter, options), photo, plan)
        return [job.seed for jobs, _ in painter.calls for job in jobs]

    seeds = list_seeds(Options(), 0, *faces)
    assert len(set(seeds)) == len(seeds) and min(seeds) >= 0
    assert list_seeds(Options(), 0, *faces) == seeds
    # The second face's seed is the same when it is painted alone.
    assert list_seeds(Options(), 0, faces[1])[0] == seeds[1]
    for other in (list_seeds(Options(), 1, *faces), list_seeds(Options(seed=-5), 0, *faces)):
        assert not set(other) & set(seeds)


def test_the_options_reach_the_networks(model_face: Face) -> None:
    photo = make_photo(300, 300)
    plan = plan_eyes_of(photo, place_face(model_face, 1, (150, 150), 40))
    options = Options(
        diffusion=DiffusionOptions(
            steps=9, guidance=2.0, strength=0.7, scheduler="ddim", tile_size=96, prompt="a cat", negative_prompt=""
        )
    )
    painter = FakePainter(lighten_mask)
    paint_with(make_engine(painter, options), photo, plan)
    jobs, sampling = painter.calls[0]
    assert sampling == Sampling("ddim", 9, 2.0, 0.7)
    assert (jobs[0].prompt, jobs[0].negative_prompt) == ("a cat", "")
    assert jobs[0].image.shape == (96, 96, 3)


def test_the_grid_lies_only_where_something_is_edited(model_face: Face) -> None:
    photo = make_photo(700, 1000)
    plan = plan_eyes_of(photo, place_face(model_face, 1, (150, 150), 80))
    painter = FakePainter(lighten_mask, size=512)
    options = Options(diffusion=DiffusionOptions(tile_scheme="grid", overlap=256))
    paint_with(make_engine(painter, options), photo, plan)
    ((jobs, _),) = painter.calls
    assert 1 <= len(jobs) <= 2  # of six
    assert all(job.mask.any() for job in jobs)


def test_nothing_to_paint_loads_no_model() -> None:
    def load() -> TilePainter:
        pytest.fail("loaded")

    photo = make_photo(64, 64)
    canvas = Canvas(photo)
    result = StableDiffusionEngine(Options(), Shade(), load).paint(canvas, EditPlan(), ignore_progress)
    assert not result.patches and not result.failures
    np.testing.assert_array_equal(canvas.work, photo)


def test_models_that_take_it_see_the_same_person_in_another_photo(model_face: Face) -> None:
    photo, other = make_photo(300, 300), np.full((200, 200, 3), (10, 200, 60), np.uint8)
    likeness = FaceAnalysis(other, place_face(model_face, 1, (100, 100), 60))
    faces = [place_face(model_face, 1, (80, 150), 40), place_face(model_face, 2, (220, 150), 40)]
    edits = [
        replace(edit, sources=(Rendered(likeness=likeness if edit.face.number == 1 else None),))
        for edit in plan_eyes_of(photo, *faces).edits
    ]
    for family in (find_family({"_class_name": "Flux2KleinPipeline", "is_distilled": True}, Path()), None):
        painter = FakePainter(lighten_mask)
        chosen = {} if family is None else {"family": family}
        engine = StableDiffusionEngine(Options(), Shade(), partial(cast, "TilePainter", painter), **chosen)
        paint_with(engine, photo, EditPlan(tuple(edits)))
        first, second = painter.calls[0][0]
        assert second.reference is None and "second picture" not in second.prompt
        if family is None:
            assert first.reference is None
        else:
            assert first.reference is not None and first.reference.shape == (64, 64, 3)
            assert (first.reference == (10, 200, 60)).all() and "second picture" in first.prompt


# ---- prompts ---------------------------------------------------------------------------------------------


def test_own_eyes_stay_as_the_draft_carried_them_over(model_face: Face) -> None:
    pixels = make_photo(400, 400)
    face = place_face(model_face, 1, (200, 200), 100)
    edits = plan_eyes_of(pixels, face).edits
    donor = make_donor(FaceAnalysis(pixels, face))
    painter = FakePainter(lighten_mask)
    both = EditPlan(tuple(replace(edit, sources=(donor, *edit.sources)) for edit in edits))
    painted = paint_with(make_engine(painter), pixels, both)
    assert not painter.calls
    assert np.array_equal(painted, paint_with(Shade(), pixels, both))
    one = EditPlan((both.edits[0], edits[1]))
    painted = paint_with(make_engine(painter), pixels, one)
    left, right = (painted[edit.region.box.slices].astype(int) - pixels[edit.region.box.slices] for edit in one.edits)
    assert left.max() <= 0 < right.max()


def test_prompts_fit_into_what_the_text_encoder_reads(sample: LoadPhoto) -> None:
    for name in ("image_1.jpg", "image_2.jpg", "image_4.jpg"):
        for analysis in analyze(sample(name)):
            for words in compose_prompt(analysis, list(Feature), DiffusionOptions()):
                assert len(words.replace(",", " ,").split()) < 60  # of 75 tokens; these are all plain words
                assert "no " not in words and "avoid" not in words


def test_glasses_are_named_where_they_are(sample: LoadPhoto) -> None:
    hopper, astronaut = (analyze(sample(name))[0] for name in ("image_2.jpg", "image_3.jpg"))
    assert "glasses" in compose_prompt(hopper, EYES, DiffusionOptions())[0]
    assert "glasses" not in compose_prompt(astronaut, EYES, DiffusionOptions())[0]


def test_the_light_is_named(sample: LoadPhoto, faces_of: FindFaces) -> None:
    photo = sample("image_3.jpg")
    face = faces_of(photo)[0]
    gray = np.repeat(photo.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    dim = np.asarray(photo // 8, np.uint8)
    for pixels, light in ((photo, "natural light"), (gray, "black and white"), (dim, "dim light")):
        assert light in compose_prompt(FaceAnalysis(pixels, face), EYES, DiffusionOptions())[0]


# ---- what comes back unusable ----------------------------------------------------------------------------


def test_a_blank_tile_leaves_the_draft_and_says_why(model_face: Face) -> None:
    photo = make_photo(600, 600)
    faces = [place_face(model_face, 1, (150, 150), 90), place_face(model_face, 2, (450, 450), 90)]
    plan = plan_eyes_of(photo, *faces)
    count = 0

    def fail_first(job: TileJob) -> Pixels | None:
        nonlocal count
        count += 1
        return None if count == 1 else lighten_mask(job)

    engine = make_engine(FakePainter(fail_first))
    result = engine.paint(Canvas(photo), plan, ignore_progress)
    painted, draft = put_in(photo, plan, result), paint_with(Shade(), photo, plan)
    assert dict(result.failures) == {1: EMPTY}
    for edit in plan.edits:
        same = np.array_equal(painted[edit.region.box.slices], draft[edit.region.box.slices])
        assert same == (edit.face.number == 1)
    again = engine.paint(Canvas(photo), EditPlan(plan.edits[:2], attempt=1), ignore_progress)
    assert not again.failures


@pytest.mark.parametrize("scheme", ["face", "grid"])
def test_what_is_no_face_any_more_leaves_the_draft(model_face: Face, scheme: str) -> None:
    photo = make_photo(400, 400)
    plan = plan_eyes_of(photo, place_face(model_face, 1, (200, 200), 90))
    noise = np.random.default_rng(0)
    painter = FakePainter(lambda job: noise.choice(np.array([0, 255], np.uint8), job.image.shape))
    engine = make_engine(painter, Options(diffusion=DiffusionOptions(tile_scheme=scheme)))
    result = engine.paint(Canvas(photo), plan, ignore_progress)
    assert dict(result.failures) == {1: Cause(Reason.NO_FACE_PAINTED)}
    assert explain(result.failures[1]) == "something else than a face came out"
    np.testing.assert_array_equal(put_in(photo, plan, result), paint_with(Shade(), photo, plan))


def test_a_blank_detail_leaves_the_first_round(model_face: Face) -> None:
    photo = make_photo(900, 900)
    plan = plan_eyes_of(photo, place_face(model_face, 1, (450, 450), 300))
    painter = FakePainter(lambda job: lighten_mask(job) if len(painter.calls) == 1 else None, size=128)
    painted = paint_with(make_engine(painter), photo, plan)
    assert len(painter.calls) == 2
    assert painted.max() > photo.max()


def test_a_blank_result_is_told_in_the_report_and_the_draft_kept(sample: LoadPhoto) -> None:
    photo = Photo(sample("image_3.jpg"))
    options = Options(diffusion=DiffusionOptions(retries=1))
    engine = StableDiffusionEngine(options, DraftEngine(), lambda: cast("TilePainter", FakePainter(lambda _: None)))
    result, draft = fix_photo(photo, Options(), engine), fix_photo(photo, Options(), DraftEngine())
    np.testing.assert_array_equal(result.pixels, draft.pixels)
    assert result.report.changes
    for change in result.report.changes:
        assert change.kept
        assert change.note == Cause(Reason.DRAFT_KEPT, {"engine": "stable-diffusion", "why": EMPTY})


# ---- with networks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["face", "grid"])
def test_a_tiny_model_goes_the_whole_way(sample: LoadPhoto, tiny_model: Path, load_tiny: LoadTiny, scheme: str) -> None:
    photo = Photo(sample("image_1.jpg"))
    options = Options(diffusion=DiffusionOptions(steps=4, retries=1, tile_scheme=scheme))
    engine = StableDiffusionEngine(options, DraftEngine(), lambda: load_tiny(tiny_model))
    result = fix_photo(photo, options, engine)
    assert result.report.changed_outside == 0 and result.report.changes
    assert all(change.kept for change in result.report.changes), "the draft is always there to fall back on"


def test_a_face_comes_out_the_same_alone_and_among_others(
    monkeypatch: pytest.MonkeyPatch, sample: LoadPhoto, tiny_model: Path, load_tiny: LoadTiny
) -> None:
    from diffusion.painter import TilePainter

    monkeypatch.setattr("inpaint.MOST_CHANGED", math.inf)
    monkeypatch.setattr("inpaint.LEAST_ALIKE", -math.inf)
    photo = sample("image_1.jpg")
    plan = plan_edits(analyze(photo), Options())
    pipeline = load_tiny(tiny_model)._pipeline
    options = Options(diffusion=DiffusionOptions(steps=4))
    paintings = []
    for batch_size, edits in ((1, plan.edits), (4, plan.edits), (4, plan.edits[:2])):
        engine = StableDiffusionEngine(options, DraftEngine(), partial(TilePainter, pipeline, batch_size))
        paintings.append(paint_with(engine, photo, EditPlan(edits)).astype(int))
    box = plan.edits[0].region.box
    assert {edit.face.number for edit in plan.edits[:2]} == {1}
    for other in paintings[1:]:
        assert np.abs(paintings[0][box.slices] - other[box.slices]).max() <= 1


def test_stopping_stops_within_a_step(model_face: Face, tiny_model: Path, load_tiny: LoadTiny) -> None:
    photo = make_photo(300, 300)
    plan = plan_eyes_of(photo, place_face(model_face, 1, (150, 150), 40))
    steps: list[str] = []

    def stop(words: str, _share: float) -> None:
        steps.append(words)
        if words == "painting 1 tile":
            raise KeyboardInterrupt

    engine = StableDiffusionEngine(Options(diffusion=DiffusionOptions(steps=8)), Shade(), lambda: load_tiny(tiny_model))
    with pytest.raises(KeyboardInterrupt):
        engine.paint(Canvas(photo), plan, stop)
    assert steps.count("painting 1 tile") == 1
