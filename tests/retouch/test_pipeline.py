from __future__ import annotations

import numpy as np
import pytest

from benchmark.face_scale import StepTimer, make_close_up
from edit.options import EyeOptions, Options, SmileOptions, Wish
from edit.plan import EditPlan, Engine, PaintResult
from edit.reasons import Cause, Reason
from face.identity import embed_face, measure_distance
from face.types import Feature
from photo.blend import count_changes
from photo.canvas import Canvas
from photo.types import Photo, Pixels, Progress
from retouch import quality
from retouch.engines import DraftEngine
from retouch.pipeline import analyze_photo, fix_photo
from retouch.report import explain
from tests.conftest import FindFaces, LoadPhoto
from tests.support.painting import composite_with

SAMPLES = ("image_1.jpg", "image_2.jpg", "image_3.jpg", "image_4.jpg", "image_5.jpg")


EMPTY = Cause(Reason.PAINTER_FAILED, {"text": "the picture was empty"})


def cut_patches(pixels: Pixels, plan: EditPlan) -> tuple[Pixels, ...]:
    return tuple(pixels[edit.region.box.slices].copy() for edit in plan.edits)


class PaintEverything:
    """An engine that inverts all it may paint, the boxes to their rims: nothing it does outside may be seen."""

    name = "invert"

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        return PaintResult(cut_patches(np.asarray(255 - canvas.original, np.uint8), plan))


class PaintNothing:
    name = "nothing"

    def __init__(self) -> None:
        self.amounts: list[list[float]] = []

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        self.amounts.append([edit.amount for edit in plan.edits])
        return PaintResult(cut_patches(canvas.original, plan))


class OpenOneEye:
    """Paints as the draft engine does, but leaves left eyes as they are."""

    name = "one eye"

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        rest = tuple(edit for edit in plan.edits if edit.feature is not Feature.LEFT_EYE)
        painted = iter(DraftEngine().paint(canvas, EditPlan(rest), on_progress).patches)
        patches = (
            canvas.original[edit.region.box.slices] if edit.feature is Feature.LEFT_EYE else next(painted)
            for edit in plan.edits
        )
        return PaintResult(tuple(patches))


class Refine:
    """Starts from the draft; spoils the faces in `bad` for the first `bad_tries`, and says so if `says_why`."""

    name = "refine"

    def __init__(self, bad: set[int], bad_tries: int = 99, says_why: bool = False, retries: int = 2) -> None:
        self.fallback: Engine = DraftEngine()
        self.retries = retries
        self.plans: list[EditPlan] = []
        self._bad, self._bad_tries, self._says_why = bad, bad_tries, says_why

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        self.plans.append(plan)
        patches = []
        failures = {}
        drafted = self.fallback.paint(canvas, plan, on_progress).patches
        for edit, draft in zip(plan.edits, drafted, strict=True):
            # A little darker than the draft, so that a test can tell which of the two was kept.
            patch = (draft * 0.95).astype(np.uint8)
            if edit.face.number in self._bad and plan.attempt < self._bad_tries:
                patch = canvas.original[edit.region.box.slices]
                if self._says_why:
                    failures[edit.face.number] = EMPTY
            patches.append(patch)
        return PaintResult(tuple(patches), failures)


@pytest.mark.parametrize("name", SAMPLES)
def test_not_a_pixel_outside_the_masks_changes(sample: LoadPhoto, name: str) -> None:
    pixels = sample(name)
    result = fix_photo(Photo(pixels), Options(), DraftEngine())
    inside = np.zeros(pixels.shape[:2], bool)
    for edit in result.plan.edits:
        inside[edit.region.box.slices] |= edit.region.alpha > 0
    assert np.array_equal(result.pixels[~inside], pixels[~inside])
    assert result.report.changed_outside == 0
    assert result.report.changed_pixels == np.count_nonzero((result.pixels != pixels).any(axis=2))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_edit_of_the_samples_succeeds(sample: LoadPhoto, name: str) -> None:
    result = fix_photo(Photo(sample(name)), Options(), DraftEngine())
    assert all(change.kept for change in result.report.changes)
    assert len(result.report.changes) == len(result.plan.edits)


def test_a_fixed_photo_has_nothing_left_to_fix(sample: LoadPhoto) -> None:
    first = fix_photo(Photo(sample("image_1.jpg")), Options(), DraftEngine())
    assert first.plan.edits
    second = fix_photo(Photo(first.pixels), Options(), DraftEngine())
    assert not second.plan.edits
    assert np.array_equal(second.pixels, first.pixels)


def test_an_engine_that_refines_is_kept_where_it_succeeds(sample: LoadPhoto) -> None:
    photo, engine = Photo(sample("image_1.jpg")), Refine(bad=set())
    draft, refined = (fix_photo(photo, Options(), e) for e in (DraftEngine(), engine))
    assert [plan.attempt for plan in engine.plans] == [0]
    assert refined.report.engine == "refine"
    assert all(change.kept and not change.note for change in refined.report.changes)
    assert not np.array_equal(refined.pixels, draft.pixels)
    assert refined.report.changed_outside == 0


@pytest.mark.parametrize(("says_why", "words"), [(False, "clearly open"), (True, "the picture was empty")])
def test_a_face_that_is_refined_badly_stays_as_the_draft_had_it(sample: LoadPhoto, says_why: bool, words: str) -> None:
    photo, engine = Photo(sample("image_1.jpg")), Refine(bad={1}, says_why=says_why)
    draft, refined = (fix_photo(photo, Options(), e) for e in (DraftEngine(), engine))
    assert [plan.attempt for plan in engine.plans] == [0, 1, 2]
    assert [{edit.face.number for edit in plan.edits} for plan in engine.plans] == [{1, 2}, {1}, {1}]
    for change in refined.report.changes:
        assert change.kept
        note = explain(change.note) if change.note else ""
        assert ("the draft was kept: with refine" in note and words in note) == (change.face.number == 1)
    for edit in refined.plan.edits:
        same = np.array_equal(refined.pixels[edit.region.box.slices], draft.pixels[edit.region.box.slices])
        assert same == (edit.face.number == 1)
    assert len(refined.plan.edits) == len(draft.plan.edits)
    assert refined.report.changed_outside == 0


def test_another_seed_is_tried_before_the_draft_is_kept(sample: LoadPhoto) -> None:
    engine = Refine(bad={1}, bad_tries=1)
    result = fix_photo(Photo(sample("image_1.jpg")), Options(), engine)
    assert [plan.attempt for plan in engine.plans] == [0, 1]
    assert [change.tries for change in result.report.changes if change.face.number == 1] == [2, 2]
    assert not any(change.note for change in result.report.changes)


def test_without_retries_there_is_one_try(sample: LoadPhoto) -> None:
    engine = Refine(bad={1, 2}, retries=0)
    result = fix_photo(Photo(sample("image_1.jpg")), Options(), engine)
    assert len(engine.plans) == 1
    for change in result.report.changes:
        assert change.note is not None and change.note.reason is Reason.DRAFT_KEPT
        assert "the draft was kept" in explain(change.note)


def test_what_neither_draft_nor_refinement_can_do_is_taken_back(sample: LoadPhoto) -> None:
    engine = Refine(bad={1})
    engine.fallback = PaintNothing()
    pixels = sample("image_3.jpg")
    result = fix_photo(Photo(pixels), Options(smile=SmileOptions(Wish.NEVER)), engine)
    assert engine.plans, "the refining engine gets its chance"
    assert np.array_equal(result.pixels, pixels) and not result.plan.edits
    assert result.report.changes and not any(change.kept for change in result.report.changes)


def test_what_an_engine_paints_outside_the_regions_is_not_used(sample: LoadPhoto) -> None:
    pixels = sample("image_1.jpg")
    _, plan = analyze_photo(Photo(pixels), Options())
    mixed = composite_with(PaintEverything(), pixels, plan)
    changed, outside = count_changes(pixels, mixed, [edit.region for edit in plan.edits])
    assert changed > 0
    assert outside == 0


def test_an_edit_that_never_succeeds_is_retried_further_and_then_taken_back(sample: LoadPhoto) -> None:
    engine = PaintNothing()
    pixels = sample("image_3.jpg")
    result = fix_photo(Photo(pixels), Options(smile=SmileOptions(Wish.NEVER)), engine)
    amounts = [tries[0] for tries in engine.amounts]
    assert amounts == sorted(amounts) and amounts[0] == 0.5 and len(amounts) >= 3
    assert not result.plan.edits
    assert np.array_equal(result.pixels, pixels)
    assert result.report.changes and not any(change.kept for change in result.report.changes)
    assert all(change.note for change in result.report.changes)


def test_where_one_eye_stays_closed_both_do(sample: LoadPhoto) -> None:
    pixels = sample("image_3.jpg")
    result = fix_photo(Photo(pixels), Options(smile=SmileOptions(Wish.NEVER)), OpenOneEye())
    assert np.array_equal(result.pixels, pixels)
    notes = {change.feature: explain(change.note) for change in result.report.changes if change.note}
    assert not any(change.kept for change in result.report.changes)
    assert "did not come out clearly open" in notes[Feature.LEFT_EYE]
    assert "wink" in notes[Feature.RIGHT_EYE]


def test_an_edited_face_still_resembles_itself(sample: LoadPhoto) -> None:
    pixels = sample("image_1.jpg")
    result = fix_photo(Photo(pixels), Options(), DraftEngine())
    for change in result.report.changes:
        assert change.similarity is not None and 0.8 < change.similarity < 0.999
        before, after = (embed_face(photo, change.face) for photo in (pixels, result.pixels))
        assert change.similarity == pytest.approx(1 - measure_distance(before, after) ** 2 / 2, abs=1e-4)


def test_a_face_that_does_not_resemble_itself_is_put_back(sample: LoadPhoto) -> None:
    pixels = sample("image_1.jpg")
    result = fix_photo(Photo(pixels), Options(min_resemblance=0.999), DraftEngine())
    assert np.array_equal(result.pixels, pixels) and not result.plan.edits
    assert {change.face.number for change in result.report.changes} == {1, 2}
    for change in result.report.changes:
        assert not change.kept and change.note is not None
        assert "no longer looked like the same person" in explain(change.note)
        assert change.similarity is not None and change.similarity < 0.999
        assert change.note == Cause(Reason.IDENTITY_LOST, {"similarity": change.similarity})


class _Doubts:
    """Says how much a face resembles itself as a list has it, 0.9 after its end."""

    def __init__(self, said: list[float]) -> None:
        self.said = said

    def __call__(self, _before: object, _after: object) -> float:
        return self.said.pop(0) if self.said else 0.9


def test_less_is_tried_where_somebody_else_came_out(sample: LoadPhoto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "measure_similarity", _Doubts([0.2]))
    photo = Photo(sample("image_3.jpg"))
    usual = fix_photo(photo, Options(smile=SmileOptions(Wish.NEVER), min_resemblance=0), DraftEngine())
    monkeypatch.setattr(quality, "measure_similarity", _Doubts([0.2]))
    less = fix_photo(photo, Options(smile=SmileOptions(Wish.NEVER)), DraftEngine())
    assert [change.tries for change in less.report.changes] == [2, 2]
    assert [change.similarity for change in less.report.changes] == [0.9, 0.9]
    for small, large in zip(less.plan.edits, usual.plan.edits, strict=True):
        assert small.amount < large.amount


def test_a_refined_stranger_is_left_for_the_draft(sample: LoadPhoto, monkeypatch: pytest.MonkeyPatch) -> None:
    # The draft passes, the refined face never does.
    monkeypatch.setattr(quality, "measure_similarity", _Doubts([0.9, 0.1, 0.1, 0.1]))
    photo, engine = Photo(sample("image_3.jpg")), Refine(bad=set())
    result = fix_photo(photo, Options(smile=SmileOptions(Wish.NEVER)), engine)
    assert len(engine.plans) == 3
    for change in result.report.changes:
        assert change.kept and change.similarity == 0.9
        assert change.note is not None
        words = "the draft was kept: with refine it no longer looked like the same person"
        assert words in explain(change.note)


def test_switches_and_face_numbers_are_obeyed(sample: LoadPhoto) -> None:
    photo = Photo(sample("image_1.jpg"))
    _, everything = analyze_photo(photo, Options())
    assert {edit.feature for edit in everything.edits} == set(Feature)
    _, no_eyes = analyze_photo(photo, Options(eyes=EyeOptions(Wish.NEVER)))
    assert {edit.feature for edit in no_eyes.edits} == {Feature.MOUTH}
    _, one_face = analyze_photo(photo, Options(faces=(2,)))
    assert {edit.face.number for edit in one_face.edits} == {2}


@pytest.mark.parametrize("engine", [DraftEngine(), Refine(bad={1})], ids=["draft", "refine"])
def test_progress_never_falls_and_ends_at_one(sample: LoadPhoto, engine: Engine) -> None:
    told: list[float] = []
    fix_photo(Photo(sample("image_1.jpg")), Options(), engine, lambda _words, share: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_large_photo_can_be_cancelled_within_a_second() -> None:
    photo = Photo(make_close_up(3200))
    steps = StepTimer()
    result = fix_photo(photo, Options(), DraftEngine(), steps)
    assert sum(change.kept for change in result.report.changes) == 3
    assert steps.longest < 1.0


def test_a_weaker_wish_gives_a_weaker_result(sample: LoadPhoto) -> None:
    photo = Photo(sample("image_2.jpg"))
    smiles = [
        fix_photo(photo, Options(smile=SmileOptions(strength=strength)), DraftEngine()).report.changes[0].after
        for strength in (0.15, 0.35, 0.5, 1.0)
    ]
    assert smiles == sorted(smiles)
    assert smiles[0] < 0.5 < smiles[2]
    nothing = fix_photo(photo, Options(smile=SmileOptions(strength=0)), DraftEngine())
    assert np.array_equal(nothing.pixels, photo.pixels)
    closed = Photo(sample("image_3.jpg"))
    narrow, usual, wide = (
        fix_photo(closed, Options(eyes=EyeOptions(opening=opening)), DraftEngine()).report.changes[0].after
        for opening in (0.1, 0.5, 0.9)
    )
    assert narrow < usual < wide


def test_a_photo_without_a_face_comes_back_as_it_was(sample: LoadPhoto) -> None:
    pixels = sample("image_5.jpg")
    result = fix_photo(Photo(pixels), Options(), DraftEngine())
    assert not result.report.faces
    assert np.array_equal(result.pixels, pixels)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_of_an_eye_that_the_edge_cuts_off_what_is_seen_opens(
    sample: LoadPhoto, faces_of: FindFaces, share: float
) -> None:
    photo = sample("image_3.jpg")
    (face,) = faces_of(photo)
    eye = face.landmarks.left_eye
    cut = int(eye.inner_corner[0] + share * (eye.outer_corner[0] - eye.inner_corner[0]))
    half = np.ascontiguousarray(photo[:, :cut])
    result = fix_photo(Photo(half), Options(smile=SmileOptions(Wish.NEVER)), DraftEngine())
    opened = {change.feature for change in result.report.changes if change.kept}
    assert Feature.RIGHT_EYE in opened
    inside = result.report.faces[0].landmarks.left_eye.fraction_inside(half.shape)
    assert (Feature.LEFT_EYE in opened) == (inside > 0)
    assert result.report.changed_outside == 0
